"""A thousand tenants: what an hour of rest costs, and a change of tier that a crash interrupts, in counts."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from cluster import Object
from scene import Scene, example_tier
from waiting import until

TENANTS = 1000
PAGES = 3
"""Neon lists at most 400 projects a page."""
SWEEPS_PER_HOUR = 6
"""The default is one each 10 minutes; here they follow each other closely."""
TIER = "plan"


async def step_by_step(count: Callable[[], Awaitable[int]], what: str) -> None:
    """Waits until all thousand are counted; each hundred has its own patience."""
    for goal in range(100, TENANTS + 1, 100):

        async def reached(goal: int = goal) -> bool:
            return await count() >= goal

        await until(reached, f"{goal} tenants {what}")


async def rollout(scene: Scene) -> Object:
    tier = await scene.cluster.get("DatabaseTier", scene.tiers[TIER])
    assert tier is not None
    told: Object = tier.get("status", {}).get("rollout", {})
    return told if told.get("generation") == tier["metadata"]["generation"] else {}


async def fleet(scene: Scene) -> None:
    scene.neon.knobs.operation_seconds = 0
    await scene.create_tier(TIER, example_tier("pro"))
    await scene.start_operator(sweep_interval="1", log_level="INFO")
    await asyncio.gather(*(scene.create(f"t{number}", TIER) for number in range(TENANTS)))

    async def settled() -> int:
        updated: int = (await rollout(scene)).get("updated", 0)
        return updated

    await step_by_step(settled, "have the tier")


async def an_hour_of_rest(scene: Scene) -> None:
    def pages() -> list[int]:
        return [line["pages"] for line in scene.log_lines() if line["message"] == "A sweep ended."]

    async def swept(more: int) -> None:
        goal = len(pages()) + more

        async def enough() -> bool:
            return len(pages()) >= goal

        await until(enough, f"{goal} sweeps have ended")

    # The first ones after the creates read who was active.
    await swept(2)
    await scene.until_idle()
    written = len(scene.writes())
    scene.neon.requests.clear()
    await swept(SWEEPS_PER_HOUR)
    listed = scene.requests("GET", "/projects")
    assert set(scene.neon.requests.counters) == {("GET", "/projects", 200)}
    assert set(pages()[-SWEEPS_PER_HOUR:]) == {PAGES}
    # One sweep may have been under way at either end.
    assert PAGES * (SWEEPS_PER_HOUR - 1) <= listed <= PAGES * (SWEEPS_PER_HOUR + 2)
    assert len(scene.writes()) == written


@pytest.mark.proves("F60", "I10")
@pytest.mark.long
@pytest.mark.timeout(600)
async def test_a_thousand_tenants_rest_for_nothing_and_a_crash_loses_nothing_of_their_tiers_change(
    unconnected: Scene,
) -> None:
    await fleet(unconnected)
    await an_hour_of_rest(unconnected)

    unconnected.neon.requests.clear()
    spec = {"spec": {"historyRetention": "720h"}}
    await unconnected.cluster.patch("DatabaseTier", unconnected.tiers[TIER], spec)

    async def updated() -> int:
        return int((await rollout(unconnected)).get("updated", 0))

    async def in_the_middle() -> bool:
        return await updated() >= 200

    await until(in_the_middle, "a part of them has the change")
    (operator,) = unconnected.operators
    operator.send(signal.SIGKILL)
    await operator.wait()
    assert await updated() < TENANTS
    await unconnected.start_operator(log_level="INFO")
    await step_by_step(updated, "have the change")
    assert {p["history_retention_seconds"] for p in unconnected.projects()} == {720 * 3600}
    patched = Counter(e.path for e in unconnected.neon.requests if (e.method, e.status) == ("PATCH", 200))
    assert len(patched) == TENANTS
    assert set(patched.values()) == {1}
