"""Computes with real connections: what wakes them, what stops them, and what they survive."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from neon_sandbox.emulator import PostgresServer
from neon_sandbox.emulator.postgres import wire
from sandbox.emulator_world import Connection, Neon, login, open_neon, refusal, value
from waiting import until

DISABLED = "The endpoint has been disabled. Enable it using Neon API and retry."
QUOTA = "Your account or project has exceeded the quota. Upgrade your plan to increase limits."


@pytest.fixture(scope="module")
async def postgres() -> AsyncIterator[PostgresServer]:
    async with PostgresServer.start() as server:
        yield server


@pytest.fixture
async def neon(postgres: PostgresServer) -> AsyncIterator[Neon]:
    async with open_neon(postgres) as opened:
        yield opened


async def assert_ended(connection: Connection) -> None:
    """The connection was ended as by a compute that shuts down."""
    with pytest.raises(psycopg.errors.AdminShutdown, match="terminating connection"):
        await connection.execute("SELECT 1")


async def test_a_compute_without_connections_goes_idle_and_a_connection_wakes_it(neon: Neon) -> None:
    tenant = await neon.create()
    assert (await neon.endpoint(tenant))["current_state"] == "active"
    neon.emulator.clock.advance(301)
    idle = await neon.endpoint(tenant)
    assert idle["current_state"] == "idle"
    assert idle["suspended_at"] > idle["last_active"]
    async with login(tenant.uri):
        woken = await neon.endpoint(tenant)
    assert woken["current_state"] == "active"
    assert woken["last_active"] > idle["suspended_at"]


async def test_a_connection_keeps_a_compute_from_going_idle(neon: Neon) -> None:
    tenant = await neon.create()
    async with login(tenant.uri) as connection:
        neon.emulator.clock.advance(10_000)
        assert (await neon.endpoint(tenant))["current_state"] == "active"
        assert await value(connection, "SELECT 1") == 1

    async def left() -> bool:
        return not neon.emulator.projects()[0]["endpoints"][0]["sessions"]

    await until(left, "the connection is gone")
    assert (await neon.endpoint(tenant))["current_state"] == "active"
    neon.emulator.clock.advance(301)
    assert (await neon.endpoint(tenant))["current_state"] == "idle"


async def test_a_compute_that_never_suspends_stays_active(neon: Neon) -> None:
    tenant = await neon.create(default_endpoint_settings={"suspend_timeout_seconds": -1})
    neon.emulator.clock.advance(86_400)
    assert (await neon.endpoint(tenant))["current_state"] == "active"


async def test_suspending_ends_connections_and_the_next_one_wakes_the_compute(neon: Neon) -> None:
    tenant = await neon.create()
    async with login(tenant.uri) as connection:
        operations = (await neon.change("POST", f"{tenant.endpoint_path}/suspend"))["operations"]
        assert [operation["action"] for operation in operations] == ["suspend_compute"]
        await assert_ended(connection)
    assert (await neon.endpoint(tenant))["current_state"] == "idle"
    async with login(tenant.uri) as connection:
        assert await value(connection, "SELECT 1") == 1


async def test_a_disabled_endpoint_refuses_and_an_enabled_one_accepts_again(neon: Neon) -> None:
    tenant = await neon.create()
    async with login(tenant.uri) as connection:
        await neon.change("PATCH", tenant.endpoint_path, {"endpoint": {"disabled": True}})
        await assert_ended(connection)
    assert DISABLED in await refusal(tenant.uri)
    await neon.ask("POST", f"{tenant.endpoint_path}/start", status=422)
    assert DISABLED in await refusal(tenant.uri)
    await neon.change("PATCH", tenant.endpoint_path, {"endpoint": {"disabled": False}})
    async with login(tenant.uri) as connection:
        assert await value(connection, "SELECT 1") == 1


def sqlstate(uri: str) -> str:
    """The code in the refusal, from the wire: libpq does not hand on that of a failed connection."""
    parts = urlsplit(uri)
    anyone = ssl.create_default_context()
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as plain:
        plain.sendall(wire.ssl_request())
        assert plain.recv(1) == b"S"
        with anyone.wrap_socket(plain) as secured:
            startup = wire.Startup(3 << 16, {"user": "app_owner", "database": "app"})
            secured.sendall(startup.encode())
            fields = secured.recv(4096)[5:].split(b"\0")
    return next(field[1:].decode() for field in fields if field.startswith(b"C"))


QUOTAS = {
    "active_time_seconds": QUOTA,
    "compute_time_seconds": QUOTA.replace("the quota", "the compute time quota"),
    "written_data_bytes": QUOTA,
    "data_transfer_bytes": QUOTA,
}


@pytest.mark.parametrize("meter", QUOTAS)
async def test_a_used_up_quota_stops_the_computes_until_it_is_raised_or_cleared(
    meter: str, neon: Neon
) -> None:
    tenant = await neon.create(settings={"quota": {meter: 1000}})
    async with login(tenant.uri) as connection:
        await neon.emulator.set_usage(tenant.id, {meter: 999})
        assert await value(connection, "SELECT 1") == 1
        await neon.emulator.set_usage(tenant.id, {meter: 1000})
        await assert_ended(connection)
    assert (await neon.endpoint(tenant))["current_state"] == "idle"
    assert QUOTAS[meter] in await refusal(tenant.uri)
    assert await asyncio.to_thread(sqlstate, tenant.uri) == "53000"
    await neon.ask("POST", f"{tenant.endpoint_path}/start", status=422)
    for quota in (2000, 0):
        await neon.change("PATCH", tenant.path, {"project": {"settings": {"quota": {meter: quota}}}})
        async with login(tenant.uri) as connection:
            assert await value(connection, "SELECT 1") == 1


async def test_a_used_up_storage_quota_stops_writes_and_not_reads_or_connections(neon: Neon) -> None:
    tenant = await neon.create(settings={"quota": {"logical_size_bytes": 1000}})
    async with login(tenant.uri) as connection:
        await connection.execute("CREATE TABLE t AS SELECT 1 AS i")
        await neon.emulator.set_usage(tenant.id, {"logical_size_bytes": 1000})
        assert await value(connection, "SELECT i FROM t") == 1
    async with login(tenant.uri) as connection:
        assert await value(connection, "SELECT i FROM t") == 1
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            await connection.execute("INSERT INTO t VALUES (2)")
        await connection.execute("SET default_transaction_read_only = off")
        await connection.execute("DELETE FROM t")
    await neon.emulator.set_usage(tenant.id, {"logical_size_bytes": 0})
    async with login(tenant.uri) as connection:
        await connection.execute("INSERT INTO t VALUES (2)")


async def test_an_open_transaction_survives_a_change_of_quota_and_not_a_change_of_size(neon: Neon) -> None:
    tenant = await neon.create()
    async with await psycopg.AsyncConnection.connect(tenant.uri) as connection:
        await connection.execute("CREATE TABLE t (i int)")
        quota = {"active_time_seconds": 3600, "logical_size_bytes": 1 << 30}
        await neon.change(
            "PATCH",
            tenant.path,
            {
                "project": {
                    "name": "renamed",
                    "settings": {"quota": quota},
                    "default_endpoint_settings": {
                        "autoscaling_limit_min_cu": 1,
                        "autoscaling_limit_max_cu": 4,
                    },
                    "history_retention_seconds": 3600,
                }
            },
        )
        await neon.change("PATCH", tenant.endpoint_path, {"endpoint": {"suspend_timeout_seconds": 600}})
        await connection.execute("INSERT INTO t VALUES (1)")
        await connection.commit()

        await connection.execute("INSERT INTO t VALUES (2)")
        size = {"autoscaling_limit_min_cu": 1, "autoscaling_limit_max_cu": 2}
        changed = await neon.change("PATCH", tenant.endpoint_path, {"endpoint": size})
        actions = [operation["action"] for operation in changed["operations"]]
        assert actions == ["apply_config", "suspend_compute", "start_compute"]
        await assert_ended(connection)
    async with login(tenant.uri) as connection:
        assert await value(connection, "SELECT array_agg(i) FROM t") == [1]


async def test_a_patch_with_the_same_size_restarts_nothing(neon: Neon) -> None:
    tenant = await neon.create()
    endpoint = await neon.endpoint(tenant)
    same = {
        key: endpoint[key]
        for key in ("autoscaling_limit_min_cu", "autoscaling_limit_max_cu", "suspend_timeout_seconds")
    }
    async with login(tenant.uri) as connection:
        answer = await neon.ask("PATCH", tenant.endpoint_path, {"endpoint": same})
        assert answer["operations"] == []
        assert await value(connection, "SELECT 1") == 1


async def test_new_defaults_are_for_new_endpoints_only(neon: Neon) -> None:
    tenant = await neon.create()
    before = await neon.endpoint(tenant)
    defaults = {"autoscaling_limit_min_cu": 3, "autoscaling_limit_max_cu": 3, "suspend_timeout_seconds": 60}
    await neon.change("PATCH", tenant.path, {"project": {"default_endpoint_settings": defaults}})
    assert (await neon.endpoint(tenant))["autoscaling_limit_max_cu"] == before["autoscaling_limit_max_cu"]
    made = await neon.change(
        "POST",
        f"{tenant.path}/endpoints",
        {"endpoint": {"branch_id": tenant.branch_id, "type": "read_only"}},
    )
    assert {key: made["endpoint"][key] for key in defaults} == defaults


async def test_a_connection_made_during_a_restart_waits_for_the_compute(neon: Neon) -> None:
    tenant = await neon.create()
    neon.emulator.knobs.operation_seconds = 600
    await neon.ask("POST", f"{tenant.endpoint_path}/restart")
    connecting = asyncio.ensure_future(psycopg.AsyncConnection.connect(tenant.uri))
    await asyncio.wait({connecting}, timeout=0.2)
    assert not connecting.done()
    neon.emulator.clock.advance(600)
    async with await connecting as connection:
        assert await value(connection, "SELECT 1") == 1


async def test_a_change_on_an_idle_compute_wakes_it_for_a_moment(neon: Neon) -> None:
    tenant = await neon.create()
    neon.emulator.clock.advance(301)
    assert (await neon.endpoint(tenant))["current_state"] == "idle"
    changed = await neon.change("PATCH", tenant.endpoint_path, {"endpoint": {"suspend_timeout_seconds": 600}})
    actions = [operation["action"] for operation in changed["operations"]]
    assert actions == ["apply_config", "suspend_compute"]
    assert (await neon.endpoint(tenant))["current_state"] == "idle"


async def test_a_deleted_project_refuses_and_a_recovered_one_has_its_data_and_its_uri(neon: Neon) -> None:
    tenant = await neon.create()
    async with login(tenant.uri) as connection:
        await connection.execute("CREATE TABLE t AS SELECT 'kept' AS text")
        await neon.ask("DELETE", tenant.path)
        await assert_ended(connection)
    assert "The requested endpoint could not be found" in await refusal(tenant.uri)
    neon.emulator.clock.advance(7 * 86_400 - 60)
    await neon.ask("POST", f"{tenant.path}/recover")
    async with login(tenant.uri) as connection:
        assert await value(connection, "SELECT text FROM t") == "kept"
    revealed = await neon.ask("GET", f"{tenant.role_path}/reveal_password")
    assert revealed["password"] == tenant.password


async def test_what_can_no_longer_be_recovered_is_dropped(neon: Neon, postgres: PostgresServer) -> None:
    gone, other = await neon.create("gone"), await neon.create("other")
    async with login(gone.uri) as connection:
        name = await value(connection, "SELECT current_database()")
    await neon.ask("DELETE", gone.path)
    neon.emulator.clock.advance(7 * 86_400)
    await neon.ask("POST", f"{gone.path}/recover", status=404)
    await neon.ask("DELETE", other.path)

    async def dropped() -> bool:
        found = await postgres.fetch(sql.SQL("SELECT 1 FROM pg_database WHERE datname = %s"), [name])
        return not found

    await until(dropped, "the database is dropped")


async def test_a_deleted_endpoint_is_gone_for_good(neon: Neon) -> None:
    tenant = await neon.create()
    async with login(tenant.uri) as connection:
        await neon.change("DELETE", tenant.endpoint_path)
        with pytest.raises(psycopg.OperationalError):
            await connection.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        await psycopg.AsyncConnection.connect(tenant.uri)
    await neon.ask("GET", tenant.endpoint_path, status=404)
