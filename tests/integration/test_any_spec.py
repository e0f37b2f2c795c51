"""Any spec, right or nearly right, on a running operator; and back again (the method of Acto).

A spec that the API server lets pass ends as Ready, or as Stalled with one documented reason. The spec of
before brings back what was before: the same project, the same limits on Neon, the same Secret. `SEED` and a
number make the same spec again: the message of a failure tells them.
"""

from __future__ import annotations

import asyncio
import copy
import random
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any

import pytest

import specs
from cluster import Object, RefusedError, condition, is_ready
from neon_tenants.api.conditions import Reason
from scene import Scene, example_tier
from waiting import until

SEED = 4
LANES = 4
SCHEMAS = {kind: specs.of_crd(kind) for kind in ("tenantdatabases", "databasetiers")}
TIER: Object = {
    **example_tier("pro"),
    "overrides": {"quota": {"storagePerBranch": "50Gi", "writtenData": "Unlimited"}, "compute": {"maxCU": 4}},
    "rollout": {"compute": "Immediately"},
}
PAUSES = {"ConfirmationNeeded", "CanaryFailed", "TooManyFailures"}
REASONS = {reason.value for reason in Reason}


@dataclass
class Lane:
    """A tier and a tenant of its own, at rest between two specs."""

    scene: Scene
    number: int
    outcomes: Counter[str] = field(default_factory=Counter)

    @property
    def tenant_name(self) -> str:
        return f"t{self.number}"

    @property
    def tier_name(self) -> str:
        return self.scene.tiers[self.tenant_name]

    async def begin(self) -> None:
        await self.scene.create_tier(self.tenant_name, TIER)
        await self.scene.create(self.tenant_name, self.tenant_name)
        await self.at_rest()

    async def play(self, seed: int, number: int) -> None:
        """One spec, and back."""
        dice = random.Random(f"{seed}/{number}")
        kind = dice.choice(("tenant", "tenant", "tier", "tier", "new tenant"))
        plural = "databasetiers" if kind == "tier" else "tenantdatabases"
        base = TIER if kind == "tier" else self.manifest()["spec"]
        spec, words = specs.changed(base, SCHEMAS[plural], dice)
        try:
            outcome = await (self.made(number, spec) if kind == "new tenant" else self.changed(kind, spec))
        except (AssertionError, RefusedError) as error:
            raise AssertionError(f"spec {number} of seed {seed}, a {kind} {words}: {error}") from error
        self.outcomes[outcome] += 1

    # --- a spec that stands is changed, and back --------------------------------------------------------

    async def changed(self, kind: str, spec: Any) -> str:
        before = await self.snapshot()
        what, name = (
            ("DatabaseTier", self.tier_name) if kind == "tier" else ("TenantDatabase", self.tenant_name)
        )
        if await refused(self.write(what, name, spec)):
            assert await self.snapshot() == before
            return "refused"
        outcome = await self.at_rest()
        await self.write(what, name, TIER if kind == "tier" else self.manifest()["spec"])
        await self.at_rest(back=True)
        assert await self.snapshot() == before
        return outcome

    async def write(self, what: str, name: str, spec: Any) -> Object:
        """Another spec in the place of the one that stands, whatever was written beside it since."""
        path = self.scene.cluster._path(what, name)
        patch = [{"op": "add", "path": "/spec", "value": spec}]
        headers = {"Content-Type": "application/json-patch+json"}
        written: Object = await self.scene.cluster.request("PATCH", path, json=patch, headers=headers)
        return written

    async def at_rest(self, *, back: bool = False) -> str:
        """Waits for the end: Ready, or the reason of the tenant or the tier that stalls.

        `back`: only Ready will do, and a person lets a rollout go on that destroys something, as the way back
        from a longer history does.
        """
        last = ""

        async def look() -> str | None:
            nonlocal last
            tier = await self.scene.cluster.get("DatabaseTier", self.tier_name)
            tenant = await self.scene.cluster.tenant(self.tenant_name)
            assert tier is not None
            rollout = tier.get("status", {}).get("rollout", {})
            if rollout.get("generation") != tier["metadata"]["generation"]:
                return None
            last = str(rollout.get("pausedReason") or ended(tenant))
            if rollout["phase"] == "Paused":
                assert last in PAUSES
                if back and last == "ConfirmationNeeded":
                    await self.confirm(str(rollout["generation"]))
            if rollout.get("waiting"):
                self.scene.neon.clock.advance(3600)  # a compute without connections goes idle
            if back or last == "Ready":
                settled = rollout["phase"] == "Done" and not self.is_pending(tenant, tier)
                return "Ready" if last == "Ready" and settled else None
            return last or None

        try:
            return await until(look, f"{self.tenant_name} is at rest")
        except AssertionError as error:
            raise AssertionError(f"{error}; it says {last!r}") from None

    def is_pending(self, tenant: Object, tier: Object) -> bool:
        """Whether the tenant is of this tier and has not its latest generation."""
        applied = tenant["status"].get("tier", {})
        mine = tenant["spec"]["tier"] == self.tier_name
        latest = (self.tier_name, tier["metadata"]["generation"])
        return mine and (applied.get("name"), applied.get("generation")) != latest

    async def confirm(self, value: str) -> None:
        annotation = {"neontenants.io/rollout-confirmed": value}
        change = {"metadata": {"annotations": annotation}}
        await self.scene.cluster.patch("DatabaseTier", self.tier_name, change)

    def manifest(self) -> Object:
        return self.scene.manifest(self.tenant_name, self.tenant_name)

    async def snapshot(self) -> Object:
        """All that reverting must bring back."""
        tenant = await self.scene.cluster.tenant(self.tenant_name)
        status = copy.deepcopy(tenant["status"])
        told = {c["type"]: (c["status"], c["reason"], c["message"]) for c in status.pop("conditions")}
        for moving in ("observedGeneration", "tier"):
            status.pop(moving, None)
        secret = await self.scene.cluster.get("Secret", f"{self.tenant_name}-database")
        assert secret is not None
        (project,) = (p for p in self.scene.projects() if p["id"] == status["projectId"])
        return {
            "status": status,
            "conditions": told,
            "secret": (secret["metadata"]["uid"], secret["type"], secret["data"]),
            "project": {key: project[key] for key in NEON},
            "endpoints": [{key: endpoint[key] for key in ENDPOINT} for endpoint in project["endpoints"]],
        }

    # --- a new tenant, and its deletion -----------------------------------------------------------------

    async def made(self, number: int, spec: Any) -> str:
        name = f"new-{number}"
        manifest = self.scene.manifest(name)
        if await refused(self.scene.cluster.create({**manifest, "spec": spec})):
            return "refused"
        outcome = ended(await self.scene.cluster.until_tenant(name, ended, f"{name} is at rest"))
        tenant = await self.scene.cluster.tenant(name)
        await self.scene.change(name, deletionPolicy="Delete", deletionProtection=False)
        await self.scene.cluster.delete("TenantDatabase", name)
        await self.scene.cluster.until_gone("TenantDatabase", name)
        project_id = tenant["status"].get("projectId")
        assert project_id not in [project["id"] for project in self.scene.projects()]
        return outcome


