"""Nobody gets another tenant's project: by no field, status, annotation, Secret, name or uid."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from attackers import OURS, Stage, refused
from cluster import Object, condition, decoded
from neon_tenants.core.secret import digest

TYPE = "servicebinding.io/postgresql"
GUESS = {"uri": "postgresql://me:guessed@attacker.example/app", "password": "guessed"}

pytestmark = [pytest.mark.proves("T1", "I5")]


def precreated(stage: Stage, name: str, *, kind: str = TYPE, **notes: str) -> Object:
    """A Secret of the attacker's, made before its resource, that claims to be one of ours."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": kind,
        "metadata": {
            "name": f"{name}-database",
            "namespace": stage.me.namespace,
            "annotations": {OURS + key.replace("_", "-"): value for key, value in notes.items()},
        },
        "stringData": GUESS,
    }


async def has_its_own(stage: Stage, name: str) -> Object:
    """The attacker got a new project, as everybody does, and no other."""
    found = await stage.me.until_ready(name)
    assert found["status"]["projectId"] != stage.project["id"]
    assert found["status"]["projectId"] in [project["id"] for project in stage.mine()]
    secret = await stage.me.get("Secret", f"{name}-database")
    assert secret is not None
    assert secret["metadata"]["annotations"][f"{OURS}project-id"] == found["status"]["projectId"]
    assert decoded(secret)["host"] == found["status"]["host"]
    return found


# --- spec, status, annotations ---------------------------------------------------------------------------

FIELDS: dict[str, Any] = {
    "projectId": "{id}",
    "adopt": True,
    "neon": {"projectId": "{id}", "apiUrl": "https://attacker.example"},
    "namespace": "{namespace}",
    "connectionSecretRef": {"name": "acme-database", "namespace": "{namespace}"},
}


async def test_a_spec_has_no_field_that_could_name_a_project(stage: Stage) -> None:
    manifest = stage.manifest("by-spec")
    names = {"id": stage.project["id"], "namespace": stage.scene.namespace}
    for key, value in FIELDS.items():
        manifest["spec"][key] = value.format(**names) if isinstance(value, str) else value
    path = f"/apis/neontenants.io/v1alpha1/namespaces/{stage.me.namespace}/tenantdatabases"
    strict = stage.me.request("POST", path, json=manifest, params={"fieldValidation": "Strict"})
    said = await refused(strict, 400)
    assert all(f'unknown field "spec.{key}"' in said for key in FIELDS)
    assert (await stage.me.create(manifest))["spec"].keys() == {"tier"}
    await has_its_own(stage, "by-spec")
    await stage.begone("by-spec")


async def test_a_status_is_not_written_by_its_tenant(stage: Stage) -> None:
    forged = {"status": {"projectId": stage.project["id"]}}
    made = await stage.me.create({**stage.manifest("by-status"), **forged})
    assert "projectId" not in made.get("status", {})
    await has_its_own(stage, "by-status")
    await refused(stage.me.patch("TenantDatabase", "by-status", forged, subresource="/status"))
    path = f"/apis/neontenants.io/v1alpha1/namespaces/{stage.me.namespace}/tenantdatabases/by-status"
    found = await stage.me.tenant("by-status")
    await refused(stage.me.request("PUT", f"{path}/status", json={**found, **forged}))
    # What is written beside the spec is dropped.
    kept = await stage.me.patch("TenantDatabase", "by-status", forged)
    assert kept["status"]["projectId"] == found["status"]["projectId"]
    await stage.begone("by-status")


async def test_annotations_of_another_mean_nothing_on_ones_own(stage: Stage) -> None:
    """As if the victim's had leaked; with the policies on they are refused to begin with."""
    theirs = stage.victim["metadata"]["annotations"]
    assert f"{OURS}create-intent" in theirs
    notes = {
        "by-intent": theirs,
        "by-project": {f"{OURS}project-id": stage.project["id"]},
        "by-owner": {f"{OURS}owner-uid": stage.victim["metadata"]["uid"], f"{OURS}owner-name": "acme"},
    }
    for name, copied in notes.items():
        attempt = stage.me.create(stage.manifest(name, annotations=copied))
        if stage.admission:
            assert "are the operator's own" in await refused(attempt)
            await stage.me.create(stage.manifest(name))
            change = {"metadata": {"annotations": copied}}
            assert "are the operator's own" in await refused(stage.me.patch("TenantDatabase", name, change))
        else:
            await attempt
    found = await asyncio.gather(*(has_its_own(stage, name) for name in notes))
    assert len({one["status"]["projectId"] for one in found}) == len(notes)
    for name in notes:
        await stage.begone(name)


