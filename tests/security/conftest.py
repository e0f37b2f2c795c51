"""Control planes with the chart's policies and without them, and on each a victim and an attacker."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest
import yaml

import canaries
import charts
from attackers import Stage, install_roles, staged
from cluster import Cluster, RefusedError
from neon_sandbox import installation, manifests
from neon_sandbox.controlplane import ControlPlane, prepare
from neon_sandbox.emulator.postgres.server import PostgresServer
from waiting import until

PROBE = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: probe}
spec:
  matchConstraints:
    resourceRules:
      - apiGroups: [""]
        apiVersions: [v1]
        resources: [configmaps]
        operations: [CREATE]
        resourceNames: [probe]
  validations: [{expression: "false"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: probe}
spec: {policyName: probe, validationActions: [Deny]}
"""
"""The API server takes up policies as they come: when it holds to this one, the last, it holds to all."""


@pytest.fixture(scope="session")
async def guarded() -> AsyncIterator[ControlPlane]:
    """A control plane on which all objects of the operator's chart are."""
    async with ControlPlane.start(await prepare(os.environ.get("K8S_VERSION") or None)) as plane:
        await installation.kubectl(plane, "create", "namespace", installation.NAMESPACE)
        await installation.kubectl(plane, "apply", "-f", "-", stdin=manifests.crds())
        await installation.kubectl(
            plane, "wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"
        )
        documents = await charts.rendered(charts.OPERATOR, {**charts.REQUIRED, "crds": {"install": False}})
        text = yaml.safe_dump_all(documents)
        await installation.kubectl(plane, "apply", "--server-side", "-f", "-", stdin=text)
        await installation.kubectl(plane, "apply", "-f", "-", stdin=PROBE)
        await plane.restart_controller_manager()
        await _until_guarded(plane)
        yield plane


async def _until_guarded(plane: ControlPlane) -> None:
    probe = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe"}}
    path = "/api/v1/namespaces/default/configmaps"
    async with Cluster.connect(plane, "default") as cluster:

        async def refused() -> bool:
            try:
                await cluster.request("POST", path, params={"dryRun": "All"}, json=probe)
            except RefusedError:
                return True
            return False

        await until(refused, "the API server holds to its policies")


@pytest.fixture(scope="session")
async def peopled(plane: ControlPlane) -> ControlPlane:
    """The control plane without policies, with the chart's roles for people."""
    await install_roles(plane)
    return plane


@pytest.fixture(scope="session")
async def unguarded_stage(
    peopled: ControlPlane, postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    """RBAC is on, and nothing else but the operator itself stands in the way."""
    async with staged(peopled, postgres, tmp_path_factory.mktemp("unguarded"), admission=False) as stage:
        yield stage


@pytest.fixture(scope="session")
async def guarded_stage(
    guarded: ControlPlane, postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    """RBAC and all policies of the chart are on."""
    async with staged(guarded, postgres, tmp_path_factory.mktemp("guarded"), admission=True) as stage:
        yield stage


@pytest.fixture(params=["unguarded_stage", "guarded_stage"], ids=["admission off", "admission on"])
def played(request: pytest.FixtureRequest) -> Stage:
    """Either of them."""
    found: Stage = request.getfixturevalue(request.param)
    return found


@pytest.fixture
async def stage(played: Stage) -> AsyncIterator[Stage]:
    """Either of them; at the end the victim is unharmed, and nothing secret was seen."""
    yield played
    await played.unharmed()
    await canaries.scan(played.scene)
