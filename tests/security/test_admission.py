"""The chart's policies, judged by the real API server: who is refused what and with which words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

import charts
from cluster import Cluster, Object, RefusedError
from neon_sandbox import installation
from neon_sandbox.controlplane import ControlPlane
from scene import OPERATOR_USER, example_tier, playing
from waiting import until

NAMESPACE = "tenants"
NAME = "neon-tenant-operator"
DRY = {"dryRun": "All"}
OURS = "neontenants.io/"
MERGE = {"Content-Type": "application/merge-patch+json"}
BASE = "/apis/neontenants.io/v1alpha1"
TENANTS = f"{BASE}/namespaces/{NAMESPACE}/tenantdatabases"
TIERS = f"{BASE}/databasetiers"
SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
RBAC = {"apiVersion": "rbac.authorization.k8s.io/v1"}


@dataclass
class People:
    """Everybody who asks something here, on one control plane."""

    plane: ControlPlane
    stack: AsyncExitStack
    known: dict[str, Cluster]

    async def ask(self, who: str, method: str, path: str, body: Any = None) -> None:
        """Asks without doing it."""
        if who not in self.known:
            user = None if who == "cluster-admin" else OPERATOR_USER if who == "operator" else who
            connecting = Cluster.connect(self.plane, NAMESPACE, user=user)
            self.known[who] = await self.stack.enter_async_context(connecting)
        headers = MERGE if method == "PATCH" else None
        await self.known[who].request(method, path, params=DRY, json=body, headers=headers)

    async def refused(self, who: str, method: str, path: str, body: Any = None) -> str:
        """Asks, and returns with which words it was refused."""
        with pytest.raises(RefusedError) as error:
            await self.ask(who, method, path, body)
        assert error.value.status == 403
        return str(error.value)


def role(name: str, resource: str, *verbs: str, only: str | None = None) -> Object:
    rule: Object = {"apiGroups": ["neontenants.io"], "resources": [resource], "verbs": list(verbs)}
    if only:
        rule["resourceNames"] = [only]
    return {**RBAC, "kind": "ClusterRole", "metadata": {"name": name}, "rules": [rule]}


def bound(user: str, *roles: str, namespace: str | None = NAMESPACE) -> list[Object]:
    return [
        {
            **RBAC,
            "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
            "metadata": {"name": f"{user}-{name}"} | ({"namespace": namespace} if namespace else {}),
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}],
        }
        for name in roles
    ]


VERBS = ("suspend", "pause", "retain", "restore")
STAFF = [
    *(role(f"may-{verb}", "tenantdatabases", verb) for verb in VERBS),
    *(doc for verb in VERBS for doc in bound(verb, f"{NAME}-edit", f"may-{verb}")),
    *bound("tenant", "edit"),
    role("may-use-free", "databasetiers", "use", only="free"),
    *(doc for who in ("tenant", *VERBS) for doc in bound(who, "may-use-free", namespace=None)),
    *bound("support", f"{NAME}-support"),
    role("plans", "databasetiers", "get", "patch", "create"),
    *bound("planner", "plans", namespace=None),
    *bound("fleet-admin", f"{NAME}-fleet-admin", namespace=None),
]


def tenant(name: str, **spec: Any) -> Object:
    metadata = {"name": name, "namespace": NAMESPACE}
    spec = {"tier": "free", **spec}
    return {
        "apiVersion": "neontenants.io/v1alpha1",
        "kind": "TenantDatabase",
        "metadata": metadata,
        "spec": spec,
    }


def tier(name: str) -> Object:
    spec = example_tier("free")
    return {
        "apiVersion": "neontenants.io/v1alpha1",
        "kind": "DatabaseTier",
        "metadata": {"name": name},
        "spec": spec,
    }


def decided() -> Object:
    """What the platform decided, and what the operator wrote."""
    made = tenant("decided", state="Suspended", deletionPolicy="Retain", deletionProtection=True)
    made["metadata"]["finalizers"] = [f"{OURS}project", "example.com/other"]
    made["metadata"]["annotations"] = {
        f"{OURS}paused": "true",
        f"{OURS}start-empty": "token",
        f"{OURS}create-intent": "v1:something",
    }
    return made


@pytest.fixture(scope="module")
async def people(guarded: ControlPlane) -> AsyncIterator[People]:
    """Two tenants in a namespace of people with roles of their own."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    objects = [namespace, *STAFF, tier("free"), tier("pro"), tenant("plain"), decided()]
    await installation.kubectl(guarded, "apply", "-f", "-", stdin=yaml.safe_dump_all(objects))
    async with AsyncExitStack() as stack:
        people = People(guarded, stack, {})

        async def aggregated() -> bool:
            try:
                await people.ask("tenant", "GET", TENANTS)
            except RefusedError:
                return False
            return True

        await until(aggregated, "Kubernetes has added our rules to edit")
        yield people


