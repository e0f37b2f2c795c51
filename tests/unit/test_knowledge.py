"""What a process remembers of a tenant, once another project is recorded as the tenant's."""

from __future__ import annotations

import pytest

import builders as a
from neon_tenants.core.knowledge import Knowledge

KNOWN = Knowledge(
    sighting=a.sighting(),
    attempt=a.attempt(),
    project_id="p-own",
    created=a.project("p-own"),
    connection=a.CONNECTION,
    endpoints=(a.endpoint(),),
    operations=("op-1",),
    waiting_since=a.NOW,
)


@pytest.mark.parametrize("recorded", [None, "p-own"])
def test_what_is_known_counts_while_its_project_is_the_recorded_one(recorded: str | None) -> None:
    assert KNOWN.about(recorded) == KNOWN


def test_a_rebind_makes_void_what_is_known_of_the_project_before() -> None:
    assert KNOWN.about("p-earlier") == Knowledge(a.sighting(), a.attempt(), waiting_since=a.NOW)


def test_what_is_of_no_certain_project_stays() -> None:
    seen = Knowledge(sighting=a.sighting())
    assert seen.about("p-earlier") == seen
