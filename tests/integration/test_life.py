"""A tenant's life: from manifest to a working login, through tiers and suspension, back to nothing."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from cluster import Object, condition
from neon_sandbox import installation
from neon_sandbox.emulator.scripts import Script
from scene import Scene, example_tier, query
from waiting import until

PROJECT = "/projects/{project_id}"
ENDPOINT = "/projects/{project_id}/endpoints/{endpoint_id}"
Gi = 1024**3
Mi = 1024**2

# Neon's guide for platforms, as it reaches Neon: seconds and bytes, 0 for unlimited.
GUIDE: dict[str, dict[str, Any]] = {
    "free": {
        "compute_time_seconds": 360_000,
        "active_time_seconds": 0,
        "logical_size_bytes": 512 * Mi,
        "written_data_bytes": 1 * Gi,
        "data_transfer_bytes": 5 * Gi,
        "compute": (0.25, 0.25, 300),
    },
    "pro": {
        "compute_time_seconds": 2_700_000,
        "active_time_seconds": 0,
        "logical_size_bytes": 10 * Gi,
        "written_data_bytes": 50 * Gi,
        "data_transfer_bytes": 50 * Gi,
        "compute": (0.25, 2, 600),
    },
    "enterprise": {
        "compute_time_seconds": 0,
        "active_time_seconds": 0,
        "logical_size_bytes": 100 * Gi,
        "written_data_bytes": 0,
        "data_transfer_bytes": 0,
        "compute": (1, 8, 1800),
    },
}


def compute_of(settings: dict[str, Any]) -> tuple[float, float, int]:
    """Sizes and suspend time; Neon stores its default of 300 seconds as 0."""
    return (
        settings["autoscaling_limit_min_cu"],
        settings["autoscaling_limit_max_cu"],
        settings["suspend_timeout_seconds"] or 300,
    )


def held_to(project: dict[str, Any], plan: str) -> None:
    """Asserts that quota, defaults and every endpoint are those of the guide's plan, field by field."""
    wanted = dict(GUIDE[plan])
    compute = wanted.pop("compute")
    assert project["quota"] == wanted
    assert compute_of(project["default_endpoint_settings"]) == compute
    assert project["endpoints"]
    for endpoint in project["endpoints"]:
        assert compute_of(endpoint) == compute


@pytest.mark.proves("I4")
async def test_a_manifest_becomes_a_project_and_a_secret_that_logs_in(running: Scene) -> None:
    await running.create()
    tenant = await running.cluster.until_ready()
    secret = await running.cluster.secret()
    assert await query(secret["uri"], "SELECT 1") == 1
    assert await query(secret["pooled-uri"], "SELECT 1") == 1
    project = running.project()
    assert tenant["status"]["projectId"] == project["id"]
    assert condition(tenant, "Available")["status"] == "True"
    assert tenant["status"]["binding"] == {"name": "acme-database"}
    parts = {key: secret[key] for key in ("type", "provider", "database", "username")}
    assert parts == {"type": "postgresql", "provider": "neon", "database": "app", "username": "app_owner"}


@pytest.mark.parametrize("plan", GUIDE)
async def test_the_guides_plan_reaches_neon_field_by_field(running: Scene, plan: str) -> None:
    await running.create(tier=plan)
    await running.cluster.until_ready()
    held_to(running.project(), plan)


async def test_kubectl_waits_for_ready_and_shows_the_columns(running: Scene) -> None:
    await running.create()
    namespace = ("-n", running.namespace)
    wait = ("wait", "--for=condition=Ready", "tdb/acme", "--timeout=30s")
    await installation.kubectl(running.plane, *wait, *namespace)
    shown = await installation.kubectl(running.plane, "get", "tdb", "-o", "wide", *namespace)
    head, row = shown.splitlines()
    everyday = ["NAME", "TIER", "READY", "STATUS", "SECRET", "AGE"]
    assert head.split() == [*everyday, "REGION", "PROJECT", "STORAGE%", "COMPUTE%"]
    assert row.split()[2:5] == ["True", "Provisioned", "acme-database"]
    assert row.split()[-2:] == ["aws-us-east-2", running.project()["id"]]


async def test_a_fresh_resource_reads_as_in_progress_before_anybody_wrote_to_it(scene: Scene) -> None:
    created = await scene.create()
    assert created["status"]["observedGeneration"] == -1
    ready = condition(created, "Ready")
    assert (ready["status"], ready["reason"]) == ("Unknown", "Pending")
    shown = await installation.kubectl(scene.plane, "get", "tdb", "acme", "-n", scene.namespace)
    assert "Pending" in shown


