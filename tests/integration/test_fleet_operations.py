"""What an administrator does once: Rebind, Undelete, DeleteOrphans, in bulk, dry, and after a crash."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import pytest

from cluster import Object, RefusedError, condition
from neon_sandbox.emulator.scripts import Script
from scene import Scene, query
from waiting import until

FINALIZER = "neontenants.io/project"


def message(done: Object, number: int = 0) -> str:
    return str(done["status"]["results"][number]["message"])


async def lose(scene: Scene, name: str = "acme") -> None:
    """The resource goes without its project, as with a cluster that is rebuilt."""
    await scene.cluster.strip_and_delete(name)
    await scene.cluster.until_gone("TenantDatabase", name)


async def rebuilt(scene: Scene, name: str = "acme") -> str:
    """The same name with a new uid; the id of the project of before."""
    await scene.create(name)
    before = await scene.cluster.until_ready(name)
    await lose(scene, name)
    await scene.create(name)
    await scene.cluster.until_reason("PreviousProjectFound", name)
    return str(before["status"]["projectId"])


async def until_named(scene: Scene, name: str = "acme-database", *, uid: str) -> dict[str, str]:
    """Waits until the Secret is this resource's; what it holds."""

    async def look() -> bool:
        found = await scene.cluster.get("Secret", name)
        return found is not None and found["metadata"]["annotations"]["neontenants.io/owner-uid"] == uid

    await until(look, "the Secret is the new resource's")
    return await scene.cluster.secret(name)


# --- Rebind ----------------------------------------------------------------------------------------------


async def test_a_rebound_resource_has_its_data_and_its_password(running: Scene) -> None:
    await running.create()
    await running.cluster.until_ready()
    before = await running.cluster.secret()
    await query(before["uri"], "CREATE TABLE kept AS SELECT 7 AS id")
    old = running.project()["id"]
    await lose(running)
    await running.create()
    await running.cluster.until_reason("PreviousProjectFound")
    done = await running.operate("rebind", "Rebind", f"{running.namespace}/acme")
    assert done["status"]["counts"] == {"total": 1, "done": 1, "failed": 0, "skipped": 0}
    tenant = await running.cluster.until_ready()
    assert tenant["status"]["projectId"] == old
    assert FINALIZER in tenant["metadata"]["finalizers"]
    after = await until_named(running, uid=tenant["metadata"]["uid"])
    assert after["password"] == before["password"]
    assert await query(after["uri"], "SELECT id FROM kept") == 7
    assert running.requests("POST", "/projects") == 1
    await running.cluster.delete("TenantDatabase", "acme")
    await running.cluster.until_gone("TenantDatabase", "acme")
    assert running.projects() == []


async def test_a_dry_run_changes_nothing(unconnected: Scene) -> None:
    await unconnected.start_operator()
    old = await rebuilt(unconnected)
    before = unconnected.project()["name"]
    done = await unconnected.operate("dry", "Rebind", f"{unconnected.namespace}/acme", dryRun=True)
    assert done["status"]["phase"] == "Succeeded"
    assert message(done) == f"The project {old} would be bound."
    assert unconnected.project()["name"] == before
    assert "projectId" not in (await unconnected.cluster.tenant())["status"]
    assert unconnected.patches() == (0, 0)


async def test_an_own_project_is_released_for_the_named_one_and_never_deleted(unconnected: Scene) -> None:
    await unconnected.start_operator()
    old = await rebuilt(unconnected)
    held = await unconnected.cluster.tenant()
    token = condition(held, "Ready")["message"].partition("start-empty=")[2].rstrip(".")
    await unconnected.annotate(start_empty=token)
    own = (await unconnected.cluster.until_ready())["status"]["projectId"]
    place = f"{unconnected.namespace}/acme"
    refused = await unconnected.operate("refused", "Rebind", place)
    assert refused["status"]["phase"] == "Failed"
    assert "project of its own" in message(refused)
    done = await unconnected.operate("named", "Rebind", f"{place}={old}")
    assert done["status"]["phase"] == "Succeeded", done
    tenant = await unconnected.cluster.until_ready()
    assert tenant["status"]["projectId"] == old

    async def released() -> bool:
        names = {p["id"]: p["name"] for p in unconnected.projects()}
        return names[own].endswith("-released") and not names[old].endswith("-released")

    await until(released, "the own one is released")
    await unconnected.annotate(reconcile_requested_at="1")
    await unconnected.cluster.until_tenant(
        "acme", lambda found: found["status"].get("lastHandledReconcileAt") == "1", "it was looked at"
    )
    assert {p["id"] for p in unconnected.projects()} == {old, own}
    again = await unconnected.operate("again", "Rebind", f"{place}={old}")
    assert again["status"]["counts"]["skipped"] == 1


