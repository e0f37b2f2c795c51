"""Which project is ours: the table of `identify`, row by row."""

from __future__ import annotations

from dataclasses import replace

import pytest

import builders as a
from neon_tenants.api import names
from neon_tenants.core.identity import (
    Bound,
    Identity,
    Missing,
    Predecessors,
    Stranger,
    Unbound,
    identify,
)
from neon_tenants.core.knowledge import Knowledge
from neon_tenants.core.marker import start_empty_token
from neon_tenants.core.observed import Observed
from neon_tenants.core.steps import LookUpDeleted, ReadCertificate

MINE = a.project()
RENAMED = a.project(name="my favourite database")
YOUNGER = a.project("younger-2", created_at="2026-01-02T00:00:00Z")
YOUNGEST = a.project("youngest-3", created_at="2026-01-03T00:00:00Z")
OLD = a.project("old-project-9", name=a.PREDECESSOR.project_name)
RELEASED = a.project("old-project-9", name=a.MARKER.released_name)
RECORDED = {"tenant": a.tenant(status=a.status())}
POSTED = {"knowledge": Knowledge(created=MINE)}
IN_SECRET = {"secret": a.ours()}
ELSEWHERE = a.certificate(replace(a.MARKER, name="other"))
NEIGHBOR = a.project("neighbor-3", name=a.MARKER.project_name + "x")

