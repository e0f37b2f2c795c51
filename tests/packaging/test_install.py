"""The chart's life: installed, upgraded, rolled back, uninstalled and installed again by the real Helm."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

import canaries
import charts
import lease
from cluster import Cluster, Object
from kubelet import Kubelet
from neon_sandbox.controlplane import ControlPlane, prepare
from neon_sandbox.emulator import Emulator
from neon_sandbox.installation import kubectl, token_of
from waiting import until

NAMESPACE: Final = "neon-tenant-operator"
RELEASE: Final = "neon-tenant-operator"
TENANTS: Final = 50
CRD: Final = "tenantdatabases.neontenants.io"
NEW_FIELD: Final = "deletionProtection"
"""Stands for a field that this version's schema has and an earlier one's had not."""


@dataclass
class Site:
    """A control plane on which nothing is installed, and a Neon."""

    plane: ControlPlane
    neon: Emulator
    system: Cluster
    """The operator's namespace."""
    tenants: Cluster
    """A namespace of tenants."""
    folder: Path
    kubeconfig: Path

    async def helm(self, *arguments: str | Path, **values: Any) -> str:
        """Runs Helm for a release in the operator's namespace, with the rights of `kubeconfig`."""
        stdin = yaml.safe_dump(values) if values else None
        given = ("--values", "-") if values else ()
        return await charts.helm(
            *arguments,
            *given,
            "--namespace",
            NAMESPACE,
            stdin=stdin,
            env={"KUBECONFIG": str(self.kubeconfig)},
        )

    def values(self) -> dict[str, Any]:
        """What a user gives, and short times."""
        settings = {
            "apiUrl": self.neon.url,
            "requestTimeout": 2,
            "intentLifetime": 8,
            "retryMax": 2,
            "grace": 5,
        }
        return {**charts.REQUIRED, "settings": settings}

    def written_to_neon(self) -> int:
        """Requests that changed something."""
        return sum(entry.method != "GET" for entry in self.neon.requests)

    async def versions(self) -> dict[str, str]:
        """Each tenant and each Secret of theirs, with the version of its last change."""
        found: list[Object] = [*await self.tenants.list("TenantDatabase"), *await self.tenants.list("Secret")]
        return {o["metadata"]["uid"]: o["metadata"]["resourceVersion"] for o in found}


@pytest.fixture(scope="module")
async def plane() -> AsyncIterator[ControlPlane]:
    """A control plane of this module's own: the CRDs come and go."""
    async with ControlPlane.start(await prepare(os.environ.get("K8S_VERSION") or None)) as plane:
        yield plane


@pytest.fixture
async def site(plane: ControlPlane, tmp_path: Path) -> AsyncIterator[Site]:
    async with (
        Emulator.start(postgres=None) as neon,
        Cluster.connect(plane, NAMESPACE) as system,
        Cluster.connect(plane, "tenants") as tenants,
    ):
        neon.knobs.requests_per_minute = neon.knobs.requests_per_second_per_route = 0
        neon.knobs.operation_seconds = 0
        for namespace in (NAMESPACE, "tenants"):
            if await system.get("Namespace", namespace) is None:
                await kubectl(plane, "create", "namespace", namespace)
        key = tmp_path / "api-key"
        key.write_text(neon.api_key)
        await kubectl(
            plane,
            "create",
            "secret",
            "generic",
            "neon-api-key",
            f"--from-file=api-key={key}",
            "-n",
            NAMESPACE,
        )
        yield Site(plane, neon, system, tenants, tmp_path, plane.kubeconfig)
        canaries.scan_logs(tmp_path, neon.issued)
        await kubectl(plane, "delete", "secret", "neon-api-key", "-n", NAMESPACE)


async def previous(site: Site) -> Path:
    """This chart under a lower version, without a field of this one's schema: none was released yet."""
    chart = site.folder / "previous"
    shutil.copytree(charts.OPERATOR, chart)
    path = chart / "files" / "crds" / "tenantdatabases.neontenants.io.yaml"
    crd = yaml.safe_load(path.read_text())
    (version,) = crd["spec"]["versions"]
    del version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"][NEW_FIELD]
    path.write_text(yaml.safe_dump(crd))
    await charts.helm("package", chart, "--version", "0.0.9", "--destination", site.folder)
    return site.folder / "neon-tenant-operator-0.0.9.tgz"


