"""Several operators at once, whose clocks or versions differ. None of them knows of a lease."""

from __future__ import annotations

import asyncio
import json
import signal

import pytest

from cluster import condition
from fault import Request
from scene import Scene
from waiting import until
from wired import wired

AHEAD, BEHIND, NEWER = "skewed", "skewed_back", "newer"
INTENT = "neontenants.io/create-intent"
LONG = {"intent_lifetime": "60", "request_timeout": "15"}


async def lives(scene: Scene, names: list[str]) -> None:
    """So many tenants come, are changed and go; each has one project all the time."""
    await asyncio.gather(*(scene.create(name) for name in names))
    for name in names:
        await scene.cluster.until_ready(name)
    assert scene.requests("POST", "/projects") == len(names)
    recorded = {(await scene.cluster.tenant(name))["status"]["projectId"] for name in names}
    assert recorded == {project["id"] for project in scene.projects()}
    for name in names:
        await scene.change(name, tier=scene.tiers["pro"])
    for name in names:
        await scene.cluster.until_ready(name)
    for name in names:
        await scene.cluster.delete("TenantDatabase", name)
    for name in names:
        await scene.cluster.until_gone("TenantDatabase", name)
    assert scene.projects() == []
    assert len(scene.projects(deleted=True)) == len(names)


@pytest.mark.proves("F52", "F50", "I1")
async def test_two_operators_whose_clocks_are_two_hours_apart_make_one_project_each(
    unconnected: Scene,
) -> None:
    await asyncio.gather(unconnected.start_operator(before=AHEAD), unconnected.start_operator(before=BEHIND))
    await lives(unconnected, [f"t{number}" for number in range(8)])


@pytest.mark.proves("F52", "I1")
async def test_an_intent_that_looks_hours_old_is_not_taken_over(unconnected: Scene) -> None:
    """Who declared it has died, its clock was behind, and its POST is still on its way."""
    let_go, arrived = asyncio.Event(), 0

    async def hold(request: Request) -> None:
        nonlocal arrived
        if request.kind == "POST projects":
            arrived += 1
            if arrived == 1:
                await let_go.wait()

    async with wired(unconnected) as traffic:
        traffic.before = hold
        first = await unconnected.start_operator(before=BEHIND, **LONG)
        await unconnected.create()

        async def on_its_way() -> bool:
            return arrived == 1

        await until(on_its_way, "the POST is on its way")
        first.send(signal.SIGKILL)
        await first.wait()
        await unconnected.start_operator(before=AHEAD, **LONG)
        told = await unconnected.cluster.until_reason("OutcomeUnknown")
        assert "Another process" in condition(told, "Ready")["message"]
        assert arrived == 1
        let_go.set()
        tenant = await unconnected.cluster.until_ready()
        assert tenant["status"]["projectId"] == unconnected.project()["id"]
        assert arrived == 1


@pytest.mark.proves("F53", "F50", "I1")
async def test_two_versions_at_once_make_one_project_each(unconnected: Scene) -> None:
    """As in a rolling update: the older one cannot read the intents of the newer one, and honors them."""
    await asyncio.gather(unconnected.start_operator(), unconnected.start_operator(before=NEWER))
    await lives(unconnected, [f"t{number}" for number in range(8)])


@pytest.mark.proves("F53", "I1")
async def test_an_older_version_leaves_a_create_to_the_newer_one_that_declared_it(unconnected: Scene) -> None:
    """And takes over what is made: after a rollback everything stands and is kept."""
    unconnected.neon.knobs.operation_seconds = 3
    newer = await unconnected.start_operator(before=NEWER)
    await unconnected.create()

    async def declared() -> str | None:
        annotations = (await unconnected.cluster.tenant())["metadata"].get("annotations", {})
        found: str | None = annotations.get(INTENT)
        return found

    assert json.loads(await until(declared, "the create is declared"))["form"] == 2
    await unconnected.start_operator()
    await unconnected.cluster.until_ready()
    assert unconnected.requests("POST", "/projects") == 1
    await newer.stop()
    await unconnected.change(tier=unconnected.tiers["pro"])
    await unconnected.cluster.until_ready()
    assert unconnected.requests("POST", "/projects") == 1
