"""A tenant undoes what the platform decided: refused where the policies hold, else noticed and told."""

from __future__ import annotations

import json

import pytest

from attackers import Stage, intruder, refused
from cluster import Object, condition
from neon_sandbox.controlplane import ControlPlane
from scene import SWEEPING, Scene, command
from waiting import until


@pytest.mark.proves("T13", "T19")
async def test_a_protected_database_outlives_whoever_may_delete_its_resource(stage: Stage) -> None:
    manifest = stage.manifest("kept")
    manifest["spec"] |= {"deletionProtection": True, "deletionPolicy": "Delete"}
    await stage.admin.create(manifest)
    kept = (await stage.me.until_ready("kept"))["status"]["projectId"]
    path = f"/apis/neontenants.io/v1alpha1/namespaces/{stage.me.namespace}/tenantdatabases"
    if stage.admission:
        for url in (f"{path}/kept", path):
            assert "kept is protected from deletion" in await refused(stage.me.request("DELETE", url))
        unprotect = stage.me.patch("TenantDatabase", "kept", {"spec": {"deletionProtection": False}})
        assert "platform team's to change" in await refused(unprotect)
    else:
        await stage.me.delete("TenantDatabase", "kept")
        held = await stage.me.until_reason("DeletionHeld", "kept")
        assert condition(held, "Available")["status"] == "True"
    assert "cannot delete" in await refused(stage.me.delete("Namespace", stage.me.namespace))
    assert kept in [project["id"] for project in stage.mine()]
    await stage.admin.patch("TenantDatabase", "kept", {"spec": {"deletionProtection": False}})
    if stage.admission:
        await stage.me.delete("TenantDatabase", "kept")
    await stage.me.until_gone("TenantDatabase", "kept")
    assert kept not in [project["id"] for project in stage.mine()]


@pytest.mark.proves("T19")
async def test_a_suspension_and_a_pause_are_not_a_tenants_to_end_or_begin(stage: Stage) -> None:
    manifest = stage.manifest("suspended")
    manifest["spec"]["state"] = "Suspended"
    await stage.admin.create(manifest)
    await stage.me.until_ready("suspended")
    paused = {"metadata": {"annotations": {"neontenants.io/paused": "true"}}}
    attempts: list[tuple[Object, str]] = [({"spec": {"state": "Active"}}, "suspend"), (paused, "pause")]
    for change, verb in attempts:
        attempt = stage.me.patch("TenantDatabase", "suspended", change)
        if stage.admission:
            assert f"ask for the verb {verb}" in await refused(attempt)
        else:
            await attempt
    if not stage.admission:
        # Done, and to be seen by everybody who looks.
        found = await stage.me.until_tenant(
            "suspended",
            lambda found: condition(found, "Reconciling")["reason"] == "Paused",
            "it says that it is paused",
        )
        assert "neontenants.io/paused" in condition(found, "Reconciling")["message"]
        await stage.me.patch(
            "TenantDatabase", "suspended", {"metadata": {"annotations": {"neontenants.io/paused": None}}}
        )
        awake = await stage.me.until_ready("suspended")
        assert condition(awake, "Available")["status"] == "True"
    else:
        held = await stage.me.tenant("suspended")
        assert condition(held, "Ready")["reason"] == "Suspended"
    await stage.begone("suspended")


@pytest.mark.proves("T19", "T4")
async def test_a_stripped_finalizer_leaves_a_project_that_is_told_and_frees_no_data(
    peopled: ControlPlane, unconnected: Scene
) -> None:
    """Without the policies. The next resource of the name gets neither the old data nor a second project."""
    scene = unconnected
    here = f"{scene.prefix}-stripper"
    async with intruder(peopled, here, uses=[scene.tiers["free"]]) as me:
        await scene.start_operator(watch_namespaces=here, **SWEEPING)
        manifest = scene.manifest("stripped")
        manifest["metadata"]["namespace"] = here
        del manifest["spec"]["deletionPolicy"]
        await me.create(manifest)
        left = (await me.until_ready("stripped"))["status"]["projectId"]
        await me.patch("TenantDatabase", "stripped", {"metadata": {"finalizers": None}})
        await me.delete("TenantDatabase", "stripped")
        await me.until_gone("TenantDatabase", "stripped")

        for project in scene.neon.store:
            project.created_at -= 2 * 3600  # younger ones may be about to be bound

        async def told() -> bool:
            status, output, _ = await command(scene, "orphans")
            return status == 0 and left in output

        await until(told, "the project without a resource is listed")
        await me.create(manifest)
        held = await me.until_reason("PreviousProjectFound", "stripped")
        assert left not in json.dumps(held["status"])
        assert [project["id"] for project in scene.projects()] == [left]
