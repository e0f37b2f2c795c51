"""Bad input: each with a clear word, nothing lost, and healed as soon as its cause is gone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cluster import condition
from neon_sandbox import installation, manifests
from neon_sandbox.controlplane import ControlPlane
from neon_sandbox.emulator.outage import Outage
from scene import Scene, example_tier
from waiting import until


async def test_an_unknown_tier_waits_for_its_tier(running: Scene) -> None:
    running.tiers["later"] = f"{running.prefix}-later"
    await running.create(tier="later")
    tenant = await running.cluster.until_reason("TierNotFound")
    assert running.tiers["later"] in condition(tenant, "Ready")["message"]
    assert condition(tenant, "Stalled")["status"] == "True"
    assert len(running.neon.requests) == 0
    await running.create_tier("later")
    await running.annotate(reconcile_requested_at="now")
    await running.cluster.until_ready()


@pytest.mark.proves("F60")
async def test_a_tier_that_is_deleted_leaves_its_tenants_as_they_are(running: Scene) -> None:
    await running.create()
    await running.cluster.until_ready()
    await running.cluster.delete("DatabaseTier", running.tiers["free"])
    tenant = await running.cluster.until_reason("TierNotFound")
    assert condition(tenant, "Available")["status"] == "True"
    assert running.patches() == (0, 0)
    await running.create_tier("free")
    await running.cluster.until_ready()


REFUSALS: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "a region outside the tier": (
        "free",
        {"region": "aws-sa-east-1"},
        "RegionNotAllowed",
        "aws-eu-central-1",
    ),
    "a version outside the tier": ("free", {"postgresVersion": 15}, "TierNotAllowed", "17, 18"),
    "an override that the tier does not open": (
        "free",
        {"overrides": {"quota": {"writtenData": "2Gi"}}},
        "OverrideNotAllowed",
        "quota.writtenData",
    ),
    "an override above the tier's most": (
        "pro",
        {"overrides": {"quota": {"storagePerBranch": "51Gi"}}},
        "OverrideNotAllowed",
        "up to 50Gi",
    ),
}


@pytest.mark.proves("I14")
@pytest.mark.parametrize(("tier", "spec", "reason", "words"), REFUSALS.values(), ids=REFUSALS.keys())
async def test_what_the_tier_does_not_allow_is_told_and_neon_is_not_asked(
    running: Scene, tier: str, spec: dict[str, Any], reason: str, words: str
) -> None:
    await running.create(tier=tier, **spec)
    tenant = await running.cluster.until_reason(reason)
    assert words in condition(tenant, "Ready")["message"]
    assert len(running.neon.requests) == 0
    assert (await running.cluster.until_event(reason))["type"] == "Warning"


async def test_an_override_that_comes_later_leaves_what_is_applied(running: Scene) -> None:
    await running.create()
    await running.cluster.until_ready()
    await running.change(overrides={"compute": {"maxCU": 8}})
    tenant = await running.cluster.until_reason("OverrideNotAllowed")
    assert condition(tenant, "Available")["status"] == "True"
    assert running.patches() == (0, 0)
    await running.change(overrides=None)
    await running.cluster.until_ready()


@pytest.mark.proves("T3")
async def test_a_tier_is_only_for_namespaces_with_its_labels(running: Scene) -> None:
    selector = {"namespaceSelector": {"matchLabels": {"plan": "paid"}}}
    await running.create_tier("paid", {**example_tier("free"), **selector})
    await running.create(tier="paid")
    tenant = await running.cluster.until_reason("TierNotAllowed")
    assert "plan=paid" in condition(tenant, "Ready")["message"]
    await running.cluster.patch("Namespace", running.namespace, {"metadata": {"labels": {"plan": "paid"}}})
    await running.annotate(reconcile_requested_at="now")
    await running.cluster.until_ready()


@pytest.mark.proves("T4")
async def test_a_full_tier_takes_no_more_and_the_oldest_stay(running: Scene) -> None:
    await running.create_tier("small", {**example_tier("free"), "maxTenantsPerNamespace": 1})
    await running.create("first", tier="small")
    await running.cluster.until_ready("first")
    await running.create("second", tier="small")
    await running.cluster.until_reason("TierFull", "second")
    await running.cluster.delete("TenantDatabase", "first")
    await running.cluster.until_gone("TenantDatabase", "first")
    await running.annotate("second", reconcile_requested_at="now")
    await running.cluster.until_ready("second")


@pytest.mark.proves("F62")
async def test_an_immutable_field_that_was_changed_around_the_api_server_is_not_followed(
    running: Scene,
) -> None:
    """The rule of the CRD is taken away for a moment, as somebody with rights on CRDs could."""
    await running.create(region="aws-us-east-2")
    await running.cluster.until_ready()
    project = running.project()
    await running.annotate(paused="true")
    crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/tenantdatabases.neontenants.io"
    strict = await running.cluster.request("GET", crd)
    try:
        rules = "x-kubernetes-validations"
        schema = strict["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
        kept = schema.pop(rules)
        await running.cluster.request("PUT", crd, json=strict)

        async def changed() -> bool:
            from cluster import RefusedError

            try:
                await running.change(region="aws-eu-central-1")
            except RefusedError:
                return False
            return True

        await until(changed, "the API server lets it pass")
    finally:
        strict = await running.cluster.request("GET", crd)
        strict["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"][rules] = kept
        await running.cluster.request("PUT", crd, json=strict)
    await running.annotate(paused=None)
    tenant = await running.cluster.until_reason("ImmutableFieldChanged")
    assert condition(tenant, "Available")["status"] == "True"
    assert running.project() == project | {"endpoints": running.project()["endpoints"]}


# --- Neon's key and Neon itself ----------------------------------------------------------------------


@pytest.mark.proves("T17")
async def test_a_wrong_key_is_told_and_a_right_one_heals_without_a_restart(scene: Scene) -> None:
    scene.key_file.write_text("napi_wrong")
    operator = await scene.start_operator()
    await scene.create()
    tenant = await scene.cluster.until_reason("CredentialsRejected")
    assert "no restart" in condition(tenant, "Ready")["message"]
    scene.key_file.write_text(scene.neon.api_key + "\n")
    await scene.cluster.until_ready()
    assert operator.running


async def test_a_missing_key_file_is_told_and_healed(scene: Scene) -> None:
    scene.key_file.unlink()
    await scene.start_operator()
    await scene.create()
    tenant = await scene.cluster.until_reason("CredentialsRejected")
    assert "missing" in condition(tenant, "Ready")["message"]
    assert len(scene.neon.requests) == 0
    scene.key_file.write_text(scene.neon.api_key)
    await scene.cluster.until_ready()


@pytest.mark.proves("T17")
async def test_a_revoked_key_loses_nothing_and_is_not_knocked_with(running: Scene) -> None:
    await running.create()
    await running.cluster.until_ready()
    running.neon.keys.revoke(running.neon.api_key)
    for number in range(5):
        await running.create(f"new-{number}")
    for number in range(5):
        await running.cluster.until_reason("CredentialsRejected", f"new-{number}")
    assert running.neon.requests.count(status=401) < 5
    await running.cluster.delete("TenantDatabase", "acme")
    await running.cluster.until_tenant(
        "acme",
        lambda found: condition(found, "Ready")["reason"] == "CredentialsRejected",
        "the deletion waits",
    )
    running.key_file.write_text(running.neon.keys.issue())
    await running.cluster.until_gone("TenantDatabase", "acme")
    for number in range(5):
        await running.cluster.until_ready(f"new-{number}")
    assert len(running.projects()) == 5


@pytest.mark.proves("F25")
@pytest.mark.parametrize("kind", ["503", "524", "hang"])
async def test_an_outage_of_neon_is_told_and_survived(running: Scene, kind: str) -> None:
    running.neon.outage.begin(Outage.model_validate({"kind": kind, "seconds": 600}))
    await running.create()
    tenant = await running.cluster.until_reason("NeonUnreachable")
    assert condition(tenant, "Reconciling")["status"] == "True"
    running.neon.outage.end()
    await running.cluster.until_ready()
    assert len(running.projects()) == 1


async def test_a_neon_that_is_not_there_is_told(scene: Scene) -> None:
    await scene.start_operator(api_url="http://127.0.0.1:1/api/v2")
    await scene.create()
    tenant = await scene.cluster.until_reason("NeonUnreachable")
    assert "could not be reached" in condition(tenant, "Ready")["message"]


@pytest.mark.proves("F16", "I14")
async def test_a_reached_plan_limit_is_told_and_healed(running: Scene) -> None:
    running.neon.knobs.projects_limit = 0
    await running.create()
    tenant = await running.cluster.until_reason("PlanLimitReached")
    assert "projects limit" in condition(tenant, "Ready")["message"]
    assert condition(tenant, "Stalled")["status"] == "True"
    running.neon.knobs.projects_limit = 10
    await running.cluster.until_ready()
    assert len(running.projects()) == 1


@pytest.mark.proves("F16")
async def test_a_value_above_the_plan_is_told(running: Scene) -> None:
    running.neon.knobs.plan = "free"
    await running.create(tier="enterprise")
    tenant = await running.cluster.until_reason("PlanLimitReached")
    assert "exceeds allowed maximum" in condition(tenant, "Ready")["message"]


@pytest.mark.proves("F14")
async def test_throttling_is_survived_without_a_second_project(running: Scene) -> None:
    running.neon.knobs.requests_per_second_per_route = 1
    for number in range(4):
        await running.create(f"t{number}")
    for number in range(4):
        await running.cluster.until_ready(f"t{number}")
    assert len(running.projects()) == 4


@pytest.mark.proves("F20", "I14")
async def test_a_failed_operation_is_told_with_its_id(running: Scene) -> None:
    running.neon.knobs.operation_outcome = "failed"
    await running.create()
    tenant = await running.cluster.until_reason("OperationFailed")
    operations = [o.id for p in running.neon.store for o in p.operations]
    assert any(id_ in condition(tenant, "Ready")["message"] for id_ in operations)
    assert running.requests("POST", "/projects") == 1


@pytest.mark.proves("F23")
async def test_settings_that_neon_does_not_take_are_noted_and_asked_for_once(running: Scene) -> None:
    free = {**example_tier("free"), "historyRetention": "6h"}
    compute = {"minCU": 0.25, "maxCU": 0.25, "suspendAfter": "10m"}
    await running.create_tier("slow", {**free, "compute": compute})
    running.neon.knobs.plan = "free"
    await running.create(tier="slow")
    tenant = await running.cluster.until_ready()
    assert tenant["status"]["tier"]["notTaken"] == ["suspendAfter"]
    before = running.patches()
    await running.annotate(reconcile_requested_at="again")
    await running.cluster.until_tenant(
        "acme", lambda found: found["status"].get("lastHandledReconcileAt") == "again", "it is answered"
    )
    assert running.patches() == before


# --- the cluster ---------------------------------------------------------------------------------------


async def test_without_crds_the_operator_waits_and_says_so(plane: ControlPlane, scene: Scene) -> None:
    """On a control plane of its own, since CRDs are shared by all tests of this one."""
    from neon_sandbox.controlplane import prepare

    async with ControlPlane.start(await prepare()) as bare:
        await installation.kubectl(bare, "apply", "-f", "-", stdin=manifests.permissions())
        scene.kubeconfig = scene.folder / "bare.kubeconfig"
        await installation.write_operator_kubeconfig(bare, scene.kubeconfig)
        operator = await scene.start_operator(watch_namespaces="default")
        await scene.until_logged("The CRDs are not installed")
        assert operator.running
        await installation.install(bare)
        await scene.until_logged("The operator is watching")
        await scene.stop_operators()


@pytest.mark.proves("F50", "I1")
async def test_two_operators_at_once_make_one_project_each(scene: Scene) -> None:
    await asyncio.gather(scene.start_operator(), scene.start_operator())
    names = [f"t{number}" for number in range(10)]
    await asyncio.gather(*(scene.create(name) for name in names))
    for name in names:
        await scene.cluster.until_ready(name)
    assert scene.requests("POST", "/projects") == 10
    assert len(scene.projects()) == 10
    await asyncio.gather(*(scene.cluster.delete("TenantDatabase", name) for name in names))
    for name in names:
        await scene.cluster.until_gone("TenantDatabase", name)
    assert scene.projects() == []
