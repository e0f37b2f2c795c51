"""The operator's namespace is deleted, and installed again."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

import charts
import toolbox
from cluster import Cluster, Object, condition
from kubelet import Kubelet
from neon_sandbox import installation
from neon_sandbox.child import Child
from neon_sandbox.controlplane import ControlPlane, prepare
from neon_sandbox.emulator import Emulator
from runbook import Runbook
from scene import Scene
from waiting import until

PAGE = "namespace-deleted.md"
SETTLED = ("acme", "initech")
OTHERS = ("changed", "leaving", "kept")


@dataclass
class Site:
    """A cluster without the operator, and a Neon."""

    plane: ControlPlane
    neon: Emulator
    system: Cluster
    """The operator's namespace."""
    tenants: Cluster
    folder: Path
    operators: Sequence[Child] = ()
    """None: no command here asks it."""

    async def install(self, runbook: Runbook) -> None:
        """As the page says, with the values that stand in Git."""
        settings = {"apiUrl": self.neon.url, "requestTimeout": 2, "intentLifetime": 8, "grace": 5}
        values, key = self.folder / "values.yaml", self.folder / "neon-api-key"
        values.write_text(yaml.safe_dump({**charts.REQUIRED, "settings": settings}))
        key.write_text(self.neon.api_key)
        await runbook.run(self, "kubectl create namespace")
        await runbook.run(self, "create secret", **{"api-key=neon-api-key": f"api-key={key}"})
        helm = {"helm install": f"{toolbox.path(toolbox.HELM)} install", "values.yaml": str(values)}
        await runbook.run(self, "helm install", **helm)

    async def create(self, name: str, **spec: str) -> None:
        manifest = {
            "apiVersion": "neontenants.io/v1alpha1",
            "kind": "TenantDatabase",
            "metadata": {"name": name, "namespace": "tenants"},
            "spec": {"tier": "free", "deletionPolicy": "Delete", **spec},
        }
        await self.tenants.create(manifest)

    async def versions(self) -> dict[str, str]:
        """Each settled tenant and its Secret, with the version of its last change."""
        found: list[Object | None] = []
        for name in SETTLED:
            found.append(await self.tenants.get("TenantDatabase", name))
            found.append(await self.tenants.get("Secret", f"{name}-database"))
        return {one["metadata"]["uid"]: one["metadata"]["resourceVersion"] for one in found if one}

    def written(self) -> list[tuple[str, str]]:
        """Every request that changed something at Neon, with the project's id or its name's list."""
        return [(e.method, e.path.split("/projects")[-1]) for e in self.neon.requests if e.method != "GET"]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with (
        ControlPlane.start(await prepare(os.environ.get("K8S_VERSION") or None)) as plane,
        Emulator.start(postgres=None) as neon,
        Cluster.connect(plane, installation.NAMESPACE) as system,
        Cluster.connect(plane, "tenants") as tenants,
    ):
        neon.knobs.requests_per_minute = neon.knobs.requests_per_second_per_route = 0
        neon.knobs.operation_seconds = 0
        await installation.kubectl(plane, "create", "namespace", "tenants")
        yield Site(plane, neon, system, tenants, tmp_path)


@pytest.mark.proves("F40", "I1", "I3")
async def test_all_tenants_stay_and_what_was_asked_meanwhile_is_done(site: Site) -> None:
    runbook = Runbook(PAGE)
    async with Kubelet.running(site.plane, site.system, installation.NAMESPACE, site.folder) as kubelet:
        await site.install(runbook)
        await charts.helm(
            *("install", "tiers", charts.TIERS, "-n", "tenants"),
            env={"KUBECONFIG": str(site.plane.kubeconfig)},
        )
        for name in (*SETTLED, *OTHERS):
            await site.create(name)
        ids = {
            name: (await site.tenants.until_ready(name))["status"]["projectId"]
            for name in (*SETTLED, *OTHERS)
        }
        before, written = await site.versions(), site.written()
        await installation.kubectl(site.plane, "delete", "namespace", installation.NAMESPACE)

        async def stopped() -> bool:
            return not any(pod.running for pod in kubelet.pods)

        await until(stopped, "no operator runs")
        await _asked_meanwhile(site, runbook)
        assert (await site.versions(), site.written()) == (before, written)

        await site.install(runbook)
        for name in ("changed", "new"):
            await site.tenants.until_ready(name)
        for name in ("leaving", "kept"):
            await site.tenants.until_gone("TenantDatabase", name)
        assert len(kubelet.pods) == 2
        assert await site.versions() == before
        since = site.written()[len(written) :]
        assert {path.split("/")[1] for _, path in since if path} == {ids[name] for name in OTHERS}
        made_or_deleted = {(method, path) for method, path in since if method in ("POST", "DELETE")}
        assert made_or_deleted == {("POST", ""), ("DELETE", f"/{ids['leaving']}")}
        released = next(p for p in site.neon.projects() if p["id"] == ids["kept"])
        assert released["name"].endswith("-released")
        assert released["deleted_at"] is None
        state = await installation.kubectl(
            *(site.plane, "get", "configmap", "neon-tenant-operator-test", "-o", "json"),
            *("-n", installation.NAMESPACE),
        )
        assert "apiServer" in json.loads(state)["data"]
    runbook.all_run()