async def knows_the_new_field(site: Site) -> bool:
    """Whether the API server's schema is this version's."""
    crd = yaml.safe_load(await kubectl(site.plane, "get", "crd", CRD, "-o", "yaml"))
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return NEW_FIELD in schema["properties"]["spec"]["properties"]


def manifest(name: str) -> Object:
    return {
        "apiVersion": "neontenants.io/v1alpha1",
        "kind": "TenantDatabase",
        "metadata": {"name": name, "namespace": "tenants"},
        "spec": {"tier": "free"},
    }


async def test_fifty_tenants_outlive_every_step_of_a_release(site: Site) -> None:
    async with Kubelet.running(site.plane, site.system, RELEASE, site.folder) as kubelet:
        await site.helm("install", RELEASE, await previous(site), "--wait", "--timeout=60s", **site.values())
        await site.helm("install", "tiers", charts.TIERS)
        for number in range(TENANTS):
            await site.tenants.create(manifest(f"t{number}"))
        for number in range(TENANTS):
            await site.tenants.until_ready(f"t{number}")
        before, written = await site.versions(), site.written_to_neon()
        leads = await lease.until_held(site.system)

        steps: dict[str, tuple[str | Path, ...]] = {
            "upgrade": ("upgrade", RELEASE, charts.OPERATOR, "--wait", "--timeout=60s"),
            "upgrade of the tiers": ("upgrade", "tiers", charts.TIERS),
            "rollback": ("rollback", RELEASE, "1", "--wait", "--timeout=60s"),
            "uninstall": ("uninstall", RELEASE, "--wait", "--timeout=60s"),
            "install": ("install", RELEASE, charts.OPERATOR, "--wait", "--timeout=60s"),
        }
        for step, arguments in steps.items():
            given = site.values() if charts.OPERATOR in arguments else {}
            said = await site.helm(*arguments, **given)
            if step == "uninstall":
                assert "tenantdatabases.neontenants.io" in said, "Helm tells what it kept"
            assert await site.versions() == before, step
            assert site.written_to_neon() == written, step
            if charts.OPERATOR in arguments or step == "rollback":
                # Else the next one's pod may come before this one's has taken the Lease, and not stand by.
                leads = await lease.until_held(site.system, but=leads)
        assert await knows_the_new_field(site)
        # Each but the uninstall brought a new pod, and the last one works.
        assert len(kubelet.pods) == 4
        logs = [pod.log.read_text() for pod in kubelet.pods]
        # Who comes by an update stands by until the one before lets go. Uninstalled, it may not even do that.
        assert ["This replica stands by." in log for log in logs[:3]] == [False, True, True]
        assert ["The Lease is released." in log for log in logs[:2]] == [True, True]
        await site.tenants.patch("TenantDatabase", "t0", {"spec": {"tier": "pro"}})
        await site.tenants.until_ready("t0")
        assert len(await site.tenants.list("TenantDatabase")) == TENANTS
        await kubectl(site.plane, "delete", "tenantdatabases", "--all", "-n", "tenants", "--timeout=60s")


# --- bad input -------------------------------------------------------------------------------------------


async def uninstalled(site: Site) -> None:
    """Leaves nothing of an earlier test."""
    await site.helm("uninstall", RELEASE, "--ignore-not-found")
    crds = (await kubectl(site.plane, "get", "crd", "-o", "jsonpath={.items[*].metadata.name}")).split()
    if crds:
        # Asks until the API server has set up their storage. A CRD that goes before that may stay for five
        # minutes: its finalizer meets "storage is (re)initializing", notes that in the status, tries again,
        # meets a conflict with its own note, and takes it for somebody's change that would call it again.
        await kubectl(site.plane, "get", ",".join(crds), "--all-namespaces")
    await kubectl(site.plane, "delete", "crd", "--all", "--timeout=30s")


