"""The plan's table for deleted resources, row by row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import builders as a
from neon_tenants.api import names
from neon_tenants.api.conditions import Reason
from neon_tenants.core import plan
from neon_tenants.core.intent import Sent
from neon_tenants.core.knowledge import Knowledge
from neon_tenants.core.observed import Observed
from neon_tenants.core.removal import HELD_AGAIN, PAUSED_AGAIN
from neon_tenants.core.steps import (
    DeleteProject,
    Leave,
    LookUp,
    OwnSecret,
    ReadCertificate,
    RemoveFinalizer,
    RenameProject,
    Rest,
    Step,
    Wait,
)

RENAMED = a.project(name="my favourite database")
RELEASED = a.project(name=a.MARKER.released_name)
ELSEWHERE = a.certificate(replace(a.MARKER, namespace="others"))
DELETE = {"deletionPolicy": "Delete"}
RETAIN = {"deletionPolicy": "Retain"}


def deleted(spec: dict[str, Any] | None = None, **changes: Any) -> Observed:
    """A deleted tenant whose project is recorded; its Secret is ours and not owned yet."""
    facts = {"tenant": a.tenant(spec or DELETE, deleting=True, status=a.status()), "secret": a.ours()}
    return a.observed(**facts | changes)


STEPS: dict[str, tuple[Observed, Step]] = {
    "1 without our finalizer it is not ours to handle": (
        deleted(tenant=a.tenant(DELETE, deleting=True, finalizers=("others.example.com/x",))),
        Leave(),
    ),
    "2 a protection that is not understood holds": (
        deleted(tenant=a.tenant(DELETE, deleting=True, unread=frozenset({"deletionProtection"}))),
        Rest(
            Reason.SPEC_NOT_UNDERSTOOD,
            "This version of the operator does not understand spec.deletionProtection: the deletion is held. "
            "Put it right, or run the version that knows it.",
            stalled=True,
            again=300.0,
        ),
    ),
    "5 other parts that are not understood hold nothing": (
        deleted(tenant=a.tenant(DELETE, deleting=True, unread=frozenset({"state"}))),
        LookUp(fresh=True),
    ),
    "9 where the policy is not understood, the data is kept": (
        deleted(
            tenant=a.tenant(
                deleting=True, status=a.status(), unread=frozenset({"deletionPolicy", "connectionSecret"})
            ),
            tier=a.tier(deletionPolicy="Delete"),
            lookup=a.lookup(a.project()),
        ),
        RenameProject("cool-project-1", a.MARKER.released_name),
    ),
    "5 Neon is looked at freshly": (deleted(), LookUp(fresh=True)),
    "5 an older look does not do": (deleted(lookup=a.lookup(fresh=False)), LookUp(fresh=True)),
    "6 a recorded project of another name must show its certificate": (
        deleted(lookup=a.lookup(RENAMED)),
        ReadCertificate("cool-project-1"),
    ),
    "8 our project is deleted": (deleted(lookup=a.lookup(a.project())), DeleteProject("cool-project-1")),
    "8 our project is deleted under another name, by its certificate": (
        deleted(lookup=a.lookup(RENAMED), certificates={"cool-project-1": a.certificate()}),
        DeleteProject("cool-project-1"),
    ),
    "8 a project that was never recorded is found by its name": (
        deleted(
            tenant=a.tenant(DELETE, deleting=True), secret=a.observed().secret, lookup=a.lookup(a.project())
        ),
        DeleteProject("cool-project-1"),
    ),
    "8 the tier's policy decides where the tenant has none": (
        deleted({"tier": "free"}, tier=a.tier(deletionPolicy="Delete"), lookup=a.lookup(a.project())),
        DeleteProject("cool-project-1"),
    ),
    "8 a project that was given up is released, whatever the policy": (
        deleted(
            tenant=a.tenant(
                DELETE, deleting=True, status=a.status(project_id="two", released_projects=["cool-project-1"])
            ),
            lookup=a.lookup(a.project()),
        ),
        RenameProject("cool-project-1", a.MARKER.released_name),
    ),
    "9 a list that still shows what was deleted is looked at again later": (
        deleted(lookup=a.lookup(a.project()), let_go={"cool-project-1": a.MARKER.project_name}),
        Wait(
            Reason.DELETING, "The project is let go, and Neon's list still shows it. It is looked at again."
        ),
    ),
    "8 a project that only our POST's answer names is deleted under another name, by its certificate": (
        deleted(
            tenant=a.tenant(DELETE, deleting=True),
            knowledge=Knowledge(created=a.project()),
            lookup=a.lookup(RENAMED),
            certificates={"cool-project-1": a.certificate()},
        ),
        DeleteProject("cool-project-1"),
    ),
    "9 a retained project is renamed to nobody's": (
        deleted(RETAIN, lookup=a.lookup(a.project())),
        RenameProject("cool-project-1", a.MARKER.released_name),
    ),
    "9 a retained project under another name is renamed to nobody's, by its certificate": (
        deleted(RETAIN, lookup=a.lookup(RENAMED), certificates={"cool-project-1": a.certificate()}),
        RenameProject("cool-project-1", a.MARKER.released_name),
    ),
    "4 the brake does not hold what deletes nothing": (
        deleted(RETAIN, brake="Too many.", lookup=a.lookup(a.project())),
        RenameProject("cool-project-1", a.MARKER.released_name),
    ),
    "9 without tier and policy the project is kept": (
        deleted({"tier": "gone"}, tier=None, lookup=a.lookup(a.project())),
        RenameProject("cool-project-1", a.MARKER.released_name),
    ),
    "9 a stranger's project is left, and the resource goes": (
        deleted(RETAIN, lookup=a.lookup(RENAMED), certificates={"cool-project-1": ELSEWHERE}),
        OwnSecret(),
    ),
    "11 the Secret goes with its resource": (deleted(lookup=a.lookup()), OwnSecret()),
    "11 a released project is done with": (deleted(RETAIN, lookup=a.lookup(RELEASED)), OwnSecret()),
    "3 protection holds no resource that vanished": (
        deleted(
            tenant=a.tenant(DELETE | {"deletionProtection": True}, deleting=True, vanished=True),
            secret=a.observed().secret,
            lookup=a.lookup(a.project()),
        ),
        DeleteProject("cool-project-1"),
    ),
    "8 what was made for a resource that vanished is deleted": (
        deleted(
            tenant=a.tenant(DELETE, deleting=True, vanished=True),
            secret=a.observed().secret,
            lookup=a.lookup(a.project()),
        ),
        DeleteProject("cool-project-1"),
    ),
    "11 its Secret goes": (
        deleted(tenant=a.tenant(DELETE, deleting=True, vanished=True), lookup=a.lookup()),
        OwnSecret(),
    ),
    "12 then nothing of it is left": (
        deleted(
            tenant=a.tenant(DELETE, deleting=True, vanished=True),
            secret=a.observed().secret,
            lookup=a.lookup(),
        ),
        Leave(),
    ),
    "13 a Secret that goes with its resource already is left": (
        deleted(lookup=a.lookup(), secret=a.ours(owner_uids=(a.UID,))),
        RemoveFinalizer(),
    ),
    "13 no Secret, no owner": (deleted(lookup=a.lookup(), secret=a.observed().secret), RemoveFinalizer()),
    "13 an unsent intent of this process holds nothing": (
        deleted(
            tenant=a.tenant(DELETE, deleting=True, annotations={names.INTENT: a.intent().encode()}),
            secret=a.observed().secret,
            lookup=a.lookup(),
            knowledge=Knowledge(sighting=a.sighting(), attempt=a.attempt()),
        ),
        RemoveFinalizer(),
    ),
}


@pytest.mark.parametrize(("observed", "step"), STEPS.values(), ids=STEPS.keys())
def test_the_removal_takes_the_step(observed: Observed, step: Step) -> None:
    assert plan.next_step(observed) == step


RESTS: dict[str, tuple[Observed, Reason]] = {
    "2 a paused deletion is held": (
        deleted(tenant=a.tenant(DELETE, deleting=True, annotations={names.PAUSED: "true"})),
        Reason.PAUSED,
    ),
    "3 a protected database is held": (
        deleted(
            {**DELETE, "deletionProtection": True}, lookup=a.lookup(a.project()), endpoints=(a.endpoint(),)
        ),
        Reason.DELETION_HELD,
    ),
    "4 the brake holds it before Neon is looked at": (deleted(brake="Too many."), Reason.DELETION_HELD),
    "4 the brake holds what the tier's policy deletes": (
        deleted({"tier": "free"}, tier=a.tier(deletionPolicy="Delete"), brake="Too many."),
        Reason.DELETION_HELD,
    ),
    "2 what is paused as a whole holds deletions": (deleted(pause="All is paused."), Reason.PAUSED),
    "7 a stranger's project is not deleted": (
        deleted(lookup=a.lookup(RENAMED), certificates={"cool-project-1": ELSEWHERE}),
        Reason.NOT_OURS,
    ),
    "7 nor is one without a certificate": (
        deleted(lookup=a.lookup(RENAMED), certificates={"cool-project-1": None}),
        Reason.NOT_OURS,
    ),
}


@pytest.mark.parametrize(("observed", "reason"), RESTS.values(), ids=RESTS.keys())
def test_the_removal_is_held(observed: Observed, reason: Reason) -> None:
    step = plan.next_step(observed)
    assert isinstance(step, Rest)
    assert step.reason is reason


TOLD: dict[str, tuple[bool | None, bool, float | None]] = {
    "2 a paused deletion is held": (None, False, None),
    "3 a protected database is held": (False, True, None),
    "4 the brake holds it before Neon is looked at": (False, True, HELD_AGAIN),
    "4 the brake holds what the tier's policy deletes": (False, True, HELD_AGAIN),
    "2 what is paused as a whole holds deletions": (None, False, PAUSED_AGAIN),
    "7 a stranger's project is not deleted": (False, True, HELD_AGAIN),
    "7 nor is one without a certificate": (False, True, HELD_AGAIN),
}
"""Ready, whether a person must act, and when the next look is due: None where an event will tell."""


@pytest.mark.parametrize("row", RESTS)
def test_what_holds_a_deletion_is_looked_at_again_where_no_event_tells(row: str) -> None:
    step = plan.next_step(RESTS[row][0])
    assert isinstance(step, Rest)
    assert (step.ready, step.stalled, step.again) == TOLD[row]
    assert step.message


def test_a_pause_of_more_than_one_says_that_the_deletion_waits() -> None:
    step = plan.next_step(deleted(pause="All is paused."))
    assert isinstance(step, Rest)
    assert step.message == "All is paused. The deletion waits for that."
    step = plan.next_step(a.bound(pause="All is paused."))
    assert isinstance(step, Rest)
    assert step.message == "All is paused."


def test_the_waits_reason_is_the_deletion() -> None:
    world = deleted(
        tenant=a.tenant(DELETE, deleting=True, annotations={names.INTENT: a.intent().encode()}),
        lookup=a.lookup(),
        knowledge=Knowledge(sighting=a.sighting()),
    )
    step = plan.next_step(world)
    assert isinstance(step, Wait)
    assert step.reason is Reason.DELETING
    assert step.message


def test_a_lost_post_is_awaited_by_the_clock_of_its_sender() -> None:
    world = deleted(
        tenant=a.tenant(DELETE, deleting=True, annotations={names.INTENT: a.intent().encode()}),
        lookup=a.lookup(),
        knowledge=Knowledge(sighting=a.sighting(since=a.NOW + 50), attempt=a.attempt(sent=Sent.UNKNOWN)),
    )
    step = plan.next_step(world)
    assert isinstance(step, Wait)
    assert step.within == pytest.approx(a.LIFETIME)


def test_a_pause_says_what_it_holds() -> None:
    paused = {names.PAUSED: "true"}
    going = plan.next_step(deleted(tenant=a.tenant(DELETE, deleting=True, annotations=paused)))
    staying = plan.next_step(a.bound(tenant=a.tenant(annotations=paused)))
    assert isinstance(going, Rest)
    assert isinstance(staying, Rest)
    assert "deletion" in going.message
    assert "deletion" not in staying.message
    assert "None" not in staying.message


@pytest.mark.parametrize("sent", [None, Sent.UNKNOWN])
def test_10_a_resource_does_not_go_while_a_post_may_be_under_way(sent: Sent | None) -> None:
    world = deleted(
        now=a.NOW + 100,
        tenant=a.tenant(DELETE, deleting=True, annotations={names.INTENT: a.intent().encode()}),
        lookup=a.lookup(),
        knowledge=Knowledge(sighting=a.sighting(), attempt=a.attempt(sent=sent) if sent else None),
    )
    step = plan.next_step(world)
    assert isinstance(step, Wait)
    assert step.within == pytest.approx(200.0)
    assert plan.next_step(replace(world, now=a.NOW + 300)) == OwnSecret()


def test_an_id_that_only_the_secret_names_is_not_deleted_under_another_name() -> None:
    world = deleted(tenant=a.tenant(DELETE, deleting=True), lookup=a.lookup(RENAMED))
    assert plan.next_step(world) == OwnSecret()