ROWS: dict[str, tuple[Observed, Identity]] = {
    "recorded in status, alive under our name": (
        a.observed(**RECORDED, lookup=a.lookup(MINE)),
        Bound(MINE),
    ),
    "recorded by the POST's answer": (a.observed(**POSTED, lookup=a.lookup(MINE)), Bound(MINE)),
    "recorded by the POST's answer, renamed since: only its certificate can tell": (
        a.observed(**POSTED, lookup=a.lookup(RENAMED)),
        ReadCertificate("cool-project-1"),
    ),
    "recorded in the Secret": (a.observed(**IN_SECRET, lookup=a.lookup(MINE)), Bound(MINE)),
    "recorded, renamed, certificate unread": (
        a.observed(**RECORDED, lookup=a.lookup(RENAMED)),
        ReadCertificate("cool-project-1"),
    ),
    "recorded, renamed, born in our place": (
        a.observed(
            **RECORDED,
            lookup=a.lookup(RENAMED),
            certificates={"cool-project-1": a.certificate(a.PREDECESSOR)},
        ),
        Bound(RENAMED),
    ),
    "recorded, renamed, born elsewhere": (
        a.observed(**RECORDED, lookup=a.lookup(RENAMED), certificates={"cool-project-1": ELSEWHERE}),
        Stranger("cool-project-1"),
    ),
    "recorded, renamed, born without a certificate": (
        a.observed(**RECORDED, lookup=a.lookup(RENAMED), certificates={"cool-project-1": None}),
        Stranger("cool-project-1"),
    ),
    "an id that only the Secret names, under another name: as if it were none": (
        a.observed(**IN_SECRET, lookup=a.lookup(RENAMED, recoverable=())),
        Missing("cool-project-1", None),
    ),
    "recorded and gone, the deleted not looked at": (
        a.observed(**RECORDED, lookup=a.lookup()),
        LookUpDeleted(),
    ),
    "recorded and gone for good": (
        a.observed(**RECORDED, lookup=a.lookup(recoverable=())),
        Missing("cool-project-1", None),
    ),
    "recorded and recoverable": (
        a.observed(**RECORDED, lookup=a.lookup(recoverable=(MINE,))),
        Missing("cool-project-1", MINE),
    ),
    "recorded and gone, though another bears our name": (
        a.observed(**RECORDED, lookup=a.lookup(YOUNGER, recoverable=())),
        Missing("cool-project-1", None),
    ),
    "not recorded, one of our name": (a.observed(lookup=a.lookup(MINE)), Bound(MINE)),
    "not recorded, a name that only begins like ours": (a.observed(lookup=a.lookup(NEIGHBOR)), Unbound()),
    "not recorded, two of our name: the certificate of the younger is read": (
        a.observed(lookup=a.lookup(MINE, YOUNGER)),
        ReadCertificate("younger-2"),
    ),
    "not recorded, two of our name, both born ours: the oldest stays": (
        a.observed(lookup=a.lookup(MINE, YOUNGER), certificates={"younger-2": a.certificate()}),
        Bound(MINE, duplicates=(YOUNGER,)),
    ),
    "two of our name: the recorded one stays, though younger": (
        a.observed(
            tenant=a.tenant(status=a.status(project_id="younger-2")),
            lookup=a.lookup(MINE, YOUNGER),
            certificates={"cool-project-1": a.certificate()},
        ),
        Bound(YOUNGER, duplicates=(MINE,)),
    ),
    "two of our name, the other born in another life: reported": (
        a.observed(
            **RECORDED,
            lookup=a.lookup(MINE, YOUNGER),
            certificates={"younger-2": a.certificate(a.PREDECESSOR)},
        ),
        Bound(MINE, suspects=(YOUNGER,)),
    ),
    "two of our name, the other born for this uid in another place: reported": (
        a.observed(**RECORDED, lookup=a.lookup(MINE, YOUNGER), certificates={"younger-2": ELSEWHERE}),
        Bound(MINE, suspects=(YOUNGER,)),
    ),
    "three of our name, one given up: the last is judged all the same": (
        a.observed(
            tenant=a.tenant(status=a.status(released_projects=["younger-2"])),
            lookup=a.lookup(MINE, YOUNGER, YOUNGEST),
            certificates={"youngest-3": a.certificate()},
        ),
        Bound(MINE, duplicates=(YOUNGEST,), released=(YOUNGER,)),
    ),
    "two of our name, the other without a certificate: reported": (
        a.observed(**RECORDED, lookup=a.lookup(MINE, YOUNGER), certificates={"younger-2": None}),
        Bound(MINE, suspects=(YOUNGER,)),
    ),
    "two of our name, the other published in the Secret: reported": (
        a.observed(
            tenant=a.tenant(status=a.status(project_id="younger-2")),
            **IN_SECRET,
            lookup=a.lookup(MINE, YOUNGER),
            certificates={"cool-project-1": a.certificate()},
        ),
        Bound(YOUNGER, suspects=(MINE,)),
    ),
    "an earlier life's project, certificate unread": (
        a.observed(lookup=a.lookup(OLD)),
        ReadCertificate("old-project-9"),
    ),
    "an earlier life's project": (
        a.observed(lookup=a.lookup(OLD), certificates={"old-project-9": a.certificate(a.PREDECESSOR)}),
        Predecessors((OLD,), start_empty_token(["old-project-9"])),
    ),
    "an earlier life's project behind one of another place": (
        a.observed(
            lookup=a.lookup(NEIGHBOR, OLD), certificates={"old-project-9": a.certificate(a.PREDECESSOR)}
        ),
        Predecessors((OLD,), start_empty_token(["old-project-9"])),
    ),
    "a released project": (
        a.observed(lookup=a.lookup(RELEASED), certificates={"old-project-9": a.certificate(a.PREDECESSOR)}),
        Predecessors((RELEASED,), start_empty_token(["old-project-9"])),
    ),
    "an earlier life's project whose branch is gone with its certificate": (
        a.observed(lookup=a.lookup(OLD), certificates={"old-project-9": None}),
        Predecessors((OLD,), start_empty_token(["old-project-9"])),
    ),
    "another place's project whose hash collides": (
        a.observed(lookup=a.lookup(OLD), certificates={"old-project-9": ELSEWHERE}),
        Unbound(),
    ),
    "nothing, and older than an intent: the deleted are looked at": (
        a.observed(age=a.LIFETIME + 1, lookup=a.lookup()),
        LookUpDeleted(),
    ),
    "nothing alive, ours among the deleted: a restored backup": (
        a.observed(age=a.LIFETIME + 1, lookup=a.lookup(recoverable=(MINE,))),
        Missing("cool-project-1", MINE),
    ),
    "nothing, old, and an earlier life's among the deleted": (
        a.observed(age=a.LIFETIME + 1, lookup=a.lookup(recoverable=(OLD,))),
        Unbound(),
    ),
    "nothing, and no older than an intent": (a.observed(age=a.LIFETIME, lookup=a.lookup()), Unbound()),
    "nothing, and young": (a.observed(lookup=a.lookup()), Unbound()),
}


@pytest.mark.proves("F18", "T1")
@pytest.mark.parametrize(("observed", "identity"), ROWS.values(), ids=ROWS.keys())
def test_a_project_is_identified(observed: Observed, identity: Identity) -> None:
    assert observed.lookup is not None
    assert identify(observed, observed.lookup) == identity


def test_a_token_sets_aside_exactly_the_projects_that_it_was_made_for() -> None:
    token = {names.START_EMPTY: start_empty_token(["old-project-9"])}
    world = a.observed(
        tenant=a.tenant(annotations=token), lookup=a.lookup(OLD), certificates={"old-project-9": None}
    )
    assert world.lookup is not None
    assert identify(world, world.lookup) == Unbound()
    later = replace(OLD, id="old-project-8")
    both = replace(
        world, lookup=a.lookup(OLD, later), certificates={"old-project-9": None, "old-project-8": None}
    )
    assert both.lookup is not None
    assert isinstance(identify(both, both.lookup), Predecessors)