async def add_branch(scene: Scene) -> None:
    """A second branch with a compute of its own, as a developer would make one."""
    branch = {"branch": {"name": "dev"}, "endpoints": [{"type": "read_write"}]}
    await scene.console("POST", f"/projects/{scene.project()['id']}/branches", **branch)
    await scene.until_idle()


@pytest.mark.proves("I4")
async def test_a_tier_change_reaches_quota_defaults_and_every_endpoint_with_the_same_password(
    running: Scene,
) -> None:
    await running.create()
    await running.cluster.until_ready()
    before = await running.cluster.secret()
    await add_branch(running)
    await running.change(tier=running.tiers["pro"])
    tenant = await running.cluster.until_ready()
    held_to(running.project(), "pro")
    assert len(running.project()["endpoints"]) == 2
    assert tenant["status"]["tier"] == {"name": running.tiers["pro"], "generation": 1}
    assert await running.cluster.secret() == before
    assert await query(before["uri"], "SELECT 1") == 1


async def test_a_changed_tier_reaches_its_tenants(running: Scene) -> None:
    for name in ("one", "two"):
        await running.create(name)
        await running.cluster.until_ready(name)
    spec = {"quota": {"computeTime": "200h"}}
    await running.cluster.patch("DatabaseTier", running.tiers["free"], {"spec": spec})
    for name in ("one", "two"):
        await running.cluster.until_tenant(
            name, lambda found: found["status"]["tier"]["generation"] == 2, f"{name} has the new tier"
        )
    assert {p["quota"]["compute_time_seconds"] for p in running.projects()} == {720_000}


async def test_a_change_of_quota_alone_sends_no_endpoint_patch_and_an_open_transaction_survives_it(
    running: Scene,
) -> None:
    await running.create_tier("more", {**example_tier("free"), "quota": example_tier("pro")["quota"]})
    await running.create()
    await running.cluster.until_ready()
    uri = (await running.cluster.secret())["uri"]
    async with await psycopg.AsyncConnection.connect(uri) as open_transaction:
        await open_transaction.execute("CREATE TABLE kept (id int)")
        await running.change(tier=running.tiers["more"])
        await running.cluster.until_ready()
        await open_transaction.execute("INSERT INTO kept VALUES (1)")
        await open_transaction.commit()
    assert running.patches() == (1, 0)
    assert running.project()["quota"]["logical_size_bytes"] == 10 * Gi
    assert await query(uri, "SELECT count(*) FROM kept") == 1


async def test_overrides_reach_neon_within_what_the_tier_allows(running: Scene) -> None:
    overrides = {"quota": {"storagePerBranch": "20Gi"}, "compute": {"maxCU": 4}}
    await running.create(tier="pro", overrides=overrides)
    await running.cluster.until_ready()
    project = running.project()
    assert project["quota"]["logical_size_bytes"] == 20 * Gi
    assert compute_of(project["endpoints"][0]) == (0.25, 4, 600)


async def test_a_suspended_tenant_is_ready_and_its_logins_are_refused_until_it_is_active_again(
    running: Scene,
) -> None:
    await running.create()
    await running.cluster.until_ready()
    uri = (await running.cluster.secret())["uri"]
    await query(uri, "CREATE TABLE kept AS SELECT 1 AS id")
    await running.change(state="Suspended")
    tenant = await running.cluster.until_ready()
    assert condition(tenant, "Available")["status"] == "False"
    assert condition(tenant, "Available")["reason"] == "Suspended"
    with pytest.raises(psycopg.OperationalError, match="disabled"):
        await query(uri, "SELECT 1")
    await running.change(state="Active")
    tenant = await running.cluster.until_ready()
    assert condition(tenant, "Available")["status"] == "True"
    assert await query(uri, "SELECT id FROM kept") == 1


async def test_a_tenant_can_be_born_suspended(running: Scene) -> None:
    await running.create(state="Suspended")
    tenant = await running.cluster.until_ready()
    assert tenant["status"]["suspended"] is True
    assert running.project()["endpoints"][0]["disabled"] is True


@pytest.mark.parametrize("lost", [False, True])
async def test_a_tenant_that_is_active_again_before_it_is_ready_can_log_in(
    running: Scene, lost: bool
) -> None:
    """What the create's answer said of the compute is no measure any more, once it may have been changed."""
    running.neon.knobs.operation_seconds = 2
    if lost:
        running.neon.answers.add(Script(method="PATCH", route=ENDPOINT, drop=True))
    await running.create(state="Suspended")

    async def disabled() -> bool:
        return any(project["endpoints"][0]["disabled"] for project in running.projects())

    await until(disabled, "its compute is disabled")
    await running.change(state="Active")
    tenant = await running.cluster.until_ready()
    assert condition(tenant, "Available")["status"] == "True"
    assert running.project()["endpoints"][0]["disabled"] is False
    assert await query((await running.cluster.secret())["uri"], "SELECT 1") == 1


