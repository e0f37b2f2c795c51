"""Exactly one project for each resource, whatever is lost, late, renamed, doubled or left behind."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from cluster import Object, condition
from neon_sandbox.emulator.scripts import Script
from neon_tenants.core.marker import Marker
from scene import Scene, query
from waiting import until

POST = {"method": "POST", "route": "/projects"}
FINALIZER = "neontenants.io/project"


async def recovered_by_name(scene: Scene) -> Object:
    tenant = await scene.cluster.until_ready()
    assert tenant["status"]["projectId"] == scene.project()["id"]
    assert await query((await scene.cluster.secret())["uri"], "SELECT 1") == 1
    assert (
        scene.requests("POST", "/projects/{project_id}/branches/{branch_id}/roles/{role_name}/reset_password")
        == 0
    )
    return tenant


LOST_ANSWERS: dict[str, dict[str, Any]] = {
    "a closed connection": {"drop": True},
    "an internal error": {"status": 500, "execute": True, "body": {"code": "", "message": "oops"}},
    "a gateway's HTML page": {"status": 524, "execute": True, "body": "<html>A timeout occurred</html>"},
    "a gateway's 503": {"status": 503, "execute": True, "body": "<html>upstream</html>"},
    "an answer after our deadline": {"delay_after": 4},
    "an answer that is none": {"status": 201, "execute": True, "body": {"hello": "world"}},
}


@pytest.mark.proves("F10", "I1")
@pytest.mark.parametrize("script", LOST_ANSWERS.values(), ids=LOST_ANSWERS.keys())
async def test_a_project_whose_answer_was_lost_is_found_by_its_name(
    running: Scene, script: dict[str, Any]
) -> None:
    running.neon.answers.add(Script(**POST, **script))
    await running.create()
    await recovered_by_name(running)

    async def answered() -> bool:
        return running.requests("POST", "/projects") == 1

    await until(answered, "the one POST is answered or dropped")
    assert len(running.projects()) == 1


@pytest.mark.proves("F11", "I1")
async def test_a_request_that_was_never_carried_out_is_repeated_once_after_its_lifetime(
    running: Scene,
) -> None:
    running.neon.answers.add(Script(**POST, execute=False, drop=True))
    await running.create()
    await running.cluster.until_reason("OutcomeUnknown")
    await running.cluster.until_ready()
    assert running.requests("POST", "/projects") == 2
    assert len(running.projects()) == 1


@pytest.mark.proves("F12", "I1")
async def test_a_project_that_lands_late_is_the_only_one(running: Scene) -> None:
    """It is executed after our deadline, and before the intent is over."""
    running.neon.answers.add(Script(**POST, delay_before=4))
    await running.create()
    await recovered_by_name(running)
    assert running.requests("POST", "/projects") == 1


@pytest.mark.proves("F14")
@pytest.mark.parametrize("status", [423, 429, 503])
async def test_a_definite_refusal_is_repeated_within_the_same_intent(running: Scene, status: int) -> None:
    body = {"code": "", "message": "not now"}
    running.neon.answers.add(Script(**POST, status=status, body=body))
    await running.create()
    await running.cluster.until_ready()
    assert running.requests("POST", "/projects") == 2
    declared = [w for w in running.writes() if w.resource == "tenantdatabases" and not w.subresource]
    assert len(declared) == 1


@pytest.mark.proves("F17")
async def test_an_incomplete_list_is_not_an_empty_one(running: Scene) -> None:
    place = Marker(running.prefix, running.namespace, "acme", str(UUID(int=0))).search_text
    other = await running.console("POST", "/projects", project={"name": f"copy-of-{place}"})
    await running.until_idle()
    running.neon.knobs.unavailable_project_ids = [other["project"]["id"]]
    await running.create()
    await running.cluster.until_reason("NeonUnreachable")
    assert running.requests("POST", "/projects") == 1
    running.neon.knobs.unavailable_project_ids = []
    await running.cluster.until_ready()
    assert len(running.projects()) == 2


@pytest.mark.proves("F17")
async def test_a_list_that_lags_makes_no_second_project(running: Scene) -> None:
    running.neon.knobs.list_lag = 3
    running.neon.answers.add(Script(**POST, drop=True))
    await running.create()
    await recovered_by_name(running)


@pytest.mark.proves("F39", "I1")
async def test_an_unresolved_intent_holds_a_deletion_until_its_post_cannot_land_any_more(
    running: Scene,
) -> None:
    running.neon.answers.add(Script(**POST, delay_before=5))
    await running.create()

    async def sent() -> bool:
        found = await running.cluster.tenant()
        return "neontenants.io/create-intent" in found["metadata"].get("annotations", {})

    await until(sent, "the create is declared")
    await running.cluster.delete("TenantDatabase", "acme")
    await running.cluster.until_gone("TenantDatabase", "acme")
    assert running.projects() == []
    assert len(running.projects(deleted=True)) == 1


@pytest.mark.proves("F39", "I1")
async def test_a_deletion_in_the_middle_of_a_create_leaves_nothing(running: Scene) -> None:
    running.neon.knobs.operation_seconds = 3
    await running.create()

    async def posted() -> bool:
        return running.requests("POST", "/projects") == 1

    await until(posted, "the project is made")
    await running.cluster.delete("TenantDatabase", "acme")
    await running.cluster.until_gone("TenantDatabase", "acme")
    assert running.projects() == []


# --- what people do to projects ------------------------------------------------------------------------


@pytest.mark.proves("F22", "I3", "I6")
async def test_a_project_that_is_deleted_while_it_is_being_made_is_missing_until_it_is_recovered(
    unconnected: Scene,
) -> None:
    """What the create's answer said is believed only as long as nothing of it is gone."""
    unconnected.neon.knobs.operation_outcome = "stuck"
    await unconnected.start_operator()
    await unconnected.create()

    async def posted() -> bool:
        return unconnected.requests("POST", "/projects") == 1

    await until(posted, "the project is made")
    project = unconnected.project()
    unconnected.neon.knobs.operation_outcome = "finished"
    await unconnected.until_idle()
    await unconnected.console("DELETE", f"/projects/{project['id']}")
    await unconnected.cluster.until_reason("ProjectMissing")
    await unconnected.console("POST", f"/projects/{project['id']}/recover")
    await unconnected.annotate(reconcile_requested_at="recovered")
    tenant = await unconnected.cluster.until_ready()
    assert tenant["status"]["projectId"] == project["id"]
    assert unconnected.requests("POST", "/projects") == 1


