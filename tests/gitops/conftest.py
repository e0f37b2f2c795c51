"""Objects in every state that there is, as the API server and the operator wrote them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from cluster import Object, condition
from neon_sandbox.controlplane import ControlPlane
from scene import Scene, example_tier, playing
from waiting import until

States = dict[str, Object]
HOUR = 3600


async def _object(scene: Scene, kind: str, name: str, check: Callable[[Object], Any]) -> Object:
    async def look() -> Object | None:
        found = await scene.cluster.get(kind, name)
        return found if found is not None and check(found) else None

    return await until(look, f"{kind} {name} is as it should be")


async def _untouched(scene: Scene) -> States:
    """Before any operator looks."""
    await scene.create("fresh")
    return {
        "tenant fresh": await scene.cluster.tenant("fresh"),
        "tier fresh": await _object(scene, "DatabaseTier", scene.tiers["pro"], bool),
        "operation fresh": await _object(
            scene, "FleetOperation", await scene.ask_for("fresh", "ReleaseDeletions"), bool
        ),
    }


async def _provisioning(scene: Scene) -> States:
    """Neon's operations take their time."""
    scene.neon.knobs.operation_outcome = "stuck"
    await scene.create("slow")
    found = await scene.cluster.until_reason("Provisioning", "slow")
    scene.neon.knobs.operation_outcome = "finished"
    return {"tenant provisioning": found}


async def _settled(scene: Scene) -> States:
    cluster = scene.cluster
    await scene.create("lost", tier="no-such-tier")
    await scene.create("hands-off")
    await scene.create("off", state="Suspended")
    states: States = {"tenant ready": await cluster.until_ready("fresh")}
    states["tenant suspended"] = await cluster.until_ready("off")
    states["tenant stalled"] = await cluster.until_reason("TierNotFound", "lost")
    await cluster.until_ready("hands-off")
    await scene.annotate("hands-off", paused="true")

    def paused(found: Object) -> bool:
        return bool(condition(found, "Reconciling")["reason"] == "Paused")

    states["tenant paused"] = await cluster.until_tenant("hands-off", paused, "it is paused")
    await scene.change("hands-off", tier=scene.tiers["pro"])
    states["tenant paused, and then changed"] = await cluster.tenant("hands-off")
    return states


async def _quota(scene: Scene) -> States:
    id_ = (await scene.cluster.tenant("fresh"))["status"]["projectId"]
    (project,) = (project for project in scene.projects() if project["id"] == id_)
    active = project["usage"]["active_time_seconds"] + 1
    full = {"active_time_seconds": active, "compute_time_seconds": 100 * HOUR}
    await scene.neon.set_usage(project["id"], full)
    found = await scene.cluster.until_tenant(
        "fresh", lambda found: condition(found, "QuotaExceeded")["status"] == "True", "its quota is used up"
    )
    return {"tenant quota exceeded": found}


async def _deleted(scene: Scene) -> States:
    await scene.create("held", deletionProtection=True)
    await scene.cluster.until_ready("held")
    await scene.cluster.delete("TenantDatabase", "held")
    return {"tenant deletion held": await scene.cluster.until_reason("DeletionHeld", "held")}


async def _tiers(scene: Scene) -> States:
    name = scene.tiers["free"]

    def phase(word: str) -> Callable[[Object], Any]:
        return lambda found: (
            (found.get("status", {}).get("rollout") or {}).get("phase") == word
            and found["status"]["rollout"]["generation"] == found["metadata"]["generation"]
        )

    states = {"tier rolled out": await _object(scene, "DatabaseTier", name, phase("Done"))}
    change = {"spec": {"historyRetention": "1h"}}
    states["tier changed"] = await scene.cluster.patch("DatabaseTier", name, change)
    states["tier paused"] = await _object(scene, "DatabaseTier", name, phase("Paused"))
    await scene.cluster.patch("DatabaseTier", name, {"spec": example_tier("free")})
    await _object(scene, "DatabaseTier", name, phase("Done"))
    return states


async def _operations(scene: Scene) -> States:
    done = await scene.operate("done", "ReleaseDeletions")
    failed = await scene.operate("failed", "Rebind", f"{scene.namespace}/nobody")
    dry = await scene.operate("dry", "ReleaseDeletions", dryRun=True)
    return {"operation succeeded": done, "operation failed": failed, "operation dry run": dry}


async def _blocked(scene: Scene) -> States:
    """The operator is started with --paused: an operation waits."""
    await scene.operators[-1].stop()
    await scene.start_operator(paused="true")
    name = await scene.ask_for("waiting", "ReleaseDeletions")
    waits = await _object(
        scene, "FleetOperation", name, lambda found: found["status"].get("phase") == "Pending"
    )
    await scene.create("paused-before")

    def paused(found: Object) -> bool:
        return bool(condition(found, "Reconciling")["reason"] == "Paused")

    return {
        "operation waiting": waits,
        "tenant paused before it was touched": await scene.cluster.until_tenant(
            "paused-before", paused, "it is paused"
        ),
    }


@pytest.fixture(scope="module")
async def lived(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """A scene for the states."""
    async with playing(plane, None, tmp_path_factory.mktemp("gitops")) as scene:
        await scene.create_tiers()
        yield scene


@pytest.fixture(scope="module")
async def states(lived: Scene) -> States:
    """Each state's object, by its name."""
    found = await _untouched(lived)
    await lived.start_operator(sweep_interval="1")
    await lived.cluster.until_ready("fresh")
    for part in (_settled, _provisioning, _operations, _deleted, _tiers, _quota, _blocked):
        found |= await part(lived)
    return found
