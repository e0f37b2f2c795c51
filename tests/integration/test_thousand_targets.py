"""A FleetOperation with as many targets as it may have: a cluster of a thousand tenants, rebuilt."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable

import pytest

from cluster import Object, condition, is_ready
from neon_tenants.api.fleet_operation import MAX_TARGETS
from scene import Scene
from waiting import until

PATIENT = {"log_level": "INFO", "request_timeout": "10", "intent_lifetime": "60"}
NAMES = [f"t{number}" for number in range(MAX_TARGETS)]


async def until_all(scene: Scene, wanted: Iterable[str], what: str) -> list[Object]:
    """Waits until the Ready condition of each says one of `wanted`; each hundred has its own patience."""
    reasons = set(wanted)
    for goal in range(100, MAX_TARGETS + 1, 100):

        async def reached(goal: int = goal) -> list[Object] | None:
            found = await scene.cluster.list("TenantDatabase")
            as_wanted = [one for one in found if condition(one, "Ready")["reason"] in reasons]
            return found if len(as_wanted) >= goal else None

        # Each look lists a thousand objects, in the process that plays Neon, too.
        found = await until(reached, f"{goal} tenants {what}", every=1.0)
    return found


async def create_all(scene: Scene) -> None:
    for start in range(0, MAX_TARGETS, 100):
        await asyncio.gather(*(scene.create(name) for name in NAMES[start : start + 100]))


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_a_thousand_tenants_get_their_own_projects_back_across_a_crash(unconnected: Scene) -> None:
    scene = unconnected
    scene.neon.knobs.operation_seconds = 0
    operator = await scene.start_operator(**PATIENT)
    await create_all(scene)
    before = await until_all(scene, ["Provisioned"], "are ready")
    old = {one["metadata"]["name"]: one["status"]["projectId"] for one in before}
    for name in NAMES:
        await scene.cluster.strip_and_delete(name)
    await create_all(scene)
    await until_all(scene, ["PreviousProjectFound"], "are held")

    asked = await scene.ask_for("all", "Rebind", *(f"{scene.namespace}/{name}" for name in NAMES))

    async def in_the_middle() -> bool:
        return scene.patches()[0] >= 50

    await until(in_the_middle, "a part of them is bound")
    operator.send(signal.SIGKILL)
    await operator.wait()
    assert scene.patches()[0] < MAX_TARGETS
    await scene.start_operator(**PATIENT)
    after = await until_all(scene, ["Provisioned"], "are ready again")
    assert all(is_ready(one) for one in after)
    done = await scene.until_done(asked)
    assert done["status"]["phase"] == "Succeeded", done["status"]["counts"]
    assert done["status"]["counts"]["total"] == len(done["status"]["results"]) == MAX_TARGETS
    assert {one["metadata"]["name"]: one["status"]["projectId"] for one in after} == old
    assert len(scene.projects()) == scene.requests("POST", "/projects") == MAX_TARGETS
