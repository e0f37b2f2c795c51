"""Which projects have no owner, row by row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import builders as a
from neon_tenants.core.marker import RELEASED, Certificate, Marker, owner_in
from neon_tenants.core.orphans import MIN_AGE, Kind, Owners, Survey, survey
from neon_tenants.core.project import Project

BORN = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
LATER = BORN + 2 * MIN_AGE
NOBODY = Owners(uids=(), project_ids=(), places=())
KIN = replace(a.MARKER, cluster=f"eu-{a.CLUSTER}")


def look(
    project: Project,
    *,
    owners: Owners = NOBODY,
    certificate: Certificate | None = a.certificate(),  # noqa: B008 - a value
    now: float = LATER,
) -> Survey:
    return survey(
        [project], cluster=a.CLUSTER, owners=owners, certificates={project.id: certificate}, now=now
    )


def when(project: Project, **changes: Any) -> Callable[[], Survey]:
    return partial(look, project, **changes)


KINDS: dict[str, tuple[Callable[[], Survey], list[Kind]]] = {
    "another's name": (when(a.project(name="my favourite database")), []),
    "another cluster's name": (when(a.project(name=replace(a.MARKER, cluster="test").project_name)), []),
    "the owner exists": (when(a.project(), owners=replace(NOBODY, uids={a.UID})), []),
    "recorded by a resource": (when(a.project(), owners=replace(NOBODY, project_ids={"cool-project-1"})), []),
    "young": (when(a.project(), now=BORN + MIN_AGE - 1), []),
    "just old enough": (when(a.project(), now=BORN + MIN_AGE), [Kind.ORPHAN]),
    "born in the future of a clock that is wrong": (when(a.project(), now=BORN - 7200), []),
    "of an unreadable age": (when(a.project(created_at="yesterday")), []),
    "of an age without a zone": (when(a.project(created_at="2026-01-01T00:00:00")), []),
    "without a certificate": (when(a.project(), certificate=None), []),
    "of a cluster whose name ends like ours": (
        when(a.project(name=KIN.project_name), certificate=a.certificate(KIN)),
        [],
    ),
    "released": (when(a.project(name=a.MARKER.released_name)), [Kind.RELEASED]),
    "a resource of its name stands": (
        when(a.project(), owners=replace(NOBODY, places={("tenants", "acme")})),
        [Kind.CLAIMABLE],
    ),
    "left behind": (when(a.project()), [Kind.ORPHAN]),
}


@pytest.mark.parametrize(("looks", "kinds"), KINDS.values(), ids=KINDS.keys())
def test_a_project_without_an_owner(looks: Callable[[], Survey], kinds: list[Kind]) -> None:
    found = looks()
    assert [orphan.kind for orphan in found.orphans] == kinds
    assert found.unread == ()


def test_a_certificate_is_read_before_anything_is_said() -> None:
    second = a.project("p-2", created_at="2025-01-01T00:00:00Z")
    found = survey([a.project(), second], cluster=a.CLUSTER, owners=NOBODY, certificates={}, now=LATER)
    assert found == Survey((), (second, a.project()))


def test_one_that_is_owned_or_young_hides_none_behind_it() -> None:
    owned, young = a.project("p-1"), a.project("p-2", created_at="2026-01-01T02:00:00Z")
    unread, lost = a.project("p-3"), a.project("p-4")
    found = survey(
        [owned, young, unread, lost],
        cluster=a.CLUSTER,
        owners=replace(NOBODY, project_ids={"p-1"}),
        certificates={"p-4": a.certificate()},
        now=LATER,
    )
    assert [orphan.project_id for orphan in found.orphans] == ["p-4"]
    assert found.unread == (unread,)


def test_an_orphan_is_told_with_its_place_and_age() -> None:
    (orphan,) = look(a.project()).orphans
    assert (orphan.namespace, orphan.name, orphan.uid) == ("tenants", "acme", a.UID)
    assert (orphan.project_id, orphan.project_name) == ("cool-project-1", a.MARKER.project_name)
    assert orphan.age == 2 * MIN_AGE
    (released,) = look(a.project(name=a.MARKER.released_name)).orphans
    assert released.uid == ""


words = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True)


@given(words, words, words, st.uuids())
def test_a_name_gives_back_its_owner(cluster: str, namespace: str, name: str, uid: object) -> None:
    marker = Marker(cluster, namespace, name, str(uid))
    assert owner_in(marker.project_name, cluster) == str(uid)
    assert owner_in(marker.released_name, cluster) == RELEASED
    assert owner_in(f"{marker.project_name}-copy", cluster) is None


@given(st.text(max_size=80))
def test_no_name_confuses_the_reader(name: str) -> None:
    assert owner_in(f"x-{a.CLUSTER}-0123456789-{name}", a.CLUSTER) is None or len(name) in (8, 26)


def test_names_that_only_look_like_ours() -> None:
    start = f"tenants-acme-{a.CLUSTER}-{a.MARKER.place}"
    for length in (18, 25, 34):
        assert owner_in(f"{start}-{'a' * length}", a.CLUSTER) is None
    assert owner_in(f"{start}-{'1' * 26}", a.CLUSTER) is None
    assert owner_in(f"{start}-{'a' * 26}", "other") is None
    assert owner_in(f"{start[:-1]}-{'a' * 26}", a.CLUSTER) is None
