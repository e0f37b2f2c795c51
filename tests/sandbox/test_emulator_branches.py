"""Branches with real data."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from neon_sandbox.emulator import PostgresServer
from sandbox.emulator_world import Neon, Tenant, login, open_neon, refusal, value
from waiting import until


@pytest.fixture(scope="module")
async def postgres() -> AsyncIterator[PostgresServer]:
    async with PostgresServer.start() as server:
        yield server


@pytest.fixture
async def neon(postgres: PostgresServer) -> AsyncIterator[Neon]:
    async with open_neon(postgres) as opened:
        yield opened


async def branch(neon: Neon, tenant: Tenant, **fields: Any) -> tuple[str, str]:
    """Makes a branch with an endpoint; returns its id and URI."""
    made = await neon.change(
        "POST", f"{tenant.path}/branches", {"branch": fields, "endpoints": [{"type": "read_write"}]}
    )
    return made["branch"]["id"], made["connection_uris"][0]["connection_uri"]


async def test_a_branch_has_its_parents_data_and_goes_its_own_way(neon: Neon) -> None:
    tenant = await neon.create()
    async with login(tenant.uri) as connection:
        await connection.execute("CREATE EXTENSION citext")
        await connection.execute("CREATE SCHEMA shop CREATE TABLE item (id serial PRIMARY KEY, name citext)")
        await connection.execute("CREATE VIEW shop.names AS SELECT name FROM shop.item")
        await connection.execute("INSERT INTO shop.item (name) VALUES ('both')")
    _, uri = await branch(neon, tenant)
    async with login(uri) as connection:
        assert await value(connection, "SELECT name FROM shop.names") == "both"
        # All of it belongs to the branch's own role.
        await connection.execute("INSERT INTO shop.item (name) VALUES ('branch')")
        await connection.execute("ALTER TABLE shop.item ADD COLUMN more int")
        await connection.execute("DROP EXTENSION citext CASCADE")
        await connection.execute("DROP SCHEMA shop CASCADE")
    async with login(tenant.uri) as connection:
        assert await value(connection, "SELECT array_agg(name::text) FROM shop.names") == ["both"]
        await connection.execute("INSERT INTO shop.item (name) VALUES ('parent')")
        await connection.execute("DROP SCHEMA shop CASCADE")


async def test_a_branch_has_its_parents_password_until_one_of_them_is_reset(neon: Neon) -> None:
    tenant = await neon.create()
    branch_id, uri = await branch(neon, tenant)
    assert tenant.password in uri
    reset = await neon.change(
        "POST", f"{tenant.path}/branches/{branch_id}/roles/{tenant.role}/reset_password"
    )
    async with login(tenant.uri) as connection:
        assert await value(connection, "SELECT 1") == 1
    async with login(uri.replace(tenant.password, reset["role"]["password"])) as connection:
        assert await value(connection, "SELECT 1") == 1
    assert "password authentication failed" in await refusal(uri)


async def test_passwords_that_are_not_stored_are_copied_all_the_same(neon: Neon) -> None:
    tenant = await neon.create(store_passwords=False)
    made = await neon.change("POST", f"{tenant.path}/branches", {"endpoints": [{"type": "read_write"}]})
    assert "connection_uris" not in made
    params = {
        "database_name": tenant.database,
        "role_name": tenant.role,
        "endpoint_id": made["endpoints"][0]["id"],
    }
    uri = (await neon.ask("GET", f"{tenant.path}/connection_uri", params=params))["uri"]
    assert tenant.password not in uri
    async with login(uri, password=tenant.password) as connection:
        assert await value(connection, "SELECT 1") == 1


async def test_connections_to_the_parent_are_ended_and_new_ones_wait_for_the_copy(neon: Neon) -> None:
    tenant = await neon.create()
    neon.emulator.knobs.operation_seconds = 600
    async with login(tenant.uri) as connection:
        await neon.ask("POST", f"{tenant.path}/branches", {"endpoints": [{"type": "read_write"}]})
        connecting = asyncio.ensure_future(psycopg.AsyncConnection.connect(tenant.uri))
        await asyncio.wait({connecting}, timeout=0.2)
        assert not connecting.done()
        neon.emulator.clock.advance(600)
        async with await connecting as late:
            assert await value(late, "SELECT 1") == 1
        with pytest.raises(psycopg.errors.AdminShutdown):
            await connection.execute("SELECT 1")


async def test_a_branch_of_a_branch_can_be_removed_and_then_its_parent(neon: Neon) -> None:
    tenant = await neon.create()
    async with login(tenant.uri) as connection:
        await connection.execute("CREATE TABLE t AS SELECT 1 AS i")
    child_id, child_uri = await branch(neon, tenant)
    grandchild_id, grandchild_uri = await branch(neon, tenant, parent_id=child_id)
    async with login(grandchild_uri) as connection:
        assert await value(connection, "SELECT i FROM t") == 1
    await neon.ask("DELETE", f"{tenant.path}/branches/{child_id}", status=422)
    for branch_id in (grandchild_id, child_id):
        deleted = await neon.change("DELETE", f"{tenant.path}/branches/{branch_id}")
        actions = [operation["action"] for operation in deleted["operations"]]
        assert actions == ["suspend_compute", "delete_timeline"]
        await neon.ask("DELETE", f"{tenant.path}/branches/{branch_id}", status=204)
    for uri in (child_uri, grandchild_uri):
        with pytest.raises(psycopg.OperationalError):
            await psycopg.AsyncConnection.connect(uri)
    async with login(tenant.uri) as connection:
        assert await value(connection, "SELECT i FROM t") == 1


async def test_a_branch_is_removed_when_its_time_has_come(neon: Neon) -> None:
    tenant = await neon.create()
    later = neon.emulator.clock.now() + 3600
    from neon_sandbox.emulator.views import stamp

    branch_id, uri = await branch(neon, tenant, name="preview", expires_at=stamp(later))
    shown = await neon.ask("GET", f"{tenant.path}/branches/{branch_id}")
    assert shown["branch"]["expires_at"] == stamp(later)
    assert 3590 <= shown["branch"]["ttl_interval_seconds"] <= 3600
    neon.emulator.clock.advance(3601)
    listed = await neon.ask("GET", f"{tenant.path}/branches")
    assert [item["id"] for item in listed["branches"]] == [tenant.branch_id]

    async def gone() -> bool:
        try:
            async with login(uri):
                return False
        except psycopg.OperationalError:
            return True

    await until(gone, "the branch's endpoint closes")


async def test_a_whole_family_is_dropped_with_its_project(neon: Neon) -> None:
    tenant = await neon.create()
    async with login(tenant.uri) as connection:
        await connection.execute("CREATE TABLE t ()")
        await connection.execute("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC")
    child_id, _ = await branch(neon, tenant)
    await branch(neon, tenant, parent_id=child_id)
    await neon.ask("DELETE", tenant.path)
    neon.emulator.clock.advance(7 * 86_400)
    other = await neon.create("other")
    await neon.ask("DELETE", other.path)  # which drops what can no longer be recovered
    # What fails in the background comes out when the emulator is closed, at the end of the fixture.
    assert [project["id"] for project in neon.emulator.projects()] == [other.id]
