"""What a tier grants."""

from __future__ import annotations

from typing import Any

import pytest

import builders as a
from neon_tenants.api.conditions import Reason
from neon_tenants.api.tenant_database import AppliedTier, TenantDatabaseSpec
from neon_tenants.core.entitlement import Refusal, Tier, granted, postgres_version, refused_start
from neon_tenants.core.observed import Observed
from neon_tenants.core.obstacle import entitled
from neon_tenants.core.project import ComputeSettings, Limits

OPEN = a.tier(
    compute={"minCU": 1, "maxCU": 2, "suspendAfter": "Never"},
    overrides={"quota": {"storagePerBranch": "50Gi", "computeTime": "Unlimited"}, "compute": {"maxCU": 8}},
)
PAID = a.tier(namespaceSelector={"matchLabels": {"plan": "paid", "zone": "eu"}})


def spec(**changes: Any) -> TenantDatabaseSpec:
    return TenantDatabaseSpec.model_validate({"tier": "free", **changes})


def limits(tenant: TenantDatabaseSpec, tier: Tier) -> Limits:
    found = granted(tenant, tier, None)
    assert isinstance(found, Limits), found
    return found


def test_a_tier_grants_its_limits_in_neons_units() -> None:
    assert limits(spec(), a.tier()) == a.LIMITS


def test_never_suspending_is_minus_one_to_neon() -> None:
    assert limits(spec(), OPEN).compute == ComputeSettings(1, 2, -1)


def test_overrides_take_the_place_of_the_tiers_own() -> None:
    asked = {"quota": {"storagePerBranch": "50Gi", "computeTime": "Unlimited"}, "compute": {"maxCU": 8}}
    found = limits(spec(overrides=asked), OPEN)
    assert found.quota.logical_size_bytes == 50 * 1024**3
    assert found.quota.compute_time_seconds == 0
    assert found.quota.written_data_bytes == a.LIMITS.quota.written_data_bytes
    assert found.compute == ComputeSettings(1, 8, -1)


REFUSALS: dict[str, tuple[TenantDatabaseSpec, Tier | None, dict[str, str] | None, Reason, str]] = {
    "no such tier": (spec(tier="gold"), None, None, Reason.TIER_NOT_FOUND, "'gold'"),
    "a namespace without the labels": (
        spec(),
        PAID,
        {"plan": "free"},
        Reason.TIER_NOT_ALLOWED,
        "plan=paid, zone=eu",
    ),
    "a namespace without any labels": (spec(), PAID, None, Reason.TIER_NOT_ALLOWED, "plan=paid, zone=eu"),
    "an override that is not open": (
        spec(overrides={"quota": {"dataTransfer": "6Gi"}}),
        OPEN,
        None,
        Reason.OVERRIDE_NOT_ALLOWED,
        "does not allow to override quota.dataTransfer",
    ),
    "an override above the most": (
        spec(overrides={"quota": {"storagePerBranch": "51Gi"}}),
        OPEN,
        None,
        Reason.OVERRIDE_NOT_ALLOWED,
        "quota.storagePerBranch up to 50Gi",
    ),
    "unlimited is above every most": (
        spec(overrides={"quota": {"storagePerBranch": "Unlimited"}}),
        OPEN,
        None,
        Reason.OVERRIDE_NOT_ALLOWED,
        "up to 50Gi",
    ),
    "a tier that opens nothing": (
        spec(overrides={"compute": {"maxCU": 1}}),
        a.tier(),
        None,
        Reason.OVERRIDE_NOT_ALLOWED,
        "does not allow to override compute.maxCU",
    ),
    "a compute above the most": (
        spec(overrides={"compute": {"maxCU": 9}}),
        OPEN,
        None,
        Reason.OVERRIDE_NOT_ALLOWED,
        "compute.maxCU up to 8",
    ),
    "a compute below the tier's smallest": (
        spec(overrides={"compute": {"maxCU": 0.5}}),
        OPEN,
        None,
        Reason.OVERRIDE_NOT_ALLOWED,
        "does not go with the tier's minCU 1",
    ),
    "a compute that spans too much": (
        spec(overrides={"compute": {"maxCU": 10}}),
        a.tier(compute={"minCU": 1, "maxCU": 2, "suspendAfter": "5m"}, overrides={"compute": {"maxCU": 16}}),
        None,
        Reason.OVERRIDE_NOT_ALLOWED,
        "at most 8 CU",
    ),
    "a compute that would scale above 16": (
        spec(overrides={"compute": {"maxCU": 18}}),
        a.tier(
            compute={"minCU": 12, "maxCU": 16, "suspendAfter": "5m"}, overrides={"compute": {"maxCU": 18}}
        ),
        None,
        Reason.OVERRIDE_NOT_ALLOWED,
        "not above 16",
    ),
}


@pytest.mark.parametrize(
    ("tenant", "tier", "labels", "reason", "words"), REFUSALS.values(), ids=REFUSALS.keys()
)
def test_a_tier_refuses(
    tenant: TenantDatabaseSpec, tier: Tier | None, labels: dict[str, str] | None, reason: Reason, words: str
) -> None:
    found = granted(tenant, tier, labels)
    assert isinstance(found, Refusal)
    assert found.reason is reason
    assert words in found.message