@pytest.mark.proves("F22")
async def test_a_project_that_vanished_is_not_replaced_and_heals_when_it_is_recovered(running: Scene) -> None:
    await running.create()
    await running.cluster.until_ready()
    project = running.project()["id"]
    uri = (await running.cluster.secret())["uri"]
    await query(uri, "CREATE TABLE kept AS SELECT 7 AS id")
    await running.console("DELETE", f"/projects/{project}")
    await running.annotate(reconcile_requested_at="1")
    tenant = await running.cluster.until_reason("ProjectMissing")
    assert "recover it" in condition(tenant, "Ready")["message"]
    assert condition(tenant, "Available")["status"] == "False"
    assert running.projects() == []
    await running.console("POST", f"/projects/{project}/recover")
    await running.annotate(reconcile_requested_at="2")
    await running.cluster.until_ready()
    assert await query((await running.cluster.secret())["uri"], "SELECT id FROM kept") == 7


@pytest.mark.proves("F18")
async def test_a_renamed_project_gets_its_name_back(running: Scene) -> None:
    await running.create()
    await running.cluster.until_ready()
    before = running.project()
    await running.console("PATCH", f"/projects/{before['id']}", project={"name": "my favourite"})
    await running.until_idle()
    await running.annotate(reconcile_requested_at="1")

    async def named() -> bool:
        return bool(running.project()["name"] == before["name"])

    await until(named, "the name is back")


@pytest.mark.proves("F18", "I1")
async def test_a_renamed_project_goes_with_its_resource_once_its_id_is_not_found(running: Scene) -> None:
    await running.create()
    await running.cluster.until_ready()
    await running.console("PATCH", f"/projects/{running.project()['id']}", project={"name": "my favourite"})
    await running.until_idle()
    await running.cluster.delete("TenantDatabase", "acme")
    await running.cluster.until_gone("TenantDatabase", "acme")
    assert running.projects() == []
    # No list of our names would show it.
    assert running.neon.requests.counters["GET", "/projects/{project_id}", 404] == 1


@pytest.mark.proves("F18", "I2")
async def test_a_project_of_our_name_without_our_birth_certificate_is_reported_not_deleted(
    running: Scene,
) -> None:
    await running.create()
    await running.cluster.until_ready()
    await running.console("POST", "/projects", project={"name": running.project()["name"]})
    await running.until_idle()
    await running.annotate(reconcile_requested_at="1")
    tenant = await running.cluster.until_reason("DuplicateProject")
    assert condition(tenant, "Available")["status"] == "True"
    assert len(running.projects()) == 2


