"""A control plane with the whole chart on it: its policies hold every request, so others need another."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest
import yaml

import charts
from cluster import Cluster, RefusedError
from neon_sandbox import installation, manifests
from neon_sandbox.controlplane import ControlPlane, prepare
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
