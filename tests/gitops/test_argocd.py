"""Argo CD's view: health checks and actions in Lua, on objects that the operator wrote."""

from __future__ import annotations

from typing import Any

import yaml

import argocd
from cluster import Object, condition
from scene import Scene
from waiting import until

HEALTH = {
    "tenant fresh": "Progressing",
    "tenant provisioning": "Progressing",
    "tenant ready": "Healthy",
    "tenant suspended": "Healthy",
    "tenant stalled": "Degraded",
    "tenant paused": "Suspended",
    "tenant paused, and then changed": "Suspended",
    "tenant paused before it was touched": "Suspended",
    "tenant quota exceeded": "Healthy",
    "tenant deletion held": "Progressing",
    "tier fresh": "Healthy",
    "tier rolled out": "Healthy",
    "tier changed": "Progressing",
    "tier paused": "Suspended",
    "operation fresh": "Progressing",
    "operation waiting": "Progressing",
    "operation succeeded": "Healthy",
    "operation dry run": "Healthy",
    "operation failed": "Degraded",
}
OFFERED = {
    "tenant fresh": {"suspend", "pause", "reconcile"},
    "tenant ready": {"suspend", "pause", "reconcile"},
    "tenant suspended": {"resume", "pause", "reconcile"},
    "tenant paused": {"suspend", "unpause"},
    "tenant deletion held": {"pause", "reconcile", "retain"},
    "tier fresh": set(),
    "tier rolled out": set(),
    "tier paused": {"confirm-rollout"},
    "operation fresh": set(),
    "operation succeeded": set(),
    "operation dry run": {"carry-out"},
    "operation failed": set(),
}


async def test_argo_cd_sees_every_state(states: dict[str, Object]) -> None:
    found = {name: argocd.health(state) for name, state in states.items()}
    assert {name: status for name, (status, _) in found.items()} == HEALTH
    for name, (_, message) in found.items():
        assert message, name


async def test_a_rollout_that_failed_is_degraded(states: dict[str, Object]) -> None:
    """Its conditions are those of ConfirmationNeeded with another reason (core.tier_status)."""
    paused = states["tier paused"]
    conditions = [{**one, "reason": "CanaryFailed"} for one in paused["status"]["conditions"]]
    failed = {**paused, "status": {**paused["status"], "conditions": conditions}}
    assert argocd.health(failed)[0] == "Degraded"


async def test_only_actions_that_make_sense_are_offered(states: dict[str, Object]) -> None:
    assert {name: argocd.actions(states[name]) for name in OFFERED} == OFFERED
    defined = [(states[name], argocd.all_actions(states[name])) for name in OFFERED]
    for state, names in defined:
        offered = argocd.run(yaml.safe_load(argocd.customization("actions", state))["discovery.lua"], state)
        assert names == set(offered)


class Clicks:
    """A person who clicks on actions in Argo CD."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    async def click(self, action: str, kind: str, name: str) -> Any:
        found = await self._scene.cluster.get(kind, name)
        assert found is not None
        assert action in argocd.actions(found)
        done = argocd.act(action, found)
        if isinstance(done, dict):
            return await self._scene.cluster.patch(kind, name, argocd.merge_patch(found, done))
        ((operation, manifest),) = ((one["operation"], one["resource"]) for one in done)
        assert operation == "create"
        return await self._scene.cluster.create(manifest)

    async def on_tenant(self, action: str) -> Object:
        clicked: Object = await self.click(action, "TenantDatabase", "acme")
        return clicked


async def test_each_action_does_what_its_name_says(unconnected: Scene) -> None:
    scene, cluster = unconnected, unconnected.cluster
    clicks = Clicks(scene)
    await scene.start_operator()
    await scene.create(deletionProtection=True)
    await cluster.until_ready()

    await clicks.on_tenant("suspend")
    suspended = await cluster.until_ready()
    assert (suspended["status"]["suspended"], condition(suspended, "Ready")["reason"]) == (True, "Suspended")
    await clicks.on_tenant("resume")
    assert (await cluster.until_ready())["status"]["suspended"] is False

    def paused(found: Object) -> bool:
        return bool(condition(found, "Reconciling")["reason"] == "Paused")

    await clicks.on_tenant("pause")
    await cluster.until_tenant("acme", paused, "it is paused")
    await clicks.on_tenant("unpause")
    await cluster.until_tenant("acme", lambda found: not paused(found), "it is not paused any more")
    asked = await clicks.on_tenant("reconcile")
    at = asked["metadata"]["annotations"]["neontenants.io/reconcile-requested-at"]
    await cluster.until_tenant(
        "acme", lambda found: found["status"].get("lastHandledReconcileAt") == at, "it was looked at"
    )

    tier = scene.tiers["free"]
    await cluster.patch("DatabaseTier", tier, {"spec": {"historyRetention": "1h"}})
    await _until_phase(scene, tier, "Paused")
    await clicks.click("confirm-rollout", "DatabaseTier", tier)
    await _until_phase(scene, tier, "Done")
    assert scene.project()["history_retention_seconds"] == 3600

    dry = await scene.operate("dry", "ReleaseDeletions", dryRun=True)
    made = await clicks.click("carry-out", "FleetOperation", dry["metadata"]["name"])
    done = await scene.until_done(made["metadata"]["name"])
    assert "dryRun" not in done["spec"]
    assert done["status"]["phase"] == "Succeeded"

    await cluster.delete("TenantDatabase", "acme")
    await cluster.until_reason("DeletionHeld")
    await clicks.on_tenant("retain")
    await scene.change(deletionProtection=False)
    await cluster.until_gone("TenantDatabase", "acme")
    assert scene.project()["name"].endswith("-released")


async def _until_phase(scene: Scene, tier: str, phase: str) -> None:
    async def look() -> bool:
        found = await scene.cluster.get("DatabaseTier", tier)
        assert found is not None
        rollout = found["status"].get("rollout", {})
        return (rollout.get("generation"), rollout.get("phase")) == (found["metadata"]["generation"], phase)

    await until(look, f"the rollout is {phase}")