def notes(**annotations: str | None) -> Object:
    return {"metadata": {"annotations": {OURS + k.replace("_", "-"): v for k, v in annotations.items()}}}


DECISIONS: list[tuple[str, Object, str]] = [
    ("plain", {"spec": {"state": "Suspended"}}, "suspend"),
    ("decided", {"spec": {"state": "Active"}}, "suspend"),
    ("decided", {"spec": {"state": None}}, "suspend"),
    ("plain", notes(paused="true"), "pause"),
    ("decided", notes(paused=None), "pause"),
    ("decided", notes(paused="false"), "pause"),
    ("plain", {"spec": {"deletionPolicy": "Retain"}}, "retain"),
    ("plain", {"spec": {"deletionPolicy": "Delete"}}, "retain"),
    ("decided", {"spec": {"deletionPolicy": None}}, "retain"),
    ("plain", {"spec": {"deletionProtection": True}}, "retain"),
    ("decided", {"spec": {"deletionProtection": None}}, "retain"),
    ("plain", notes(start_empty="token"), "retain"),
    ("decided", notes(start_empty=None), "retain"),
]


# --- what the platform decides ---------------------------------------------------------------------------


@pytest.mark.proves("T19")
async def test_a_decision_of_the_platform_needs_its_verb_and_no_other_serves(people: People) -> None:
    for name, change, verb in DECISIONS:
        path = f"{TENANTS}/{name}"
        for who in ("tenant", *(each for each in VERBS if each != verb)):
            words = await people.refused(who, "PATCH", path, change)
            assert f"ask for the verb {verb} on tenantdatabases" in words
        for who in (verb, "support", "cluster-admin"):
            await people.ask(who, "PATCH", path, change)


@pytest.mark.proves("T19")
async def test_a_decision_cannot_be_taken_in_a_create_either(people: People) -> None:
    decisions = [change["spec"] for name, change, _ in DECISIONS if name == "plain" and "spec" in change]
    for body in (tenant("new", **decision) for decision in decisions):
        assert "verb" in await people.refused("tenant", "POST", TENANTS, body)
        await people.ask("cluster-admin", "POST", TENANTS, body)


async def test_what_is_left_to_tenants_they_may_change(people: People) -> None:
    for name in ("plain", "decided"):
        for change in (
            {"spec": {"connectionSecret": {"labels": {"a": "b"}}}},
            {"metadata": {"labels": {"a": "b"}, "annotations": {"example.com/x": "y"}}},
            notes(reconcile_requested_at="now"),
            # What is already so, or the default, decides nothing.
            {"spec": {"tier": "free"}},
        ):
            await people.ask("tenant", "PATCH", f"{TENANTS}/{name}", change)
    for default in ({"state": "Active"}, {"deletionProtection": False}):
        await people.ask("tenant", "PATCH", f"{TENANTS}/plain", {"spec": default})


# --- the operator's own ----------------------------------------------------------------------------------

FORGERIES: list[tuple[str, Object]] = [
    ("decided", {"metadata": {"finalizers": ["example.com/other"]}}),
    ("decided", {"metadata": {"finalizers": None}}),
    ("plain", {"metadata": {"finalizers": [f"{OURS}project"]}}),
    ("plain", notes(create_intent="v1:forged")),
    ("decided", notes(create_intent="v1:forged")),
    ("decided", notes(create_intent=None)),
    ("plain", notes(yet_to_come="x")),
]


@pytest.mark.proves("T19", "T1")
async def test_only_the_operator_writes_its_finalizer_and_annotations(people: People) -> None:
    for name, change in FORGERIES:
        path = f"{TENANTS}/{name}"
        for who in ("tenant", "support", "restore", "cluster-admin"):
            words = await people.refused(who, "PATCH", path, change)
            assert "are the operator's own" in words or "is the operator's own" in words
        await people.ask("operator", "PATCH", path, change)
    others = {"metadata": {"finalizers": [f"{OURS}project", "example.com/another"]}}
    await people.ask("tenant", "PATCH", f"{TENANTS}/decided", others)


@pytest.mark.proves("T19", "T4")
async def test_a_create_that_forges_what_the_operator_writes_is_only_for_who_restores_backups(
    people: People,
) -> None:
    """Without the policy a finalizer that came along makes no room either: tests/security/test_flood.py."""
    for change in (
        {"finalizers": [f"{OURS}project"]},
        {"annotations": {f"{OURS}create-intent": "v1:forged"}},
    ):
        body = tenant("new")
        body["metadata"] |= change
        for who in ("tenant", "retain"):
            assert "verb restore" in await people.refused(who, "POST", TENANTS, body)
        await people.ask("cluster-admin", "POST", TENANTS, body)
        body["spec"]["tier"] = "pro"
        assert "tier pro" in await people.refused("restore", "POST", TENANTS, body)