async def test_a_second_release_in_the_cluster_is_told_of_the_first(site: Site) -> None:
    await uninstalled(site)
    await site.helm("install", RELEASE, charts.OPERATOR, **site.values())
    with pytest.raises(charts.HelmError) as refused:
        await site.helm("install", "second", charts.OPERATOR, **site.values())
    said = str(refused.value)
    assert f"belong to the release {RELEASE} in namespace {NAMESPACE}" in said
    assert f"helm upgrade {RELEASE} -n {NAMESPACE}" in said

    # It is gone, and the other takes its place with the words of the message.
    await site.helm("uninstall", RELEASE)
    with pytest.raises(charts.HelmError) as refused:
        await site.helm("install", "second", charts.OPERATOR, **site.values())
    advice = str(refused.value).partition("kubectl ")[2].splitlines()[0]
    await kubectl(site.plane, *advice.split())
    await site.helm("install", "second", charts.OPERATOR, **site.values())
    await site.helm("uninstall", "second")


async def test_crds_that_helm_did_not_apply_are_named_with_what_they_lack(site: Site) -> None:
    await uninstalled(site)
    await kubectl(site.plane, "apply", "-f", charts.ROOT / "crds")
    with pytest.raises(charts.HelmError) as refused:
        await site.helm("install", RELEASE, charts.OPERATOR, **site.values())
    assert 'CustomResourceDefinition "databasetiers.neontenants.io"' in str(refused.value)
    assert "meta.helm.sh/release-name" in str(refused.value)
    await site.helm("install", RELEASE, charts.OPERATOR, "--take-ownership", **site.values())


async def test_an_old_crd_left_behind_is_upgraded(site: Site) -> None:
    await uninstalled(site)
    await site.helm("install", RELEASE, await previous(site), **site.values())
    await site.helm("uninstall", RELEASE)
    assert not await knows_the_new_field(site)
    await site.helm("install", RELEASE, charts.OPERATOR, **site.values())
    assert await knows_the_new_field(site)


async def test_who_may_not_create_crds_installs_beside_those_of_an_administrator(site: Site) -> None:
    await uninstalled(site)
    groups = ["", "apps", "networking.k8s.io", "policy", "rbac.authorization.k8s.io", "neontenants.io"]
    groups += ["admissionregistration.k8s.io", "events.k8s.io"]
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "all-but-crds"},
        "rules": [{"apiGroups": groups, "resources": ["*"], "verbs": ["*"]}],
    }
    await kubectl(site.plane, "apply", "-f", "-", stdin=yaml.safe_dump(role))
    await kubectl(site.plane, "create", "serviceaccount", "person", "-n", NAMESPACE)
    subject = f"--serviceaccount={NAMESPACE}:person"
    await kubectl(site.plane, "create", "clusterrolebinding", "person", "--clusterrole=all-but-crds", subject)
    token = await token_of(site.plane, "person", NAMESPACE)
    person = replace(site, kubeconfig=site.folder / "person.kubeconfig")
    site.plane.write_kubeconfig(person.kubeconfig, token=token)

    with pytest.raises(charts.HelmError, match=r"customresourcedefinitions.*is forbidden"):
        await person.helm("install", RELEASE, charts.OPERATOR, **site.values())
    await kubectl(site.plane, "apply", "-f", charts.ROOT / "crds")
    values = {**site.values(), "crds": {"install": False}}
    async with Kubelet.running(site.plane, site.system, RELEASE, site.folder):
        await person.helm("install", RELEASE, charts.OPERATOR, "--wait", "--timeout=60s", **values)
    await person.helm("uninstall", RELEASE)


async def test_an_operator_without_crds_says_what_to_apply(site: Site) -> None:
    await uninstalled(site)
    async with Kubelet.running(site.plane, site.system, RELEASE, site.folder) as kubelet:
        await site.helm("install", RELEASE, charts.OPERATOR, **site.values(), crds={"install": False})

        async def told() -> bool:
            return any("crds/" in pod.log.read_text() for pod in kubelet.pods)

        await until(told, "the operator says what is missing")
        await kubectl(site.plane, "apply", "-f", charts.ROOT / "crds")
        await kubectl(
            site.plane, "rollout", "status", f"deployment/{RELEASE}", "-n", NAMESPACE, "--timeout=60s"
        )
    await site.helm("uninstall", RELEASE)
