"""A whole life with the operator that ships, judged from what others wrote down."""

from __future__ import annotations

import pytest

from evidence import CANARIES, verdict
from neon_sandbox.emulator.scripts import Script
from prober import probing
from scene import Scene
from waiting import until


@pytest.mark.proves("I4", "I8", "I14")
async def test_of_a_life_with_a_lost_answer_every_zero_is_one(scene: Scene) -> None:
    scene.neon.answers.add(Script(method="POST", route="/projects", drop=True))
    async with probing(scene.cluster, scene.folder) as prober:
        await scene.start_operator()
        await scene.create()
        await scene.cluster.until_ready()

        async def probed() -> bool:
            return prober.probes >= 2

        await until(probed, "the login was tried")
        await scene.create("beta")
        await scene.cluster.until_ready("beta")
        await scene.change(tier=scene.tiers["pro"])
        await scene.cluster.until_ready()
        await scene.cluster.delete("TenantDatabase", "acme")
        await scene.cluster.until_gone("TenantDatabase", "acme")
    await scene.stop_operators()
    found = await verdict(scene)
    assert found.ok, found.problems
    canaries = scene.folder / CANARIES
    assert set(canaries.read_text().splitlines()) == scene.neon.issued
    assert canaries.stat().st_mode & 0o777 == 0o600
    facts = found.facts
    assert (facts["resources"], facts["projects created"], facts["projects deleted"]) == (2, 2, 1)
    assert facts["probes of a standing claim"] >= 2
    assert facts["logins accepted"] >= 2
    assert found.faults == {"emulator: dropped, executed": 1}
    ready = {state.ready for state in found.states}
    assert {"Unknown Pending", "True Provisioned"} <= ready
    assert any(state.deleting and not state.finalizer for state in found.states)
    assert any(state.recorded and state.project for state in found.states)