COMPUTES: dict[str, tuple[float, float, ComputeSettings]] = {
    "a span of exactly as much as Neon scales over": (1, 9, ComputeSettings(1, 9, 300)),
    "scaling up to exactly as much as Neon scales to": (8, 16, ComputeSettings(8, 16, 300)),
    "a fixed size above what Neon scales to": (20, 20, ComputeSettings(20, 20, 300)),
}


@pytest.mark.parametrize(("least", "most", "compute"), COMPUTES.values(), ids=COMPUTES.keys())
def test_a_compute_at_neons_bounds_is_granted(least: float, most: float, compute: ComputeSettings) -> None:
    tier = a.tier(
        compute={"minCU": least, "maxCU": least, "suspendAfter": "5m"}, overrides={"compute": {"maxCU": most}}
    )
    assert limits(spec(overrides={"compute": {"maxCU": most}}), tier).compute == compute


def test_a_new_project_gets_the_tiers_first_version_where_it_names_none() -> None:
    tier = a.tier(postgresVersions=[18, 17])
    assert postgres_version(spec(), tier) == 18
    assert postgres_version(spec(postgresVersion=17), tier) == 17


@pytest.mark.parametrize(
    ("asked", "offered"),
    [
        ({"region": "aws-sa-east-1"}, "aws-us-east-2, aws-eu-central-1"),
        ({"postgresVersion": 14}, "17, 18"),
    ],
    ids=["region", "version"],
)
def test_a_refused_start_says_what_is_offered(asked: dict[str, Any], offered: str) -> None:
    found = refused_start(spec(**asked), a.tier(), None)
    assert found is not None
    assert offered in found.message


def test_a_labelled_namespace_may_use_the_tier() -> None:
    assert isinstance(granted(spec(), PAID, {"plan": "paid", "zone": "eu", "more": "x"}), Limits)


STARTS: dict[str, tuple[TenantDatabaseSpec, Tier, int | None, Reason | None]] = {
    "a region of the list": (spec(region="aws-eu-central-1"), a.tier(), None, None),
    "a region outside the list": (spec(region="aws-sa-east-1"), a.tier(), None, Reason.REGION_NOT_ALLOWED),
    "any region, where there is no list": (spec(region="aws-sa-east-1"), a.tier(regions=[]), None, None),
    "a version of the list": (spec(postgresVersion=18), a.tier(), None, None),
    "a version outside the list": (spec(postgresVersion=14), a.tier(), None, Reason.TIER_NOT_ALLOWED),
    "any version, where there is no list": (
        spec(postgresVersion=14),
        a.tier(postgresVersions=[]),
        None,
        None,
    ),
    "room in the namespace": (spec(), a.tier(maxTenantsPerNamespace=2), 1, None),
    "no room in the namespace": (spec(), a.tier(maxTenantsPerNamespace=2), 2, Reason.TIER_FULL),
    "a count where there is no limit": (spec(), a.tier(), 5, None),
    "nobody counted": (spec(), a.tier(maxTenantsPerNamespace=2), None, None),
}


@pytest.mark.parametrize(("tenant", "tier", "older", "reason"), STARTS.values(), ids=STARTS.keys())
def test_a_new_project_may_start(
    tenant: TenantDatabaseSpec, tier: Tier, older: int | None, reason: Reason | None
) -> None:
    found = refused_start(tenant, tier, older)
    assert (found.reason if found else None) is reason


FULL = a.tier("small", maxTenantsPerNamespace=2)
MOVED = a.tenant({"tier": "small"}, status=a.status())
GREEDY = a.tenant({"tier": "small", "overrides": {"quota": {"computeTime": "1000h"}}}, status=a.status())
MOVES: dict[str, tuple[Observed, Reason | None]] = {
    "from another tier, with room": (a.observed(tenant=MOVED, tier=FULL, older_tenants=1), None),
    "from another tier, without room": (
        a.observed(tenant=MOVED, tier=FULL, older_tenants=2),
        Reason.TIER_FULL,
    ),
    "from another tier that has no limit": (a.observed(tenant=MOVED, tier=FULL), None),
    "what the tier refuses is told first": (
        a.observed(tenant=GREEDY, tier=FULL, older_tenants=2),
        Reason.OVERRIDE_NOT_ALLOWED,
    ),
    "who has the tier keeps it": (
        a.observed(
            tenant=a.tenant({"tier": "small"}, status=a.status(tier=AppliedTier(name="small", generation=1))),
            tier=FULL,
            older_tenants=2,
        ),
        None,
    ),
    "a project whose status was lost keeps it": (
        a.observed(tenant=a.tenant({"tier": "small"}), tier=FULL, older_tenants=2),
        None,
    ),
    "a tier that is not there": (a.observed(tenant=MOVED, tier=None, older_tenants=2), Reason.TIER_NOT_FOUND),
}


@pytest.mark.parametrize(("observed", "reason"), MOVES.values(), ids=MOVES.keys())
def test_a_tenant_moves_where_there_is_room(observed: Observed, reason: Reason | None) -> None:
    found = entitled(observed)
    assert (found.reason if isinstance(found, Refusal) else None) is reason