@pytest.mark.proves("I1", "I3")
async def test_a_true_duplicate_is_deleted_and_the_recorded_one_stays(running: Scene) -> None:
    await running.create()
    await running.cluster.until_ready()
    first = running.project()
    branch = {"annotations": first["annotations"]}
    await running.console("POST", "/projects", project={"name": first["name"], "branch": branch})
    await running.until_idle()
    await running.annotate(reconcile_requested_at="1")

    async def one() -> bool:
        return [p["id"] for p in running.projects()] == [first["id"]]

    await until(one, "the duplicate is gone")
    await running.cluster.until_event("DuplicateProject")


@pytest.mark.proves("F18", "I2")
async def test_bystanders_with_names_like_ours_are_never_touched(running: Scene) -> None:
    await running.create()
    await running.cluster.until_ready()
    name = running.project()["name"]
    names = [name + "-copy", "copy-" + name[:60], name[:-1], name.replace(running.prefix, "other")[:64]]
    for near in names:
        await running.console("POST", "/projects", project={"name": near[:64]})
    await running.until_idle()
    await running.annotate(reconcile_requested_at="1")
    await running.cluster.until_tenant(
        "acme", lambda found: found["status"].get("lastHandledReconcileAt") == "1", "it is answered"
    )
    await running.cluster.delete("TenantDatabase", "acme")
    await running.cluster.until_gone("TenantDatabase", "acme")
    assert sorted(p["name"] for p in running.projects()) == sorted(near[:64] for near in names)


@pytest.mark.proves("I2", "I7", "T1")
async def test_a_stranger_in_the_place_of_the_recorded_project_is_not_deleted(running: Scene) -> None:
    """Somebody with rights on the status writes another project's id into it."""
    await running.create()
    await running.cluster.until_ready()
    mine = running.project()["id"]
    stranger = (await running.console("POST", "/projects", project={"name": "somebody else's"}))["project"][
        "id"
    ]
    await running.until_idle()
    forged = {"status": {"projectId": stranger}}
    await running.cluster.patch("TenantDatabase", "acme", forged, subresource="/status")
    await running.annotate(reconcile_requested_at="1")
    await running.cluster.until_reason("NotOurs")
    await running.cluster.delete("TenantDatabase", "acme")
    await running.cluster.until_tenant(
        "acme",
        lambda found: "not deleted" in condition(found, "Ready")["message"].replace("\n", " "),
        "the deletion is held",
    )
    await running.change(deletionPolicy="Retain")
    await running.cluster.until_gone("TenantDatabase", "acme")
    assert stranger in [p["id"] for p in running.projects()]
    assert mine in [p["id"] for p in running.projects()]


# --- earlier lives ---------------------------------------------------------------------------------------


async def rebuilt(scene: Scene) -> dict[str, Any]:
    """The cluster is rebuilt from Git: the same name, a new uid, and the old project still there."""
    await scene.create()
    await scene.cluster.until_ready()
    await query((await scene.cluster.secret())["uri"], "CREATE TABLE kept AS SELECT 7 AS id")
    old = scene.project()
    await scene.cluster.strip_and_delete()
    await scene.cluster.until_gone("TenantDatabase", "acme")
    await scene.create()
    return old


async def test_a_predecessor_is_never_silently_replaced(running: Scene) -> None:
    old = await rebuilt(running)
    tenant = await running.cluster.until_reason("PreviousProjectFound")
    assert condition(tenant, "Stalled")["status"] == "True"
    assert old["id"] not in condition(tenant, "Ready")["message"]
    assert [p["id"] for p in running.projects()] == [old["id"]]


async def test_a_predecessor_is_left_aside_with_its_token(running: Scene) -> None:
    old = await rebuilt(running)
    tenant = await running.cluster.until_reason("PreviousProjectFound")
    token = condition(tenant, "Ready")["message"].partition("start-empty=")[2].rstrip(".")
    await running.annotate(start_empty="wrong")
    await running.cluster.until_reason("PreviousProjectFound")
    await running.annotate(start_empty=token)
    tenant = await running.cluster.until_ready()
    assert tenant["status"]["projectId"] != old["id"]
    assert (
        await query(
            (await running.cluster.secret())["uri"], "SELECT count(*) FROM pg_class WHERE relname = 'kept'"
        )
        == 0
    )


async def test_a_predecessor_that_is_renamed_to_the_new_owner_is_bound_with_its_data_and_password(
    running: Scene,
) -> None:
    """Rule 14's one rename, done here by hand."""
    old = await rebuilt(running)
    tenant = await running.cluster.until_reason("PreviousProjectFound")
    marker = Marker(running.prefix, running.namespace, "acme", tenant["metadata"]["uid"])
    await running.console("PATCH", f"/projects/{old['id']}", project={"name": marker.project_name})
    await running.until_idle()
    await running.annotate(reconcile_requested_at="1")
    tenant = await running.cluster.until_ready()
    assert tenant["status"]["projectId"] == old["id"]

    async def logs_in() -> bool:
        found = await running.cluster.get("Secret", "acme-database")
        return found is not None and tenant["metadata"]["uid"] in str(found["metadata"]["annotations"])

    await until(logs_in, "the Secret is the new resource's")
    assert await query((await running.cluster.secret())["uri"], "SELECT id FROM kept") == 7


