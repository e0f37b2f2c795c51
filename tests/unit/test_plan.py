"""The plan's decision tables, row by row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import builders as a
from neon_tenants.api import names
from neon_tenants.api.conditions import Reason
from neon_tenants.api.tenant_database import AppliedTier
from neon_tenants.core import plan
from neon_tenants.core.difference import of_name
from neon_tenants.core.intent import Attempt, Sent
from neon_tenants.core.knowledge import Knowledge
from neon_tenants.core.marker import start_empty_token
from neon_tenants.core.observed import Observed
from neon_tenants.core.obstacle import STALLED_AGAIN
from neon_tenants.core.project import ComputeSettings, Consumption, Operation, Progress
from neon_tenants.core.removal import PAUSED_AGAIN
from neon_tenants.core.secret import Conflict, Foreign, LeftBehind
from neon_tenants.core.steps import (
    AddFinalizer,
    CreateProject,
    CreateSecret,
    DeclareIntent,
    DeleteProject,
    Leave,
    LookUp,
    LookUpDeleted,
    ReadCertificate,
    ReadConnection,
    ReadEndpoints,
    ReadOperations,
    ReadProject,
    ReadSecret,
    RenameProject,
    Rest,
    Step,
    UpdateEndpoint,
    UpdateProject,
    UpdateSecret,
    Wait,
)

ANNOTATED = {names.INTENT: a.intent().encode()}
FAILED = Operation("op-1", "create_timeline", Progress.FAILED)
NEW: dict[str, Any] = {"finalizers": ()}
RENAMED = a.project(name="my favourite database")
ELSEWHERE = a.certificate(replace(a.MARKER, namespace="others"))
OLD_PROJECT = a.project("old-project-9", name=a.PREDECESSOR.project_name)
TOKEN = start_empty_token(["old-project-9"])
BIGGER = ComputeSettings(0.25, 2, 300)


# --- next_step ---------------------------------------------------------------------------------

STEPS: dict[str, tuple[Observed, Step]] = {
    "0 the Secret is read first": (a.observed(secret=None), ReadSecret()),
    "0 also that of a deleted tenant, and of one that is settled": (
        a.observed(secret=None, tenant=a.tenant(status=a.status(), deleting=True)),
        ReadSecret(),
    ),
    "0 also where a look in passing finds all settled": (
        a.observed(secret=None, tenant=a.tenant(status=a.status())),
        ReadSecret(),
    ),
    "0 not where only the tier is to be followed": (
        a.observed(secret=None, tenant=a.tenant(status=a.status()), tier=a.tier(generation=2)),
        LookUp(fresh=True),
    ),
    "0 which a rollout has to reach before": (
        a.observed(
            secret=None, admitted=False, tenant=a.tenant(status=a.status()), tier=a.tier(generation=2)
        ),
        ReadSecret(),
    ),
    "0 and not where the spec has changed as well": (
        a.observed(secret=None, tenant=a.tenant(status=a.status(), generation=2), tier=a.tier(generation=2)),
        ReadSecret(),
    ),
    "0 nor where no Secret was told of yet": (
        a.observed(secret=None, tenant=a.tenant(status=a.status(binding=None)), tier=a.tier(generation=2)),
        ReadSecret(),
    ),
    "0 nor where no project was": (
        a.observed(secret=None, tenant=a.tenant(status=a.status(project_id=None)), tier=a.tier(generation=2)),
        ReadSecret(),
    ),
    "0 another project of its name is none of its own unless the Secret says so": (
        a.observed(
            secret=None,
            tenant=a.tenant(status=a.status()),
            tier=a.tier(generation=2),
            lookup=a.lookup(a.project(), a.project("copy-2")),
        ),
        ReadSecret(),
    ),
    "1 a deleted tenant is let go by the other half": (
        a.observed(tenant=a.tenant(deleting=True, finalizers=())),
        Leave(),
    ),
    "2 what is not understood is told, and nothing is changed": (
        a.observed(tenant=a.tenant(status=a.status(), unread=frozenset({"state", "region"}))),
        Rest(
            Reason.SPEC_NOT_UNDERSTOOD,
            "This version of the operator does not understand spec.region, spec.state: nothing is changed. "
            "Put it right, or run the version that knows it.",
            stalled=True,
            again=300.0,
        ),
    ),
    "4 Neon is looked at, freshly, where something is to do": (a.observed(), LookUp(fresh=True)),
    "4 an older look serves a settled tenant": (
        a.observed(tenant=a.tenant(status=a.status()), secret=a.ours()),
        LookUp(fresh=False),
    ),
    "4 no write is decided on an older look": (
        a.observed(
            tenant=a.tenant(status=a.status()),
            secret=a.ours(),
            lookup=a.lookup(a.project(retention_seconds=1), fresh=False),
        ),
        LookUp(fresh=True),
    ),
    "4 not even a further look is taken on an older one": (
        a.observed(tenant=a.tenant(status=a.status()), secret=a.ours(), lookup=a.lookup(fresh=False)),
        LookUp(fresh=True),
    ),
    "5 a recorded project of another name must show its certificate": (
        a.observed(tenant=a.tenant(status=a.status()), lookup=a.lookup(RENAMED)),
        ReadCertificate("cool-project-1"),
    ),
    "5 a recorded project that is gone is looked for among the deleted": (
        a.observed(tenant=a.tenant(status=a.status()), lookup=a.lookup()),
        LookUpDeleted(),
    ),
    "9 a project that is ours goes on with its rows": (
        a.bound(endpoints=None),
        ReadEndpoints("cool-project-1"),
    ),
    "10 without a project the create begins": (a.observed(lookup=a.lookup()), DeclareIntent()),
    # --- _unbound
    "unbound 3 our unsent intent is sent while the gate is open": (
        a.observed(
            lookup=a.lookup(),
            tenant=a.tenant(annotations=ANNOTATED),
            knowledge=Knowledge(sighting=a.sighting(), attempt=a.attempt()),
        ),
        CreateProject(a.LIMITS, "aws-us-east-2", 17),
    ),
    "unbound 3 region and version are the tenant's where it names them": (
        a.observed(
            lookup=a.lookup(),
            tenant=a.tenant({"region": "aws-eu-central-1", "postgresVersion": 18}, annotations=ANNOTATED),
            knowledge=Knowledge(sighting=a.sighting(), attempt=a.attempt()),
        ),
        CreateProject(a.LIMITS, "aws-eu-central-1", 18),
    ),
    "unbound 3 a tier without lists leaves the region to Neon": (
        a.observed(
            lookup=a.lookup(),
            tier=a.tier(regions=[], postgresVersions=[]),
            tenant=a.tenant(annotations=ANNOTATED),
            knowledge=Knowledge(sighting=a.sighting(), attempt=a.attempt()),
        ),
        CreateProject(a.LIMITS, None, 17),
    ),
    "unbound 3 a tier for labelled namespaces is granted to one of them": (
        a.observed(
            lookup=a.lookup(),
            tier=a.tier(namespaceSelector={"matchLabels": {"plan": "paid"}}),
            namespace_labels={"plan": "paid"},
            tenant=a.tenant(annotations=ANNOTATED),
            knowledge=Knowledge(sighting=a.sighting(), attempt=a.attempt()),
        ),
        CreateProject(a.LIMITS, "aws-us-east-2", 17),
    ),
    "unbound 4 a gate that closed asks for a new intent": (
        a.observed(
            lookup=a.lookup(),
            now=a.NOW + a.LIFETIME / 2,
            tenant=a.tenant(annotations=ANNOTATED),
            knowledge=Knowledge(sighting=a.sighting(), attempt=a.attempt()),
        ),
        DeclareIntent(),
    ),
    "unbound 4 another's intent that was seen for its lifetime is dead": (
        a.observed(
            lookup=a.lookup(),
            now=a.NOW + a.LIFETIME,
            tenant=a.tenant(annotations=ANNOTATED),
            knowledge=Knowledge(sighting=a.sighting()),
        ),
        DeclareIntent(),
    ),
    # --- upkeep
    "bound 1 a bound resource is held by our finalizer": (
        a.bound(tenant=a.tenant(finalizers=())),
        AddFinalizer(),
    ),
    "bound 1 a project that was given up is released, and no duplicate": (
        a.bound(
            lookup=a.lookup(a.project(), a.project("younger-2")),
            tenant=a.tenant(status=a.status(released_projects=["younger-2"])),
        ),
        RenameProject("younger-2", a.MARKER.released_name),
    ),
    "bound 1 a project that was renamed by hand gets its name back": (
        a.bound(
            tenant=a.tenant(status=a.status()),
            lookup=a.lookup(RENAMED),
            certificates={"cool-project-1": a.certificate()},
        ),
        RenameProject(
            "cool-project-1",
            a.MARKER.project_name,
            (of_name(a.MARKER.project_name, "my favourite database"),),
        ),
    ),
    "bound 2 a proven duplicate is deleted, the oldest stays": (
        a.bound(
            lookup=a.lookup(a.project(), a.project("younger-2")),
            certificates={"younger-2": a.certificate()},
        ),
        DeleteProject("younger-2", duplicate=True),
    ),
    "bound 2 a duplicate is deleted once, also where the list still shows it": (
        a.bound(
            lookup=a.lookup(a.project(), a.project("younger-2")),
            certificates={"younger-2": a.certificate()},
            let_go={"younger-2": a.MARKER.project_name},
            endpoints=None,
        ),
        ReadEndpoints("cool-project-1"),
    ),
    "bound 4 pending operations are looked at when due": (
        a.bound(knowledge=Knowledge(operations=("op-1",), poll_at=a.NOW)),
        ReadOperations("cool-project-1"),
    ),
    "bound 4 a project found after a crash, without a Secret, may still be in the making": (
        a.bound(knowledge=Knowledge()),
        ReadOperations("cool-project-1"),
    ),
    "bound 6 what the list left out is read": (
        a.bound(lookup=a.lookup(a.project(quota=None, complete=False))),
        ReadProject("cool-project-1"),
    ),
    "bound 7 other limits are changed": (
        a.bound(lookup=a.lookup(a.project(retention_seconds=1))),
        UpdateProject("cool-project-1", a.LIMITS, frozenset({"historyRetention"})),
    ),
    "bound 8 endpoints are read where something changed": (
        a.bound(endpoints=None),
        ReadEndpoints("cool-project-1"),
    ),
    "bound 9 an endpoint of another size is changed, the others left": (
        a.bound(endpoints=(a.endpoint(), a.endpoint("ep-2", compute=BIGGER))),
        UpdateEndpoint("cool-project-1", "ep-2", a.LIMITS.compute, frozenset({"maxCU"}), None),
    ),
    "bound 9 a suspended tenant's endpoints are disabled, and nothing else about them changes": (
        a.bound(tenant=a.tenant({"state": "Suspended"})),
        UpdateEndpoint("cool-project-1", "ep-cool-1", a.LIMITS.compute, frozenset(), disabled=True),
    ),
    "bound 9 a resumed tenant's endpoints are enabled": (
        a.bound(endpoints=(a.endpoint(disabled=True),)),
        UpdateEndpoint("cool-project-1", "ep-cool-1", a.LIMITS.compute, frozenset(), disabled=False),
    ),
    "bound 11 a login that is not known is read": (
        a.bound(secret=a.observed().secret),
        ReadConnection("cool-project-1"),
    ),
    "bound 11 an edited Secret tells no login": (
        a.bound(secret=a.ours(data={"uri": "postgresql://a:b@c/d"})),
        ReadConnection("cool-project-1"),
    ),
    "bound 11 a Secret of another project tells no login": (
        a.bound(secret=a.ours(project_id="another-project-2"), tenant=a.tenant(status=a.status())),
        ReadConnection("cool-project-1"),
    ),
    "bound 11 a thorough look reads the login in any case": (
        a.bound(tenant=a.tenant(annotations={names.RECONCILE_REQUESTED_AT: "now"})),
        ReadConnection("cool-project-1"),
    ),
}


@pytest.mark.parametrize(("observed", "step"), STEPS.values(), ids=STEPS.keys())
def test_the_plan_takes_the_step(observed: Observed, step: Step) -> None:
    assert plan.next_step(observed) == step


RESTS: dict[str, tuple[Observed, Reason]] = {
    "2 a paused tenant is left alone": (
        a.bound(tenant=a.tenant(annotations={names.PAUSED: "true"})),
        Reason.PAUSED,
    ),
    "2 a tenant is left alone where all are": (a.bound(pause="All is paused."), Reason.PAUSED),
    "3 a new tenant without a tier waits, and Neon is not asked": (
        a.observed(tier=None, tenant=a.tenant(**NEW)),
        Reason.TIER_NOT_FOUND,
    ),
    "3 a new tenant of a full tier waits": (
        a.observed(tier=a.tier(maxTenantsPerNamespace=3), older_tenants=3, tenant=a.tenant(**NEW)),
        Reason.TIER_FULL,
    ),
    "unbound 2 a finalizer that was brought along makes no room": (
        a.observed(tier=a.tier(maxTenantsPerNamespace=3), older_tenants=3, lookup=a.lookup()),
        Reason.TIER_FULL,
    ),
    "bound 14 a full tier refuses one from another tier": (
        a.bound(
            tenant=a.tenant(status=a.status(tier=AppliedTier(name="pro", generation=1))),
            tier=a.tier(maxTenantsPerNamespace=3),
            older_tenants=3,
        ),
        Reason.TIER_FULL,
    ),
    "bound 14 a full tier keeps a project whose status was lost": (
        a.bound(tier=a.tier(maxTenantsPerNamespace=3), older_tenants=3),
        Reason.PROVISIONED,
    ),
    "3 a new tenant whose Secret's name is taken waits": (
        a.observed(secret=Foreign(), tenant=a.tenant(**NEW)),
        Reason.SECRET_NOT_OURS,
    ),
    "3 a new tenant whose Secret belongs to a sibling waits": (
        a.observed(secret=Conflict("sibling"), tenant=a.tenant(**NEW)),
        Reason.SECRET_CONFLICT,
    ),
    "6 a recorded project that is gone is not replaced": (
        a.observed(tenant=a.tenant(status=a.status()), lookup=a.lookup(recoverable=())),
        Reason.PROJECT_MISSING,
    ),
    "7 a recorded project without our certificate is not touched": (
        a.observed(
            tenant=a.tenant(status=a.status()),
            lookup=a.lookup(RENAMED),
            certificates={"cool-project-1": ELSEWHERE},
        ),
        Reason.NOT_OURS,
    ),
    "8 a predecessor is never silently replaced": (
        a.observed(
            lookup=a.lookup(OLD_PROJECT), certificates={"old-project-9": a.certificate(a.PREDECESSOR)}
        ),
        Reason.PREVIOUS_PROJECT_FOUND,
    ),
    "unbound 2 a tier that refuses is heard before a new intent": (
        a.observed(lookup=a.lookup(), tier=None),
        Reason.TIER_NOT_FOUND,
    ),
    "bound 5 a failed operation is told": (
        a.bound(knowledge=Knowledge(operations=("op-1",), poll_at=a.NOW + 1, failed=FAILED)),
        Reason.OPERATION_FAILED,
    ),
    "bound 10 a Secret's name that was taken meanwhile is told": (
        a.bound(secret=Foreign()),
        Reason.SECRET_NOT_OURS,
    ),
    "bound 13 an immutable Secret that is out of date is told": (
        a.bound(
            tenant=a.tenant({"connectionSecret": {"labels": {"team": "x"}}}), secret=a.ours(immutable=True)
        ),
        Reason.SECRET_NOT_OURS,
    ),
    "bound 14 a tier that went leaves the project as it is": (a.bound(tier=None), Reason.TIER_NOT_FOUND),
    "bound 14 another region is not followed": (
        a.bound(tenant=a.tenant({"region": "aws-eu-central-1"})),
        Reason.IMMUTABLE_FIELD_CHANGED,
    ),
    "bound 14 another PostgreSQL version is not followed": (
        a.bound(tenant=a.tenant({"postgresVersion": 18})),
        Reason.IMMUTABLE_FIELD_CHANGED,
    ),
    "bound 14 another database name is not followed": (
        a.bound(tenant=a.tenant({"database": "shop"}, status=a.status())),
        Reason.IMMUTABLE_FIELD_CHANGED,
    ),
    "bound 14 a project of our name without proof is told": (
        a.bound(lookup=a.lookup(a.project(), a.project("strange-2")), certificates={"strange-2": None}),
        Reason.DUPLICATE_PROJECT,
    ),
    "bound 15 a used up quota of time is told": (
        a.bound(lookup=a.lookup(a.project(consumption=Consumption(compute_time_seconds=360_000)))),
        Reason.QUOTA_EXCEEDED,
    ),
    "bound 15 all is well": (a.bound(), Reason.PROVISIONED),
    "bound 15 all is well with a suspended tenant": (
        a.bound(tenant=a.tenant({"state": "Suspended"}), endpoints=(a.endpoint(disabled=True),)),
        Reason.SUSPENDED,
    ),
    "bound 15 all is well with a settled tenant, by an older look": (
        a.bound(
            tenant=a.tenant(status=a.status()), lookup=a.lookup(a.project(), fresh=False), endpoints=None
        ),
        Reason.PROVISIONED,
    ),
}


@pytest.mark.parametrize(("observed", "reason"), RESTS.values(), ids=RESTS.keys())
def test_the_plan_rests(observed: Observed, reason: Reason) -> None:
    assert a.resting(observed).reason is reason


def test_a_person_is_told_to_act_exactly_where_nothing_heals_by_itself() -> None:
    calm = {Reason.PAUSED, Reason.PROVISIONED, Reason.SUSPENDED, Reason.QUOTA_EXCEEDED}
    for name, (world, reason) in RESTS.items():
        assert a.resting(world).stalled is (reason not in calm), name


TOLD: dict[str, tuple[bool | None, bool | None, bool, float | None]] = {
    "2 a paused tenant is left alone": (None, None, False, None),
    "2 a tenant is left alone where all are": (None, None, False, PAUSED_AGAIN),
    "3 a new tenant without a tier waits, and Neon is not asked": (False, None, False, STALLED_AGAIN),
    "3 a new tenant of a full tier waits": (False, None, False, STALLED_AGAIN),
    "3 a new tenant whose Secret's name is taken waits": (False, False, False, STALLED_AGAIN),
    "3 a new tenant whose Secret belongs to a sibling waits": (False, False, False, STALLED_AGAIN),
    "6 a recorded project that is gone is not replaced": (False, False, False, STALLED_AGAIN),
    "7 a recorded project without our certificate is not touched": (False, None, False, STALLED_AGAIN),
    "8 a predecessor is never silently replaced": (False, False, False, STALLED_AGAIN),
    "unbound 2 a tier that refuses is heard before a new intent": (False, None, False, STALLED_AGAIN),
    "bound 5 a failed operation is told": (False, None, False, 1.0),
    "bound 10 a Secret's name that was taken meanwhile is told": (False, False, False, STALLED_AGAIN),
    "bound 13 an immutable Secret that is out of date is told": (False, None, False, STALLED_AGAIN),
    "bound 14 a tier that went leaves the project as it is": (False, True, True, STALLED_AGAIN),
    "bound 14 another region is not followed": (False, True, True, None),
    "bound 14 another PostgreSQL version is not followed": (False, True, True, None),
    "bound 14 another database name is not followed": (False, True, True, None),
    "unbound 2 a finalizer that was brought along makes no room": (False, None, False, STALLED_AGAIN),
    "bound 14 a full tier refuses one from another tier": (False, True, True, STALLED_AGAIN),
    "bound 14 a full tier keeps a project whose status was lost": (True, True, True, None),
    "bound 14 a project of our name without proof is told": (False, True, False, STALLED_AGAIN),
    "bound 15 a used up quota of time is told": (True, False, True, None),
    "bound 15 all is well": (True, True, True, None),
    "bound 15 all is well with a suspended tenant": (True, False, True, None),
    "bound 15 all is well with a settled tenant, by an older look": (True, True, True, None),
}
"""Ready, Available, whether all that can be applied is applied, and when the next look is due."""


@pytest.mark.parametrize("row", RESTS)
def test_a_rest_says_what_works_and_when_it_looks_again(row: str) -> None:
    rest = a.resting(RESTS[row][0])
    assert (rest.ready, rest.available, rest.applied, rest.again) == TOLD[row]
    assert rest.message


SUSPENDED_OR_STALLED: dict[str, dict[str, Any]] = {
    "another region": {"region": "aws-eu-central-1"},
    "a tier that refuses": {"overrides": {"quota": {"computeTime": "9999h"}}},
}


@pytest.mark.parametrize("spec", SUSPENDED_OR_STALLED.values(), ids=SUSPENDED_OR_STALLED.keys())
def test_a_suspended_tenant_is_not_available_whatever_else_is_told(spec: dict[str, Any]) -> None:
    world = a.bound(tenant=a.tenant({"state": "Suspended", **spec}), endpoints=(a.endpoint(disabled=True),))
    told = a.resting(world)
    assert told.reason is not Reason.SUSPENDED
    assert told.available is False


def test_a_tenant_that_is_not_well_is_looked_at_freshly_before_it_is_told_so() -> None:
    world = a.bound(
        tenant=a.tenant({"region": "aws-eu-central-1"}, status=a.status()),
        lookup=a.lookup(a.project(), fresh=False),
    )
    assert plan.next_step(world) == LookUp(fresh=True)
    assert a.resting(replace(world, lookup=a.lookup(a.project()))).reason is Reason.IMMUTABLE_FIELD_CHANGED


def test_nobody_is_available_by_a_secret_that_is_not_its_login() -> None:
    labels = a.tenant({"connectionSecret": {"labels": {"team": "x"}}})
    edited = {**a.secret_object().data, "password": "another"}
    assert a.resting(a.bound(secret=Foreign())).available is False
    assert a.resting(a.bound(secret=Conflict("sibling"))).available is False
    assert a.resting(a.bound(tenant=labels, secret=a.ours(immutable=True))).available is None
    told = a.resting(a.bound(connection=a.CONNECTION, secret=a.ours(immutable=True, data=edited)))
    assert told.available is False


def test_an_immutable_secret_of_an_earlier_life_is_no_login() -> None:
    left = LeftBehind(a.secret_object(uid=a.OTHER_UID, immutable=True))
    told = a.resting(a.bound(connection=a.CONNECTION, secret=left))
    assert (told.reason, told.available) == (Reason.SECRET_NOT_OURS, False)


@pytest.mark.parametrize("secret", [Foreign(), Conflict("sibling"), Conflict("")])
def test_a_secret_in_the_way_is_named(secret: Foreign | Conflict) -> None:
    message = a.resting(a.bound(secret=secret)).message
    assert "acme-database" in message
    assert "connectionSecret.name" in message


def test_a_missing_project_says_whether_it_can_be_recovered() -> None:
    world = a.observed(tenant=a.tenant(status=a.status()))
    gone = a.resting(replace(world, lookup=a.lookup(recoverable=())))
    deleted = a.resting(replace(world, lookup=a.lookup(recoverable=(a.project(),))))
    assert "recover it" not in gone.message
    assert "recover it" in deleted.message
    assert "for 7 days" in deleted.message
    assert "moved" in gone.message
    until = a.project(recoverable_until="2026-11-29T00:00:00Z")
    told = a.resting(replace(world, lookup=a.lookup(recoverable=(until,))))
    assert "until 2026-11-29T00:00:00Z" in told.message


def test_a_predecessor_is_left_aside_by_its_token() -> None:
    certificates = {"old-project-9": a.certificate(a.PREDECESSOR)}
    asked = a.observed(lookup=a.lookup(OLD_PROJECT), certificates=certificates)
    assert TOKEN in a.resting(asked).message
    answered = replace(asked, tenant=a.tenant(annotations={names.START_EMPTY: TOKEN}))
    assert plan.next_step(answered) == DeclareIntent()


def test_several_predecessors_are_counted() -> None:
    one = a.observed(lookup=a.lookup(OLD_PROJECT), certificates={"old-project-9": None})
    assert "A database" in a.resting(one).message
    other = replace(OLD_PROJECT, id="old-project-8")
    certificates = dict.fromkeys(("old-project-8", "old-project-9"))
    world = a.observed(lookup=a.lookup(OLD_PROJECT, other), certificates=certificates)
    assert "2 databases" in a.resting(world).message


WAITS: dict[str, tuple[Observed, Reason, float]] = {
    "unbound 1 another's intent is awaited": (
        a.observed(
            lookup=a.lookup(),
            now=a.NOW + 100,
            tenant=a.tenant(annotations=ANNOTATED),
            knowledge=Knowledge(sighting=a.sighting()),
        ),
        Reason.OUTCOME_UNKNOWN,
        200.0,
    ),
    "unbound 1 a lost answer is awaited, since our own start": (
        a.observed(
            lookup=a.lookup(),
            now=a.NOW + 100,
            tenant=a.tenant(annotations=ANNOTATED),
            knowledge=Knowledge(sighting=a.sighting(since=a.NOW + 50), attempt=a.attempt(sent=Sent.UNKNOWN)),
        ),
        Reason.OUTCOME_UNKNOWN,
        200.0,
    ),
    "bound 3 operations of a new project are awaited": (
        a.bound(knowledge=Knowledge(operations=("op-1",), poll_at=a.NOW + 1)),
        Reason.PROVISIONING,
        1.0,
    ),
    "bound 3 operations of a change are awaited": (
        a.bound(
            tenant=a.tenant(status=a.status()),
            knowledge=Knowledge(operations=("op-1",), poll_at=a.NOW + 1),
        ),
        Reason.UPDATING,
        1.0,
    ),
    "bound 3 operations of a change to what stays suspended are awaited": (
        a.bound(
            tenant=a.tenant({"state": "Suspended"}, status=a.status(suspended=True)),
            knowledge=Knowledge(operations=("op-1",), poll_at=a.NOW + 1),
        ),
        Reason.UPDATING,
        1.0,
    ),
    "bound 3 operations of a return to work are awaited": (
        a.bound(
            tenant=a.tenant(status=a.status(suspended=True)),
            knowledge=Knowledge(operations=("op-1",), poll_at=a.NOW + 1),
        ),
        Reason.RESUMING,
        1.0,
    ),
}


@pytest.mark.parametrize(("observed", "reason", "seconds"), WAITS.values(), ids=WAITS.keys())
def test_the_plan_waits(observed: Observed, reason: Reason, seconds: float) -> None:
    step = plan.next_step(observed)
    assert isinstance(step, Wait), step
    assert step.reason is reason
    assert seconds in (step.again, step.within)


@pytest.mark.parametrize(
    ("attempt", "lost"),
    [(a.attempt(sent=Sent.UNKNOWN), True), (a.attempt("nonce-0", sent=Sent.DONE), False), (None, False)],
    ids=["our own request", "another's, after one of ours", "another's"],
)
def test_a_lost_answer_is_told_apart_from_anothers_request(attempt: Attempt | None, lost: bool) -> None:
    world = a.observed(
        lookup=a.lookup(),
        tenant=a.tenant(annotations=ANNOTATED),
        knowledge=Knowledge(sighting=a.sighting(), attempt=attempt),
    )
    step = plan.next_step(world)
    assert isinstance(step, Wait)
    assert ("answer" in step.message) is lost


def test_bound_12_a_missing_secret_is_created_with_the_login_of_the_create() -> None:
    world = a.bound(secret=a.observed().secret, knowledge=Knowledge(operations=(), connection=a.CONNECTION))
    step = plan.next_step(world)
    assert isinstance(step, CreateSecret)
    assert step.content.data["uri"] == a.CONNECTION.uri
    assert step.content.annotations[names.PROJECT_ID] == "cool-project-1"


def test_bound_13_a_secret_follows_its_wishes_without_asking_neon() -> None:
    wishes = {"connectionSecret": {"labels": {"team": "x"}, "extra": {"DATABASE_URL": "{pooled_uri}"}}}
    step = plan.next_step(a.bound(tenant=a.tenant(wishes)))
    assert isinstance(step, UpdateSecret)
    assert step.content.labels == {"team": "x"}
    assert step.content.data["DATABASE_URL"] == a.CONNECTION.pooled_uri


def test_bound_13_a_secret_of_an_earlier_life_is_taken_over() -> None:
    left = LeftBehind(a.secret_object(uid=a.OTHER_UID, project_id="old-project-9"))
    step = plan.next_step(a.bound(secret=left, connection=a.CONNECTION))
    assert isinstance(step, UpdateSecret)
    assert step.content.annotations[names.OWNER_UID] == a.UID


def test_a_change_of_quota_alone_sends_no_endpoint_patch() -> None:
    quota = replace(a.LIMITS.quota, written_data_bytes=1)
    world = a.bound(lookup=a.lookup(a.project(quota=quota)))
    step = plan.next_step(world)
    assert step == UpdateProject("cool-project-1", a.LIMITS, frozenset({"writtenData"}))
    assert a.resting(replace(world, lookup=a.lookup(a.project()))).ready


def test_what_neons_list_left_out_is_not_known_to_differ() -> None:
    unknown = a.project(quota=None, defaults=None, retention_seconds=None, complete=False)
    settled = a.tenant(status=a.status())
    assert a.resting(a.bound(tenant=settled, lookup=a.lookup(unknown, fresh=False))).ready


def test_the_owner_of_the_database_is_named_as_neon_names_it() -> None:
    assert a.tenant({"database": "shop"}).role == "shop_owner"


def test_a_suspend_time_that_neon_stores_as_its_default_is_no_difference() -> None:
    compute = replace(a.LIMITS.compute, suspend_seconds=0)
    assert a.resting(
        a.bound(lookup=a.lookup(a.project(defaults=compute)), endpoints=(a.endpoint(compute=compute),))
    ).ready


NOT_TAKEN = replace(a.LIMITS.compute, suspend_seconds=0)


def test_a_setting_that_neon_did_not_take_is_asked_for_once() -> None:
    slow = a.tier(compute={"minCU": 0.25, "maxCU": 0.25, "suspendAfter": "10m"})
    world = a.bound(
        tier=slow, lookup=a.lookup(a.project(defaults=NOT_TAKEN)), endpoints=(a.endpoint(compute=NOT_TAKEN),)
    )
    assert isinstance(plan.next_step(world), UpdateProject)
    remembered = replace(world, knowledge=Knowledge(operations=(), not_taken=frozenset({"suspendAfter"})))
    assert a.resting(remembered).ready
    noted = a.status(tier={"name": "free", "generation": 1, "not_taken": ["suspendAfter"]})
    assert a.resting(replace(world, tenant=a.tenant(status=noted))).ready
    of_another_generation = a.status(tier={"name": "free", "generation": 0, "not_taken": ["suspendAfter"]})
    again = replace(world, tenant=a.tenant(status=of_another_generation))
    assert isinstance(plan.next_step(again), UpdateProject)


def test_a_refusing_tier_does_not_keep_a_tenant_from_being_suspended() -> None:
    step = plan.next_step(a.bound(tier=None, tenant=a.tenant({"state": "Suspended"})))
    assert isinstance(step, UpdateEndpoint)
    assert step.disabled is True
    assert not step.differing


def test_a_second_look_is_due_when_another_post_may_still_be_under_way() -> None:
    world = a.bound(
        tenant=a.tenant(annotations=ANNOTATED),
        knowledge=Knowledge(operations=(), sighting=a.sighting(since=a.NOW - 100)),
    )
    verdict = a.resting(world)
    assert verdict.ready
    assert verdict.again == pytest.approx(200.0)


def test_a_second_look_is_due_by_the_clock_of_the_sender() -> None:
    lost = Knowledge(
        operations=(), sighting=a.sighting(since=a.NOW - 100), attempt=a.attempt(sent=Sent.UNKNOWN)
    )
    world = a.bound(tenant=a.tenant(annotations=ANNOTATED), knowledge=lost)
    assert a.resting(world).again == pytest.approx(a.LIFETIME)


def test_no_second_look_is_due_for_a_post_whose_time_is_over() -> None:
    over = Knowledge(operations=(), sighting=a.sighting(since=a.NOW - a.LIFETIME))
    assert a.resting(a.bound(tenant=a.tenant(annotations=ANNOTATED), knowledge=over)).again is None


def test_a_login_that_was_read_wins_over_the_one_in_the_secret() -> None:
    new = replace(a.CONNECTION, password="npg_Another456")
    step = plan.next_step(a.bound(connection=new))
    assert isinstance(step, UpdateSecret)
    assert step.content.data["password"] == "npg_Another456"


def test_a_rename_after_a_change_of_the_spec_is_no_drift() -> None:
    world = a.bound(
        tenant=a.tenant(status=a.status(), generation=2),
        lookup=a.lookup(RENAMED),
        certificates={"cool-project-1": a.certificate()},
    )
    assert plan.next_step(world) == RenameProject("cool-project-1", a.MARKER.project_name)


WELL: dict[str, Observed] = {
    "its operations are not known, and it has its Secret": a.bound(
        knowledge=Knowledge(), tenant=a.tenant(status=a.status())
    ),
    "the region and the version are the project's": a.bound(
        tenant=a.tenant({"region": "aws-us-east-2", "postgresVersion": 17})
    ),
    "the tier is for its namespace": a.bound(
        tier=a.tier(namespaceSelector={"matchLabels": {"plan": "paid"}}), namespace_labels={"plan": "paid"}
    ),
}


@pytest.mark.parametrize("world", WELL.values(), ids=WELL.keys())
def test_all_is_well_where(world: Observed) -> None:
    rest = a.resting(world)
    assert (rest.reason, rest.ready) == (Reason.PROVISIONED, True)
    assert rest.message.endswith("logs in.")


def test_a_tier_that_went_is_told_to_a_tenant_that_had_it() -> None:
    had = a.bound(tier=None, tenant=a.tenant(status=a.status()))
    assert a.resting(had).reason is Reason.TIER_NOT_FOUND
    unreached = a.bound(tier=None, tenant=a.tenant(), admitted=False)
    assert a.resting(unreached).reason is Reason.TIER_NOT_FOUND
