"""Hands off: for a namespace, for all, and on an API server that is not the one of before."""

from __future__ import annotations

import json

import pytest

from cluster import Object, condition
from neon_sandbox import installation
from scene import Scene
from scraping import shown

HANDS_OFF = {"metadata": {"annotations": {"neontenants.io/paused": "true"}}}
GO_ON = {"metadata": {"annotations": {"neontenants.io/paused": None}}}


def paused(found: Object) -> bool:
    return bool(condition(found, "Reconciling")["reason"] == "Paused")


def neon_writes(scene: Scene) -> int:
    routes = ("/projects", "/projects/{project_id}", "/projects/{project_id}/endpoints/{endpoint_id}")
    return sum(scene.requests(method, route) for method in ("POST", "PATCH", "DELETE") for route in routes)


async def test_a_paused_namespace_holds_changes_creates_and_deletions(unconnected: Scene) -> None:
    await unconnected.start_operator()
    for name in ("changed", "deleted"):
        await unconnected.create(name)
        await unconnected.cluster.until_ready(name)
    before = neon_writes(unconnected)
    await unconnected.cluster.patch("Namespace", unconnected.namespace, HANDS_OFF)
    # What was known of the Namespace serves for a few seconds more; a new tenant shows that it is over.
    await unconnected.start_operator()
    await unconnected.operators[0].stop()
    await unconnected.change("changed", tier=unconnected.tiers["pro"])
    await unconnected.cluster.delete("TenantDatabase", "deleted")
    await unconnected.create("new")
    for name in ("changed", "deleted", "new"):
        await unconnected.cluster.until_tenant(name, paused, f"{name} says that it is paused")
    held = await unconnected.cluster.tenant("new")
    assert f"Namespace {unconnected.namespace}" in condition(held, "Reconciling")["message"]
    assert neon_writes(unconnected) == before
    await unconnected.cluster.patch("Namespace", unconnected.namespace, GO_ON)
    await unconnected.operators[-1].stop()
    await unconnected.start_operator()
    await unconnected.cluster.until_ready("changed")
    await unconnected.cluster.until_ready("new")
    await unconnected.cluster.until_gone("TenantDatabase", "deleted")


async def test_an_operator_that_is_paused_changes_nothing(unconnected: Scene) -> None:
    await unconnected.start_operator()
    for name in ("changed", "deleted"):
        await unconnected.create(name)
        await unconnected.cluster.until_ready(name)
    await unconnected.operators[-1].stop()
    before = neon_writes(unconnected)
    await unconnected.start_operator(paused="true")
    await unconnected.change("changed", tier=unconnected.tiers["pro"])
    await unconnected.cluster.delete("TenantDatabase", "deleted")
    waiting = await unconnected.ask_for("rebind", "Rebind", f"{unconnected.namespace}/changed")
    for name in ("changed", "deleted"):
        found = await unconnected.cluster.until_tenant(name, paused, f"{name} says that it is paused")
        assert "--paused" in condition(found, "Reconciling")["message"]
    assert neon_writes(unconnected) == before
    await unconnected.operators[-1].stop()
    await unconnected.start_operator()
    await unconnected.until_done(waiting)
    await unconnected.cluster.until_ready("changed")
    await unconnected.cluster.until_gone("TenantDatabase", "deleted")


@pytest.mark.proves("T21")
async def test_another_api_server_is_only_reported_until_a_person_confirms(unconnected: Scene) -> None:
    """The drill of T21: the recorded identity is another one's, as after a copy was restored elsewhere."""
    await unconnected.start_operator()
    for name in ("changed", "deleted"):
        await unconnected.create(name)
        await unconnected.cluster.until_ready(name)
    await unconnected.operators[-1].stop()
    elsewhere = {"data": {"apiServer": json.dumps({"uid": "of-the-original", "authorities": []})}}
    name = f"neon-tenant-operator-{unconnected.prefix}"
    patch = ("patch", "configmap", name, "-n", installation.NAMESPACE, "--type=merge", "-p")
    await installation.kubectl(unconnected.plane, *patch, json.dumps(elsewhere))
    before = neon_writes(unconnected)
    await unconnected.start_operator()
    await unconnected.until_logged("Another API server")
    await unconnected.change("changed", tier=unconnected.tiers["pro"])
    await unconnected.cluster.delete("TenantDatabase", "deleted")
    found = await unconnected.cluster.until_tenant("changed", paused, "it says that it is paused")
    told = condition(found, "Reconciling")["message"]
    assert "not the API server" in told
    assert await shown(unconnected, "paused", by="api_server") == 1
    await unconnected.cluster.until_tenant("deleted", paused, "the deletion is held")
    code = told.partition("confirm-api-server ")[2].partition("`")[0]
    wrong = await unconnected.operate("wrong", "ConfirmApiServer", "0123456789")
    assert wrong["status"]["phase"] == "Failed"
    assert neon_writes(unconnected) == before
    done = await unconnected.operate("confirm", "ConfirmApiServer", code)
    assert done["status"]["phase"] == "Succeeded"
    await unconnected.cluster.until_ready("changed")
    await unconnected.cluster.until_gone("TenantDatabase", "deleted")
    await unconnected.operators[-1].stop()
    await unconnected.start_operator()
    await unconnected.create("later")
    await unconnected.cluster.until_ready("later")
