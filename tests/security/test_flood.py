"""One namespace that asks for more than its share: stopped by its tier, by a quota, and in nobody's way."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from attackers import Stage, intruder, refused
from cluster import Cluster, Object, RefusedError, condition
from neon_sandbox.controlplane import ControlPlane
from neon_sandbox.emulator.scripts import Script
from scene import Scene, example_tier
from waiting import until

pytestmark = [pytest.mark.proves("T4")]

FINALIZER = "neontenants.io/project"
MOST = 3
CROWD = 24


async def reasons(cluster: Cluster) -> dict[str, int]:
    """How many tenants say what."""
    counts: dict[str, int] = {}
    for found in await cluster.list("TenantDatabase"):
        reason = condition(found, "Ready")["reason"] if "status" in found else ""
        counts[reason] = counts.get(reason, 0) + 1
    return counts


async def until_told(cluster: Cluster, wanted: dict[str, int]) -> None:
    async def told() -> bool:
        return await reasons(cluster) == wanted

    await until(told, f"the tenants say {wanted}")


def tenant(cluster: Cluster, name: str, tier: str, **metadata: Any) -> Object:
    return {
        "apiVersion": "neontenants.io/v1alpha1",
        "kind": "TenantDatabase",
        "metadata": {"name": name, "namespace": cluster.namespace, **metadata},
        "spec": {"tier": tier},
    }


async def test_a_burst_gets_as_many_projects_as_the_tier_has_places_however_it_forges(
    peopled: ControlPlane, unconnected: Scene
) -> None:
    """Without the policies: every second one brings our finalizer along, and all come in one moment."""
    scene = unconnected
    small = await scene.create_tier("small", {**example_tier("free"), "maxTenantsPerNamespace": MOST})
    here = f"{scene.prefix}-crowd"
    async with intruder(peopled, here, uses=[small]) as me:
        await scene.start_operator(watch_namespaces=f"{scene.namespace},{here}")
        forms: list[dict[str, Any]] = [{}, {"finalizers": [FINALIZER]}]
        await asyncio.gather(
            *(me.create(tenant(me, f"t{number}", small, **forms[number % 2])) for number in range(CROWD))
        )
        await until_told(me, {"Provisioned": MOST, "TierFull": CROWD - MOST})
        assert len(scene.projects()) == scene.requests("POST", "/projects") == MOST
        # Its own finalizer and annotations are the attacker's to edit here, and still win nothing.
        full = [
            found["metadata"]["name"]
            for found in await me.list("TenantDatabase")
            if condition(found, "Ready")["reason"] == "TierFull"
        ]
        note = {"finalizers": [FINALIZER], "annotations": {"neontenants.io/reconcile-requested-at": "now"}}
        await asyncio.gather(*(me.patch("TenantDatabase", name, {"metadata": note}) for name in full))
        for name in full:
            await me.until_tenant(
                name, lambda found: found["status"].get("lastHandledReconcileAt") == "now", "it was looked at"
            )
        assert len(scene.projects()) == MOST
        # The neighbor has places of its own.
        await scene.create("neighbor", tier="small")
        await scene.cluster.until_ready("neighbor")


async def test_a_place_is_taken_before_anything_is_written(peopled: ControlPlane, unconnected: Scene) -> None:
    """One that is in, and of which nothing tells yet, comes before one that brings a finalizer along."""
    scene = unconnected
    small = await scene.create_tier("small", {**example_tier("free"), "maxTenantsPerNamespace": 1})
    here = f"{scene.prefix}-second"
    async with intruder(peopled, here, uses=[small]) as me:
        await scene.start_operator(watch_namespaces=here, request_timeout="10", intent_lifetime="60")
        scene.neon.answers.add(Script(method="GET", route="/projects", delay_before=5))
        await me.create(tenant(me, "first", small))
        await scene.until_logged('"step": "LookUp"')
        assert "finalizers" not in (await me.tenant("first"))["metadata"]
        await me.create(tenant(me, "second", small, finalizers=[FINALIZER]))
        await me.until_reason("TierFull", "second")
        await me.until_ready("first")
        assert len(scene.projects()) == 1


async def test_nobody_gets_into_a_full_tier_by_way_of_another(
    peopled: ControlPlane, unconnected: Scene
) -> None:
    scene = unconnected
    one = {**example_tier("free"), "maxTenantsPerNamespace": 1, "historyRetention": "1h"}
    full, way = await scene.create_tier("full", one), await scene.create_tier("way", one)
    here = f"{scene.prefix}-mover"
    async with intruder(peopled, here, uses=[full, way]) as me:
        await scene.start_operator(watch_namespaces=here)
        await me.create(tenant(me, "first", full))
        await me.until_ready("first")
        await me.create(tenant(me, "second", way))
        await me.until_ready("second")
        patches = scene.patches()
        await me.patch("TenantDatabase", "second", {"spec": {"tier": full}})
        told = await me.until_reason("TierFull", "second")
        assert condition(told, "Available")["status"] == "True"
        assert told["status"]["tier"]["name"] == way
        assert scene.patches() == patches
        # It keeps the place that it has: a third does not get it.
        await me.create(tenant(me, "third", way))
        await me.until_reason("TierFull", "third")
        assert len(scene.projects()) == 2
        await me.delete("TenantDatabase", "first")
        await me.until_gone("TenantDatabase", "first")
        await me.patch(
            "TenantDatabase",
            "second",
            {"metadata": {"annotations": {"neontenants.io/reconcile-requested-at": "1"}}},
        )
        assert (await me.until_ready("second"))["status"]["tier"]["name"] == full


async def test_a_quota_of_the_platform_stops_a_flood_at_the_api_server(stage: Stage) -> None:
    """Kubernetes' own count of objects. What its controller would write stands there from the start."""
    count = "count/tenantdatabases.neontenants.io"
    there = len(await stage.me.list("TenantDatabase"))
    path = f"/api/v1/namespaces/{stage.me.namespace}/resourcequotas"
    quota: Object = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "few", "namespace": stage.me.namespace},
        "spec": {"hard": {count: str(there + 2)}},
    }
    await refused(stage.me.request("POST", path, json={**quota, "metadata": {"name": "mine"}}))
    made = await stage.admin.request("POST", path, json=quota)
    status = {"hard": quota["spec"]["hard"], "used": {count: str(there)}}
    await stage.admin.request("PUT", f"{path}/few/status", json={**made, "status": status})
    try:

        async def counted() -> bool:
            # The API server learns of quotas as they come. Its controller is not here: a count only grows.
            await stage.me.create(stage.manifest("probe"))
            await stage.begone("probe")
            found = await stage.admin.request("GET", f"{path}/few")
            return bool(found["status"]["used"][count] != str(there))

        await until(counted, "the API server counts")
        results = await asyncio.gather(
            *(stage.me.create(stage.manifest(f"flood-{number}")) for number in range(10)),
            return_exceptions=True,
        )
        stopped = [error for error in results if isinstance(error, RefusedError)]
        assert len(stopped) == 9
        assert all("exceeded quota: few" in str(error) and error.status == 403 for error in stopped)
        await refused(stage.me.request("DELETE", f"{path}/few"))
    finally:
        await stage.admin.request("DELETE", f"{path}/few")
    for found in await stage.me.list("TenantDatabase"):
        if found["metadata"]["name"].startswith("flood-"):
            await stage.me.until_ready(found["metadata"]["name"])
            await stage.begone(found["metadata"]["name"])
