"""Names that are somebody's: of a Secret that is another's, and of what is no name but a path."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from attackers import Stage, intruder, refused
from cluster import Cluster, condition
from neon_tenants.kube.client import KubeClient
from neon_tenants.kube.errors import KubeError

TREASURE = base64.b64encode(b"somebody's treasure").decode()
TAKEN: dict[str, dict[str, Any]] = {
    "opaque": {"type": "Opaque"},
    "certificate": {"type": "kubernetes.io/tls", "data": {"tls.crt": TREASURE, "tls.key": TREASURE}},
    "immutable": {"type": "Opaque", "immutable": True},
    "unowned": {"type": "servicebinding.io/postgresql"},
}


@pytest.mark.proves("T5")
async def test_a_secret_that_one_may_not_read_is_neither_overwritten_nor_told_by_naming_it(
    stage: Stage,
) -> None:
    """By somebody who may edit TenantDatabases and nothing else: no Secret, not even of its own namespace."""
    roles = ("neon-tenant-operator-edit", "neon-tenant-operator-view")
    place, uses = stage.me.namespace, [stage.scene.tiers["free"]]
    async with intruder(stage.scene.plane, place, roles=roles, uses=uses, name="clerk") as clerk:
        await refused(clerk.get("Secret", "opaque"))
        before = {}
        for name, form in TAKEN.items():
            secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": place}}
            before[name] = await stage.admin.create({**secret, "data": {"x": TREASURE}, **form})
            manifest = stage.manifest(f"wants-{name}")
            manifest["spec"]["connectionSecret"] = {"name": name, "extra": {"x": "{uri}"}}
            await clerk.create(manifest)
        told = await asyncio.gather(*(clerk.until_reason("SecretNotOurs", f"wants-{name}") for name in TAKEN))
        for name, found in zip(TAKEN, told, strict=True):
            assert await stage.admin.get("Secret", name) == before[name]
            assert not [word for word in (TREASURE, "somebody's treasure") if word in json.dumps(found)]
        for name in TAKEN:
            await clerk.delete("TenantDatabase", f"wants-{name}")
            await clerk.until_gone("TenantDatabase", f"wants-{name}")
            assert await stage.admin.get("Secret", name) == before[name]
            await stage.admin.delete("Secret", name)


@pytest.mark.proves("T5", "T9")
async def test_an_owner_that_is_no_name_is_not_told(stage: Stage) -> None:
    """Whose a Secret is stands in its annotation, which its tenant can edit."""
    noise = '\x1b[31m\n{"level": "ERROR"} %s ' + "x" * 5_000
    notes = {"neontenants.io/owner-uid": "other", "neontenants.io/owner-name": noise}
    await stage.me.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "servicebinding.io/postgresql",
            "metadata": {"name": "noisy-database", "namespace": stage.me.namespace, "annotations": notes},
        }
    )
    await stage.me.create(stage.manifest("noisy"))
    message = condition(await stage.me.until_reason("SecretConflict", "noisy"), "Ready")["message"]
    assert "of another name" in message
    assert message.isprintable()
    await stage.begone("noisy")
    await stage.me.delete("Secret", "noisy-database")


PATHS = ("../x", "..", ".", "x/status", "x%2fstatus", "x?y=z", "x#y", "x y", "X", "x\n", "-x", "x" * 254)


@pytest.mark.proves("T6")
async def test_a_name_that_is_a_path_is_refused_by_the_api_server(stage: Stage) -> None:
    for path in PATHS:
        by_secret = stage.manifest("path")
        by_secret["spec"]["connectionSecret"] = {"name": path}
        said = await refused(stage.me.create(by_secret), 422)
        assert "spec.connectionSecret.name" in said
        await refused(stage.me.create(stage.manifest(path)), 422)


@pytest.mark.proves("T6")
async def test_a_name_that_is_a_path_names_nothing_to_the_operators_client_either(stage: Stage) -> None:
    """As if such a name had come past the API server's rules."""
    secrets = "/api/v1/namespaces/{namespace}/secrets/{name}"
    since = stage.scene.plane.audit_log.stat().st_size
    async with KubeClient.connect(kubeconfig=stage.scene.kubeconfig) as kube:
        for path in PATHS:
            ids = {"namespace": stage.scene.namespace, "name": path}
            slashed = "/" in path or path in (".", "..")
            with pytest.raises(
                ValueError if slashed else KubeError, match="name" if slashed else "answered 40[04]"
            ):
                await kube.request("read the Secret", "GET", secrets, ids)
    asked = {request.name for request in stage.scene.plane.requests(since) if request.resource == "secrets"}
    assert not asked & {"", "x", "status"}


@pytest.mark.proves("T2")
async def test_names_that_begin_alike_make_markers_of_their_own(stage: Stage) -> None:
    """A project's name has no room for a long one: what is cut off still counts."""
    long = ["x" * 190 + end for end in ("a", "b")]
    for name in long:
        await stage.me.create(stage.manifest(name))
    found = [await stage.me.until_ready(name) for name in long]
    ids = {one["status"]["projectId"] for one in found}
    named = {project["name"] for project in stage.mine() if project["id"] in ids}
    assert len(ids) == len(named) == 2
    for name in long:
        await stage.begone(name)


@pytest.mark.proves("T12")
async def test_nothing_that_is_asked_for_reaches_another_namespace(stage: Stage) -> None:
    """Every Secret and event that the attacker's tenants made stands in the attacker's namespace."""
    since = stage.scene.plane.audit_log.stat().st_size
    elsewhere = stage.manifest("elsewhere", namespace=stage.scene.namespace)
    await refused(stage.me.create(elsewhere), 400)
    async with Cluster.connect(stage.scene.plane, stage.scene.namespace) as there:
        path = f"/apis/neontenants.io/v1alpha1/namespaces/{there.namespace}/tenantdatabases"
        await refused(stage.me.request("POST", path, json=elsewhere))
        await refused(stage.me.request("GET", f"{path}/acme"))
        await refused(stage.me.request("GET", f"/api/v1/namespaces/{there.namespace}/secrets/acme-database"))
    await stage.me.create(stage.manifest("here"))
    await stage.me.until_ready("here")
    await stage.begone("here")
    written = [r for r in stage.scene.plane.requests(since) if r.is_write and r.user.endswith("-operator")]
    touched = {r.namespace for r in written if r.name.startswith("here")}
    assert touched == {stage.me.namespace}