NEON = ("id", "name", "quota", "settings", "default_endpoint_settings", "history_retention_seconds")
ENDPOINT = (
    "id",
    "autoscaling_limit_min_cu",
    "autoscaling_limit_max_cu",
    "suspend_timeout_seconds",
    "disabled",
)


async def refused(write: Awaitable[Object]) -> bool:
    """Whether the API server refuses: it is no object of its kind (400), or breaks a rule (422)."""
    try:
        await write
    except RefusedError as error:
        if error.status not in (400, 422):
            raise
        return True
    return False


def ended(tenant: Object) -> str:
    """Ready, or the reason why it stalls, for the spec of this moment; empty while it is on its way."""
    ready = condition(tenant, "Ready")
    generation = tenant["metadata"]["generation"]
    if (tenant["status"].get("observedGeneration"), ready.get("observedGeneration")) != (
        generation,
        generation,
    ):
        return ""
    told = {c["type"] for c in tenant["status"]["conditions"] if c["status"] == "True"}
    story = told & {"Ready", "Reconciling", "Stalled"}
    assert len(story) == 1, f"not one story: {story}"
    assert ready["reason"] in REASONS
    if is_ready(tenant):
        return "Ready"
    return str(ready["reason"]) if story == {"Stalled"} else ""


async def play(scene: Scene, seed: int, count: int) -> Counter[str]:
    """Plays so many specs, in lanes side by side; how they ended."""
    # So many deletions would engage the brake, which is not the point here.
    await scene.start_operator(idle_interval="1", deletions_per_window="0")
    lanes = [Lane(scene, number) for number in range(LANES)]

    async def work(lane: Lane) -> None:
        await lane.begin()
        for number in range(lane.number, count, LANES):
            await lane.play(seed, number)

    async with asyncio.TaskGroup() as group:
        for lane in lanes:
            group.create_task(work(lane))
    failures = [line for line in scene.log_lines() if line["level"] == "ERROR" or "exc_info" in line]
    assert failures == []
    return sum((lane.outcomes for lane in lanes), Counter())


@pytest.mark.proves("F63", "I6", "I13", "I14")
async def test_any_spec_ends_well_or_tells_why_and_the_spec_of_before_brings_back_what_was(
    unconnected: Scene,
) -> None:
    outcomes = await play(unconnected, SEED, 8)
    assert outcomes.keys() >= {"refused", "Ready"}, "the sample has both ends"


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.proves("F63", "I6", "I13", "I14")
async def test_two_hundred_specs_end_well_or_tell_why(unconnected: Scene) -> None:
    outcomes = await play(unconnected, SEED, 200)
    assert outcomes["refused"] > 20
    assert outcomes["Ready"] > 20
    assert len(outcomes) > 4, "several reasons"
