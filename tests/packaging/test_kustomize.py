"""The operator without Helm: `kubectl apply -k`."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import charts
from neon_sandbox import installation
from neon_sandbox.controlplane import ControlPlane, prepare

Objects = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture(scope="module")
async def bare() -> AsyncIterator[ControlPlane]:
    """A control plane with nothing installed."""
    async with ControlPlane.start(await prepare()) as plane:
        yield plane


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    """The example, with a key put beside it as its first line asks."""
    for folder in ("manifests", "examples/kustomize"):
        shutil.copytree(charts.ROOT / folder, tmp_path / folder)
    (tmp_path / "examples/kustomize/api-key").write_text("napi_test")
    return tmp_path / "examples/kustomize"


def by_name(documents: list[dict[str, Any]]) -> Objects:
    found = {(document["kind"], document["metadata"]["name"]): document for document in documents}
    assert len(found) == len(documents)
    return found


def without_what_helm_reads(document: dict[str, Any]) -> dict[str, Any]:
    metadata = document["metadata"]
    assert metadata["labels"].pop("app.kubernetes.io/managed-by") == "Helm"
    del metadata["labels"]["helm.sh/chart"]
    if metadata.get("annotations", {}).pop("helm.sh/resource-policy", None):
        assert document["kind"] == "CustomResourceDefinition"
        if not metadata["annotations"]:
            del metadata["annotations"]
    if document["kind"] == "Deployment":
        labels = document["spec"]["template"]["metadata"]["labels"]
        del labels["app.kubernetes.io/managed-by"], labels["helm.sh/chart"]
    return document


async def test_the_overlay_makes_what_the_chart_makes(bare: ControlPlane, overlay: Path) -> None:
    text = await installation.kubectl(bare, "kustomize", overlay)
    plain = by_name(list(yaml.safe_load_all(text)))
    values = {"clusterId": "dev", "neon": {"existingSecret": "neon-api-key"}}
    chart = by_name([without_what_helm_reads(d) for d in await charts.rendered(charts.OPERATOR, values)])
    more = {("Namespace", "neon-tenant-operator"), ("Secret", "neon-api-key")}
    assert plain.keys() - chart.keys() == more
    assert {key: plain[key] for key in chart} == chart


async def test_the_overlay_is_applied_and_applied_again_changes_nothing(
    bare: ControlPlane, overlay: Path
) -> None:
    # The first time, kinds must be known before their objects are; here there are none of the new kinds.
    first = await installation.kubectl(bare, "apply", "-k", overlay)
    assert "deployment.apps/neon-tenant-operator created" in first
    again = await installation.kubectl(bare, "apply", "-k", overlay)
    assert not [line for line in again.splitlines() if not line.endswith(" unchanged")]


async def test_helm_refuses_another_cluster_id_than_that_of_the_running_operator(
    bare: ControlPlane, overlay: Path
) -> None:
    await installation.kubectl(bare, "apply", "-k", overlay)

    async def refused(cluster_id: str) -> str:
        values = f"clusterId={cluster_id},neon.existingSecret=neon-api-key"
        where = ("--namespace", installation.NAMESPACE, "--dry-run=server", "--set", values)
        with pytest.raises(charts.HelmError) as error:
            await charts.helm("template", "any", charts.OPERATOR, *where, env=bare.kubectl_env)
        return str(error.value)

    assert "clusterId is dev in this cluster, and now other: the operator would not" in await refused("other")
    # What kubectl applied Helm does not take over, but that is all it has against the same id.
    assert "cannot be imported into the current release" in await refused("dev")


async def test_without_an_overlay_there_is_no_cluster_id(bare: ControlPlane) -> None:
    """The operator refuses to start without one, rather than to make projects under a name of ours."""
    text = await installation.kubectl(bare, "kustomize", charts.ROOT / "manifests")
    deployment = charts.one(list(yaml.safe_load_all(text)), "Deployment")
    env = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "NEON_TENANTS_CLUSTER_ID"} in env
