"""Attackers: somebody with rights in one namespace, beside a victim in another."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

import charts
from cluster import Cluster, Object, RefusedError
from neon_sandbox import installation
from neon_sandbox.controlplane import ControlPlane
from neon_sandbox.emulator.postgres.server import PostgresServer
from scene import Scene, playing, query
from waiting import until

RBAC: Final = "rbac.authorization.k8s.io"
OURS: Final = "neontenants.io/"
STANDING: Final = (
    *("id", "name", "region_id", "pg_version", "deleted_at", "history_retention_seconds"),
    *("quota", "settings", "default_endpoint_settings", "branches"),
)
"""What of a project stays as it is unless somebody changes it."""


async def install_roles(plane: ControlPlane) -> None:
    """The chart's roles for people, of which Kubernetes makes a part of view, edit and admin."""
    documents = await charts.rendered(charts.OPERATOR, charts.REQUIRED)
    roles = [d for d in documents if d["kind"] == "ClusterRole"]
    await installation.kubectl(plane, "apply", "-f", "-", stdin=yaml.safe_dump_all(roles))


@asynccontextmanager
async def intruder(
    plane: ControlPlane,
    namespace: str,
    *,
    roles: Iterable[str] = ("edit",),
    uses: Iterable[str] = (),
    name: str = "attacker",
) -> AsyncIterator[Cluster]:
    """A service account with these ClusterRoles in its own namespace alone, who may use these tiers."""
    account = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    api = {"apiVersion": f"{RBAC}/v1"}
    use: Object = {
        "apiGroups": ["neontenants.io"],
        "resources": ["databasetiers"],
        "resourceNames": list(uses),
        "verbs": ["get", "use"],
    }
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {k: account[k] for k in ("name", "namespace")},
        },
        *(
            {
                **api,
                "kind": "RoleBinding",
                "metadata": {"name": f"{name}-{role}", "namespace": namespace},
                "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
                "subjects": [account],
            }
            for role in roles
        ),
        {**api, "kind": "ClusterRole", "metadata": {"name": f"{namespace}-{name}-tiers"}, "rules": [use]},
        {
            **api,
            "kind": "ClusterRoleBinding",
            "metadata": {"name": f"{namespace}-{name}-tiers"},
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": f"{namespace}-{name}-tiers"},
            "subjects": [account],
        },
    ]
    await installation.kubectl(plane, "apply", "-f", "-", stdin=yaml.safe_dump_all(objects))
    token = await installation.token_of(plane, name, namespace)
    async with Cluster.connect(plane, namespace, token=token) as me:

        async def aggregated() -> bool:
            try:
                await me.list("TenantDatabase")
            except RefusedError:
                return False
            return True

        await until(aggregated, "Kubernetes knows of the attacker's rights")
        yield me


async def refused(asking: Any, status: int = 403) -> str:
    """With which words the API server refuses what was asked."""
    with pytest.raises(RefusedError) as error:
        await asking
    assert error.value.status == status, error.value
    return str(error.value)


@dataclass
class Stage:
    """A victim whose database works, an attacker next door, and an operator that serves both."""

    scene: Scene
    """The victim's; its Cluster is cluster-admin there."""
    me: Cluster
    """The attacker."""
    admin: Cluster
    """Cluster-admin in the attacker's namespace."""
    admission: bool
    """Whether the chart's policies hold."""
    victim: Object
    project: dict[str, Any]
    login: dict[str, str]

    def manifest(self, name: str, tier: str = "free", **metadata: Any) -> Object:
        """A TenantDatabase of the attacker's."""
        return {
            "apiVersion": "neontenants.io/v1alpha1",
            "kind": "TenantDatabase",
            "metadata": {"name": name, "namespace": self.me.namespace, **metadata},
            "spec": {"tier": self.scene.tiers.get(tier, tier)},
        }

    def mine(self) -> list[dict[str, Any]]:
        """The attacker's living projects, by their birth certificates."""
        born = f"{OURS}namespace"
        return [
            project
            for project in self.scene.projects()
            if project["branches"][0]["annotations"].get(born) == self.me.namespace
        ]

    async def unharmed(self) -> None:
        """The victim's project, Secret and login are as they were, and the attacker sees nothing of them."""
        now = next(p for p in self.scene.projects() if p["id"] == self.project["id"])
        assert {key: now[key] for key in STANDING} == {key: self.project[key] for key in STANDING}
        meddled = [
            entry
            for entry in self.scene.neon.requests
            if entry.method != "GET" and f"/projects/{self.project['id']}" in entry.path
        ]
        assert meddled == []
        assert await self.scene.cluster.secret() == self.login
        assert await query(self.login["uri"], "SELECT 1") == 1
        told = (await self.scene.cluster.tenant())["status"]
        assert told["projectId"] == self.project["id"]
        assert told["conditions"] == self.victim["status"]["conditions"]
        await self._nothing_seen()

    async def _nothing_seen(self) -> None:
        theirs = {
            *(self.login[key] for key in ("password", "uri", "pooled-uri")),
            *(endpoint["id"] for endpoint in self.project["endpoints"]),
            *(branch["id"] for branch in self.project["branches"]),
        }
        for kind in ("TenantDatabase", "Event", "Secret"):
            for found in await self.admin.list(kind):
                text = json.dumps(found) + json.dumps(_decoded(found))
                assert not [value for value in theirs if value in text], f"{kind} {found['metadata']['name']}"

    async def begone(self, name: str) -> None:
        """The attacker deletes a tenant of its own, which must take nothing of the victim's with it."""
        await self.me.delete("TenantDatabase", name)
        await self.me.until_gone("TenantDatabase", name)
        await self.unharmed()


def _decoded(found: Object) -> list[str]:
    from cluster import decoded

    return (
        list(decoded(found).values()) if "data" in found and found.get("kind", "Secret") == "Secret" else []
    )


@asynccontextmanager
async def staged(
    plane: ControlPlane, postgres: PostgresServer, folder: Path, *, admission: bool
) -> AsyncIterator[Stage]:
    """Curtain up."""
    async with AsyncExitStack() as stack:
        scene = await stack.enter_async_context(playing(plane, postgres, folder))
        await scene.create_tiers()
        here = f"{scene.prefix}-attacker"
        watched = f"{scene.namespace},{here}"
        await scene.start_operator(watch_namespaces=watched, deletions_per_window="0")
        me = await stack.enter_async_context(intruder(plane, here, uses=[scene.tiers["free"]]))
        admin = await stack.enter_async_context(Cluster.connect(plane, here))
        await scene.create()
        victim = await scene.cluster.until_ready()
        await scene.until_idle()
        yield Stage(scene, me, admin, admission, victim, scene.project(), await scene.cluster.secret())
