"""The connection Secret: never somebody else's, always the login, gone with its resource."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from cluster import Object, condition
from scene import Scene, query
from waiting import until

OURS = "servicebinding.io/postgresql"


def somebody_elses(namespace: str, **changes: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "acme-database", "namespace": namespace},
        "stringData": {"uri": "theirs"},
        **changes,
    }


TAKEN: dict[str, dict[str, Any]] = {
    "an opaque one": {},
    "one of our type": {"type": OURS},
    "an immutable one": {"immutable": True},
}


@pytest.mark.proves("F37", "T5")
@pytest.mark.parametrize("changes", TAKEN.values(), ids=TAKEN.keys())
async def test_a_name_that_is_taken_is_told_and_nothing_is_written_or_made(
    running: Scene, changes: dict[str, Any]
) -> None:
    before = await running.cluster.create(somebody_elses(running.namespace, **changes))
    await running.create()
    tenant = await running.cluster.until_reason("SecretNotOurs")
    assert "acme-database" in condition(tenant, "Ready")["message"]
    assert await running.cluster.get("Secret", "acme-database") == before
    assert len(running.neon.requests) == 0


@pytest.mark.proves("F37", "T5")
async def test_a_secret_that_another_object_owns_is_left_to_it(running: Scene) -> None:
    namespace = await running.cluster.get("Namespace", running.namespace)
    assert namespace is not None
    owner = {"apiVersion": "v1", "kind": "Namespace", "name": running.namespace}
    owned = somebody_elses(running.namespace)
    owned["metadata"]["ownerReferences"] = [{**owner, "uid": namespace["metadata"]["uid"]}]
    before = await running.cluster.create(owned)
    await running.create()
    await running.cluster.until_reason("SecretNotOurs")
    assert await running.cluster.get("Secret", "acme-database") == before


@pytest.mark.proves("F37")
async def test_a_name_that_becomes_free_is_taken(running: Scene) -> None:
    await running.cluster.create(somebody_elses(running.namespace))
    await running.create()
    await running.cluster.until_reason("SecretNotOurs")
    await running.cluster.delete("Secret", "acme-database")
    await running.annotate(reconcile_requested_at="now")
    await running.cluster.until_ready()


@pytest.mark.proves("T5")
async def test_of_two_resources_with_one_secret_name_the_first_keeps_it(running: Scene) -> None:
    await running.create("first", connectionSecret={"name": "login"})
    await running.cluster.until_ready("first")
    before = await running.cluster.secret("login")
    await running.create("second", connectionSecret={"name": "login"})
    tenant = await running.cluster.until_reason("SecretConflict", "second")
    assert "first" in condition(tenant, "Ready")["message"]
    assert await running.cluster.secret("login") == before
    assert len(running.projects()) == 1


@pytest.mark.proves("F37", "T5")
async def test_a_name_that_is_taken_between_create_and_publish_records_the_project_first(
    running: Scene,
) -> None:
    running.neon.knobs.operation_seconds = 4
    await running.create()

    async def posted() -> bool:
        return running.requests("POST", "/projects") == 1

    await until(posted, "the project is made")
    await running.cluster.create(somebody_elses(running.namespace))
    tenant = await running.cluster.until_reason("SecretNotOurs")
    assert tenant["status"]["projectId"] == running.project()["id"]
    await running.cluster.delete("Secret", "acme-database")
    await running.annotate(reconcile_requested_at="now")
    await running.cluster.until_ready()
    assert len(running.projects()) == 1


async def edited(scene: Scene, change: Object) -> None:
    await scene.cluster.patch("Secret", "acme-database", change)


EDITS: dict[str, Object] = {
    "another password": {"data": {"password": base64.b64encode(b"guess").decode()}},
    "a removed key": {"data": {"uri": None}},
    "bytes that are no text": {"data": {"uri": base64.b64encode(b"\xff\xfe").decode()}},
    "no digest": {"metadata": {"annotations": {"neontenants.io/data-digest": None}}},
    "another project": {"metadata": {"annotations": {"neontenants.io/project-id": "other-1"}}},
    "an id that is a path": {"metadata": {"annotations": {"neontenants.io/project-id": "../x"}}},
}


@pytest.mark.proves("F37", "I5", "T5")
@pytest.mark.parametrize("change", EDITS.values(), ids=EDITS.keys())
async def test_an_edited_secret_is_written_again_with_the_same_password(
    running: Scene, change: Object
) -> None:
    await running.create()
    await running.cluster.until_ready()
    before = await running.cluster.get("Secret", "acme-database")
    assert before is not None
    await edited(running, change)
    await running.annotate(reconcile_requested_at="now")

    async def healed() -> bool:
        found = await running.cluster.get("Secret", "acme-database")
        assert found is not None
        same = found["data"] == before["data"]
        return bool(same and found["metadata"]["annotations"] == before["metadata"]["annotations"])

    await until(healed, "the Secret is as it was")
    assert await query((await running.cluster.secret())["uri"], "SELECT 1") == 1


@pytest.mark.proves("F37", "I4", "I5")
async def test_a_deleted_secret_comes_back_with_the_same_password(running: Scene) -> None:
    await running.create()
    await running.cluster.until_ready()
    before = await running.cluster.secret()
    await running.cluster.delete("Secret", "acme-database")
    await running.annotate(reconcile_requested_at="now")
    await until(lambda: running.cluster.get("Secret", "acme-database"), "the Secret is back")
    assert await running.cluster.secret() == before


@pytest.mark.proves("F37", "I5")
async def test_a_deleted_secret_is_found_in_passing(scene: Scene) -> None:
    await scene.start_operator(resync_interval="2")
    await scene.create()
    await scene.cluster.until_ready()
    before = await scene.cluster.secret()
    await scene.cluster.delete("Secret", "acme-database")
    await until(lambda: scene.cluster.get("Secret", "acme-database"), "the Secret is back")
    assert await scene.cluster.secret() == before


@pytest.mark.proves("I5")
async def test_a_password_that_was_reset_in_neons_console_is_followed(running: Scene) -> None:
    await running.create()
    await running.cluster.until_ready()
    before = await running.cluster.secret()
    project = running.project()
    branch = project["branches"][0]["id"]
    await running.console(
        "POST", f"/projects/{project['id']}/branches/{branch}/roles/app_owner/reset_password"
    )
    await running.until_idle()
    await running.annotate(reconcile_requested_at="now")

    async def changed() -> bool:
        return await running.cluster.secret() != before

    await until(changed, "the Secret has the new password")
    assert await query((await running.cluster.secret())["uri"], "SELECT 1") == 1


async def test_a_role_that_was_dropped_is_told_and_not_made_again(running: Scene) -> None:
    await running.create()
    await running.cluster.until_ready()
    project = next(iter(running.neon.store))
    project.default_branch.roles.clear()
    await running.cluster.delete("Secret", "acme-database")
    await running.annotate(reconcile_requested_at="now")
    tenant = await running.cluster.until_reason("PasswordUnavailable")
    assert "app_owner" in condition(tenant, "Ready")["message"]


async def test_passwords_that_neon_does_not_store_are_told(running: Scene) -> None:
    await running.create()
    await running.cluster.until_ready()
    next(iter(running.neon.store)).store_passwords = False
    await running.cluster.delete("Secret", "acme-database")
    await running.annotate(reconcile_requested_at="now")
    tenant = await running.cluster.until_reason("PasswordUnavailable")
    assert "does not store" in condition(tenant, "Ready")["message"]


async def test_labels_annotations_and_extra_keys_are_the_tenants(running: Scene) -> None:
    wishes: dict[str, Any] = {
        "labels": {"team": "shop"},
        "annotations": {"example.com/note": "hello"},
        "extra": {"DATABASE_URL": "{pooled_uri}", "GREETING": "user {username} on {host}:{port}"},
    }
    await running.create(connectionSecret=wishes)
    await running.cluster.until_ready()
    found = await running.cluster.get("Secret", "acme-database")
    secret = await running.cluster.secret()
    assert found is not None
    assert found["metadata"]["labels"] == wishes["labels"]
    assert found["metadata"]["annotations"]["example.com/note"] == "hello"
    assert secret["DATABASE_URL"] == secret["pooled-uri"]
    assert secret["GREETING"] == f"user app_owner on {secret['host']}:{secret['port']}"
    reveals = running.neon.requests.count("GET", "/projects/{project_id}/connection_uri")
    await running.change(connectionSecret={"extra": {"GREETING": None, "MORE": "{jdbc_uri}"}})
    await running.cluster.until_ready()
    secret = await running.cluster.secret()
    assert "GREETING" not in secret
    assert secret["MORE"] == secret["jdbc-uri"]
    assert running.neon.requests.count("GET", "/projects/{project_id}/connection_uri") == reveals


async def test_labels_that_others_added_stay(running: Scene) -> None:
    await running.create()
    await running.cluster.until_ready()
    await edited(running, {"metadata": {"labels": {"theirs": "x"}}, "data": {"uri": None}})
    await running.annotate(reconcile_requested_at="now")

    async def healed() -> bool:
        return "uri" in await running.cluster.secret()

    await until(healed, "the Secret is written again")
    found = await running.cluster.get("Secret", "acme-database")
    assert found is not None
    assert found["metadata"]["labels"] == {"theirs": "x"}


async def test_the_owner_reference_comes_only_with_the_release(running: Scene) -> None:
    await running.create()
    await running.cluster.until_ready()
    found = await running.cluster.get("Secret", "acme-database")
    assert found is not None
    assert "ownerReferences" not in found["metadata"]
    await running.cluster.delete("TenantDatabase", "acme")
    await running.cluster.until_gone("TenantDatabase", "acme")
    await running.cluster.until_gone("Secret", "acme-database")


@pytest.mark.proves("F37", "T5")
async def test_an_immutable_secret_of_ours_that_is_out_of_date_is_told(running: Scene) -> None:
    await running.create()
    await running.cluster.until_ready()
    await edited(running, {"immutable": True})
    await running.change(connectionSecret={"extra": {"MORE": "{uri}"}})
    tenant = await running.cluster.until_reason("SecretNotOurs")
    assert "immutable" in condition(tenant, "Ready")["message"]
    await running.cluster.delete("Secret", "acme-database")
    await running.annotate(reconcile_requested_at="now")
    await running.cluster.until_ready()
    assert "MORE" in await running.cluster.secret()
