"""Resources that were stored under another schema than the one of now."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cluster import Object, RefusedError, condition
from scene import Scene
from waiting import until

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
TENANTS, TIERS = "tenantdatabases.neontenants.io", "databasetiers.neontenants.io"


def spec_of(definition: Object) -> dict[str, Any]:
    versions = definition["spec"]["versions"]
    found: dict[str, Any] = versions[0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return found


@asynccontextmanager
async def another_schema(
    scene: Scene, field: str, *, crd: str = TENANTS, **changes: Any
) -> AsyncIterator[None]:
    """For the time of the block the CRD says something else of this field of a spec."""
    definition = await scene.cluster.request("GET", f"{CRDS}/{crd}")
    kept = spec_of(definition)["properties"][field]
    spec_of(definition)["properties"][field] = {**kept, **changes}
    await scene.cluster.request("PUT", f"{CRDS}/{crd}", json=definition)
    try:
        yield
    finally:
        definition = await scene.cluster.request("GET", f"{CRDS}/{crd}")
        spec_of(definition)["properties"][field] = kept
        await scene.cluster.request("PUT", f"{CRDS}/{crd}", json=definition)


@pytest.mark.proves("F41", "I7")
async def test_a_resource_that_a_stricter_schema_refuses_is_kept_and_can_be_deleted(
    unconnected: Scene,
) -> None:
    await unconnected.start_operator()
    await unconnected.create("kept", database="shop")
    await unconnected.create("gone", database="shop")
    for name in ("kept", "gone"):
        await unconnected.cluster.until_ready(name)
    async with another_schema(unconnected, "database", maxLength=3):

        async def in_force() -> bool:
            path = unconnected.cluster._path("TenantDatabase") + "?dryRun=All"
            try:
                await unconnected.cluster.request(
                    "POST", path, json=unconnected.manifest("new", database="shop")
                )
            except RefusedError:
                return True
            return False

        await until(in_force, "the stricter schema is in force")
        await unconnected.change("kept", tier=unconnected.tiers["pro"])
        await unconnected.cluster.until_ready("kept")
        await unconnected.cluster.delete("TenantDatabase", "gone")
        await unconnected.cluster.until_gone("TenantDatabase", "gone")
    assert [p["annotations"]["neontenants.io/name"] for p in unconnected.projects()] == ["kept"]


FROZEN = ["Active", "Suspended", "Frozen"]
"""With a state that only another version knows."""


async def until_accepted(scene: Scene, name: str, **spec: Any) -> None:
    """Changes the spec as soon as the API server lets it pass."""

    async def accepted() -> bool:
        try:
            await scene.change(name, **spec)
        except RefusedError:
            return False
        return True

    await until(accepted, "the API server lets it pass")


@pytest.mark.proves("F41", "I6", "I7", "I14")
async def test_a_resource_that_this_version_does_not_understand_says_so_and_can_be_deleted(
    unconnected: Scene,
) -> None:
    await unconnected.start_operator()
    for name in ("gone", "healed"):
        await unconnected.create(name)
        await unconnected.cluster.until_ready(name)
    async with another_schema(unconnected, "state", enum=FROZEN):
        await until_accepted(unconnected, "gone", state="Frozen")
        await unconnected.change("healed", state="Frozen")
    for name in ("gone", "healed"):
        told = await unconnected.cluster.until_reason("SpecNotUnderstood", name)
        assert "spec.state" in condition(told, "Ready")["message"]
        assert condition(told, "Stalled")["status"] == "True"
        assert condition(told, "Available")["status"] == "True"
        assert told["status"]["observedGeneration"] == told["metadata"]["generation"]
    await unconnected.cluster.until_event("SpecNotUnderstood")
    assert unconnected.patches() == (0, 0)
    await unconnected.cluster.delete("TenantDatabase", "gone")
    await unconnected.cluster.until_gone("TenantDatabase", "gone")
    await unconnected.cluster.until_gone("Secret", "gone-database")
    await unconnected.change("healed", state="Active")
    await unconnected.cluster.until_ready("healed")
    assert [p["annotations"]["neontenants.io/name"] for p in unconnected.projects()] == ["healed"]


@pytest.mark.proves("F41")
async def test_a_tier_that_this_version_does_not_understand_keeps_nobody_else_waiting(
    unconnected: Scene,
) -> None:
    """Neither now nor after a restart; its tenants keep what they have."""
    await unconnected.start_operator()
    await unconnected.create("odd", tier="pro")
    await unconnected.cluster.until_ready("odd")
    async with another_schema(unconnected, "driftPolicy", crd=TIERS, enum=["Repair", "Report", "Ask"]):

        async def accepted() -> bool:
            change = {"spec": {"driftPolicy": "Ask"}}
            try:
                await unconnected.cluster.patch("DatabaseTier", unconnected.tiers["pro"], change)
            except RefusedError:
                return False
            return True

        await until(accepted, "the API server lets it pass")
    await unconnected.until_logged("A DatabaseTier of another version")
    await unconnected.create("one")
    await unconnected.cluster.until_ready("one")
    await unconnected.operators[-1].stop()
    await unconnected.start_operator()
    await unconnected.create("two")
    await unconnected.cluster.until_ready("two")
    await unconnected.change("odd", state="Suspended")
    told = await unconnected.cluster.until_reason("TierNotFound", "odd")
    assert condition(told, "Available")["status"] == "True"
    assert len(unconnected.projects()) == 3
