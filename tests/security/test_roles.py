"""Who may do what with our kinds, by the roles of the chart, on the real API server."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

import charts
from cluster import Cluster, RefusedError
from neon_sandbox import installation, manifests
from neon_sandbox.controlplane import ControlPlane, Request, prepare
from scene import OPERATOR_USER, Scene, playing
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


@pytest.mark.proves("T1", "T11", "T19")
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


@dataclass
class Narrow:
    """An operator that watches its scene's namespace and a second one, and a third that is none of its."""

    scene: Scene
    second: Cluster
    third: Cluster

    async def asked(self) -> list[Request]:
        return [
            request
            for request in self.scene.plane.requests(self.scene.audited_from)
            if request.user == OPERATOR_USER
        ]


@pytest.fixture(scope="module")
async def narrow(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Narrow]:
    """The whole chart in namespaced mode on a control plane of its own, and the operator under its rights."""
    async with AsyncExitStack() as stack:
        binaries = await prepare(os.environ.get("K8S_VERSION") or None)
        plane = await stack.enter_async_context(ControlPlane.start(binaries))
        for name in (NAME, "second", "third"):
            await installation.kubectl(plane, "create", "namespace", name)
        await installation.kubectl(plane, "apply", "-f", "-", stdin=manifests.crds())
        await installation.kubectl(
            plane, "wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"
        )
        await plane.restart_controller_manager()
        # It repeats what the API server puts off while it makes room for the new kinds.
        await installation.kubectl(plane, "get", "databasetiers,fleetoperations,tenantdatabases")
        await installation.kubectl(plane, "create", "serviceaccount", NAME, "-n", NAME)
        scene = await stack.enter_async_context(playing(plane, None, tmp_path_factory.mktemp("narrow")))
        watched = [scene.namespace, "second"]
        values = {**charts.REQUIRED, "watchNamespaces": watched, "crds": {"install": False}}
        documents = await charts.rendered(charts.OPERATOR, values)
        await installation.kubectl(plane, "apply", "-f", "-", stdin=yaml.safe_dump_all(documents))
        await scene.create_tiers()
        await scene.start_operator(watch_namespaces=",".join(watched), sweep_interval="1")
        second = await stack.enter_async_context(Cluster.connect(plane, "second"))
        yield Narrow(scene, second, await stack.enter_async_context(Cluster.connect(plane, "third")))


@pytest.mark.proves("T11")
async def test_in_namespaced_mode_the_operator_works_where_it_watches_and_has_nothing_elsewhere(
    narrow: Narrow,
) -> None:
    scene, second, third = narrow.scene, narrow.second, narrow.third
    for cluster in (scene.cluster, second):
        metadata = {"name": "acme", "namespace": cluster.namespace}
        await cluster.create({**scene.manifest(), "metadata": metadata})
        await cluster.until_ready()
        assert await cluster.secret()
    await second.delete("TenantDatabase", "acme")
    await second.until_gone("TenantDatabase", "acme")
    assert len(scene.projects()) == 1
    # What has no namespace: an operation, and an event about a tier.
    assert (await scene.operate("none", "ReleaseDeletions"))["status"]["phase"] == "Succeeded"
    tier = scene.tiers["free"]
    await scene.cluster.patch("DatabaseTier", tier, {"spec": {"historyRetention": "1h"}})

    async def told() -> bool:
        events = await scene.cluster.request("GET", "/apis/events.k8s.io/v1/namespaces/default/events")
        return any(event["regarding"]["name"] == tier for event in events["items"])

    await until(told, "an event about the tier")
    asked = await narrow.asked()
    assert {"tenantdatabases", "databasetiers", "secrets", "events", "configmaps"} <= {
        r.resource for r in asked
    }
    assert not [request for request in asked if request.code == 403]
    await _is_refused_all(narrow, third.namespace)


async def _is_refused_all(narrow: Narrow, namespace: str) -> None:
    tenants = f"{GROUP}/namespaces/{namespace}/tenantdatabases"
    elsewhere = [
        ("GET", tenants),
        ("GET", f"{GROUP}/tenantdatabases"),
        ("PATCH", f"{tenants}/acme"),
        ("PATCH", f"{tenants}/acme/status"),
        ("GET", f"/api/v1/namespaces/{namespace}/secrets/acme-database"),
        ("POST", f"/api/v1/namespaces/{namespace}/secrets"),
        ("POST", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"),
        ("GET", f"/api/v1/namespaces/{namespace}"),
        ("GET", f"/api/v1/namespaces/{narrow.scene.namespace}/configmaps/any"),
    ]
    async with Cluster.connect(narrow.scene.plane, namespace, user=OPERATOR_USER) as operator:
        for method, path in elsewhere:
            with pytest.raises(RefusedError) as refused:
                await operator.request(method, path)
            assert refused.value.status == 403, path
        for watched in (narrow.scene.namespace, "second", "kube-system"):
            assert await operator.request("GET", f"/api/v1/namespaces/{watched}")


async def test_in_namespaced_mode_the_policies_hold_where_it_watches_and_nowhere_else(narrow: Narrow) -> None:
    scene = narrow.scene
    forged = {"metadata": {"annotations": {"neontenants.io/create-intent": "v1:forged"}}}
    for cluster in (scene.cluster, narrow.third):
        metadata = {"name": "held", "namespace": cluster.namespace}
        await cluster.create({**scene.manifest(), "metadata": metadata})

    async def held() -> bool:
        try:
            await scene.cluster.patch("TenantDatabase", "held", forged, subresource="?dryRun=All")
        except RefusedError as refused:
            return "operator's own" in str(refused)
        return False

    await until(held, "the API server holds to the policies")
    await narrow.third.patch("TenantDatabase", "held", forged)