async def test_a_resource_is_rebound_while_its_own_project_is_being_made(unconnected: Scene) -> None:
    await unconnected.start_operator()
    old = await rebuilt(unconnected)
    held = await unconnected.cluster.tenant()
    token = condition(held, "Ready")["message"].partition("start-empty=")[2].rstrip(".")
    unconnected.neon.knobs.operation_seconds = 3600
    await unconnected.annotate(start_empty=token)
    making = await unconnected.cluster.until_tenant(
        "acme", lambda found: "projectId" in found["status"], "its own project is recorded"
    )
    own = making["status"]["projectId"]
    assert condition(making, "Ready")["reason"] == "Provisioning"
    unconnected.neon.knobs.operation_seconds = 0
    unconnected.neon.clock.advance(3600)
    done = await unconnected.operate("rebind", "Rebind", f"{unconnected.namespace}/acme={old}")
    assert done["status"]["phase"] == "Succeeded", done
    tenant = await unconnected.cluster.until_ready()
    assert tenant["status"]["projectId"] == old
    secret = await unconnected.cluster.get("Secret", "acme-database")
    assert secret is not None
    assert secret["metadata"]["annotations"]["neontenants.io/project-id"] == old
    assert {project["id"] for project in unconnected.projects()} == {old, own}


async def test_what_does_not_come_into_question_is_refused_by_target(unconnected: Scene) -> None:
    await unconnected.start_operator()
    await unconnected.create()
    await unconnected.cluster.until_ready()
    stranger = (await unconnected.console("POST", "/projects", project={"name": "else"}))["project"]["id"]
    place = unconnected.namespace
    targets = [f"{place}/nobody", f"{place}/acme={stranger}", "elsewhere/acme", "what"]
    done = await unconnected.operate("bad", "Rebind", *targets)
    assert done["status"]["phase"] == "Failed"
    assert done["status"]["counts"]["failed"] == len(targets)
    for number, words in enumerate(["no such", "none of its", "does not watch", "Not understood"]):
        assert words in message(done, number)
    assert unconnected.patches() == (0, 0)


async def test_of_several_earlier_projects_one_must_be_named(unconnected: Scene) -> None:
    await unconnected.start_operator()
    old = await rebuilt(unconnected)
    first = unconnected.project()
    twin = {"name": first["name"], "branch": {"annotations": first["annotations"]}}
    await unconnected.console("POST", "/projects", project=twin)
    await unconnected.until_idle()
    place = f"{unconnected.namespace}/acme"
    done = await unconnected.operate("several", "Rebind", place)
    assert "Several" in message(done)
    done = await unconnected.operate("one", "Rebind", f"{place}={old}")
    assert done["status"]["phase"] == "Succeeded"
    assert (await unconnected.cluster.until_ready())["status"]["projectId"] == old


@pytest.mark.parametrize(("sign", "exit_status"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 0)])
async def test_an_operation_goes_on_after_a_restart_where_it_was(
    unconnected: Scene, sign: signal.Signals, exit_status: int
) -> None:
    names = [f"acme-{i}" for i in range(24)]
    operator = await unconnected.start_operator()
    await asyncio.gather(*(unconnected.create(name) for name in names))
    for name in names:
        await unconnected.cluster.until_ready(name)
    old = {p["id"] for p in unconnected.projects()}
    await asyncio.gather(*(lose(unconnected, name) for name in names))
    await asyncio.gather(*(unconnected.create(name) for name in names))
    for name in names:
        await unconnected.cluster.until_reason("PreviousProjectFound", name)
    before = unconnected.patches()[0]
    asked = await unconnected.ask_for("many", "Rebind", *(f"{unconnected.namespace}/{n}" for n in names))

    async def begun() -> bool:
        return unconnected.patches()[0] - before >= 5

    await until(begun, "some are bound")
    operator.send(sign)
    assert await operator.wait() == exit_status, operator.tail()
    assert (await unconnected.cluster.get("FleetOperation", asked) or {})["status"]["phase"] == "Running"
    await unconnected.start_operator()
    done = await unconnected.until_done(asked)
    assert done["status"]["phase"] == "Succeeded", done["status"]
    assert done["status"]["counts"]["total"] == len(names)
    assert [r["target"] for r in done["status"]["results"]] == [f"{unconnected.namespace}/{n}" for n in names]
    for name in names:
        await unconnected.cluster.until_ready(name)
    assert {p["id"] for p in unconnected.projects()} == old
    assert unconnected.requests("POST", "/projects") == len(names)