@pytest.mark.parametrize("lost", [False, True])
async def test_a_tenant_that_goes_back_to_its_tier_before_it_is_ready_is_held_to_that(
    running: Scene, lost: bool
) -> None:
    running.neon.knobs.operation_seconds = 2
    if lost:
        running.neon.answers.add(Script(method="PATCH", route=PROJECT, drop=True))
    await running.create()

    async def made() -> bool:
        return bool(running.projects())

    await until(made, "its project is made")
    await running.change(tier=running.tiers["pro"])

    async def moved() -> bool:
        return running.requests("PATCH", PROJECT) == 1

    await until(moved, "its project has the other tier's limits")
    await running.change(tier=running.tiers["free"])
    await running.cluster.until_ready()
    held_to(running.project(), "free")


async def test_region_version_and_database_are_the_tenants(running: Scene) -> None:
    await running.create(region="aws-eu-central-1", postgresVersion=18, database="shop")
    tenant = await running.cluster.until_ready()
    project = running.project()
    assert (project["region_id"], project["pg_version"]) == ("aws-eu-central-1", 18)
    assert (tenant["status"]["region"], tenant["status"]["database"]) == ("aws-eu-central-1", "shop")
    secret = await running.cluster.secret()
    assert (secret["dbname"], secret["username"]) == ("shop", "shop_owner")
    assert await query(secret["uri"], "SELECT 1") == 1


@pytest.mark.proves("I1")
async def test_deleting_a_tenant_deletes_its_project_and_its_secret(running: Scene) -> None:
    await running.create()
    await running.cluster.until_ready()
    project = running.project()["id"]
    await running.cluster.delete("TenantDatabase", "acme")
    await running.cluster.until_gone("TenantDatabase", "acme")
    await running.cluster.until_gone("Secret", "acme-database")
    assert running.projects() == []
    assert [p["id"] for p in running.projects(deleted=True)] == [project]
    event = await running.cluster.until_event("Deleting")
    assert event["type"] == "Normal"
    assert project in event["note"]


@pytest.mark.proves("I3")
async def test_a_retained_project_is_released_with_its_data(running: Scene) -> None:
    await running.create(deletionPolicy="Retain")
    await running.cluster.until_ready()
    before = running.project()
    await running.cluster.delete("TenantDatabase", "acme")
    await running.cluster.until_gone("TenantDatabase", "acme")
    after = running.project()
    assert after["id"] == before["id"]
    assert after["name"].endswith("-released")


async def test_without_a_word_from_tenant_and_tier_the_data_is_kept(running: Scene) -> None:
    manifest = running.manifest()
    del manifest["spec"]["deletionPolicy"]
    await running.cluster.create(manifest)
    await running.cluster.until_ready()
    await running.cluster.delete("TenantDatabase", "acme")
    await running.cluster.until_gone("TenantDatabase", "acme")
    assert running.project()["name"].endswith("-released")


async def test_the_tiers_policy_serves_where_the_tenant_has_none(running: Scene) -> None:
    await running.create_tier("throwaway", {**example_tier("free"), "deletionPolicy": "Delete"})
    manifest = running.manifest(tier="throwaway")
    del manifest["spec"]["deletionPolicy"]
    await running.cluster.create(manifest)
    await running.cluster.until_ready()
    await running.cluster.delete("TenantDatabase", "acme")
    await running.cluster.until_gone("TenantDatabase", "acme")
    assert running.projects() == []


@pytest.mark.proves("I3", "I7")
async def test_a_protected_database_outlives_its_deletion_until_it_is_unprotected(running: Scene) -> None:
    await running.create(deletionProtection=True)
    await running.cluster.until_ready()
    uri = (await running.cluster.secret())["uri"]
    await running.cluster.delete("TenantDatabase", "acme")
    held = await running.cluster.until_reason("DeletionHeld")
    assert condition(held, "Stalled")["status"] == "True"
    assert condition(held, "Available")["status"] == "True"
    assert await query(uri, "SELECT 1") == 1
    await running.change(deletionProtection=False)
    await running.cluster.until_gone("TenantDatabase", "acme")
    assert running.projects() == []


