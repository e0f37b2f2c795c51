"""The cluster is lost, and rebuilt from Git or restored by Velero: new uids, the same names and id."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cluster import Object, condition
from neon_sandbox import installation
from neon_sandbox.controlplane import ControlPlane
from neon_sandbox.emulator import Emulator
from neon_sandbox.emulator.postgres.server import PostgresServer
from runbook import Runbook
from scene import Scene, Shared, playing, query

PAGE = "cluster-lost.md"
NAMES = ("acme", "initech", "globex")
HELD = "PreviousProjectFound"


@dataclass(frozen=True)
class Lost:
    """What was there before, and what a backup holds of it."""

    projects: dict[str, str]
    """Ids by tenant."""
    secrets: dict[str, dict[str, str]]
    uids: dict[str, str]
    backup: Sequence[Object]


async def lived(scene: Scene) -> Lost:
    """Tenants at rest, one of them with a row in its database."""
    await scene.create_tiers()
    await scene.start_operator()
    for name in NAMES:
        await scene.create(name)
    tenants = {name: await scene.cluster.until_ready(name) for name in NAMES}
    secrets = {name: await scene.cluster.secret(f"{name}-database") for name in NAMES}
    await query(secrets["acme"]["uri"], "CREATE TABLE kept AS SELECT 7 AS id")
    backup = [
        found for kind in ("DatabaseTier", "Secret", "TenantDatabase") for found in await listed(scene, kind)
    ]
    backup.append(await state(scene))
    return Lost(
        {name: tenant["status"]["projectId"] for name, tenant in tenants.items()},
        secrets,
        {name: tenant["metadata"]["uid"] for name, tenant in tenants.items()},
        backup,
    )


async def listed(scene: Scene, kind: str) -> list[Object]:
    """Each with its kind, which lists leave out."""
    version = "v1" if kind == "Secret" else "neontenants.io/v1alpha1"
    return [{"apiVersion": version, "kind": kind, **one} for one in await scene.cluster.list(kind)]


async def state(scene: Scene) -> Object:
    """The operator's own ConfigMap."""
    name = f"neon-tenant-operator-{scene.prefix}"
    words = ("get", "configmap", name, "-n", installation.NAMESPACE, "-o", "json")
    found: Object = json.loads(await installation.kubectl(scene.plane, *words))
    return found


def as_velero_restores(found: Object) -> Object:
    """As Velero (1.10 and later) creates an object anew: names, labels, annotations and finalizers stay, what
    the API server gave goes, and so does the status.
    """
    dropped = {"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"}
    metadata = {key: value for key, value in found["metadata"].items() if key not in dropped}
    labels = {"velero.io/backup-name": "nightly", "velero.io/restore-name": "nightly-1"}
    metadata["labels"] = {**metadata.get("labels", {}), **labels}
    return {**{key: value for key, value in found.items() if key != "status"}, "metadata": metadata}


async def restore(plane: ControlPlane, lost: Lost) -> None:
    """Velero's order: custom resources last."""
    for found in lost.backup:
        manifest = json.dumps(as_velero_restores(found))
        await installation.kubectl(plane, "create", "-f", "-", stdin=manifest)


async def each_has_its_own_back(scene: Scene, lost: Lost) -> None:
    """Project, password and data; and nothing was made, deleted or renamed to somebody else."""
    for name in NAMES:
        tenant = await scene.cluster.until_ready(name)
        assert tenant["metadata"]["uid"] != lost.uids[name]
        assert tenant["status"]["projectId"] == lost.projects[name]
        assert await scene.cluster.secret(f"{name}-database") == lost.secrets[name]
    uri = (await scene.cluster.secret("acme-database"))["uri"]
    assert await query(uri, "SELECT id FROM kept") == 7
    assert {project["id"] for project in scene.projects()} == set(lost.projects.values())
    assert scene.projects(deleted=True) == []
    assert scene.requests("POST", "/projects") == len(NAMES)


@asynccontextmanager
async def account(postgres: PostgresServer) -> AsyncIterator[Shared]:
    """One Neon that outlives the cluster, and the cluster id and the namespace that stand in Git."""
    async with Emulator.start(postgres=postgres) as neon:
        name = f"lost-{uuid.uuid4().hex[:6]}"
        yield Shared(neon, name, name)


def folder(parent: Path, name: str) -> Path:
    (parent / name).mkdir()
    return parent / name