# --- Undelete --------------------------------------------------------------------------------------------


async def test_a_deleted_project_comes_back_to_its_resource(running: Scene) -> None:
    await running.create()
    await running.cluster.until_ready()
    before = await running.cluster.secret()
    await query(before["uri"], "CREATE TABLE kept AS SELECT 7 AS id")
    await running.console("DELETE", f"/projects/{running.project()['id']}")
    await running.annotate(reconcile_requested_at="1")
    await running.cluster.until_reason("ProjectMissing")
    place = f"{running.namespace}/acme"
    dry = await running.operate("dry", "Undelete", place, dryRun=True)
    assert "would be recovered" in message(dry)
    assert running.projects() == []
    done = await running.operate("undelete", "Undelete", place)
    assert done["status"]["phase"] == "Succeeded", done
    await running.cluster.until_ready()
    assert await query(before["uri"], "SELECT id FROM kept") == 7


async def deleted_by_hand(scene: Scene) -> str:
    """A tenant rests as ProjectMissing, and would look again in five minutes only; its project."""
    await scene.start_operator()
    await scene.create()
    project = str((await scene.cluster.until_ready())["status"]["projectId"])
    await scene.console("DELETE", f"/projects/{project}")
    await scene.annotate(reconcile_requested_at="the project was deleted")
    await scene.cluster.until_reason("ProjectMissing")
    return project


async def test_a_project_that_came_back_before_it_was_undeleted_is_noticed_at_once(
    unconnected: Scene,
) -> None:
    project = await deleted_by_hand(unconnected)
    await unconnected.console("POST", f"/projects/{project}/recover")
    done = await unconnected.operate("undelete", "Undelete", f"{unconnected.namespace}/acme")
    assert done["status"]["counts"]["skipped"] == 1
    assert (await unconnected.cluster.until_ready())["status"]["projectId"] == project


async def test_a_deleted_resource_that_was_made_again_gets_its_database_back(unconnected: Scene) -> None:
    await unconnected.start_operator()
    await unconnected.create()
    old = (await unconnected.cluster.until_ready())["status"]["projectId"]
    await unconnected.cluster.delete("TenantDatabase", "acme")
    await unconnected.cluster.until_gone("TenantDatabase", "acme")
    await unconnected.create()
    own = (await unconnected.cluster.until_ready())["status"]["projectId"]
    done = await unconnected.operate("undelete", "Undelete", f"{unconnected.namespace}/acme={old}")
    assert done["status"]["phase"] == "Succeeded", done
    assert (await unconnected.cluster.until_ready())["status"]["projectId"] == old
    assert {p["id"] for p in unconnected.projects()} == {old, own}


async def test_a_tenant_hears_of_a_recovery_whose_answer_was_lost(unconnected: Scene) -> None:
    old = await deleted_by_hand(unconnected)
    unconnected.neon.answers.add(Script(method="POST", route="/projects/{project_id}/recover", drop=True))
    done = await unconnected.operate("undelete", "Undelete", f"{unconnected.namespace}/acme")
    assert done["status"]["phase"] == "Succeeded", done
    assert (await unconnected.cluster.until_ready())["status"]["projectId"] == old
    assert unconnected.requests("POST", "/projects/{project_id}/recover") == 1


async def test_what_was_not_deleted_is_not_recovered(unconnected: Scene) -> None:
    await unconnected.start_operator()
    await unconnected.create()
    await unconnected.cluster.until_ready()
    done = await unconnected.operate("undelete", "Undelete", f"{unconnected.namespace}/acme")
    assert done["status"]["counts"]["skipped"] == 1
    assert unconnected.requests("POST", "/projects/{project_id}/recover") == 0


# --- DeleteOrphans ---------------------------------------------------------------------------------------


def older(scene: Scene, project_id: str) -> None:
    """The project was made two hours ago."""
    project = next(p for p in scene.neon.store if p.id == project_id)
    project.created_at -= 7200


async def orphaned(scene: Scene, name: str = "acme") -> str:
    await scene.create(name)
    project = str((await scene.cluster.until_ready(name))["status"]["projectId"])
    await lose(scene, name)
    older(scene, project)
    return project


