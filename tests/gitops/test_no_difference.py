"""Applied again and again, what is in Git makes no difference: the operator never writes a spec."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

import charts
from cluster import Object
from neon_sandbox import manifests
from scene import Scene
from waiting import until

MANAGERS = ("argocd-controller", "kustomize-controller", "helm-controller")
PATHS = {
    "TenantDatabase": "/apis/neontenants.io/v1alpha1/namespaces/{namespace}/tenantdatabases/{name}",
    "DatabaseTier": "/apis/neontenants.io/v1alpha1/databasetiers/{name}",
    "FleetOperation": "/apis/neontenants.io/v1alpha1/fleetoperations/{name}",
}
EVERY_FIELD = {
    "state": "Active",
    "region": "aws-us-east-2",
    "postgresVersion": 17,
    "database": "app",
    "connectionSecret": {
        "name": "full-login",
        "labels": {"team": "a"},
        "annotations": {"example.com/team": "a"},
        "extra": {"DATABASE_URL": "{pooled_uri}"},
    },
    "overrides": {"quota": {"storagePerBranch": "20Gi"}, "compute": {"maxCU": 4}},
    "deletionPolicy": "Delete",
    "deletionProtection": False,
}


async def apply(scene: Scene, manifest: Object, manager: str, *, dry_run: bool = False) -> Object:
    """Server-side, as these tools do it: the manager owns what the manifest says."""
    metadata = manifest["metadata"]
    path = PATHS[manifest["kind"]].format(namespace=scene.namespace, name=metadata["name"])
    params = {"fieldManager": manager, "force": "true"} | ({"dryRun": "All"} if dry_run else {})
    headers = {"Content-Type": "application/apply-patch+yaml"}
    applied: Object = await scene.cluster.request(
        "PATCH", path, params=params, headers=headers, data=json.dumps(manifest)
    )
    return applied


def compared(found: Object) -> Object:
    """What Argo CD's server-side diff compares: all but who wrote it."""
    return {**found, "metadata": {k: v for k, v in found["metadata"].items() if k != "managedFields"}}


async def in_git(scene: Scene) -> list[Object]:
    """The examples, under names of this test's own, and a tenant with every field."""
    tiers = [*yaml.safe_load_all(manifests.example(manifests.TIERS).read_text())]
    tiers += [d for d in await charts.rendered(charts.TIERS) if d["kind"] == "DatabaseTier"]
    tenants = [*yaml.safe_load_all(manifests.example("tenant.yaml").read_text())]
    tenants.append({**tenants[0], "metadata": {"name": "full"}, "spec": {"tier": "pro", **EVERY_FIELD}})
    operations = [*yaml.safe_load_all(manifests.example("fleet-operations.yaml").read_text())]
    for number, tier in enumerate(tiers):
        suffix = "" if number < 3 else "-of-the-chart"
        scene.tiers[tier["metadata"]["name"] + suffix] = f"{scene.prefix}-{tier['metadata']['name']}{suffix}"
        tier["metadata"]["name"] += suffix
    for cluster_wide in (*tiers, *operations):
        cluster_wide["metadata"]["name"] = f"{scene.prefix}-{cluster_wide['metadata']['name']}"
    for tenant in tenants:
        tenant["metadata"]["namespace"] = scene.namespace
        tenant["spec"]["tier"] = scene.tiers[tenant["spec"]["tier"]]
    return [*tiers, *tenants, *operations]


@pytest.fixture
async def bare(plane: Any, tmp_path: Any) -> Any:
    """A scene without tiers: Git brings them."""
    from scene import playing

    async with playing(plane, None, tmp_path) as scene:
        yield scene


def written(found: Object, manager: str) -> Iterator[str]:
    """The fields at the top that a manager wrote."""
    for entry in found["metadata"]["managedFields"]:
        if entry["manager"] == manager:
            yield from entry["fieldsV1"]


@pytest.mark.parametrize("manager", MANAGERS)
async def test_applied_again_there_is_no_difference(bare: Scene, manager: str) -> None:
    scene, cluster = bare, bare.cluster
    everything = await in_git(scene)
    await scene.start_operator()
    for manifest in everything:
        await apply(scene, manifest, manager)
    for manifest in everything:
        if manifest["kind"] == "TenantDatabase":
            await cluster.until_ready(manifest["metadata"]["name"])
        if manifest["kind"] == "FleetOperation":
            await scene.until_done(manifest["metadata"]["name"])
    await _until_tiers_are_told(scene)
    for manifest in everything:
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        live = await cluster.get(kind, name)
        assert live is not None
        assert live["spec"] == manifest["spec"], f"{kind} {name}: nothing is defaulted or rewritten"
        predicted = await apply(scene, manifest, manager, dry_run=True)
        assert compared(predicted) == compared(live)
        again = await apply(scene, manifest, manager)
        assert again["metadata"]["resourceVersion"] == live["metadata"]["resourceVersion"]
        assert again["metadata"]["generation"] == 1
        ours = {entry["manager"] for entry in live["metadata"]["managedFields"]} - {manager}
        assert ours or kind == "DatabaseTier"
        for other in ours:
            assert "f:spec" not in set(written(live, other)), f"{other} wrote the spec of {kind} {name}"


async def _until_tiers_are_told(scene: Scene) -> None:
    """The last writes of a tier's status come after its tenants are Ready."""

    async def told() -> bool:
        found = [await scene.cluster.get("DatabaseTier", scene.tiers[name]) for name in ("free", "pro")]
        rollouts = [(tier or {}).get("status", {}).get("rollout", {}) for tier in found]
        return all((r.get("phase"), r.get("updated"), r.get("total")) == ("Done", 1, 1) for r in rollouts)

    await until(told, "both tiers tell of their tenant")
