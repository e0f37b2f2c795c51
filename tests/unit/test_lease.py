"""Who leads: the table, a row each; and what is written."""

from __future__ import annotations

import pytest

from neon_tenants.core.lease import (
    LONGEST,
    Lease,
    Move,
    Sight,
    Terms,
    View,
    held,
    honored,
    next_move,
    noted,
    released,
    seen,
)

TERMS = Terms(duration=10, deadline=7, retry=2)
US, OTHER = "us", "other"


def lease(holder: str = OTHER, duration: float = 10, *, renewed: str = "then", transitions: int = 3) -> Lease:
    return Lease(holder, duration, "first", renewed, transitions)


MOVES: dict[str, tuple[Lease | None, float, float | None, Move]] = {
    "a leader whose deadline has come": (lease(US), 0, 7, Move.STEP_DOWN),
    "a leader whose deadline has passed, without a Lease": (None, 0, 8, Move.STEP_DOWN),
    "a leader whose Lease was deleted": (None, 0, 6.9, Move.CREATE),
    "a leader that holds it": (lease(US), 100, 6.9, Move.RENEW),
    "a leader whom another has followed": (lease(OTHER), 0, 1, Move.STEP_DOWN),
    "a leader whom a person sends away": (lease(""), 0, 1, Move.STEP_DOWN),
    "no Lease yet": (None, 0, None, Move.CREATE),
    "a released Lease": (lease(""), 0, None, Move.TAKE),
    "our own Lease, which nobody took": (lease(US), 0, None, Move.RENEW),
    "another's Lease that ran out": (lease(OTHER), 10, None, Move.TAKE),
    "another's Lease": (lease(OTHER), 9.9, None, Move.WAIT),
    "another's Lease of a longer duration": (lease(OTHER, 60), 59.9, None, Move.WAIT),
    "another's longer Lease that ran out": (lease(OTHER, 60), 60, None, Move.TAKE),
    "another's Lease that says nothing of its time": (lease(OTHER, 0), 9.9, None, Move.WAIT),
    "another's Lease that says nothing and ran out": (lease(OTHER, 0), 10, None, Move.TAKE),
}
UNWANTED: dict[str, tuple[Lease | None, float | None, Move]] = {
    "no Lease yet": (None, None, Move.WAIT),
    "a released Lease": (lease(""), None, Move.WAIT),
    "our own Lease, which nobody took": (lease(US), None, Move.WAIT),
    "one that we hold": (lease(US), 1, Move.RENEW),
    "one that we held": (lease(OTHER), 1, Move.STEP_DOWN),
}


@pytest.mark.parametrize(("found", "renewed", "move"), UNWANTED.values(), ids=UNWANTED.keys())
def test_who_does_not_want_it_takes_nothing_and_keeps_what_it_has(
    found: Lease | None, renewed: float | None, move: Move
) -> None:
    assert next_move(View(US, found, 100, renewed, eager=False), TERMS) is move


@pytest.mark.parametrize(("found", "unchanged", "renewed", "move"), MOVES.values(), ids=MOVES.keys())
def test_move(found: Lease | None, unchanged: float, renewed: float | None, move: Move) -> None:
    assert next_move(View(US, found, unchanged, renewed), TERMS) is move


HONORED: dict[str, tuple[float, float]] = {
    "nothing is said": (0, 10),
    "less than nothing": (-5, 10),
    "the shortest": (1, 1),
    "less than ours": (3, 3),
    "as long as any of us would": (LONGEST, LONGEST),
    "longer than any of us would": (LONGEST + 1, 10),
}


@pytest.mark.parametrize(("says", "seconds"), HONORED.values(), ids=HONORED.keys())
def test_honored(says: float, seconds: float) -> None:
    assert honored(lease(duration=says), TERMS) == seconds


def test_a_lease_is_unchanged_since_it_was_first_seen_so() -> None:
    first = seen(None, lease(), 5)
    assert first == Sight(lease(), 5)
    assert seen(first, lease(), 9) == first
    assert seen(first, lease(renewed="now"), 9) == Sight(lease(renewed="now"), 9)
    assert seen(first, None, 9) == Sight(None, 9)


def test_notes_say_nothing_of_its_holder_and_are_seen_as_they_are() -> None:
    first = seen(None, lease(), 5)
    later = seen(first, noted(lease(), {"wanted-by": OTHER}), 9)
    assert later.since == 5
    assert later.lease is not None
    assert later.lease.notes == {"wanted-by": OTHER}


def test_notes_stay_beside_others() -> None:
    before = noted(lease(OTHER), {"a": "1", "b": "2"})
    assert held(before, US, TERMS, "now", {"b": "3"}).notes == {"a": "1", "b": "3"}
    assert released(before, "now", {"b": ""}).notes == {"a": "1", "b": ""}
    assert noted(before, {"c": "4"}).notes == {"a": "1", "b": "2", "c": "4"}
    assert noted(before, {"c": "4"}).holder == OTHER
    assert held(None, US, TERMS, "now", {"b": "3"}).notes == {"b": "3"}


def test_the_first_holder() -> None:
    assert held(None, US, TERMS, "now") == Lease(US, 10, "now", "now", 0)


def test_a_new_holder_counts_as_a_transition() -> None:
    assert held(lease(OTHER), US, TERMS, "now") == Lease(US, 10, "now", "now", 4)
    assert held(lease(""), US, TERMS, "now") == Lease(US, 10, "now", "now", 4)


def test_a_renewal_keeps_when_it_was_acquired() -> None:
    assert held(lease(US), US, TERMS, "now") == Lease(US, 10, "first", "now", 3)
    bare = Lease(US, 10, "", "then", 3)
    assert held(bare, US, TERMS, "now") == Lease(US, 10, "now", "now", 3)


def test_a_released_lease_has_no_holder() -> None:
    assert released(lease(US), "now") == Lease("", 10, "first", "now", 3)


def test_tries_lie_up_to_a_fifth_further_apart_by_chance() -> None:
    assert [TERMS.pause(dice) for dice in (0.0, 0.5, 1.0)] == pytest.approx([2.0, 2.2, 2.4])