@pytest.mark.proves("F42", "I1", "I2", "I3", "I4")
async def test_a_cluster_rebuilt_from_git_gets_its_databases_back_when_a_person_says_so(
    plane: ControlPlane, second: ControlPlane, postgres: PostgresServer, tmp_path: Path
) -> None:
    runbook = Runbook(PAGE)
    async with account(postgres) as shared:
        async with playing(plane, postgres, folder(tmp_path, "lost"), shared=shared) as scene:
            lost = await lived(scene)
        async with playing(second, postgres, folder(tmp_path, "rebuilt"), shared=shared) as scene:
            await scene.create_tiers()
            for name in NAMES:
                await scene.create(name)
            await scene.start_operator()
            await are_held(scene, lost)
            assert "3 to be done" in await runbook.run(scene, "rebind --all --dry-run")
            await are_held(scene, lost)
            # One first, and then the others.
            await runbook.run(scene, "rebind tenants/acme", **{"tenants/acme": f"{scene.namespace}/acme"})
            assert await names_held(scene, runbook) == {"initech", "globex"}
            await runbook.run(scene, "neon-tenant-operator rebind --all")
            await each_has_its_own_back(scene, lost)
            await scene.cluster.delete("TenantDatabase", "globex")
            await scene.cluster.until_gone("TenantDatabase", "globex")
            assert len(scene.projects()) == 2
    runbook.all_run("helm", "neon-tenant-operator confirm-api-server", "velero", "kubectl create namespace")


async def are_held(scene: Scene, lost: Lost) -> None:
    """Nothing is made for any of them, and the old ones are as they were."""
    for name in NAMES:
        held = await scene.cluster.until_reason(HELD, name)
        assert condition(held, "Stalled")["status"] == "True"
        assert lost.projects[name] not in condition(held, "Ready")["message"]
    assert {project["id"] for project in scene.projects()} == set(lost.projects.values())
    assert scene.patches() == (0, 0)


async def names_held(scene: Scene, runbook: Runbook) -> set[str]:
    told = await runbook.run(scene, f"grep {HELD}")
    lines = [line.split() for line in told.splitlines()]
    return {name for namespace, name, *_ in lines if namespace == scene.namespace}


@pytest.mark.proves("F42", "F35", "T21", "I1", "I2", "I3", "I4")
async def test_a_cluster_restored_by_velero_waits_for_two_words(
    plane: ControlPlane, second: ControlPlane, postgres: PostgresServer, tmp_path: Path
) -> None:
    """The operator's own state came along: first it is told that this is another API server."""
    runbook = Runbook(PAGE)
    async with account(postgres) as shared:
        async with playing(plane, postgres, folder(tmp_path, "lost"), shared=shared) as scene:
            lost = await lived(scene)
        async with playing(second, postgres, folder(tmp_path, "restored"), shared=shared) as scene:
            await restore(second, lost)
            # With --status-include-resources: an id in the status is an administrator's word by itself.
            await _restore_status(scene, lost, "initech")
            await scene.start_operator()
            code = await _only_reports(scene)
            assert scene.patches() == (0, 0)
            await runbook.run(scene, "confirm-api-server", **{"0123456789": code})
            for name in ("acme", "globex"):
                await scene.cluster.until_reason(HELD, name)
            assert await names_held(scene, runbook) == {"acme", "globex"}
            await runbook.run(scene, "neon-tenant-operator rebind --all")
            await each_has_its_own_back(scene, lost)
            # Names and Secrets are of the new resources: nothing is left of the old uids.
            for name in NAMES:
                secret = await scene.cluster.get("Secret", f"{name}-database")
                assert secret is not None
                assert lost.uids[name] not in json.dumps(secret["metadata"])
            await scene.cluster.delete("TenantDatabase", "acme")
            await scene.cluster.until_gone("TenantDatabase", "acme")
            await scene.cluster.until_gone("Secret", "acme-database")


async def _restore_status(scene: Scene, lost: Lost, name: str) -> None:
    (found,) = (f for f in lost.backup if f["kind"] == "TenantDatabase" and f["metadata"]["name"] == name)
    change: dict[str, Any] = {"status": found["status"]}
    await scene.cluster.patch("TenantDatabase", name, change, subresource="/status")


async def _only_reports(scene: Scene) -> str:
    """Who asks for something is told that all is paused; the code that the operator names."""
    for name in ("acme", "globex"):
        found = await scene.cluster.until_tenant(
            name, lambda one: condition(one, "Reconciling")["reason"] == "Paused", "it is paused"
        )
    told: str = condition(found, "Reconciling")["message"]
    return told.partition("confirm-api-server ")[2].partition("`")[0]