@pytest.mark.proves("T11")
async def test_the_operator_writes_nothing_that_users_ask_for(people: People) -> None:
    for change in (
        {"spec": {"connectionSecret": {"labels": {"a": "b"}}}},
        {"spec": {"deletionProtection": None}},
        {"metadata": {"labels": {"a": "b"}}},
        {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "x"}]}},
    ):
        words = await people.refused("operator", "PATCH", f"{TENANTS}/decided", change)
        assert "The operator writes neither the spec" in words


# --- tiers -----------------------------------------------------------------------------------------------


@pytest.mark.proves("T3")
async def test_a_tier_needs_the_verb_use_when_it_is_chosen(people: People) -> None:
    await people.ask("tenant", "POST", TENANTS, tenant("new"))
    unnamed = tenant("new")
    unnamed["metadata"] = {"generateName": "new-", "namespace": NAMESPACE}
    await people.ask("tenant", "POST", TENANTS, unnamed)
    to_pro = {"spec": {"tier": "pro"}}
    for who, method, path, body in (
        ("tenant", "POST", TENANTS, tenant("new", tier="pro")),
        ("tenant", "PATCH", f"{TENANTS}/plain", to_pro),
        ("support", "PATCH", f"{TENANTS}/plain", to_pro),
    ):
        words = await people.refused(who, method, path, body)
        assert "You may not use the tier pro." in words
        assert "the verb use on databasetiers/pro" in words
        await people.ask("cluster-admin", method, path, body)


async def test_who_may_not_use_the_tier_may_still_edit_its_tenants(people: People) -> None:
    """As does the operator, which may use none: its finalizer must pass."""
    harmless = {"metadata": {"labels": {"a": "b"}}}
    await people.ask("support", "PATCH", f"{TENANTS}/plain", harmless)
    await people.ask(
        "operator", "PATCH", f"{TENANTS}/plain", {"metadata": {"finalizers": [f"{OURS}project"]}}
    )


@pytest.mark.proves("T19")
async def test_a_rollout_is_confirmed_by_who_may_and_not_by_every_editor_of_tiers(people: People) -> None:
    change = notes(rollout_confirmed="2")
    words = await people.refused("planner", "PATCH", f"{TIERS}/free", change)
    assert "the verb confirm on databasetiers/free" in words
    await people.ask("planner", "PATCH", f"{TIERS}/free", {"metadata": {"labels": {"a": "b"}}})
    await people.ask("fleet-admin", "PATCH", f"{TIERS}/free", change)
    confirmed = tier("new")
    confirmed["metadata"] |= change["metadata"]
    assert "verb confirm" in await people.refused("planner", "POST", TIERS, confirmed)
    await people.ask("planner", "POST", TIERS, tier("new"))


# --- deletion --------------------------------------------------------------------------------------------


@pytest.mark.proves("T13")
async def test_a_protected_tenant_is_deleted_by_nobody(people: People) -> None:
    for who in ("tenant", "cluster-admin"):
        for body in (None, {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Foreground"}):
            words = await people.refused(who, "DELETE", f"{TENANTS}/decided", body)
            assert "decided is protected from deletion" in words
        assert "is protected" in await people.refused(who, "DELETE", TENANTS)
        await people.ask(who, "DELETE", f"{TENANTS}/plain")


@pytest.mark.proves("T13")
async def test_a_deleted_namespace_waits_for_its_protected_tenant_and_says_so(guarded: ControlPlane) -> None:
    async with Cluster.connect(guarded, "doomed") as cluster:
        await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "doomed"}})
        body = tenant("kept", deletionProtection=True)
        body["metadata"]["namespace"] = "doomed"
        await cluster.create(body)
        await cluster.delete("Namespace", "doomed")

        async def told() -> bool:
            found = await cluster.get("Namespace", "doomed")
            conditions = (found or {}).get("status", {}).get("conditions", [])
            return any("kept is protected from deletion" in c["message"] for c in conditions)

        await until(told, "the namespace says what it waits for")
        assert "deletionTimestamp" not in (await cluster.tenant("kept"))["metadata"]
        await cluster.patch("TenantDatabase", "kept", {"spec": {"deletionProtection": False}})
        await cluster.until_gone("Namespace", "doomed")


# --- Secrets ---------------------------------------------------------------------------------------------


def secret(name: str, kind: str, *, owned: bool) -> Object:
    metadata: Object = {"name": name, "namespace": NAMESPACE}
    if owned:
        metadata["annotations"] = {f"{OURS}owner-uid": "some-uid"}
    return {"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": metadata}


