"""Which lane an unsettled tenant belongs in: one test for each row of the table."""

from __future__ import annotations

from dataclasses import replace

from builders import status, tenant, tier
from neon_tenants.api.tenant_database import AppliedTier, TenantDatabaseStatus
from neon_tenants.core.lane import Lane, lane_of
from neon_tenants.core.observed import Tenant

NEW_TENANT = replace(tenant(), status=TenantDatabaseStatus())


def settled(**changes: object) -> Tenant:
    return replace(tenant(), status=status(**changes))


def test_what_is_deleted_is_deleted_even_when_it_was_never_ready() -> None:
    assert lane_of(replace(NEW_TENANT, deleting=True), tier()) is Lane.DELETE
    assert lane_of(replace(settled(), deleting=True), tier()) is Lane.DELETE


def test_a_tenant_that_was_never_ready_is_a_create_whatever_changed_since() -> None:
    assert lane_of(NEW_TENANT, tier()) is Lane.CREATE
    assert lane_of(settled(tier=None, observed_generation=0), None) is Lane.CREATE


def test_a_changed_spec_is_a_change_and_goes_before_its_tiers_rollout() -> None:
    assert lane_of(settled(observed_generation=0), tier()) is Lane.CHANGE
    assert lane_of(settled(observed_generation=0), tier(generation=2)) is Lane.CHANGE


def test_a_look_that_a_person_asked_for_is_a_change() -> None:
    asked = replace(settled(), annotations={"neontenants.io/reconcile-requested-at": "now"})
    assert lane_of(asked, tier()) is Lane.CHANGE


def test_a_tier_that_changed_under_a_tenant_is_a_rollout() -> None:
    assert lane_of(settled(), tier(generation=2)) is Lane.ROLLOUT
    assert lane_of(settled(tier=AppliedTier(name="pro", generation=1)), tier()) is Lane.ROLLOUT


def test_what_should_be_as_it_is_but_is_not_ready_is_a_repair() -> None:
    assert lane_of(settled(conditions=[]), tier()) is Lane.REPAIR
    assert lane_of(settled(), None) is Lane.REPAIR