async def _asked_meanwhile(site: Site, runbook: Runbook) -> None:
    """Nothing of it happens while there is no operator; nothing of it is lost."""
    await site.tenants.patch("TenantDatabase", "changed", {"spec": {"tier": "pro"}})
    await site.create("new")
    for name in ("leaving", "kept"):
        await site.tenants.delete("TenantDatabase", name)
    marked = await runbook.run(site, "custom-columns")
    times = {line.split()[1]: line.split()[2] for line in marked.splitlines()[1:]}
    assert {name for name, time in times.items() if time != "<none>"} == {"leaving", "kept"}
    await runbook.run(site, "deletionPolicy", acme="kept")
    for name in ("leaving", "kept"):
        held = await site.tenants.tenant(name)
        assert held["metadata"]["finalizers"] == ["neontenants.io/project"]
        assert await site.tenants.get("Secret", f"{name}-database")


# --- what else goes with it, and what can go wrong -------------------------------------------------------


def is_held(found: Object) -> bool:
    return bool(condition(found, "Ready")["reason"] == "DeletionHeld")


async def until_held(scene: Scene, count: int) -> list[str]:
    async def look() -> list[str] | None:
        found = await scene.cluster.list("TenantDatabase")
        held = [one["metadata"]["name"] for one in found if is_held(one)]
        return held if len(held) == len(found) == count else None

    return await until(look, f"{count} are left, and held")


async def test_a_brake_without_its_memory_lets_as_many_go_again_and_no_more(unconnected: Scene) -> None:
    scene = unconnected
    await scene.start_operator(deletions_per_window="1")
    names = [f"t{number}" for number in range(4)]
    for name in names:
        await scene.create(name)
    for name in names:
        await scene.cluster.until_ready(name)
    for name in names:
        await scene.cluster.delete("TenantDatabase", name)
    await until_held(scene, 3)
    await scene.operators[-1].stop()
    state = ("configmap", f"neon-tenant-operator-{scene.prefix}", "-n", installation.NAMESPACE)
    await installation.kubectl(scene.plane, "delete", *state)
    await scene.start_operator(deletions_per_window="1")
    await until_held(scene, 2)
    assert len(scene.projects()) == 2


@pytest.mark.proves("I2", "I3")
async def test_another_cluster_id_by_mistake_changes_no_recorded_project(unconnected: Scene) -> None:
    scene = unconnected
    await scene.start_operator()
    for name in ("acme", "leaving"):
        await scene.create(name)
        await scene.cluster.until_ready(name)
    await scene.operators[-1].stop()
    before = [(project["id"], project["name"]) for project in scene.projects()]
    await scene.start_operator(cluster_id="another")
    await scene.change(tier=scene.tiers["pro"])
    await scene.cluster.delete("TenantDatabase", "leaving")
    await scene.cluster.until_reason("NotOurs")
    await scene.cluster.until_tenant(
        "leaving", lambda found: condition(found, "Ready")["reason"] == "NotOurs", "the deletion is held"
    )
    assert [(project["id"], project["name"]) for project in scene.projects()] == before
    assert scene.patches() == (0, 0)
    await scene.create("new")
    await scene.cluster.until_ready("new")
    assert "-another-" in next(p["name"] for p in scene.projects() if p["id"] not in dict(before))
    await scene.operators[-1].stop()
    await scene.start_operator()
    await scene.cluster.until_ready()
    await scene.cluster.until_gone("TenantDatabase", "leaving")
    assert scene.requests("POST", "/projects") == 3
