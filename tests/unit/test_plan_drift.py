"""What the plan does about what a person changed past us: it puts it back, or only says so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import builders as a
from neon_tenants.api import names
from neon_tenants.api.conditions import Reason
from neon_tenants.api.tenant_database import AppliedTier
from neon_tenants.core import event as core_event
from neon_tenants.core import plan
from neon_tenants.core.difference import Difference
from neon_tenants.core.event import Event
from neon_tenants.core.knowledge import Knowledge
from neon_tenants.core.note import Note
from neon_tenants.core.observed import Observed
from neon_tenants.core.project import ComputeSettings
from neon_tenants.core.steps import (
    LookUp,
    ReadEndpoints,
    RenameProject,
    Rest,
    UpdateEndpoint,
    UpdateProject,
)

SHORTER = a.project(retention_seconds=60)
RETENTION = Difference("historyRetention", "1m", "6h")
BIGGER = a.endpoint(compute=ComputeSettings(0.25, 2, 300))
MAX_CU = Difference("maxCU", "2", "0.25", "ep-cool-1")
REPORT: dict[str, Any] = {"tier": a.tier(driftPolicy="Report")}


def held(**changes: Any) -> Observed:
    """A tenant to which all was applied; its computes were not read."""
    return a.bound(**{"tenant": a.tenant(status=a.status()), "endpoints": None, **changes})


def test_a_limit_that_was_changed_by_hand_is_put_back_and_told() -> None:
    step = plan.next_step(held(lookup=a.lookup(SHORTER)))
    assert step == UpdateProject("cool-project-1", a.LIMITS, frozenset({"historyRetention"}), (RETENTION,))
    assert core_event.of_step(step) == Event(
        Reason.DRIFT_REPAIRED,
        "Put back what was changed on Neon past this operator: historyRetention was 1m, not 6h.",
        warning=False,
    )


def test_a_change_of_the_spec_is_no_drift() -> None:
    for world in (
        held(lookup=a.lookup(SHORTER), tenant=a.tenant(generation=2, status=a.status())),
        held(lookup=a.lookup(SHORTER), tier=a.tier(generation=2, driftPolicy="Report")),
    ):
        step = plan.next_step(world)
        assert step == UpdateProject("cool-project-1", a.LIMITS, frozenset({"historyRetention"}))
        assert core_event.of_step(step) is None


def test_a_requested_look_does_not_make_drift_a_change() -> None:
    asked = a.tenant(status=a.status(), annotations={names.RECONCILE_REQUESTED_AT: "x"})
    step = plan.next_step(held(lookup=a.lookup(SHORTER), tenant=asked))
    assert isinstance(step, UpdateProject)
    assert step.drift == (RETENTION,)


def test_a_name_given_back_is_told() -> None:
    world = held(
        lookup=a.lookup(a.project(name="mine")), certificates={"cool-project-1": a.certificate()}, **REPORT
    )
    step = plan.next_step(world)
    assert isinstance(step, RenameProject)
    event = core_event.of_step(step)
    assert event is not None
    assert "'mine'" in event.message


def test_computes_are_read_only_where_they_may_have_changed() -> None:
    assert isinstance(plan.next_step(held()), Rest)
    marked = held(note=Note(check_endpoints=True))
    assert plan.next_step(marked) == ReadEndpoints("cool-project-1")
    older = replace(marked, lookup=a.lookup(a.project(), fresh=False))
    assert plan.next_step(older) == ReadEndpoints("cool-project-1")


def test_a_compute_that_was_changed_by_hand_is_put_back_and_told() -> None:
    world = held(endpoints=(BIGGER,), note=Note(check_endpoints=True))
    step = plan.next_step(world)
    assert step == UpdateEndpoint(
        "cool-project-1", "ep-cool-1", a.LIMITS.compute, frozenset({"maxCU"}), None, (MAX_CU,)
    )
    assert plan.next_step(replace(world, lookup=a.lookup(a.project(), fresh=False))) == LookUp(fresh=True)


def test_where_the_tier_only_reports_it_is_left_and_told_once() -> None:
    world = held(lookup=a.lookup(SHORTER), endpoints=(BIGGER,), note=Note(check_endpoints=True), **REPORT)
    rest = plan.next_step(world)
    assert isinstance(rest, Rest)
    assert (rest.reason, rest.ready) == (Reason.PROVISIONED, True)
    assert set(rest.drift) == {RETENTION, MAX_CU}
    event = core_event.of_drift(world, rest)
    assert event is not None
    assert (event.reason, event.warning) == (Reason.DRIFT_FOUND, True)
    assert "historyRetention was 1m, not 6h; maxCU of ep-cool-1 was 2, not 0.25" in event.message
    told = replace(world, knowledge=Knowledge(operations=(), reported=frozenset(rest.drift)))
    assert core_event.of_drift(told, rest) is None


def test_drift_is_reported_from_a_fresh_look_only() -> None:
    assert plan.next_step(held(lookup=a.lookup(SHORTER, fresh=False), **REPORT)) == LookUp(fresh=True)


def test_a_suspension_is_held_to_whatever_the_tier_says_of_drift() -> None:
    suspended = a.tenant({"state": "Suspended"}, status=a.status(suspended=True))
    step = plan.next_step(
        held(tenant=suspended, endpoints=(BIGGER,), note=Note(check_endpoints=True), **REPORT)
    )
    assert step == UpdateEndpoint("cool-project-1", "ep-cool-1", a.LIMITS.compute, frozenset(), True)


def test_nothing_is_reported_where_the_tier_refuses() -> None:
    refusing = a.tier(driftPolicy="Report", namespaceSelector={"matchLabels": {"plan": "paid"}})
    rest = plan.next_step(held(lookup=a.lookup(SHORTER), tier=refusing))
    assert isinstance(rest, Rest)
    assert (rest.reason, rest.drift) == (Reason.TIER_NOT_ALLOWED, ())


def test_a_size_that_waits_is_no_drift() -> None:
    waiting = a.status(tier=AppliedTier(name="free", generation=1, waiting=["maxCU"]))
    world = held(tenant=a.tenant(status=waiting), endpoints=(BIGGER,), **REPORT)
    rest = plan.next_step(world)
    assert isinstance(rest, Rest)
    assert rest.drift == ()


def test_a_size_that_waited_and_stands_by_now_is_not_asked_for() -> None:
    waiting = a.status(tier=AppliedTier(name="free", generation=1, waiting=["maxCU"]))
    world = held(tenant=a.tenant(status=waiting), endpoints=(a.endpoint(idle=True),), **REPORT)
    assert isinstance(plan.next_step(world), Rest)


def test_drift_is_not_reported_beside_what_a_person_must_act_on() -> None:
    world = held(lookup=a.lookup(SHORTER, a.project("strange-2")), certificates={"strange-2": None}, **REPORT)
    rest = plan.next_step(world)
    assert isinstance(rest, Rest)
    assert (rest.reason, rest.drift) == (Reason.DUPLICATE_PROJECT, ())


def test_a_tier_that_only_reports_says_nothing_before_its_rollout_reaches_the_tenant() -> None:
    tier = a.tier(generation=2, driftPolicy="Report")
    rest = plan.next_step(held(lookup=a.lookup(SHORTER), tier=tier, admitted=False))
    assert isinstance(rest, Rest)
    assert (rest.reason, rest.drift) == (Reason.PROVISIONED, ())


WROTE = Knowledge(operations=())
"""Of a pass that wrote to Neon and ended without a status."""


def test_what_this_process_wrote_without_a_status_is_looked_at_whatever_the_status_says() -> None:
    assert plan.next_step(held(lookup=None)) == LookUp(fresh=False)
    assert plan.next_step(held(lookup=None, knowledge=WROTE)) == LookUp(fresh=True)
    assert isinstance(plan.next_step(held(endpoints=None)), Rest)
    assert plan.next_step(held(endpoints=None, knowledge=WROTE)) == ReadEndpoints("cool-project-1")


def test_nothing_of_a_change_comes_before_its_rollout_because_something_was_written() -> None:
    larger = a.tier(generation=2, historyRetention="720h")
    for knowledge in (Knowledge(), WROTE):
        world = held(tier=larger, admitted=False, knowledge=knowledge, endpoints=(a.endpoint(),))
        assert isinstance(plan.next_step(world), Rest)
