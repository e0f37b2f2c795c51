"""What one complete list tells of a tenant, row by row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
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
UNKNOWN = a.status(conditions=[a.condition("Ready", "Unknown", "ProjectMissing")])
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


Look = Callable[[], Finding | None]
"""Judges in the test, not where the table is made: so a test that fails is of its row."""


def when(tenant: Tenant, *projects: Project, **changes: Any) -> Look:
    return partial(judged, tenant, *projects, **changes)


NOTHING: dict[str, Look] = {
    "deleted": when(replace(HELD, deleting=True)),
    "paused": when(replace(HELD, annotations={names.PAUSED: "true"})),
    "without a recorded project": when(a.tenant(status=a.status(project_id=None))),
    "missing, and still not listed": when(a.tenant(status=GONE)),
    "not told as missing": when(a.tenant(status=UNKNOWN), a.project()),
    "not ready": when(a.tenant(status=UNREADY), CHANGED),
    "a changed spec": when(replace(HELD, generation=2), CHANGED),
    "a changed tier": when(HELD, CHANGED, tier=a.tier(generation=2)),
    "another tier": when(replace(HELD, spec=a.tenant({"tier": "pro"}).spec), CHANGED),
    "no tier": when(HELD, CHANGED, tier=None),
    "nothing applied": when(a.tenant(status=a.status(tier=None)), CHANGED),
    "refused by its tier": when(HELD, CHANGED, limits=None),
    "as it should be": when(HELD, a.project()),
    "a project of an earlier life beside it": when(
        HELD, a.project(), a.project("old-project-2", name=a.PREDECESSOR.project_name)
    ),
    "what Neon did not take": when(
        a.tenant(status=a.status(tier=AppliedTier(name="free", generation=1, not_taken=["suspendAfter"]))),
        a.project(defaults=replace(a.LIMITS.compute, suspend_seconds=3600)),
    ),
}


@pytest.mark.parametrize("look", NOTHING.values(), ids=NOTHING.keys())
def test_nothing_is_found(look: Look) -> None:
    assert look() is None


FOUND: dict[str, tuple[Look, Drift]] = {
    "listed again": (when(a.tenant(status=GONE), a.project()), Drift.RECOVERED),
    "not listed": (when(HELD), Drift.MISSING),
    "renamed": (when(HELD, a.project(name="mine")), Drift.RENAMED),
    "a twin": (when(HELD, a.project(), TWIN), Drift.DUPLICATE),
    "other limits": (when(HELD, CHANGED), Drift.SETTINGS),
}


@pytest.mark.parametrize(("look", "drift"), FOUND.values(), ids=FOUND.keys())
def test_something_is_found(look: Look, drift: Drift) -> None:
    finding = look()
    assert finding is not None
    assert finding.drift is drift


def test_a_finding_names_field_and_values() -> None:
    found = judged(HELD, CHANGED)
    assert [str(d) for d in found.differences] == ["historyRetention was 1m, not 6h"]
    renamed = judged(HELD, a.project(name="mine"))
    assert [str(d) for d in renamed.differences] == [f"name was 'mine', not '{a.MARKER.project_name}'"]