async def test_adoption_is_not_a_tenants_to_ask_for(stage: Stage) -> None:
    rebind: dict[str, Any] = {
        "apiVersion": "neontenants.io/v1alpha1",
        "kind": "FleetOperation",
        "metadata": {"name": f"{stage.scene.prefix}-by-attacker"},
        "spec": {
            "operation": "Rebind",
            "cluster": stage.scene.prefix,
            "targets": [f"{stage.me.namespace}/acme"],
        },
    }
    assert "cannot create resource" in await refused(stage.me.create(rebind))
    assert "cannot get resource" in await refused(stage.me.get("FleetOperation", "any"))


# --- the Secret ------------------------------------------------------------------------------------------


async def test_a_secret_that_was_made_before_its_resource_gives_nothing_away(stage: Stage) -> None:
    uid, project = stage.victim["metadata"]["uid"], stage.project["id"]
    theirs = {"owner_uid": uid, "project_id": project, "data_digest": digest(GUESS)}
    await stage.me.create(precreated(stage, "left-behind", owner_name="left-behind", **theirs))
    await stage.me.create(stage.manifest("left-behind"))
    # Taken for one of an earlier resource of this name: it is written anew, for a new project.
    await has_its_own(stage, "left-behind")
    assert (await stage.me.secret("left-behind-database"))["uri"] != GUESS["uri"]
    waiting = {
        "of-a-sibling": (precreated(stage, "of-a-sibling", owner_name="acme", **theirs), "SecretConflict"),
        "of-nobody": (precreated(stage, "of-nobody", project_id=project), "SecretNotOurs"),
        "opaque": (
            precreated(stage, "opaque", kind="Opaque", owner_name="opaque", **theirs),
            "SecretNotOurs",
        ),
    }
    made = len(stage.mine())
    for name, (secret, reason) in waiting.items():
        before = await stage.me.create(secret)
        await stage.me.create(stage.manifest(name))
        told = await stage.me.until_reason(reason, name)
        assert "projectId" not in told["status"]
        assert await stage.me.get("Secret", f"{name}-database") == before
    assert len(stage.mine()) == made
    for name in (*waiting, "left-behind"):
        await stage.begone(name)


@pytest.mark.proves("T10")
async def test_an_id_in_ones_own_secret_does_not_tell_whether_such_a_project_exists(stage: Stage) -> None:
    """The resource waits first, so that its uid is known before anything is made for it."""
    told = {}
    for name, project in (("probe-real", stage.project["id"]), ("probe-none", "no-such-project-12345678")):
        manifest = stage.manifest(name)
        manifest["spec"]["overrides"] = {"quota": {"writtenData": "2Gi"}}
        made = await stage.me.create(manifest)
        await stage.me.until_reason("OverrideNotAllowed", name)
        notes = {"owner_uid": made["metadata"]["uid"], "owner_name": name, "project_id": project}
        await stage.me.create(precreated(stage, name, data_digest=digest(GUESS), **notes))
        await stage.me.patch("TenantDatabase", name, {"spec": {"overrides": None}})
        found = await stage.me.until_reason("ProjectMissing", name)
        assert not {"projectId", "host", "region", "usage", "endpointId"} & found["status"].keys()
        told[name] = condition(found, "Ready")["message"].replace(project, "ID")
        assert await stage.me.secret(f"{name}-database") == GUESS
    assert told["probe-real"] == told["probe-none"]
    for name in told:
        await stage.begone(name)


async def test_ones_own_secret_that_names_another_project_is_put_right_and_deletes_nothing(
    stage: Stage,
) -> None:
    await stage.me.create(stage.manifest("edited"))
    mine = (await has_its_own(stage, "edited"))["status"]["projectId"]
    theirs = {"metadata": {"annotations": {f"{OURS}project-id": stage.project["id"]}}}
    uri = base64.b64encode(GUESS["uri"].encode()).decode()
    await stage.me.patch("Secret", "edited-database", {**theirs, "data": {"uri": uri}})
    # Deleted at once: what the Secret says last must not count either.
    await stage.begone("edited")
    (kept,) = (project for project in stage.mine() if project["id"] == mine)
    assert kept["name"].endswith("-released")


# --- the marker ------------------------------------------------------------------------------------------


@pytest.mark.proves("T2")
async def test_the_victims_name_and_uid_make_no_marker(stage: Stage) -> None:
    uid = stage.victim["metadata"]["uid"]
    made = await stage.me.create(stage.manifest("acme", uid=uid, labels={f"{OURS}uid": uid}))
    assert made["metadata"]["uid"] != uid
    found = await has_its_own(stage, "acme")
    await refused(stage.me.replace({**found, "metadata": {**found["metadata"], "uid": uid}}), 409)
    names = [project["name"] for project in stage.scene.projects()]
    assert len(set(names)) == len(names)
    await stage.begone("acme")
