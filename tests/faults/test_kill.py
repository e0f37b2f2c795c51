"""SIGKILL at every write of a create and of a delete: just before the server sees it, and just after."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
import yaml

from scene import Scene, query
from wire import Cut, Wire, Write

START = ["POST configmaps"]
CREATE = ["PATCH tenantdatabases", "POST projects", "POST secrets", "PATCH tenantdatabases/status"]
DELETE = ["PUT configmaps", "DELETE projects", "POST events", "PUT secrets", "PATCH tenantdatabases"]


@dataclass
class Wires:
    """Both wires of one operator."""

    kube: Wire
    neon: Wire
    writes: list[Write]

    def kinds(self) -> list[str]:
        """Without what is told of the tier: that comes with the clock, and not with a life."""
        return [write.kind for write in self.writes if write.kind != "PATCH databasetiers/status"]

    def cut(self, kind: str, *, after: bool, scene: Scene) -> Wire:
        """Kills the operator at its first write of this kind."""

        async def kill() -> None:
            operator = scene.operators[-1]
            operator.send(signal.SIGKILL)
            await operator.wait()

        wire = self.neon if kind.endswith("projects") else self.kube
        wire.cut = Cut(kind, after=after, act=kill)
        return wire


@asynccontextmanager
async def wired(scene: Scene) -> AsyncIterator[Wires]:
    """The scene with both wires between its operator and the servers."""
    writes: list[Write] = []
    async with AsyncExitStack() as stack:
        ca_file = str(scene.plane.ca_file)
        kube = await stack.enter_async_context(Wire.to(scene.plane.url, ca_file=ca_file, writes=writes))
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(scene.neon.url))
        neon = await stack.enter_async_context(Wire.to(origin, writes=writes))
        config = yaml.safe_load(scene.kubeconfig.read_text())
        config["clusters"][0]["cluster"] = {"server": kube.url}
        scene.kubeconfig.write_text(yaml.safe_dump(config))
        await scene.start_operator(api_url=neon.url + urlsplit(scene.neon.url).path)
        yield Wires(kube, neon, writes)
        await scene.stop_operators()


async def one_tenant_that_logs_in(scene: Scene) -> None:
    tenant = await scene.cluster.until_ready()
    assert tenant["status"]["projectId"] == scene.project()["id"]
    assert await query((await scene.cluster.secret())["uri"], "SELECT 1") == 1


async def nothing_left(scene: Scene) -> None:
    await scene.cluster.until_gone("TenantDatabase", "acme")
    await scene.cluster.until_gone("Secret", "acme-database")
    assert scene.projects() == []


async def test_these_are_all_writes_of_a_life(scene: Scene) -> None:
    """A write that is added tomorrow must be added above, and so is killed at, too."""
    async with wired(scene) as wires:
        await scene.create()
        await one_tenant_that_logs_in(scene)
        assert wires.kinds() == START + CREATE
        wires.writes.clear()
        await scene.cluster.delete("TenantDatabase", "acme")
        await nothing_left(scene)
        assert wires.kinds() == DELETE


@pytest.mark.proves("F01", "F03", "I1")
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("kind", CREATE)
async def test_a_create_that_is_killed_at_a_write_comes_to_the_same_end(
    scene: Scene, kind: str, after: bool
) -> None:
    async with wired(scene) as wires:
        wire = wires.cut(kind, after=after, scene=scene)
        await scene.create()
        async with asyncio.timeout(30):
            await wire.happened.wait()
        await scene.start_operator()
        await one_tenant_that_logs_in(scene)
        executed = scene.requests("POST", "/projects")
        assert executed == 1
        assert len(scene.projects(deleted=True)) == 0


@pytest.mark.proves("F01", "F04", "I1")
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("kind", DELETE)
async def test_a_delete_that_is_killed_at_a_write_comes_to_the_same_end(
    scene: Scene, kind: str, after: bool
) -> None:
    async with wired(scene) as wires:
        await scene.create()
        await one_tenant_that_logs_in(scene)
        wire = wires.cut(kind, after=after, scene=scene)
        await scene.cluster.delete("TenantDatabase", "acme")
        async with asyncio.timeout(30):
            await wire.happened.wait()
        await scene.start_operator()
        await nothing_left(scene)
        assert len(scene.projects(deleted=True)) == 1
