"""The status and the events: what a reader is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

import builders as a
from neon_tenants.api import names
from neon_tenants.api.conditions import ConditionStatus, Reason
from neon_tenants.api.database_tier import DeletionPolicy
from neon_tenants.api.tenant_database import AppliedTier, TenantDatabaseStatus
from neon_tenants.core import event as core_event
from neon_tenants.core import plan
from neon_tenants.core import status as core_status
from neon_tenants.core.entitlement import Tier
from neon_tenants.core.event import Event
from neon_tenants.core.failure import Done, Failure
from neon_tenants.core.intent import Attempt, IntentState, Sent
from neon_tenants.core.knowledge import Knowledge
from neon_tenants.core.observed import Observed, is_pending, is_told_paused
from neon_tenants.core.project import Consumption
from neon_tenants.core.status import GRACE, Verdict
from neon_tenants.core.steps import DeleteProject, LookUp, RenameProject, Rest, Step, UpdateProject, Wait

LATER = "2026-02-02T00:00:00Z"
WORKING = Verdict.of(Wait(Reason.PROVISIONING, "Neon is creating the project."))
STALLED = Verdict.of(Rest(Reason.TIER_NOT_FOUND, "There is no such tier.", stalled=True))
FINE = Verdict.of(Rest(Reason.PROVISIONED, "It works.", ready=True, available=True, applied=True))


def told(observed: Observed, verdict: Verdict) -> TenantDatabaseStatus:
    return core_status.updated(observed, verdict, LATER)


def conditions(status: TenantDatabaseStatus) -> dict[str, tuple[str, str]]:
    return {c.type: (c.status.value, c.reason) for c in status.conditions}


def test_a_new_tenant_that_works() -> None:
    status = told(a.bound(), FINE)
    assert conditions(status) == {"Ready": ("True", "Provisioned"), "Available": ("True", "Provisioned")}
    assert status.observed_generation == 1
    assert (status.project_id, status.region, status.postgres_version) == (
        "cool-project-1",
        "aws-us-east-2",
        17,
    )
    assert (status.branch_id, status.endpoint_id, status.host) == (
        "br-main-1",
        "ep-cool-1",
        a.CONNECTION.host,
    )
    assert status.database == "app"
    assert status.suspended is False
    assert status.tier is not None
    assert (status.tier.name, status.tier.generation, status.tier.not_taken) == ("free", 1, [])
    assert status.binding is not None
    assert status.binding.name == "acme-database"


def test_the_shard_is_told_where_the_fleet_is_split_and_taken_back_where_it_is_not() -> None:
    split = core_status.updated(replace(a.bound(), shard="1of4"), FINE, LATER)
    assert split.shard == "1of4"
    whole = a.bound(tenant=a.tenant(status=a.status(shard="1of4")))
    assert core_status.updated(whole, FINE, LATER).shard is None


def test_what_was_not_read_is_not_told() -> None:
    world = a.bound(endpoints=None, secret=a.observed().secret)
    status = told(world, STALLED)
    assert status.project_id == "cool-project-1"
    assert (status.endpoint_id, status.binding) == (None, None)


def test_the_computes_of_later_branches_do_not_take_the_place_of_the_tenants_own() -> None:
    own, later = a.endpoint(), a.endpoint("ep-dev-2", host="ep-dev-2.aws.neon.tech", branch_id="br-dev-2")
    world = a.bound(endpoints=(later, own), tenant=a.tenant(status=a.status(endpoint_id="ep-cool-1")))
    assert told(world, FINE).host == a.CONNECTION.host
    replica = a.endpoint("ep-replica-3", read_write=False)
    assert told(a.bound(endpoints=(replica,)), FINE).endpoint_id is None


def test_work_that_takes_long() -> None:
    status = told(a.observed(), WORKING)
    assert conditions(status) == {
        "Ready": ("False", "Provisioning"),
        "Available": ("False", "Provisioning"),
        "Reconciling": ("True", "Provisioning"),
    }
    assert status.project_id is None


def test_a_tenant_that_a_person_must_help_keeps_its_login() -> None:
    status = told(a.bound(tenant=a.tenant(status=a.status())), STALLED)
    assert conditions(status) == {
        "Ready": ("False", "TierNotFound"),
        "Available": ("True", "Provisioned"),
        "Stalled": ("True", "TierNotFound"),
    }


def test_a_failed_request_is_told_as_work_or_as_a_stall() -> None:
    unreachable = Failure(Reason.NEON_UNREACHABLE, "No answer.", Done.MAYBE)
    rejected = Failure(Reason.CREDENTIALS_REJECTED, "No key.", Done.NO, stalled=True)
    assert "Reconciling" in conditions(told(a.observed(), Verdict.failed(unreachable)))
    assert "Stalled" in conditions(told(a.observed(), Verdict.failed(rejected)))


def test_a_paused_tenant_keeps_its_story_and_its_generation() -> None:
    world = a.bound(
        tenant=a.tenant(generation=2, status=a.status(), annotations={names.RECONCILE_REQUESTED_AT: "x"})
    )
    status = told(world, Verdict.of(Rest(Reason.PAUSED, "Hands off.", ready=None)))
    assert conditions(status) == {
        "Ready": ("True", "Provisioned"),
        "Available": ("True", "Provisioned"),
        "Reconciling": ("False", "Paused"),
    }
    assert status.observed_generation == 1
    assert status.last_handled_reconcile_at is None


def test_a_time_changes_only_with_its_condition() -> None:
    world = a.bound(tenant=a.tenant(status=a.status()))
    assert {c.last_transition_time for c in told(world, FINE).conditions} == {"2026-01-01T00:00:00Z"}
    down = replace(FINE, available=False, reason=Reason.SUSPENDED)
    times = {c.type: c.last_transition_time for c in told(world, down).conditions}
    assert times == {"Ready": "2026-01-01T00:00:00Z", "Available": LATER}


def test_saying_the_same_again_changes_nothing() -> None:
    verdict = plan.next_step(a.bound())
    assert isinstance(verdict, Rest)
    once = told(a.bound(), Verdict.of(verdict))
    again = a.bound(tenant=a.tenant(status=once))
    assert told(again, Verdict.of(verdict)) == once
    assert again.settled


def test_a_requested_look_is_answered_when_it_is_over() -> None:
    world = a.bound(tenant=a.tenant(annotations={names.RECONCILE_REQUESTED_AT: "monday"}))
    assert told(world, WORKING).last_handled_reconcile_at is None
    assert told(world, FINE).last_handled_reconcile_at == "monday"


def test_an_intent_is_noted_as_resolved_when_its_outcome_is_known() -> None:
    annotated = a.tenant(annotations={names.INTENT: a.intent().encode()})
    done = Knowledge(operations=(), sighting=a.sighting(), attempt=a.attempt(sent=Sent.DONE))
    assert told(a.bound(tenant=annotated, knowledge=done), FINE).resolved_intent == "nonce-1"
    alive = Knowledge(operations=(), sighting=a.sighting())
    assert told(a.bound(tenant=annotated, knowledge=alive), FINE).resolved_intent is None


@pytest.mark.parametrize(
    ("attempt", "noted"),
    [
        (None, None),
        (a.attempt("another"), None),
        (a.attempt(sent=Sent.UNKNOWN), None),
        (a.attempt(sent=Sent.DONE), None),
        (a.attempt(), "nonce-1"),
    ],
)
def test_only_a_create_that_was_not_sent_is_withdrawn(attempt: Attempt | None, noted: str | None) -> None:
    annotated = a.tenant(annotations={names.INTENT: a.intent().encode()})
    status = core_status.withdrawn(annotated, attempt)
    assert (status and status.resolved_intent) == noted
    assert core_status.withdrawn(a.tenant(), attempt) is None


def test_what_neon_did_not_take_is_noted() -> None:
    world = a.bound(knowledge=Knowledge(operations=(), not_taken=frozenset({"suspendAfter"})))
    tier = told(world, FINE).tier
    assert tier is not None
    assert tier.not_taken == ["suspendAfter"]
    again = a.bound(tenant=a.tenant(status=told(world, FINE)))
    assert told(again, FINE).tier == tier
    more = replace(again, knowledge=Knowledge(operations=(), not_taken=frozenset({"minCU"})))
    both = told(more, FINE).tier
    assert both is not None
    assert both.not_taken == ["minCU", "suspendAfter"]


def test_a_refusing_tier_is_not_noted_as_applied() -> None:
    world = a.bound(tier=None, tenant=a.tenant({"state": "Suspended"}, status=a.status()))
    status = told(world, replace(STALLED, applied=True))
    assert status.tier == a.status().tier
    assert status.suspended is True


@pytest.mark.proves("T4")
def test_a_full_tier_is_not_noted_as_applied_and_changes_nothing() -> None:
    before = AppliedTier(name="pro", generation=4)
    moving = a.bound(
        tenant=a.tenant(status=a.status(tier=before)),
        tier=a.tier(maxTenantsPerNamespace=1, compute={"minCU": 1, "maxCU": 1, "suspendAfter": "5m"}),
        older_tenants=1,
    )
    step = plan.next_step(moving)
    assert isinstance(step, Rest)
    assert step.reason is Reason.TIER_FULL
    assert told(moving, Verdict.of(step)).tier == before
    assert isinstance(plan.next_step(replace(moving, older_tenants=0)), UpdateProject)


def test_nothing_is_said_of_a_project_that_is_not_known_to_be_ours() -> None:
    assert told(a.observed(lookup=a.lookup()), STALLED).project_id is None
    deleting = a.bound(tenant=a.tenant(deleting=True))
    assert told(deleting, STALLED).project_id is None


def test_a_status_as_json_names_nothing_that_is_not_known() -> None:
    written = core_status.as_json(told(a.observed(), WORKING))
    assert set(written) == {"observedGeneration", "conditions"}
    assert TenantDatabaseStatus.model_validate(written) == told(a.observed(), WORKING)


DUE: dict[str, tuple[Observed, Verdict, bool]] = {
    "rest": (a.observed(), STALLED, True),
    "work that just began": (a.observed(knowledge=Knowledge(waiting_since=a.NOW)), WORKING, False),
    "work that takes long": (a.observed(knowledge=Knowledge(waiting_since=a.NOW - GRACE)), WORKING, True),
    "work that nobody timed": (a.observed(), WORKING, False),
    "a look in passing that failed": (
        a.observed(tenant=a.tenant(status=a.status()), knowledge=Knowledge(waiting_since=a.NOW - GRACE)),
        WORKING,
        False,
    ),
}


@pytest.mark.parametrize(("observed", "verdict", "due"), DUE.values(), ids=DUE.keys())
def test_a_status_is_worth_a_write(observed: Observed, verdict: Verdict, due: bool) -> None:
    assert core_status.is_due(observed, verdict) is due


SETTLED: dict[str, tuple[Observed, bool]] = {
    "all applied": (a.observed(tenant=a.tenant(status=a.status())), True),
    "another generation": (a.observed(tenant=a.tenant(generation=2, status=a.status())), False),
    "not ready": (
        a.observed(tenant=a.tenant(status=a.status(conditions=[a.condition("Ready", "False")]))),
        False,
    ),
    "another tier": (
        a.observed(tenant=a.tenant({"tier": "pro"}, status=a.status()), tier=a.tier("pro")),
        False,
    ),
    "a changed tier": (a.observed(tenant=a.tenant(status=a.status()), tier=a.tier(generation=2)), False),
    "a changed tier whose rollout has not reached it": (
        a.observed(tenant=a.tenant(status=a.status()), tier=a.tier(generation=2), admitted=False),
        True,
    ),
    "moved to another tier, which no rollout holds up": (
        a.observed(tenant=a.tenant({"tier": "pro"}, status=a.status()), tier=a.tier("pro"), admitted=False),
        False,
    ),
    "a look was requested and answered": (
        a.observed(
            tenant=a.tenant(
                status=a.status(last_handled_reconcile_at="x"),
                annotations={names.RECONCILE_REQUESTED_AT: "x"},
            )
        ),
        True,
    ),
    "a look was answered, and its request is gone": (
        a.observed(tenant=a.tenant(status=a.status(last_handled_reconcile_at="x"))),
        True,
    ),
    "available, and not ready": (
        a.observed(
            tenant=a.tenant(
                status=a.status(conditions=[a.condition("Ready", "False"), a.condition("Available", "True")])
            )
        ),
        False,
    ),
    "hands off no more, and the status still says so": (
        a.observed(
            tenant=a.tenant(
                status=a.status(
                    conditions=[a.condition("Ready", "True"), a.condition("Reconciling", "False")]
                )
            )
        ),
        False,
    ),
    "a resolved intent": (
        a.observed(
            tenant=a.tenant(
                status=a.status(resolved_intent="nonce-1"), annotations={names.INTENT: a.intent().encode()}
            )
        ),
        True,
    ),
    "no tier": (a.observed(tenant=a.tenant(status=a.status()), tier=None), False),
    "nothing applied": (a.observed(tenant=a.tenant(status=a.status(tier=None))), False),
    "to be suspended": (
        a.observed(tenant=a.tenant({"state": "Suspended"}, status=a.status())),
        False,
    ),
    "a look was requested": (
        a.observed(tenant=a.tenant(status=a.status(), annotations={names.RECONCILE_REQUESTED_AT: "x"})),
        False,
    ),
    "hands off, and not told yet": (
        a.observed(tenant=a.tenant(status=a.status(), annotations={names.PAUSED: "true"})),
        False,
    ),
    "an unresolved intent": (
        a.observed(tenant=a.tenant(status=a.status(), annotations={names.INTENT: a.intent().encode()})),
        False,
    ),
    "deleted": (a.observed(tenant=a.tenant(deleting=True, status=a.status())), False),
    "operations under way": (
        a.observed(tenant=a.tenant(status=a.status()), knowledge=Knowledge(operations=("op-1",))),
        False,
    ),
}


@pytest.mark.parametrize(("observed", "settled"), SETTLED.values(), ids=SETTLED.keys())
def test_a_tenant_is_settled(observed: Observed, settled: bool) -> None:
    assert observed.settled is settled


@pytest.mark.parametrize(
    ("applied", "tier", "pending"),
    [
        (AppliedTier(name="free", generation=1), a.tier(generation=2), True),
        (AppliedTier(name="free", generation=7), a.tier(generation=1), True),  # the tier was made again
        (AppliedTier(name="free", generation=1), a.tier(), False),
        (AppliedTier(name="pro", generation=1), a.tier(generation=2), False),
        (None, a.tier(), False),
        (AppliedTier(name="free", generation=1), None, False),
    ],
)
def test_a_tenant_waits_for_a_rollout_of_its_own_tier_only(
    applied: AppliedTier | None, tier: Tier | None, pending: bool
) -> None:
    assert is_pending(applied, tier) is pending


def test_a_resolved_intent_frees_the_way_though_it_is_remembered() -> None:
    world = a.observed(knowledge=Knowledge(sighting=a.sighting()))
    assert world.intent_state is IntentState.ALIVE
    resolved = replace(world, tenant=a.tenant(status=TenantDatabaseStatus(resolved_intent="nonce-1")))
    assert resolved.intent_state is IntentState.FREE


def test_a_status_says_hands_off_by_one_condition_alone() -> None:
    assert is_told_paused(a.status(conditions=[a.condition("Reconciling", "False")]))
    assert not is_told_paused(a.status(conditions=[a.condition("Reconciling", "True")]))
    assert not is_told_paused(a.status(conditions=[a.condition("Ready", "False")]))


def test_what_a_tenant_leaves_open_has_its_default() -> None:
    assert a.tenant().deletion_policy(None) is DeletionPolicy.RETAIN
    assert a.tenant().secret_name == "acme-database"
    assert a.tenant({"connectionSecret": {"name": "login"}}).secret_name == "login"


def test_nothing_is_owed_to_a_tier_that_is_gone() -> None:
    waiting = AppliedTier(name="free", generation=1, waiting=["maxCU"])
    world = a.observed(tenant=a.tenant(status=a.status(tier=waiting)))
    assert world.owed == {"maxCU"}
    assert replace(world, tier=None).owed == frozenset()


def test_what_a_person_writes_into_a_request_is_bounded() -> None:
    asked = a.tenant(annotations={names.RECONCILE_REQUESTED_AT: "x" * 5000})
    assert asked.requested_at == "x" * 1024


def test_a_verdict_is_made_of_what_the_plan_ended_with() -> None:
    waiting = Verdict.of(Wait(Reason.PROVISIONING, "Under way."))
    assert waiting == Verdict(Reason.PROVISIONING, "Under way.", working=True)
    rest = Rest(Reason.TIER_NOT_FOUND, "None.", ready=True, available=False, stalled=True, applied=True)
    assert Verdict.of(rest) == Verdict(
        Reason.TIER_NOT_FOUND, "None.", ready=True, available=False, stalled=True, applied=True
    )


def test_every_condition_is_of_the_generation_that_was_looked_at() -> None:
    amounts = Consumption(compute_time_seconds=350_000, logical_size_bytes=512 * 1024**2)
    used = a.project(consumption=amounts)
    status = told(a.bound(tenant=a.tenant(generation=2), lookup=a.lookup(used)), STALLED)
    assert {"Stalled", "QuotaNear", "QuotaExceeded"} < set(conditions(status))
    assert {c.observed_generation for c in status.conditions} == {2}


def test_a_quota_is_near_from_where_the_tier_says() -> None:
    used = a.project(consumption=Consumption(compute_time_seconds=180_000))
    early = a.bound(lookup=a.lookup(used), tier=a.tier(quotaWarningPercent=50))
    assert "QuotaNear" in conditions(told(early, FINE))
    assert "QuotaNear" not in conditions(told(replace(early, tier=a.tier()), FINE))


def test_a_database_that_was_made_keeps_its_name_in_the_status() -> None:
    world = a.bound(tenant=a.tenant({"database": "shop"}, status=a.status()))
    assert told(world, STALLED).database == "app"


def test_a_nonce_that_somebody_wrote_is_bounded() -> None:
    long = a.tenant(annotations={names.INTENT: a.intent("n" * 500).encode()})
    assert told(a.bound(tenant=long), FINE).resolved_intent == "n" * 64


def test_a_tier_for_labelled_namespaces_is_noted_as_applied() -> None:
    paid = a.tier(namespaceSelector={"matchLabels": {"plan": "paid"}})
    world = a.bound(tier=paid, namespace_labels={"plan": "paid"})
    assert told(world, FINE).tier is not None
    assert told(replace(world, namespace_labels={}), replace(STALLED, applied=True)).tier is None


@pytest.mark.parametrize(
    "old", [AppliedTier(name="free", generation=7), AppliedTier(name="pro", generation=1)]
)
def test_what_neon_did_not_take_of_another_tier_is_asked_for_again(old: AppliedTier) -> None:
    before = old.model_copy(update={"not_taken": ["suspendAfter"]})
    tier = told(a.bound(tenant=a.tenant(status=a.status(tier=before))), FINE).tier
    assert tier is not None
    assert tier.not_taken == []


def test_a_version_orders_and_an_opaque_one_is_no_news() -> None:
    assert a.tenant(resource_version="12").version == 12
    assert a.tenant(resource_version="opaque").version == 0


# --- events --------------------------------------------------------------------------------------

STALLED_BEFORE = a.status(
    conditions=[a.condition("Ready", "False"), a.condition("Stalled", "True", "TierNotFound")]
)
HELD = Verdict.of(Rest(Reason.PAUSED, "Held.", ready=None))
DELETING_BEFORE = a.status(conditions=[a.condition("Reconciling", "True", "Deleting", message="Held.")])
PAUSED_BEFORE = a.status(conditions=[a.condition("Reconciling", "False", "Paused", message="Hands off.")])
HELD_BEFORE = a.status(conditions=[a.condition("Reconciling", "False", "Paused", message="Held.")])

EVENTS: dict[str, tuple[Observed, Verdict, Event | None]] = {
    "a first readiness is silent": (a.bound(), FINE, None),
    "the same readiness is silent": (a.bound(tenant=a.tenant(status=a.status())), FINE, None),
    "work is silent": (a.bound(), WORKING, None),
    "a stall": (a.bound(), STALLED, Event(Reason.TIER_NOT_FOUND, STALLED.message, warning=True)),
    "the same stall is silent": (a.bound(tenant=a.tenant(status=STALLED_BEFORE)), STALLED, None),
    "another stall": (
        a.bound(tenant=a.tenant(status=STALLED_BEFORE)),
        replace(STALLED, reason=Reason.TIER_FULL),
        Event(Reason.TIER_FULL, STALLED.message, warning=True),
    ),
    "a stall that is over": (
        a.bound(tenant=a.tenant(status=STALLED_BEFORE)),
        FINE,
        Event(Reason.PROVISIONED, FINE.message, warning=False),
    ),
    "another tier": (
        a.bound(tenant=a.tenant({"tier": "pro"}, status=a.status()), tier=a.tier("pro")),
        FINE,
        Event(Reason.PROVISIONED, FINE.message, warning=False),
    ),
    "a changed tier is silent: it comes to all its tenants": (
        a.bound(tenant=a.tenant(status=a.status()), tier=a.tier(generation=2)),
        FINE,
        None,
    ),
    "a suspension": (
        a.bound(tenant=a.tenant({"state": "Suspended"}, status=a.status())),
        replace(FINE, reason=Reason.SUSPENDED),
        Event(Reason.SUSPENDED, FINE.message, warning=False),
    ),
    "a pause is silent": (a.bound(), HELD, None),
    "a deletion held by a pause": (
        a.bound(tenant=a.tenant(deleting=True)),
        HELD,
        Event(Reason.PAUSED, "Held.", warning=True),
    ),
    "a deletion that was under way is held": (
        a.bound(tenant=a.tenant(deleting=True, status=DELETING_BEFORE)),
        HELD,
        Event(Reason.PAUSED, "Held.", warning=True),
    ),
    "a deletion that goes on is silent": (
        a.bound(tenant=a.tenant(deleting=True)),
        Verdict.of(Wait(Reason.DELETING, "On its way.")),
        None,
    ),
    "work towards another tier is silent": (
        a.bound(tenant=a.tenant({"tier": "pro"}, status=a.status()), tier=a.tier("pro")),
        WORKING,
        None,
    ),
    "a tier that is gone is silent while all goes on": (
        a.bound(tenant=a.tenant(status=a.status()), tier=None),
        FINE,
        None,
    ),
    "the same hold is silent": (
        a.bound(tenant=a.tenant(deleting=True, status=HELD_BEFORE)),
        HELD,
        None,
    ),
    "a hold of what was paused before is news": (
        a.bound(tenant=a.tenant(deleting=True, status=PAUSED_BEFORE)),
        HELD,
        Event(Reason.PAUSED, "Held.", warning=True),
    ),
}


@pytest.mark.parametrize(("observed", "verdict", "event"), EVENTS.values(), ids=EVENTS.keys())
def test_a_verdict_is_an_event(observed: Observed, verdict: Verdict, event: Event | None) -> None:
    assert core_event.of_verdict(observed, verdict) == event


STEP_EVENTS: dict[str, tuple[Step, Event | None]] = {
    "a deletion": (
        DeleteProject("p-1"),
        Event(
            Reason.DELETING,
            "Deleted the Neon project p-1. Neon keeps it recoverable for 7 days.",
            warning=False,
        ),
    ),
    "a duplicate's deletion": (
        DeleteProject("p-1", duplicate=True),
        Event(
            Reason.DUPLICATE_PROJECT,
            "Deleted the Neon project p-1, a second one that a lost answer had left.",
            warning=True,
        ),
    ),
    "a release": (
        RenameProject("p-1", a.MARKER.released_name),
        Event(
            Reason.DELETING,
            f"Released the Neon project p-1 with its data. Its name is now {a.MARKER.released_name}.",
            warning=False,
        ),
    ),
    "a name given back": (RenameProject("p-1", a.MARKER.project_name), None),
    "a look": (LookUp(fresh=True), None),
}


@pytest.mark.parametrize(("step", "event"), STEP_EVENTS.values(), ids=STEP_EVENTS.keys())
def test_a_step_is_an_event(step: Step, event: Event | None) -> None:
    assert core_event.of_step(step) == event


def test_every_condition_status_is_one_of_kubernetes() -> None:
    assert {s.value for s in ConditionStatus} == {"True", "False", "Unknown"}


@pytest.mark.parametrize(
    ("before", "own", "given_up"),
    [
        ({"project_id": "p-own"}, "p-own", ["p-own"]),
        ({}, "p-own", ["p-own"]),  # a wiped status: only the name tells
        ({}, None, []),
        ({"project_id": "p-lost"}, None, ["p-lost"]),
        ({"project_id": "p-own", "released_projects": ["p-1", "p-earlier"]}, "p-own", ["p-1", "p-own"]),
        ({"project_id": "p-own", "released_projects": ["p-own"]}, "p-own", ["p-own"]),
        ({"project_id": "p-earlier"}, "p-earlier", []),  # it has it already
    ],
)
def test_a_rebind_notes_the_project_that_is_given_up(
    before: dict[str, object], own: str | None, given_up: list[str]
) -> None:
    told: dict[str, object] = {
        "host": "ep-1.example",
        "branch_id": "br-1",
        "endpoint_id": "ep-1",
        "region": "aws-us-east-2",
        "postgres_version": 17,
    }
    old = a.status(**{"project_id": None, **told, **before})
    new = core_status.rebound(old, "p-earlier", own=own)
    assert new.project_id == "p-earlier"
    assert new.released_projects == given_up
    of_the_other = {*told, "tier", "binding", "suspended"}
    assert [name for name in of_the_other if getattr(old, name) is None] == []
    assert [name for name in of_the_other if getattr(new, name) is not None] == []


SUSPENDING: dict[str, tuple[dict[str, str], Verdict, str]] = {
    "work for a suspension that is under way": (
        {"state": "Suspended"},
        Verdict(Reason.NEON_UNREACHABLE, "Neon did not answer.", working=True),
        "False",
    ),
    "a rest that knows nothing of the login": (
        {"state": "Suspended"},
        Verdict(Reason.NOT_OURS, "Not ours.", stalled=True),
        "False",
    ),
    "paused: the status is of the spec before": (
        {"state": "Suspended"},
        Verdict(Reason.PAUSED, "Hands off.", ready=None),
        "True",
    ),
    "work on one that is not to be suspended": (
        {},
        Verdict(Reason.NEON_UNREACHABLE, "Neon did not answer.", working=True),
        "True",
    ),
}


@pytest.mark.parametrize(("spec", "verdict", "available"), SUSPENDING.values(), ids=SUSPENDING.keys())
def test_the_status_of_a_suspension_never_keeps_saying_that_the_login_works(
    spec: dict[str, str], verdict: Verdict, available: str
) -> None:
    world = a.bound(tenant=a.tenant(spec, generation=2, status=a.status()))
    assert conditions(told(world, verdict))["Available"][0] == available
