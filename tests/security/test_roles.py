"""Who may do what with our kinds, by the roles of the chart, on the real API server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import yaml

import charts
from cluster import Cluster, RefusedError
from neon_sandbox import installation
from neon_sandbox.controlplane import ControlPlane
from scene import Scene
from waiting import until

GROUP = "/apis/neontenants.io/v1alpha1"
CAN_I = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
NAMESPACE = "roles"
NAME = "neon-tenant-operator"


@pytest.fixture(scope="module")
async def staffed(plane: ControlPlane) -> ControlPlane:
    """The chart's roles for people, and one person for each, bound as documented."""
    documents = await charts.rendered(charts.OPERATOR, charts.REQUIRED)
    roles = [d for d in documents if d["kind"] in ("Role", "ClusterRole")]
    bindings = [
        _binding("RoleBinding", role, role, namespace=NAMESPACE) for role in ("view", "edit", "admin")
    ] + [
        _binding("ClusterRoleBinding", f"{NAME}-{role}", role)
        for role in ("use-tiers", "support", "fleet-admin", "fleet-view")
    ]
    pages = _binding("RoleBinding", f"{NAME}-pages", "pages", namespace=NAME)
    pages["roleRef"]["kind"] = "Role"
    own = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    await installation.kubectl(
        plane, "apply", "-f", "-", stdin=yaml.safe_dump_all([own, *roles, *bindings, pages])
    )
    return plane


def _binding(kind: str, role: str, user: str, *, namespace: str | None = None) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": f"roles-{user}"} | ({"namespace": namespace} if namespace else {}),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}],
    }


READ = {"get", "list", "watch"}
WRITE = {"create", "update", "patch", "delete", "deletecollection"}
DECIDE = {"suspend", "pause", "retain", "restore"}
USE = {"use", "confirm"}
ALL = READ | WRITE | DECIDE | USE

# Who, in which namespace, may do what with which resource: no more and no less.
MAY = [
    ("view", NAMESPACE, "tenantdatabases", READ),
    ("view", NAMESPACE, "tenantdatabases/status", set()),
    ("view", NAMESPACE, "databasetiers", set()),
    ("view", NAMESPACE, "fleetoperations", set()),
    ("view", "default", "tenantdatabases", set()),
    ("edit", NAMESPACE, "tenantdatabases", READ | WRITE),
    ("edit", NAMESPACE, "tenantdatabases/status", set()),
    ("edit", NAMESPACE, "databasetiers", set()),
    ("edit", NAMESPACE, "fleetoperations", set()),
    ("admin", NAMESPACE, "tenantdatabases", READ | WRITE),
    ("admin", NAMESPACE, "tenantdatabases/status", set()),
    ("admin", "default", "tenantdatabases", set()),
    ("use-tiers", "", "databasetiers", READ | {"use"}),
    ("use-tiers", NAMESPACE, "tenantdatabases", set()),
    ("support", NAMESPACE, "tenantdatabases", READ | {"update", "patch", "suspend", "pause", "retain"}),
    ("support", NAMESPACE, "tenantdatabases/status", set()),
    ("support", "", "fleetoperations", set()),
    ("fleet-admin", "", "databasetiers", READ | {"create", "update", "patch", "delete", "use", "confirm"}),
    ("fleet-admin", "", "fleetoperations", READ | {"create", "delete"}),
    ("fleet-admin", "", "databasetiers/status", set()),
    ("fleet-admin", "", "fleetoperations/status", set()),
    ("fleet-view", NAMESPACE, "tenantdatabases", READ),
    ("fleet-view", "", "databasetiers", READ),
    ("fleet-view", "", "fleetoperations", READ),
    ("nobody", NAMESPACE, "tenantdatabases", set()),
]


async def may(person: Cluster, verb: str, resource: str, namespace: str) -> bool:
    """What the API server's authorizer says."""
    resource, _, subresource = resource.partition("/")
    asked = {"verb": verb, "group": "neontenants.io", "resource": resource, "subresource": subresource}
    body = {"spec": {"resourceAttributes": {**asked, "namespace": namespace}}}
    review = await person.request("POST", CAN_I, json=body)
    return bool(review["status"]["allowed"])


async def test_everybody_may_do_what_their_role_says_and_no_more(staffed: ControlPlane) -> None:
    async with AsyncExitStack() as stack:
        people = {
            who: await stack.enter_async_context(Cluster.connect(staffed, NAMESPACE, user=who))
            for who in {who for who, *_ in MAY}
        }

        async def aggregated() -> bool:
            return await may(people["admin"], "delete", "tenantdatabases", NAMESPACE)

        await until(aggregated, "Kubernetes has added our rules to admin")
        for who, namespace, resource, wanted in MAY:
            granted = {verb for verb in ALL if await may(people[who], verb, resource, namespace)}
            assert granted == wanted, f"{who}: {resource} in {namespace!r}"


async def test_the_operators_pages_are_read_through_the_proxy_by_whom_the_role_names(
    staffed: ControlPlane,
) -> None:
    """Nothing runs there: the proxy answers 404 or 503. 403 is RBAC's answer."""
    path = f"/api/v1/namespaces/{NAME}/services/{NAME}:http/proxy/v1/status"
    for who, refused in (("pages", False), ("fleet-view", True), ("admin", True)):
        async with Cluster.connect(staffed, NAMESPACE, user=who) as person:
            for method in ("GET", "POST"):
                with pytest.raises(RefusedError) as error:
                    await person.request(method, path)
                assert (error.value.status == 403) is refused, who


