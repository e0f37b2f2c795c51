"""Each permission is used, and without any one of them a feature is broken until it is given back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest
import yaml

import charts
from cluster import Cluster, Object, condition, is_ready
from generators import permissions_table
from generators.permissions_table import OWN, PURPOSES, Right
from neon_sandbox import installation
from neon_sandbox.controlplane import ControlPlane
from scene import Scene, playing, served
from waiting import until

COORDINATION: Final = "/apis/coordination.k8s.io/v1"
RBAC: Final = "rbac.authorization.k8s.io"
CAN_I: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
ACCOUNT: Final = "lame"

ELECTING: Final = {"leader_elect": "true", "leader_elect_lease_duration": "3"} | {
    "leader_elect_renew_deadline": "2",
    "leader_elect_retry_period": "0.5",
}
Done = Callable[[], Awaitable[bool]]


@dataclass
class Lame:
    """An operator's account whose rights can be taken and given back one by one, and its operator's scene."""

    scene: Scene
    me: Cluster
    rights: list[Right]

    @property
    def user(self) -> str:
        return f"system:serviceaccount:{self.scene.namespace}:{ACCOUNT}"

    async def get_all(self, *, but: Right | None = None) -> None:
        """Gives every right but one, and waits until the API server knows."""
        given = [right for right in self.rights if right != but]
        await installation.kubectl(
            self.scene.plane, "apply", "-f", "-", stdin=yaml.safe_dump_all(self._roles(given))
        )
        for right in self.rights:

            async def known(right: Right = right) -> bool:
                return await self._may(right) is (right != but)

            await until(known, f"the API server knows of {right}")

    def _roles(self, given: Iterable[Right]) -> list[Object]:
        name, namespace = f"{self.scene.prefix}-lame", self.scene.namespace
        roles = []
        for kind, own, metadata in (
            ("ClusterRole", False, {"name": name}),
            ("Role", True, {"name": name, "namespace": namespace}),
        ):
            rules = [
                {"apiGroups": [right.group], "resources": [right.resource], "verbs": [right.verb]}
                for right in given
                if (right.scope == OWN) is own
            ]
            api = {"apiVersion": f"{RBAC}/v1", "metadata": metadata}
            subjects = [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}]
            role = {"apiGroup": RBAC, "kind": kind, "name": name}
            roles += [
                {**api, "kind": kind, "rules": rules},
                {**api, "kind": f"{kind}Binding", "roleRef": role, "subjects": subjects},
            ]
        return roles

    async def _may(self, right: Right) -> bool:
        resource, _, subresource = right.resource.partition("/")
        asked = {"verb": right.verb, "group": right.group, "resource": resource, "subresource": subresource}
        body = {"spec": {"resourceAttributes": {**asked, "namespace": self.scene.namespace}}}
        review = await self.me.request("POST", CAN_I, json=body)
        return bool(review["status"]["allowed"])

    def asked(self, *, refused: bool, since: int = 0) -> set[tuple[str, str, str]]:
        """What the operator asked for, by the audit log."""
        return {
            (request.group, f"{request.resource}/{request.subresource}".rstrip("/"), request.verb)
            for request in self.scene.plane.requests(since)
            if request.user == self.user and request.resource and (request.code == 403) is refused
        }

    async def until_refused(self, right: Right, since: int) -> None:
        async def refused() -> bool:
            asked = self.asked(refused=True, since=since)
            assert asked <= {(right.group, right.resource, right.verb)}, "it lacks no other right"
            return bool(asked)

        await until(refused, f"the operator is refused to {right.verb} {right.resource}")


@pytest.fixture(scope="module")
async def lame(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lame]:
    """No operator runs yet."""
    async with playing(plane, None, tmp_path_factory.mktemp("lame")) as scene:
        await scene.create_tiers()
        await installation.kubectl(plane, "create", "serviceaccount", ACCOUNT, "-n", scene.namespace)
        token = await installation.kubectl(plane, "create", "token", ACCOUNT, "-n", scene.namespace)
        plane.write_kubeconfig(scene.kubeconfig, token=token.strip(), namespace=scene.namespace)
        rights = permissions_table.rights(await charts.rendered(charts.OPERATOR, charts.REQUIRED))
        async with Cluster.connect(plane, scene.namespace, token=token.strip()) as me:
            yield Lame(scene, me, rights)


@pytest.fixture(scope="module")
async def live(lame: Lame) -> Lame:
    """An operator that runs with every right."""
    await lame.get_all()
    await lame.scene.start_operator(namespace=lame.scene.namespace)
    return lame


def test_every_permission_says_what_it_is_for(lame: Lame) -> None:
    assert {(right.resource, right.verb) for right in lame.rights} == PURPOSES.keys()
    assert len(lame.rights) == len(PURPOSES)
    assert {(right.resource, right.verb) for right in lame.rights} == NEEDED_AT_START | FEATURES.keys()


# --- without these the operator does not begin --------------------------------------------------------

NEEDED_AT_START: Final = {
    ("namespaces", "get"),
    ("configmaps", "get"),
    ("configmaps", "create"),
    ("leases", "get"),
    ("leases", "create"),
    ("leases", "update"),
    ("databasetiers", "list"),
    ("databasetiers", "watch"),
    ("tenantdatabases", "list"),
    ("tenantdatabases", "watch"),
    ("fleetoperations", "list"),
    ("fleetoperations", "watch"),
}


def named(rights: Iterable[tuple[str, str]]) -> list[Any]:
    return [
        pytest.param(*key, id=f"{'-'.join(key)}: {PURPOSES[key]}") for key in PURPOSES if key in set(rights)
    ]


async def forget(scene: Scene) -> None:
    """What operators kept in their namespace is gone."""
    state = f"/api/v1/namespaces/{scene.namespace}/configmaps"
    await scene.cluster.request("DELETE", state, params={"fieldSelector": "metadata.name!=kube-root-ca.crt"})
    await scene.cluster.request("DELETE", f"{COORDINATION}/namespaces/{scene.namespace}/leases")


async def leave_a_released_lease(scene: Scene) -> None:
    lease = {"metadata": {"name": "neon-tenant-operator"}, "spec": {}}
    await scene.cluster.request("POST", f"{COORDINATION}/namespaces/{scene.namespace}/leases", json=lease)


@pytest.mark.proves("T11")
@pytest.mark.parametrize(("resource", "verb"), named(NEEDED_AT_START))
async def test_an_operator_without_it_is_not_ready_until_it_is_given(
    lame: Lame, resource: str, verb: str
) -> None:
    scene = lame.scene
    (right,) = (right for right in lame.rights if (right.resource, right.verb) == (resource, verb))
    await lame.get_all(but=right)
    await forget(scene)
    if (resource, verb) == ("leases", "update"):
        await leave_a_released_lease(scene)
    since = scene.plane.audit_log.stat().st_size
    settings = scene.settings(namespace=scene.namespace, **ELECTING)
    name = f"starting-{resource}-{verb}"
    async with installation.operator(
        scene.folder, login=installation.by_kubeconfig(scene.kubeconfig), settings=settings, name=name
    ) as operator:
        scene.operators.append(operator)
        await lame.until_refused(right, since)
        ready = f"{await served(operator)}/readyz"
        async with httpx.AsyncClient(trust_env=False) as http:
            assert (await http.get(ready)).status_code == 503
            await lame.get_all()

            async def is_up() -> bool:
                return (await http.get(ready)).is_success

            await until(is_up, f"the operator that may {verb} {resource} is ready")


# --- without these a feature is broken --------------------------------------------------------------------


async def no_preparation(_scene: Scene, _name: str) -> None:
    return


@dataclass(frozen=True)
class Feature:
    """What a user does, and what then comes about."""

    act: Callable[[Scene, str], Awaitable[Done]]
    prepare: Callable[[Scene, str], Awaitable[None]] = no_preparation
    anew: bool = False
    """Whether it must be done again once the right is there: events are not repeated."""


async def a_ready_tenant(scene: Scene, name: str) -> None:
    await scene.create(name)
    await scene.cluster.until_ready(name)


async def create_a_tenant(scene: Scene, name: str) -> Done:
    await scene.create(name)

    async def done() -> bool:
        return is_ready(await scene.cluster.tenant(name))

    return done


async def suspend_a_tenant(scene: Scene, name: str) -> Done:
    """A new tenant is decided on as the watch told it; one that stands is read first."""
    await scene.change(name, state="Suspended")

    async def done() -> bool:
        tenant = await scene.cluster.tenant(name)
        return bool(condition(tenant, "Available")["reason"] == "Suspended")

    return done


async def change_a_secret(scene: Scene, name: str) -> Done:
    secret = f"{name}-database"
    await scene.cluster.patch("Secret", secret, {"data": {"password": ""}})
    await scene.annotate(name, reconcile_requested_at="now")

    async def done() -> bool:
        return bool((await scene.cluster.secret(secret))["password"])

    return done


async def misspell_a_tier(scene: Scene, name: str) -> Done:
    await scene.create(name, tier=f"no-{name}")

    async def done() -> bool:
        return bool(condition(await scene.cluster.tenant(name), "Ready")["reason"] == "TierNotFound")

    return done


async def look_for_an_event(scene: Scene, name: str) -> Done:
    await misspell_a_tier(scene, name)

    async def done() -> bool:
        return any(event["regarding"]["name"] == name for event in await scene.cluster.list("Event"))

    return done


async def create_a_tier(scene: Scene, name: str) -> Done:
    tier = await scene.create_tier(name)
    await scene.create(name, tier=name)

    async def done() -> bool:
        found = await scene.cluster.get("DatabaseTier", tier)
        return bool((found or {}).get("status", {}).get("tenants") == 1)

    return done


async def ask_for_an_operation(scene: Scene, name: str) -> Done:
    operation = await scene.ask_for(name, "ReleaseDeletions")

    async def done() -> bool:
        found = await scene.cluster.get("FleetOperation", operation)
        return bool((found or {}).get("status", {}).get("phase") == "Succeeded")

    return done


async def delete_a_tenant(scene: Scene, name: str) -> Done:
    await scene.cluster.delete("TenantDatabase", name)

    async def done() -> bool:
        return await scene.cluster.get("TenantDatabase", name) is None

    return done


FEATURES: Final[Mapping[tuple[str, str], Feature]] = {
    ("tenantdatabases", "get"): Feature(suspend_a_tenant, prepare=a_ready_tenant),
    ("tenantdatabases", "patch"): Feature(create_a_tenant),
    ("tenantdatabases/status", "patch"): Feature(create_a_tenant),
    ("secrets", "get"): Feature(create_a_tenant),
    ("secrets", "create"): Feature(create_a_tenant),
    ("secrets", "update"): Feature(change_a_secret, prepare=a_ready_tenant),
    ("events", "create"): Feature(look_for_an_event, anew=True),
    ("databasetiers", "get"): Feature(misspell_a_tier),
    ("databasetiers/status", "patch"): Feature(create_a_tier),
    ("fleetoperations", "get"): Feature(ask_for_an_operation),
    ("fleetoperations/status", "patch"): Feature(ask_for_an_operation),
    ("configmaps", "update"): Feature(delete_a_tenant, prepare=a_ready_tenant),
}


def name_of(resource: str, verb: str) -> str:
    return f"{resource}-{verb}".replace("/", "-")


@pytest.mark.proves("T11")
@pytest.mark.parametrize(("resource", "verb"), named(FEATURES))
async def test_without_it_a_feature_is_broken_until_it_is_given(live: Lame, resource: str, verb: str) -> None:
    feature, name, scene = FEATURES[resource, verb], name_of(resource, verb), live.scene
    (right,) = (right for right in live.rights if (right.resource, right.verb) == (resource, verb))
    await feature.prepare(scene, name)
    await live.get_all(but=right)
    since = scene.plane.audit_log.stat().st_size
    done = await feature.act(scene, name)
    await live.until_refused(right, since)
    assert not await done()
    await live.get_all()
    if feature.anew:
        done = await feature.act(scene, f"{name}-again")
    await until(done, f"the operator may {verb} {resource}, and the feature works")


@pytest.mark.proves("T11")
async def test_each_permission_is_used_and_nothing_else_is_asked_for(lame: Lame) -> None:
    """The features under the whole role, until the operator ends: the audit log tells a watch at its end."""
    scene = lame.scene
    await scene.stop_operators()
    await lame.get_all()
    await forget(scene)
    since = scene.plane.audit_log.stat().st_size
    await scene.start_operator(namespace=scene.namespace, **ELECTING)

    async def play(feature: Feature, name: str) -> None:
        await feature.prepare(scene, name)
        await until(await feature.act(scene, name), f"{name} works")

    await asyncio.gather(*(play(feature, f"all-{name_of(*key)}") for key, feature in FEATURES.items()))
    await scene.stop_operators()

    async def used() -> bool:
        return lame.asked(refused=False, since=since) == {(r.group, r.resource, r.verb) for r in lame.rights}

    await until(used, "each right was used, and nothing but them")
    assert not lame.asked(refused=True, since=since)
