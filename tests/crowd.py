"""Many tenants at once: created, waited for, and judged together."""

from __future__ import annotations

import asyncio

from evidence import verdict
from neon_sandbox.emulator.scripts import Script
from scene import Scene
from waiting import until


async def create_all(scene: Scene, names: list[str], tier: str = "free") -> None:
    """Creates them at once."""
    await asyncio.gather(*(scene.create(name, tier) for name in names))


async def create_refused(scene: Scene, names: list[str]) -> None:
    """Creates them while Neon refuses the first one for five minutes: so long all wait for their turns."""
    scene.neon.answers.add(not_now("POST", "/projects", seconds=300))
    await scene.create(names[0])
    await scene.until_scripts_met()
    await create_all(scene, names[1:])


def not_now(method: str, route: str, *, seconds: int) -> Script:
    """Neon refuses the next such request, and wants so many seconds to pass before another."""
    refusal = {"code": "", "message": "not now"}
    return Script(method=method, route=route, status=429, body=refusal, headers={"Retry-After": f"{seconds}"})


async def until_posted(scene: Scene, count: int) -> None:
    """Waits until so many projects were asked for: the load is in the middle of it."""

    async def posted() -> bool:
        return scene.requests("POST", "/projects") >= count

    await until(posted, f"{count} projects are made")


async def until_deleted(scene: Scene, count: int) -> None:
    """Waits until so many projects are deleted."""

    async def deleted() -> bool:
        return len(scene.projects(deleted=True)) == count

    await until(deleted, f"{count} projects are deleted")


async def each_has_its_own(scene: Scene, names: list[str]) -> None:
    """Waits until all are Ready: each has one project of its own, and there is no other."""
    for name in names:
        await scene.cluster.until_ready(name)
    recorded = {(await scene.cluster.tenant(name))["status"]["projectId"] for name in names}
    assert recorded == {project["id"] for project in scene.projects()}
    assert len(recorded) == len(scene.projects()) == len(names)


async def judged(scene: Scene, names: list[str]) -> None:
    """Ends all operators; the API server and Neon have written down nothing that must not be.

    Each tenant was looked at once more then. The requests of a replica that lost its Lease are cut off: the
    API server's log may lack what they wrote.
    """
    for name in names:
        await scene.annotate(name, reconcile_requested_at="at rest")
    for name in names:
        await scene.cluster.until_tenant(
            name,
            lambda found: found["status"].get("lastHandledReconcileAt") == "at rest",
            f"{name} is at rest",
        )
    await scene.stop_operators()
    found = await verdict(scene)
    assert found.ok, found.problems