@pytest.mark.proves("I4", "I5", "T19")
async def test_a_held_deletion_is_no_way_out_of_a_suspension(running: Scene) -> None:
    await running.create(deletionProtection=True)
    await running.cluster.until_ready()
    uri = (await running.cluster.secret())["uri"]
    await running.cluster.delete("TenantDatabase", "acme")
    await running.cluster.until_reason("DeletionHeld")

    async def until_available(status: str) -> None:
        await running.cluster.until_tenant(
            "acme", lambda t: condition(t, "Available")["status"] == status, f"Available is {status}"
        )

    await running.change(state="Suspended")
    await until_available("False")
    with pytest.raises(psycopg.OperationalError):
        await query(uri, "SELECT 1")
    await running.change(state="Active", tier=running.tiers["pro"])
    await until_available("True")
    held_to(running.project(), "pro")
    await running.cluster.delete("Secret", "acme-database")
    await running.annotate("acme", reconcile_requested_at="now")
    await until(lambda: running.cluster.get("Secret", "acme-database"), "the Secret is written again")
    assert (await running.cluster.secret())["uri"] == uri
    assert await query(uri, "SELECT 1") == 1


async def test_a_held_deletion_keeps_the_secret_also_when_dependents_go_first(running: Scene) -> None:
    """Argo CD's prune and `kubectl delete --cascade=foreground` delete dependents before their owner."""
    await running.create(deletionProtection=True)
    await running.cluster.until_ready()
    foreground = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Foreground"}
    await running.cluster.delete("TenantDatabase", "acme", json=foreground)
    await running.cluster.until_reason("DeletionHeld")
    found = await running.cluster.get("Secret", "acme-database")
    assert found is not None
    assert "ownerReferences" not in found["metadata"]


async def test_a_paused_tenant_is_left_alone_until_the_annotation_goes(running: Scene) -> None:
    await running.create()
    await running.cluster.until_ready()
    await running.annotate(paused="true")
    await running.change(tier=running.tiers["pro"])

    def paused(found: Object) -> bool:
        return bool(condition(found, "Reconciling")["reason"] == "Paused")

    found = await running.cluster.until_tenant("acme", paused, "it says that it is paused")
    assert found["status"]["observedGeneration"] == 1
    held_to(running.project(), "free")
    await running.annotate(paused=None)
    await running.cluster.until_ready()
    held_to(running.project(), "pro")


@pytest.mark.parametrize("told_before", [False, True])
async def test_a_paused_deletion_is_held(running: Scene, told_before: bool) -> None:
    await running.create()
    await running.cluster.until_ready()
    await running.annotate(paused="true")
    if told_before:
        await running.cluster.until_tenant(
            "acme", lambda t: condition(t, "Reconciling")["reason"] == "Paused", "it says that it is paused"
        )
    await running.cluster.delete("TenantDatabase", "acme")
    await running.cluster.until_event("Paused")
    assert len(running.projects()) == 1
    await running.annotate(paused=None)
    await running.cluster.until_gone("TenantDatabase", "acme")
    assert running.projects() == []


async def test_a_requested_look_is_answered(running: Scene) -> None:
    await running.create()
    await running.cluster.until_ready()
    await running.annotate(reconcile_requested_at="monday")
    await running.cluster.until_tenant(
        "acme", lambda found: found["status"].get("lastHandledReconcileAt") == "monday", "it is answered"
    )


async def test_state_changes_are_told_as_events_and_a_smooth_create_is_not(running: Scene) -> None:
    await running.create()
    await running.cluster.until_ready()
    assert await running.cluster.list("Event") == []
    await running.change(state="Suspended")
    await running.cluster.until_ready()
    await running.change(state="Active", tier=running.tiers["pro"])
    await running.cluster.until_ready()

    await running.cluster.until_event("Suspended")
    await running.cluster.until_event("Provisioned")


@pytest.mark.proves("F38")
async def test_deleting_the_namespace_deletes_the_project(running: Scene) -> None:
    await running.create()
    await running.cluster.until_ready()
    await running.cluster.delete("Namespace", running.namespace)
    await running.cluster.until_gone("TenantDatabase", "acme")
    await running.cluster.until_gone("Namespace", running.namespace)
    assert running.projects() == []


@pytest.mark.proves("F39")
async def test_the_same_name_again_is_a_new_database_after_a_deletion(running: Scene) -> None:
    await running.create()
    await running.cluster.until_ready()
    first = (running.project()["id"], await running.cluster.secret())
    await running.cluster.delete("TenantDatabase", "acme")
    await running.cluster.until_gone("TenantDatabase", "acme")
    await running.create()
    await running.cluster.until_ready()

    async def fresh() -> bool:
        found = await running.cluster.get("Secret", "acme-database")
        return found is not None and await running.cluster.secret() != first[1]

    await until(fresh, "the Secret is the new one's")
    assert running.project()["id"] != first[0]
    assert await query((await running.cluster.secret())["uri"], "SELECT 1") == 1
