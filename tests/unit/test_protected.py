"""The plan's table for a deletion that deletionProtection holds, row by row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import builders as a
from neon_tenants.api import names
from neon_tenants.api.conditions import Reason
from neon_tenants.core import plan
from neon_tenants.core.difference import Difference
from neon_tenants.core.knowledge import Knowledge
from neon_tenants.core.observed import Observed
from neon_tenants.core.removal import HELD_AGAIN, PROTECTED
from neon_tenants.core.steps import (
    CreateSecret,
    LookUp,
    LookUpDeleted,
    ReadCertificate,
    ReadEndpoints,
    RenameProject,
    Rest,
    Step,
    UpdateEndpoint,
    UpdateProject,
)

SHORTER = a.project(retention_seconds=60)
RETENTION = Difference("historyRetention", "1m", "6h")
RENAMED = a.project(name="my favourite database")
ELSEWHERE = a.certificate(replace(a.MARKER, namespace="others"))
DOUBLE = a.project("cool-project-2", created_at="2026-02-01T00:00:00Z")


def held(spec: dict[str, Any] | None = None, **changes: Any) -> Observed:
    """A protected tenant that was deleted; its project stands, and its Secret."""
    protected = {"deletionPolicy": "Delete", "deletionProtection": True, **(spec or {})}
    facts = {"tenant": a.tenant(protected, deleting=True, status=a.status())}
    return a.bound(**facts | changes)


def kept_up(spec: dict[str, Any] | None = None, **changes: Any) -> Observed:
    """Likewise, and the status says that all was applied since it is held."""
    protected = {"deletionProtection": True, **(spec or {})}
    told = a.status(conditions=[a.condition("Ready", "False", "DeletionHeld")])
    return a.bound(tenant=a.tenant(protected, deleting=True, status=told), **changes)


def nothing_recorded(unread: frozenset[str] = frozenset()) -> Observed:
    tenant = a.tenant({"deletionProtection": True}, deleting=True, unread=unread)
    return held(tenant=tenant, secret=a.observed().secret, lookup=a.lookup())


STEPS: dict[str, tuple[Observed, Step]] = {
    "2 Neon is looked at": (held(lookup=None), LookUp(fresh=True)),
    "2 an old look is not enough": (held(lookup=a.lookup(a.project(), fresh=False)), LookUp(fresh=True)),
    "3 a recorded project of another name must show its certificate": (
        held(lookup=a.lookup(RENAMED)),
        ReadCertificate("cool-project-1"),
    ),
    "3 a recorded project that is gone is looked for among the deleted": (
        held(lookup=a.lookup()),
        LookUpDeleted(),
    ),
    "6 its name is put back": (
        held(lookup=a.lookup(RENAMED), certificates={"cool-project-1": a.certificate()}),
        RenameProject("cool-project-1", a.MARKER.project_name),
    ),
    "6 its limits are put back": (
        held(lookup=a.lookup(a.project(retention_seconds=1))),
        UpdateProject("cool-project-1", a.LIMITS, frozenset({"historyRetention"})),
    ),
    "6 a Secret that may not be created holds up nothing else": (
        held(
            lookup=a.lookup(a.project(retention_seconds=1)), secret=a.observed().secret, secret_refused=True
        ),
        UpdateProject("cool-project-1", a.LIMITS, frozenset({"historyRetention"})),
    ),
    "6 its computes are looked at": (held(endpoints=None), ReadEndpoints("cool-project-1")),
    "6 it is suspended": (
        held({"state": "Suspended"}),
        UpdateEndpoint("cool-project-1", "ep-cool-1", a.LIMITS.compute, frozenset(), True),
    ),
}


@pytest.mark.parametrize(("observed", "step"), STEPS.values(), ids=STEPS.keys())
def test_the_database_of_a_held_deletion_is_kept_up(observed: Observed, step: Step) -> None:
    assert plan.next_step(observed) == step


def test_its_secret_is_written_again() -> None:
    step = plan.next_step(held(secret=a.observed().secret, connection=a.CONNECTION))
    assert isinstance(step, CreateSecret)


def test_where_its_secret_may_not_be_created_it_is_held_and_looked_at_again() -> None:
    step = plan.next_step(held(secret=a.observed().secret, connection=a.CONNECTION, secret_refused=True))
    assert step == replace(PROTECTED, available=False, again=HELD_AGAIN)


def test_what_its_tier_only_reports_is_told() -> None:
    step = plan.next_step(kept_up(tier=a.tier(driftPolicy="Report"), lookup=a.lookup(SHORTER)))
    assert isinstance(step, Rest)
    assert (step.reason, step.applied, step.drift) == (Reason.DELETION_HELD, True, (RETENTION,))


def test_what_was_changed_past_us_is_put_back_and_told() -> None:
    step = plan.next_step(kept_up(lookup=a.lookup(SHORTER)))
    assert step == UpdateProject("cool-project-1", a.LIMITS, frozenset({"historyRetention"}), (RETENTION,))


def test_drift_is_told_from_a_change_only_while_the_hold_is_told() -> None:
    """Not of a resource that a backup brought back with its status, nor after the hold was lifted."""
    world = kept_up()
    lifted = a.status(
        conditions=[
            a.condition("Ready", "False", "Deleting"),
            a.condition("Available", "True", "DeletionHeld"),
        ]
    )
    assert world.held
    assert not replace(world, tenant=replace(world.tenant, deleting=False)).held
    assert not replace(world, tenant=replace(world.tenant, status=lifted)).held


def test_what_its_spec_or_tier_asks_for_since_is_no_drift() -> None:
    for changes in (
        {"tier": a.tier(generation=2, driftPolicy="Report")},
        {"spec": {"state": "Suspended"}, "tier": a.tier(driftPolicy="Report")},
    ):
        step = plan.next_step(kept_up(lookup=a.lookup(SHORTER), **changes))
        assert step == UpdateProject("cool-project-1", a.LIMITS, frozenset({"historyRetention"}))


RESTS: dict[str, tuple[Observed, bool | None, bool]] = {
    "1 a spec that is not understood": (nothing_recorded(frozenset({"tier"})), None, False),
    "4 no project was made": (nothing_recorded(), False, False),
    "4 its project is gone": (held(lookup=a.lookup(recoverable=())), False, False),
    "4 the project of an earlier life": (
        replace(
            nothing_recorded(),
            lookup=a.lookup(a.project(name=a.PREDECESSOR.project_name)),
            certificates={"cool-project-1": a.certificate(a.PREDECESSOR)},
        ),
        False,
        False,
    ),
    "4 a stranger's is recorded": (
        held(lookup=a.lookup(RENAMED), certificates={"cool-project-1": ELSEWHERE}),
        None,
        False,
    ),
    "6 all is applied": (held(), True, True),
    "6 suspended": (
        held({"state": "Suspended"}, endpoints=(a.endpoint(disabled=True),)),
        False,
        True,
    ),
    "6 a duplicate is let be": (
        held(lookup=a.lookup(a.project(), DOUBLE), certificates={"cool-project-2": a.certificate()}),
        True,
        True,
    ),
}
"""The world, whether it is Available (None: as it stands), and whether all is applied."""


@pytest.mark.parametrize(("observed", "available", "applied"), RESTS.values(), ids=RESTS.keys())
def test_the_deletion_stays_held(observed: Observed, available: bool | None, applied: bool) -> None:
    step = plan.next_step(observed)
    assert isinstance(step, Rest)
    assert step.reason is Reason.DELETION_HELD
    assert step.stalled
    assert step.ready is False
    assert (step.available, step.applied) == (available, applied)
    assert step.message == PROTECTED.message


def test_the_second_look_after_a_post_that_may_be_under_way_is_kept() -> None:
    """Rule 9: another process's intent is awaited beside the project that is ours."""
    tenant = a.tenant(
        {"deletionProtection": True},
        deleting=True,
        status=a.status(),
        annotations={names.INTENT: a.intent().encode()},
    )
    step = plan.next_step(held(tenant=tenant, knowledge=Knowledge(operations=(), sighting=a.sighting())))
    assert isinstance(step, Rest)
    assert step.reason is Reason.DELETION_HELD
    assert step.again is not None
    assert step.again > 0
