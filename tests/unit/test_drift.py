"""What one complete list tells of a tenant, row by row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import builders as a
from neon_tenants.api import names
from neon_tenants.api.tenant_database import AppliedTier
from neon_tenants.core.drift import Drift, Finding, judge
from neon_tenants.core.entitlement import Tier
from neon_tenants.core.observed import Tenant
from neon_tenants.core.project import Limits, Project
from neon_tenants.core.record import Record

TIER = a.tier()
HELD = a.tenant(status=a.status())
UNREADY = a.status(conditions=[a.condition("Ready", "False", "TierFull")])
GONE = a.status(conditions=[a.condition("Ready", "False", "ProjectMissing")])
CHANGED = a.project(retention_seconds=60)
TWIN = a.project("twin-project-2")


def judged(
    tenant: Tenant, *projects: Project, tier: Tier | None = TIER, limits: Limits | None = a.LIMITS
) -> Any:
    return judge(
        Record.of(tenant),
        marker=a.MARKER,
        tier=tier,
        limits=limits,
        by_id={project.id: project for project in projects},
        in_place=projects,
    )


NOTHING: dict[str, Finding | None] = {
    "deleted": judged(replace(HELD, deleting=True)),
    "paused": judged(replace(HELD, annotations={names.PAUSED: "true"})),
    "without a recorded project": judged(a.tenant(status=a.status(project_id=None))),
    "missing, and still not listed": judged(a.tenant(status=GONE)),
    "not ready": judged(a.tenant(status=UNREADY), CHANGED),
    "a changed spec": judged(replace(HELD, generation=2), CHANGED),
    "a changed tier": judged(HELD, CHANGED, tier=a.tier(generation=2)),
    "another tier": judged(replace(HELD, spec=a.tenant({"tier": "pro"}).spec), CHANGED),
    "no tier": judged(HELD, CHANGED, tier=None),
    "nothing applied": judged(a.tenant(status=a.status(tier=None)), CHANGED),
    "refused by its tier": judged(HELD, CHANGED, limits=None),
    "as it should be": judged(HELD, a.project()),
    "what Neon did not take": judged(
        a.tenant(status=a.status(tier=AppliedTier(name="free", generation=1, not_taken=["suspendAfter"]))),
        a.project(defaults=replace(a.LIMITS.compute, suspend_seconds=3600)),
    ),
}


@pytest.mark.parametrize("finding", NOTHING.values(), ids=NOTHING.keys())
def test_nothing_is_found(finding: Finding | None) -> None:
    assert finding is None


FOUND: dict[str, tuple[Finding | None, Drift]] = {
    "listed again": (judged(a.tenant(status=GONE), a.project()), Drift.RECOVERED),
    "not listed": (judged(HELD), Drift.MISSING),
    "renamed": (judged(HELD, a.project(name="mine")), Drift.RENAMED),
    "a twin": (judged(HELD, a.project(), TWIN), Drift.DUPLICATE),
    "other limits": (judged(HELD, CHANGED), Drift.SETTINGS),
}


@pytest.mark.parametrize(("finding", "drift"), FOUND.values(), ids=FOUND.keys())
def test_something_is_found(finding: Finding | None, drift: Drift) -> None:
    assert finding is not None
    assert finding.drift is drift


def test_a_finding_names_field_and_values() -> None:
    found = judged(HELD, CHANGED)
    assert [str(d) for d in found.differences] == ["historyRetention was 1m, not 6h"]
    renamed = judged(HELD, a.project(name="mine"))
    assert [str(d) for d in renamed.differences] == [f"name was 'mine', not '{a.MARKER.project_name}'"]