async def test_a_retained_project_meets_the_next_resource_of_its_name(running: Scene) -> None:
    await running.create(deletionPolicy="Retain")
    await running.cluster.until_ready()
    await running.cluster.delete("TenantDatabase", "acme")
    await running.cluster.until_gone("TenantDatabase", "acme")
    await running.create()
    await running.cluster.until_reason("PreviousProjectFound")
    assert len(running.projects()) == 1


# --- what is lost with status, annotations and backups --------------------------------------------------


@pytest.mark.proves("F35")
async def test_a_wiped_status_is_rebuilt(running: Scene) -> None:
    await running.create()
    before = await running.cluster.until_ready()
    await running.cluster.patch("TenantDatabase", "acme", {"status": None}, subresource="/status")
    after = await running.cluster.until_ready()
    for key in ("projectId", "host", "endpointId", "branchId", "tier", "binding", "region"):
        assert after["status"][key] == before["status"][key]
    assert len(running.projects()) == 1


@pytest.mark.proves("F35", "I5")
async def test_wiped_annotations_and_status_and_a_missing_secret_lose_nothing(running: Scene) -> None:
    await running.create()
    await running.cluster.until_ready()
    before = await running.cluster.secret()
    await running.annotate(paused="true")
    await running.cluster.delete("Secret", "acme-database")
    await running.cluster.patch("TenantDatabase", "acme", {"status": None}, subresource="/status")
    await running.annotate(paused=None, create_intent=None)
    await running.cluster.until_ready()
    assert await running.cluster.secret() == before
    assert len(running.projects()) == 1


async def test_an_old_resource_without_an_id_whose_project_was_deleted_gets_no_empty_one(
    running: Scene,
) -> None:
    """A backup from before the first status comes back, and the project is gone."""
    await running.create()
    await running.cluster.until_ready()
    project = running.project()["id"]
    await running.annotate(paused="true")
    await running.cluster.delete("Secret", "acme-database")
    await running.console("DELETE", f"/projects/{project}")
    await running.cluster.patch("TenantDatabase", "acme", {"status": None}, subresource="/status")

    async def older_than_an_intent() -> bool:
        from datetime import UTC, datetime

        made = datetime.fromisoformat((await running.cluster.tenant())["metadata"]["creationTimestamp"])
        return (datetime.now(UTC) - made).total_seconds() > 9

    await until(older_than_an_intent, "the resource is older than an intent")
    await running.annotate(paused=None, create_intent=None)
    await running.cluster.until_reason("ProjectMissing")
    assert running.projects() == []


@pytest.mark.proves("F53", "T1")
async def test_an_intent_of_an_unknown_form_is_respected(running: Scene) -> None:
    """A newer version of us may have written it."""
    manifest = running.manifest()
    manifest["metadata"]["annotations"] = {"neontenants.io/create-intent": "v2:something"}
    await running.cluster.create(manifest)
    await running.cluster.until_reason("OutcomeUnknown")
    assert running.requests("POST", "/projects") == 0


@pytest.mark.proves("T1")
async def test_a_copied_intent_of_another_resource_means_nothing(running: Scene) -> None:
    await running.create("one")
    one = await running.cluster.until_ready("one")
    manifest = running.manifest("two")
    manifest["metadata"]["annotations"] = one["metadata"]["annotations"]
    await running.cluster.create(manifest)
    await running.cluster.until_ready("two")
    assert len(running.projects()) == 2


async def test_another_operators_finalizers_are_left_alone(running: Scene) -> None:
    manifest = running.manifest()
    manifest["metadata"]["finalizers"] = ["example.com/theirs"]
    await running.cluster.create(manifest)
    tenant = await running.cluster.until_ready()
    assert tenant["metadata"]["finalizers"] == ["example.com/theirs", FINALIZER]
    await running.cluster.delete("TenantDatabase", "acme")
    await running.cluster.until_tenant(
        "acme", lambda found: found["metadata"]["finalizers"] == ["example.com/theirs"], "ours is gone"
    )
    assert running.projects() == []
    await running.cluster.patch("TenantDatabase", "acme", {"metadata": {"finalizers": []}})
    await running.cluster.until_gone("TenantDatabase", "acme")
