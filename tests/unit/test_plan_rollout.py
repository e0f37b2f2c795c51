"""The plan for tenants that a rollout has not reached, and for computes that wait to be idle."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import builders as a
from neon_tenants.api.conditions import Reason
from neon_tenants.api.tenant_database import AppliedTier
from neon_tenants.core import plan
from neon_tenants.core import status as core_status
from neon_tenants.core.observed import Observed
from neon_tenants.core.project import MAX_CU, ComputeSettings
from neon_tenants.core.status import Verdict
from neon_tenants.core.steps import ReadEndpoints, Rest, Step, UpdateEndpoint, UpdateProject

CHANGED: dict[str, Any] = {
    "compute": {"minCU": 0.25, "maxCU": 2, "suspendAfter": "5m"},
    "historyRetention": "1h",
    "quota": a.tier_spec().quota.model_dump(by_alias=True) | {"writtenData": "1Mi", "dataTransfer": "50Gi"},
    "overrides": {"quota": {"storagePerBranch": "5Gi"}, "compute": {"maxCU": 4}},
}
WAITING = AppliedTier(name="free", generation=2, waiting=[MAX_CU])


def reached(spec: dict[str, Any] | None = None, *, admitted: bool, **changes: Any) -> Observed:
    """A tenant with the first generation of its tier, while the second is on its way."""
    tier = a.tier(generation=2, **CHANGED | changes.pop("tier", {}))
    status = a.status(**changes.pop("status", {}))
    tenant = a.tenant(spec, status=status, generation=changes.pop("generation", 1))
    return a.bound(tenant=tenant, tier=tier, admitted=admitted, **changes)


def applied(observed: Observed) -> AppliedTier | None:
    rest = a.resting(observed)
    assert (rest.reason, rest.ready) == (Reason.PROVISIONED, True)
    return core_status.updated(observed, Verdict.of(rest), "2026-02-02T00:00:00Z").tier


def project_step(observed: Observed) -> UpdateProject:
    step: Step = plan.next_step(observed)
    assert isinstance(step, UpdateProject), step
    return step


def test_nothing_of_a_change_is_done_before_the_rollout_reaches_the_tenant() -> None:
    assert applied(reached(admitted=False)) == AppliedTier(name="free", generation=1)


def test_not_even_a_refusal_by_the_changed_tier() -> None:
    overrides = {"overrides": {"quota": {"writtenData": "9Gi"}}}
    assert applied(reached(overrides, admitted=False)) == AppliedTier(name="free", generation=1)


def test_what_a_person_changes_meanwhile_is_done_without_what_the_change_takes() -> None:
    wishes = {"overrides": {"quota": {"storagePerBranch": "5Gi"}}}
    step = project_step(reached(wishes, admitted=False, generation=2))
    assert step.limits.retention_seconds == a.LIMITS.retention_seconds
    assert step.limits.compute == a.LIMITS.compute
    assert step.limits.quota == replace(
        a.LIMITS.quota, logical_size_bytes=5 * 1024**3, data_transfer_bytes=50 * 1024**3
    )


def test_a_person_s_own_size_comes_at_once_and_another_does_not() -> None:
    raised = a.project(quota=replace(a.LIMITS.quota, data_transfer_bytes=50 * 1024**3))
    own = {"overrides": {"compute": {"maxCU": 4}}}
    step = project_step(reached(own, admitted=False, generation=2, lookup=a.lookup(raised)))
    assert step.limits.compute == ComputeSettings(0.25, 4, 300)
    sized = replace(raised, defaults=step.limits.compute)
    found = plan.next_step(reached(own, admitted=False, generation=2, lookup=a.lookup(sized)))
    assert isinstance(found, UpdateEndpoint)
    assert (found.compute.max_cu, found.differing) == (4, frozenset({MAX_CU}))
    other = reached(admitted=False, generation=2, lookup=a.lookup(raised))
    assert applied(other) == AppliedTier(name="free", generation=1)


def test_what_the_rollout_reaches_gets_its_quotas_at_once_and_its_size_when_it_is_idle() -> None:
    observed = reached(admitted=True)
    step = project_step(observed)
    done = a.project(
        quota=step.limits.quota, defaults=step.limits.compute, retention_seconds=step.limits.retention_seconds
    )
    changed = replace(observed, lookup=a.lookup(done))
    assert applied(changed) == WAITING
    rest = plan.next_step(changed)
    assert isinstance(rest, Rest)
    assert rest.message.endswith("Its compute gets another size as soon as it is idle.")
    idle = plan.next_step(replace(changed, endpoints=(a.endpoint(idle=True),)))
    assert isinstance(idle, UpdateEndpoint)
    assert idle.differing == {MAX_CU}


def waits(**changes: Any) -> Observed:
    observed = reached(admitted=True, status={"tier": WAITING}, **changes)
    done = project_step(replace(observed, endpoints=(a.endpoint(),))).limits
    project = a.project(quota=done.quota, defaults=done.compute, retention_seconds=done.retention_seconds)
    return replace(observed, lookup=a.lookup(project, fresh=False))


def test_who_only_follows_its_tier_comes_to_rest_without_its_secret() -> None:
    observed = settled_project(reached(admitted=True, secret=None))
    assert observed.only_follows
    assert applied(observed) == WAITING
    told = core_status.updated(observed, Verdict.of(a.resting(observed)), "2026-02-02T00:00:00Z")
    assert told.binding == observed.tenant.status.binding


def test_a_compute_that_waits_is_looked_at_without_another_list() -> None:
    assert plan.next_step(replace(waits(), endpoints=None)) == ReadEndpoints("cool-project-1")
    assert applied(waits()) == WAITING


def test_what_waited_is_no_drift_when_it_is_done() -> None:
    for policy in ("Repair", "Report"):
        observed = waits(tier={})
        assert observed.tier is not None
        tier = replace(observed.tier, spec=observed.tier.spec.model_copy(update={"drift_policy": policy}))
        idle = (a.endpoint(idle=True),)
        fresh = replace(observed.lookup, fresh=True) if observed.lookup else None
        step = plan.next_step(replace(observed, tier=tier, endpoints=idle, lookup=fresh))
        assert isinstance(step, UpdateEndpoint)
        assert (step.differing, step.drift) == (frozenset({MAX_CU}), ())
    sized = (a.endpoint(compute=ComputeSettings(0.25, 2, 300)),)
    assert applied(replace(waits(), endpoints=sized)) == AppliedTier(name="free", generation=2)


GROWN = a.endpoint(compute=ComputeSettings(0.25, 1, 300), idle=True)
"""A compute of neither the tier's size nor the project's default."""


def settled_project(observed: Observed) -> Observed:
    """The same world, after the change of the project's limits that the plan asks for."""
    limits = project_step(observed).limits
    stands = a.project(
        quota=limits.quota, defaults=limits.compute, retention_seconds=limits.retention_seconds
    )
    return replace(observed, lookup=a.lookup(stands))


