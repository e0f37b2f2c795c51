"""SIGKILL at every write of a create and of a delete: just before the server sees it, and just after."""

from __future__ import annotations

import asyncio

import pytest

from fault import At, Mode
from scene import Scene, query
from wire import Traffic
from wired import wired

START = ["POST configmaps"]
CREATE = ["PATCH tenantdatabases", "POST projects", "POST secrets", "PATCH tenantdatabases/status"]
DELETE = ["PUT configmaps", "DELETE projects", "POST events", "PUT secrets", "PATCH tenantdatabases"]
KILLS = [Mode.CRASH_BEFORE, Mode.CRASH_SENT]


def kinds(traffic: Traffic) -> list[str]:
    """Without what is told of the tier: that comes with the clock, and not with a life."""
    return [kind for kind in traffic.writes() if kind != "PATCH databasetiers/status"]


async def one_tenant_that_logs_in(scene: Scene) -> None:
    tenant = await scene.cluster.until_ready()
    assert tenant["status"]["projectId"] == scene.project()["id"]
    assert await query((await scene.cluster.secret())["uri"], "SELECT 1") == 1


async def nothing_left(scene: Scene) -> None:
    await scene.cluster.until_gone("TenantDatabase", "acme")
    await scene.cluster.until_gone("Secret", "acme-database")
    assert scene.projects() == []


async def killed(traffic: Traffic) -> None:
    async with asyncio.timeout(30):
        await traffic.ended.wait()


async def test_these_are_all_writes_of_a_life(scene: Scene) -> None:
    """A write that is added tomorrow must be added above, and so is killed at, too."""
    async with wired(scene) as traffic:
        await scene.start_operator()
        await scene.create()
        await one_tenant_that_logs_in(scene)
        assert kinds(traffic) == START + CREATE
        traffic.begin()
        await scene.cluster.delete("TenantDatabase", "acme")
        await nothing_left(scene)
        assert kinds(traffic) == DELETE


@pytest.mark.proves("F01", "F03", "I1")
@pytest.mark.parametrize("mode", KILLS, ids=["before", "after"])
@pytest.mark.parametrize("kind", CREATE)
async def test_a_create_that_is_killed_at_a_write_comes_to_the_same_end(
    scene: Scene, kind: str, mode: Mode
) -> None:
    async with wired(scene) as traffic:
        traffic.begin(At(kind, 1, mode))
        await scene.start_operator()
        await scene.create()
        await killed(traffic)
        await scene.start_operator()
        await one_tenant_that_logs_in(scene)
        executed = scene.requests("POST", "/projects")
        assert executed == 1
        assert len(scene.projects(deleted=True)) == 0


@pytest.mark.proves("F01", "F04", "I1")
@pytest.mark.parametrize("mode", KILLS, ids=["before", "after"])
@pytest.mark.parametrize("kind", DELETE)
async def test_a_delete_that_is_killed_at_a_write_comes_to_the_same_end(
    scene: Scene, kind: str, mode: Mode
) -> None:
    async with wired(scene) as traffic:
        await scene.start_operator()
        await scene.create()
        await one_tenant_that_logs_in(scene)
        traffic.begin(At(kind, 1, mode))
        await scene.cluster.delete("TenantDatabase", "acme")
        await killed(traffic)
        await scene.start_operator()
        await nothing_left(scene)
        assert len(scene.projects(deleted=True)) == 1