@pytest.mark.proves("T5", "T11")
async def test_the_operator_writes_connection_secrets_and_no_others(people: People) -> None:
    ours, theirs = "servicebinding.io/postgresql", "Opaque"
    existing = [
        secret("theirs", theirs, owned=True),
        secret("bound", ours, owned=False),
        secret("ours", ours, owned=True),
    ]
    await installation.kubectl(people.plane, "apply", "-f", "-", stdin=yaml.safe_dump_all(existing))
    for body in (secret("new", theirs, owned=True), secret("new", ours, owned=False)):
        words = await people.refused("operator", "POST", SECRETS, body)
        assert "The operator writes only Secrets of the type servicebinding.io/postgresql" in words
        await people.ask("cluster-admin", "POST", SECRETS, body)
    await people.ask("operator", "POST", SECRETS, secret("new", ours, owned=True))
    for body in (
        secret("theirs", theirs, owned=True),
        # It takes over nothing, and gives nothing away.
        secret("bound", ours, owned=True),
        secret("ours", ours, owned=False),
    ):
        path = f"{SECRETS}/{body['metadata']['name']}"
        assert "The operator writes only" in await people.refused("operator", "PUT", path, body)
        await people.ask("cluster-admin", "PUT", path, body)
    await people.ask("operator", "PUT", f"{SECRETS}/ours", secret("ours", ours, owned=True))


# --- all together ----------------------------------------------------------------------------------------


async def test_the_operator_itself_is_refused_nothing(guarded: ControlPlane, tmp_path: Path) -> None:
    """A whole life under all policies: create, tier change, Secret repair, deletion."""
    async with playing(guarded, None, tmp_path) as scene:
        await scene.create_tiers()
        await scene.start_operator()
        await scene.create()
        await scene.cluster.until_ready()
        await scene.change(tier=scene.tiers["pro"])
        await scene.cluster.until_ready()
        await scene.cluster.patch("Secret", "acme-database", {"data": {"password": ""}})
        await scene.annotate(reconcile_requested_at="1")

        async def repaired() -> bool:
            return bool((await scene.cluster.secret())["password"])

        await until(repaired, "the Secret is repaired")
        await scene.cluster.delete("TenantDatabase", "acme")
        await scene.cluster.until_gone("TenantDatabase", "acme")
        writes = scene.writes()
        assert {write.resource for write in writes} >= {"tenantdatabases", "secrets"}
        assert not [write for write in writes if write.code == 403]


SWITCHES = {
    "tierUse": {"tier-use"},
    "decisions": {"decisions"},
    "internals": {"internals"},
    "deletionProtection": {"deletion-protection"},
    "operatorWrites": {"secrets", "spec"},
    "rolloutConfirmation": {"rollout-confirmation"},
}


def policies(documents: list[Object], kind: str = "ValidatingAdmissionPolicy") -> set[str]:
    return {d["metadata"]["name"].removeprefix(f"{NAME}-") for d in documents if d["kind"] == kind}


async def test_each_policy_is_on_and_can_be_switched_off() -> None:
    every = {policy for made in SWITCHES.values() for policy in made}
    assert policies(await charts.rendered(charts.OPERATOR, charts.REQUIRED)) == every
    for switch, made in SWITCHES.items():
        off = await charts.rendered(charts.OPERATOR, {**charts.REQUIRED, "admission": {switch: False}})
        assert policies(off) == policies(off, "ValidatingAdmissionPolicyBinding") == every - made


async def test_every_policy_refuses_when_in_doubt_and_is_bound_once() -> None:
    documents = await charts.rendered(charts.OPERATOR, charts.REQUIRED)
    found = [d["spec"] for d in documents if d["kind"] == "ValidatingAdmissionPolicy"]
    assert all(spec["failurePolicy"] == "Fail" and spec["matchConditions"] for spec in found)


async def test_in_namespaced_mode_other_namespaces_are_not_held_to_the_policies() -> None:
    """Another operator may serve them. What holds this operator itself holds everywhere."""
    documents = await charts.rendered(charts.OPERATOR, {**charts.REQUIRED, "watchNamespaces": ["a", "b"]})
    bindings = {
        d["metadata"]["name"].removeprefix(f"{NAME}-"): d["spec"].get("matchResources")
        for d in documents
        if d["kind"] == "ValidatingAdmissionPolicyBinding"
    }
    everywhere = {name for name, match in bindings.items() if match is None}
    assert everywhere == {"secrets", "spec", "rollout-confirmation"}
    (expression,) = bindings["tier-use"]["namespaceSelector"]["matchExpressions"]
    assert expression == {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["a", "b"]}
