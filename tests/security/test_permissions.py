"""What the operator may do, and what it may not."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from cluster import Cluster, RefusedError
from neon_sandbox import installation, manifests
from scene import Scene

ALLOWED = {
    ("neontenants.io", "tenantdatabases"): {"get", "list", "watch", "patch"},
    ("neontenants.io", "tenantdatabases/status"): {"patch"},
    ("neontenants.io", "databasetiers"): {"get", "list", "watch"},
    ("neontenants.io", "databasetiers/status"): {"patch"},
    ("neontenants.io", "fleetoperations"): {"get", "list", "watch"},
    ("neontenants.io", "fleetoperations/status"): {"patch"},
    ("", "secrets"): {"get", "create", "update"},
    ("", "namespaces"): {"get"},
    ("events.k8s.io", "events"): {"create"},
}


def shipped_role() -> dict[str, Any]:
    """The ClusterRoles, as one."""
    documents = list(yaml.safe_load_all(manifests.permissions()))
    role, cluster = (document for document in documents if document["kind"] == "ClusterRole")
    return {**role, "rules": [*role["rules"], *cluster["rules"]]}


@pytest.mark.proves("T11")
def test_the_shipped_role_is_exactly_this() -> None:
    """In particular no list, watch or delete on Secrets."""
    granted = {
        (group, resource): set(rule["verbs"])
        for rule in shipped_role()["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert granted == ALLOWED


@pytest.mark.proves("T11")
def test_the_shipped_role_for_its_own_namespace_is_exactly_this() -> None:
    documents = list(yaml.safe_load_all(manifests.permissions()))
    (role,) = (document for document in documents if document["kind"] == "Role")
    assert role["metadata"]["namespace"] == installation.NAMESPACE
    leases = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "update"]},
        {**leases, "resourceNames": ["neon-tenant-operator"], "verbs": ["get", "update"]},
        {**leases, "verbs": ["create"]},
    ]


REFUSED = {
    "read another namespace's ConfigMaps": ("GET", "/api/v1/namespaces/{namespace}/configmaps/any"),
    "list its own ConfigMaps": ("GET", "/api/v1/namespaces/neon-tenant-operator/configmaps"),
    "read another Lease": (
        "GET",
        "/apis/coordination.k8s.io/v1/namespaces/neon-tenant-operator/leases/another",
    ),
    "read another namespace's Lease of its name": (
        "GET",
        "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/neon-tenant-operator",
    ),
    "create a FleetOperation": ("POST", "/apis/neontenants.io/v1alpha1/fleetoperations"),
    "list Secrets": ("GET", "/api/v1/secrets"),
    "list a namespace's Secrets": ("GET", "/api/v1/namespaces/{namespace}/secrets"),
    "delete a Secret": ("DELETE", "/api/v1/namespaces/{namespace}/secrets/acme-database"),
    "read pods": ("GET", "/api/v1/namespaces/{namespace}/pods"),
    "delete a tenant": (
        "DELETE",
        "/apis/neontenants.io/v1alpha1/namespaces/{namespace}/tenantdatabases/acme",
    ),
    "list namespaces": ("GET", "/api/v1/namespaces"),
    "change its own role": ("DELETE", "/apis/rbac.authorization.k8s.io/v1/clusterroles/neon-tenant-operator"),
}


@pytest.mark.proves("T11")
@pytest.mark.parametrize(("method", "path"), REFUSED.values(), ids=REFUSED.keys())
async def test_the_operator_may_not(scene: Scene, method: str, path: str) -> None:
    token = yaml.safe_load(scene.kubeconfig.read_text())["users"][0]["user"]["token"]
    async with Cluster.connect(scene.plane, scene.namespace, token=token) as operator:
        with pytest.raises(RefusedError) as refused:
            await operator.request(method, path.format(namespace=scene.namespace))
    assert refused.value.status == 403


@pytest.mark.proves("T1")
async def test_a_tenant_cannot_write_its_status(scene: Scene) -> None:
    """A namespace's user with rights on tenantdatabases has none on their status."""
    await scene.create()
    name = f"{scene.prefix}-user"
    await installation.kubectl(scene.plane, "create", "serviceaccount", "user", "-n", scene.namespace)
    verbs = "--verb=get,list,create,update,patch,delete"
    await installation.kubectl(
        scene.plane,
        "create",
        "role",
        name,
        verbs,
        "--resource=tenantdatabases.neontenants.io",
        "-n",
        scene.namespace,
    )
    subject = f"--serviceaccount={scene.namespace}:user"
    await installation.kubectl(
        scene.plane, "create", "rolebinding", name, f"--role={name}", subject, "-n", scene.namespace
    )
    token = await installation.token_of(scene.plane, "user", scene.namespace)
    async with Cluster.connect(scene.plane, scene.namespace, token=token) as user:
        await user.patch("TenantDatabase", "acme", {"spec": {"tier": scene.tiers["pro"]}})
        forged = {"status": {"projectId": "somebody-elses-1"}}
        with pytest.raises(RefusedError) as refused:
            await user.patch("TenantDatabase", "acme", forged, subresource="/status")
    assert refused.value.status == 403