async def test_a_role_that_is_not_aggregated_adds_nothing_to_view_and_edit() -> None:
    documents = await charts.rendered(charts.OPERATOR, {**charts.REQUIRED, "rbac": {"aggregate": False}})
    labels = {label for d in documents for label in d["metadata"].get("labels", {})}
    assert not [label for label in labels if "aggregate" in label]


# --- namespaced mode ------------------------------------------------------------------------------------


@pytest.fixture
async def scoped(unconnected: Scene) -> AsyncIterator[tuple[Scene, Cluster, Cluster]]:
    """A scene whose operator has the rights of the namespaced mode alone: for its namespace and a second one.

    With the second and a third namespace.
    """
    scene = unconnected
    second, third = f"{scene.prefix}-b", f"{scene.prefix}-c"
    for name in (second, third):
        await scene.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    values = {
        **charts.REQUIRED,
        "nameOverride": scene.prefix,
        "watchNamespaces": [scene.namespace, second],
        "rbac": {"aggregate": False},
    }
    documents = await charts.rendered(charts.OPERATOR, values, namespace=third)
    kinds = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
    chosen = yaml.safe_dump_all([d for d in documents if d["kind"] in kinds])
    await installation.kubectl(scene.plane, "apply", "-f", "-", stdin=chosen)
    token = await installation.kubectl(scene.plane, "create", "token", scene.prefix, "-n", third)
    scene.plane.write_kubeconfig(scene.kubeconfig, token=token.strip(), namespace=third)
    async with (
        Cluster.connect(scene.plane, second) as b,
        Cluster.connect(scene.plane, third) as c,
    ):
        yield scene, b, c
    await installation.kubectl(scene.plane, "delete", "--wait=false", "-f", "-", stdin=chosen)


async def test_in_namespaced_mode_the_operator_works_in_its_namespaces_and_has_nothing_elsewhere(
    scoped: tuple[Scene, Cluster, Cluster],
) -> None:
    scene, second, third = scoped
    watched = f"{scene.namespace},{second.namespace}"
    await scene.start_operator(watch_namespaces=watched, namespace=third.namespace)
    manifest = scene.manifest()
    await scene.create()
    await second.create({**manifest, "metadata": {"name": "acme", "namespace": second.namespace}})
    for cluster in (scene.cluster, second):
        await cluster.until_ready()
        assert await cluster.secret()
    await scene.cluster.delete("TenantDatabase", "acme")
    await scene.cluster.until_gone("TenantDatabase", "acme")
    assert scene.requests("DELETE", "/projects/{project_id}") == 1
    token = yaml.safe_load(scene.kubeconfig.read_text())["users"][0]["user"]["token"]
    tenants = f"{GROUP}/namespaces/{third.namespace}/tenantdatabases"
    elsewhere = [
        ("GET", tenants),
        ("GET", f"{GROUP}/tenantdatabases"),
        ("PATCH", f"{tenants}/acme/status"),
        ("GET", f"/api/v1/namespaces/{third.namespace}/secrets/acme-database"),
        ("POST", f"/api/v1/namespaces/{third.namespace}/secrets"),
        ("POST", f"/apis/events.k8s.io/v1/namespaces/{third.namespace}/events"),
        ("GET", f"/api/v1/namespaces/{third.namespace}"),
        ("GET", f"/api/v1/namespaces/{scene.namespace}/configmaps/any"),
    ]
    async with Cluster.connect(scene.plane, third.namespace, token=token) as operator:
        for method, path in elsewhere:
            with pytest.raises(RefusedError) as refused:
                await operator.request(method, path)
            assert refused.value.status == 403, path
        for namespace in (scene.namespace, second.namespace, "kube-system"):
            assert await operator.request("GET", f"/api/v1/namespaces/{namespace}")


async def test_in_namespaced_mode_the_operators_requests_are_all_allowed(
    scoped: tuple[Scene, Cluster, Cluster],
) -> None:
    """Also those about tiers and operations, which have no namespace; the audit log knows of no refusal."""
    scene, second, third = scoped
    watched = f"{scene.namespace},{second.namespace}"
    await scene.start_operator(watch_namespaces=watched, namespace=third.namespace, sweep_interval="1")
    await scene.create()
    await scene.cluster.until_ready()
    done = await scene.operate("released", "ReleaseDeletions")
    assert done["status"]["phase"] == "Succeeded"
    tier = scene.tiers["free"]
    changed = {"spec": {"historyRetention": "1h"}}
    await scene.cluster.patch("DatabaseTier", tier, changed)
    path = "/apis/events.k8s.io/v1/namespaces/default/events"

    async def told() -> bool:
        events = (await scene.cluster.request("GET", path))["items"]
        return any(event["regarding"]["name"] == tier for event in events)

    await until(told, "an event about the tier")
    user = f"system:serviceaccount:{third.namespace}:{scene.prefix}"
    asked = [request for request in scene.plane.requests() if request.user == user]
    assert {"tenantdatabases", "databasetiers", "events", "configmaps"} <= {r.resource for r in asked}
    assert not [request for request in asked if request.code == 403]