def test_a_compute_keeps_its_size_until_the_rollout_unless_a_person_overrides_it() -> None:
    quota = {"overrides": {"quota": {"storagePerBranch": "1Gi"}}}
    own = {"overrides": {"compute": {"maxCU": 4}}}
    kept = plan.next_step(settled_project(reached(quota, admitted=False, generation=2, endpoints=(GROWN,))))
    assert isinstance(kept, Rest), kept
    changed = plan.next_step(settled_project(reached(own, admitted=False, generation=2, endpoints=(GROWN,))))
    assert isinstance(changed, UpdateEndpoint)
    assert changed.compute.max_cu == 4


def test_what_waits_is_told_once_the_rollout_is_there() -> None:
    tier = {"rollout": {"compute": "WhenIdle"}}
    rest = plan.next_step(settled_project(reached(admitted=True, tier=tier)))
    assert isinstance(rest, Rest)
    assert "idle" in rest.message
    before = plan.next_step(reached(admitted=False, tier=tier))
    assert isinstance(before, Rest)
    assert "idle" not in before.message


def test_what_waits_is_not_told_before_the_rollout_nor_is_it_drift() -> None:
    quota = {"overrides": {"quota": {"storagePerBranch": "1Gi"}}}
    busy = (replace(GROWN, idle=False),)
    before = plan.next_step(settled_project(reached(quota, admitted=False, generation=2, endpoints=busy)))
    assert isinstance(before, Rest)
    assert "idle" not in before.message
    there = plan.next_step(settled_project(reached(admitted=True, tier={"rollout": {"compute": "WhenIdle"}})))
    assert isinstance(there, Rest)
    assert there.drift == ()