async def test_a_named_orphan_is_deleted_recoverably(unconnected: Scene) -> None:
    await unconnected.start_operator()
    orphan = await orphaned(unconnected)
    dry = await unconnected.operate("dry", "DeleteOrphans", orphan, dryRun=True)
    assert message(dry) == "It would be deleted."
    assert len(unconnected.projects()) == 1
    done = await unconnected.operate("delete", "DeleteOrphans", orphan)
    assert done["status"]["phase"] == "Succeeded"
    assert unconnected.projects() == []
    assert [p["id"] for p in unconnected.projects(deleted=True)] == [orphan]
    again = await unconnected.operate("again", "DeleteOrphans", orphan)
    assert again["status"]["counts"]["skipped"] == 1


async def test_what_is_no_orphan_is_refused(unconnected: Scene) -> None:
    await unconnected.start_operator()
    await unconnected.create("alive")
    alive = (await unconnected.cluster.until_ready("alive"))["status"]["projectId"]
    older(unconnected, alive)
    claimable = await rebuilt(unconnected, "again")
    older(unconnected, claimable)
    await unconnected.create("young")
    young = (await unconnected.cluster.until_ready("young"))["status"]["projectId"]
    await lose(unconnected, "young")
    await unconnected.create("kept", deletionPolicy="Retain")
    kept = (await unconnected.cluster.until_ready("kept"))["status"]["projectId"]
    await unconnected.cluster.delete("TenantDatabase", "kept")
    await unconnected.cluster.until_gone("TenantDatabase", "kept")
    older(unconnected, kept)
    stranger = (await unconnected.console("POST", "/projects", project={"name": "else"}))["project"]["id"]
    older(unconnected, stranger)
    done = await unconnected.operate("delete", "DeleteOrphans", alive, claimable, young, kept, stranger)
    assert done["status"]["counts"]["failed"] == 5
    words = ["has an owner", "could have it back", "younger than an hour", "=released", "do not prove"]
    for number, expected in enumerate(words):
        assert expected in message(done, number)
    assert len(unconnected.projects()) == 5
    done = await unconnected.operate("released", "DeleteOrphans", f"{kept}=released")
    assert done["status"]["phase"] == "Succeeded"
    assert [p["id"] for p in unconnected.projects(deleted=True)] == [kept]


# --- the object ------------------------------------------------------------------------------------------


async def test_what_fails_for_a_moment_is_tried_again(unconnected: Scene) -> None:
    await unconnected.start_operator()
    orphan = await orphaned(unconnected)
    route = {"method": "DELETE", "route": "/projects/{project_id}"}
    unconnected.neon.answers.add(Script(**route, status=503, body={"code": "", "message": "not now"}))
    done = await unconnected.operate("delete", "DeleteOrphans", orphan)
    assert done["status"]["phase"] == "Succeeded"
    assert unconnected.projects() == []


async def test_an_operation_for_another_cluster_is_left_alone(unconnected: Scene) -> None:
    await unconnected.start_operator()
    orphan = await orphaned(unconnected)
    other = await unconnected.ask_for("other", "DeleteOrphans", orphan, cluster="elsewhere")
    mine = await unconnected.operate("mine", "DeleteOrphans", "no-such-project-1")
    assert mine["status"]["phase"] == "Succeeded"
    found = await unconnected.cluster.get("FleetOperation", other)
    assert found is not None
    assert "phase" not in found.get("status", {})
    assert len(unconnected.projects()) == 1
    await unconnected.cluster.delete("FleetOperation", other)


BAD: dict[str, dict[str, Any]] = {
    "no targets": {"operation": "Rebind"},
    "targets for a release": {"operation": "ReleaseDeletions", "targets": ["a/b"]},
    "an unknown operation": {"operation": "DropEverything", "targets": ["a"]},
    "too many": {"operation": "Rebind", "targets": [f"ns/t{i}" for i in range(1001)]},
    "the same twice": {"operation": "Rebind", "targets": ["ns/a", "ns/a"]},
    "a target that is none": {"operation": "Rebind", "targets": ["a b"]},
}


@pytest.mark.parametrize("spec", BAD.values(), ids=BAD.keys())
async def test_a_bad_operation_is_refused_by_the_api_server(scene: Scene, spec: dict[str, Any]) -> None:
    with pytest.raises(RefusedError) as refused:
        await scene.ask_for("bad", spec["operation"], *spec.get("targets", ()))
    assert refused.value.status == 422


async def test_an_operation_cannot_be_changed(scene: Scene) -> None:
    name = await scene.ask_for("one", "Rebind", "ns/a")
    with pytest.raises(RefusedError, match="cannot be changed"):
        await scene.cluster.patch("FleetOperation", name, {"spec": {"dryRun": True}})
