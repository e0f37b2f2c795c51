"""The brake's tables, row by row."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from neon_tenants.core import brake
from neon_tenants.core.brake import BrakeLimits, Counted, Ledger, Mark, count, held_by, release

LIMITS = BrakeLimits(window=600, fleet=3)
NOW = 10_000.0


def mark(number: int, at: float = NOW, tier: str = "free", namespace: str = "tenants") -> Mark:
    return Mark(f"uid-{number}", at, tier, namespace)


def marks(number: int, **changes: Any) -> list[Mark]:
    return [mark(i, **changes) for i in range(number)]


def counted(*found: Mark, at: float = NOW) -> tuple[Counted, ...]:
    return tuple(Counted(one, at) for one in found)


def uids(ledger: Ledger) -> set[str]:
    return {entry.mark.uid for entry in ledger.counted}


def test_as_many_as_the_limit_go_on_and_one_more_engages_the_brake() -> None:
    ledger = count(Ledger(), marks(3), LIMITS, NOW)
    assert ledger == Ledger(counted(*marks(3)))
    assert count(ledger, marks(3), LIMITS, NOW + 1) == ledger
    ledger = count(ledger, marks(4), LIMITS, NOW + 1)
    assert uids(ledger) == {"uid-0", "uid-1", "uid-2"}
    assert ledger.engaged == {"fleet": NOW + 1}
    assert held_by(ledger, mark(3)) == "fleet"
    assert held_by(ledger, mark(0)) is None


def test_the_oldest_marks_go_first_whoever_asks() -> None:
    many = [mark(i, at=NOW - i) for i in range(5)]
    assert uids(count(Ledger(), many, LIMITS, NOW)) == {"uid-4", "uid-3", "uid-2"}


def test_marks_of_an_hour_ago_are_counted_as_they_were_marked() -> None:
    """The operator was away: what was marked at once is a mass deletion all the same."""
    ledger = count(Ledger(), marks(5, at=NOW - 3600), LIMITS, NOW)
    assert (len(ledger.counted), list(ledger.engaged)) == (3, ["fleet"])


def test_a_mark_is_decided_once_it_is_counted_held_or_confirmed() -> None:
    ledger = Ledger(counted(mark(0)), released_until=NOW - 10)
    assert [brake.is_decided(ledger, one) for one in (mark(0), mark(1), mark(2, at=NOW - 10))] == [
        True,
        False,
        True,
    ]
    assert brake.is_decided(replace(ledger, engaged={"tier/free": NOW}), mark(1))


def test_marks_that_lie_apart_go_on() -> None:
    ledger = count(Ledger(), [mark(i, at=NOW - 600 * i) for i in range(5)], LIMITS, NOW)
    assert (len(ledger.counted), ledger.engaged) == (5, {})
    one = BrakeLimits(window=600, fleet=1)
    assert count(Ledger(), [mark(0), mark(1, at=NOW - 600)], one, NOW).engaged == {}
    assert count(Ledger(), [mark(0), mark(1, at=NOW - 599)], one, NOW).engaged == {"fleet": NOW}


def test_a_braked_fleet_counts_nothing_more() -> None:
    engaged = Ledger(counted(mark(0)), {"fleet": 1.0})
    assert count(engaged, [mark(0), mark(1, at=NOW + 5000)], LIMITS, NOW) == engaged


def test_a_confirmed_mark_is_neither_counted_nor_held() -> None:
    ledger = count(Ledger(released_until=NOW), marks(9), LIMITS, NOW)
    assert ledger.counted == ()
    assert held_by(ledger, mark(1)) is None
    braked = Ledger((), {"fleet": NOW}, released_until=NOW)
    assert held_by(braked, mark(1)) is None
    assert held_by(braked, mark(1, at=NOW + 1)) == "fleet"


def test_without_a_limit_nothing_is_counted() -> None:
    ledger = count(Ledger(), marks(9), BrakeLimits(window=600, fleet=0), NOW)
    assert ledger == Ledger()
    assert held_by(ledger, mark(1)) is None


@pytest.mark.parametrize(
    ("limits", "scope"),
    [
        (BrakeLimits(window=600, fleet=100, per_tier=2), "tier/free"),
        (BrakeLimits(window=600, fleet=100, per_namespace=2), "namespace/tenants"),
    ],
)
def test_a_scope_of_its_own_is_braked_alone(limits: BrakeLimits, scope: str) -> None:
    elsewhere = [mark(i, tier="pro", namespace="others") for i in (7, 8)]
    ledger = count(Ledger(), [*marks(3), *elsewhere], limits, NOW)
    assert list(ledger.engaged) == [scope]
    assert held_by(ledger, mark(2)) == scope
    assert [held_by(ledger, one) for one in elsewhere] == [None, None]


def test_an_entry_is_kept_while_its_resource_stands_or_the_window_lasts() -> None:
    old = Ledger(counted(mark(0, at=NOW - 700), at=NOW - 700))
    assert count(old, [mark(0, at=NOW - 700)], LIMITS, NOW) == old
    assert uids(count(old, [], LIMITS, NOW)) == set()
    just_over = Ledger(counted(mark(0, at=NOW - 600), at=NOW - 600))
    assert uids(count(just_over, [], LIMITS, NOW)) == set()
    counted_late = Ledger(counted(mark(0, at=NOW - 700), at=NOW - 500))
    assert uids(count(counted_late, [], LIMITS, NOW)) == {"uid-0"}


def test_only_what_the_limits_name_counts_towards_a_scope() -> None:
    limits = BrakeLimits(window=600, fleet=0, per_tier=2)
    ledger = count(Ledger(), [mark(0), mark(1, tier="pro"), mark(2), mark(3, namespace="b")], limits, NOW)
    assert (uids(ledger), list(ledger.engaged)) == ({"uid-0", "uid-1", "uid-2"}, ["tier/free"])


def test_a_full_ledger_brakes_the_fleet() -> None:
    limits = BrakeLimits(window=600, fleet=0, per_namespace=1)
    apart = [mark(i, namespace=f"n{i}") for i in range(brake.MAX_COUNTED + 1)]
    assert count(Ledger(), apart, limits, NOW).engaged == {"fleet": NOW}
    assert count(Ledger(), apart[:-1], limits, NOW).engaged == {}


def test_too_many_braked_scopes_brake_the_fleet() -> None:
    limits = BrakeLimits(window=600, fleet=0, per_namespace=1)
    pairs = [mark(2 * i + j, namespace=f"n{i}") for i in range(brake.MAX_ENGAGED + 1) for j in (0, 1)]
    assert count(Ledger(), pairs, limits, NOW).engaged == {"fleet": NOW}
    assert len(count(Ledger(), pairs[:-2], limits, NOW).engaged) == brake.MAX_ENGAGED


def test_a_release_lets_go_what_was_marked_until_then_and_begins_anew() -> None:
    ledger = count(Ledger(), marks(5), LIMITS, NOW)
    ledger = release(ledger, NOW + 10)
    assert ledger == Ledger(released_until=NOW + 10)
    assert release(ledger, NOW).released_until == NOW + 10
    later = [mark(i, at=NOW + 20) for i in range(10, 14)]
    again = count(ledger, [*marks(5), *later], LIMITS, NOW + 20)
    assert uids(again) == {"uid-10", "uid-11", "uid-12"}
    assert held_by(again, mark(4)) is None
    assert held_by(again, later[-1]) == "fleet"


def test_a_ledger_survives_a_restart() -> None:
    ledger = Ledger(counted(mark(1), mark(2)), {"tier/free": 5.0}, released_until=7.0)
    assert brake.decode(brake.encode(ledger)) == ledger
    assert brake.decode(None) == Ledger()


BROKEN = ["", "{}", "[]", "3", json.dumps({"counted": [1], "engaged": {}, "releasedUntil": 0})]


@pytest.mark.parametrize("text", BROKEN)
def test_a_ledger_that_cannot_be_read_holds_everything(text: str) -> None:
    assert held_by(brake.decode(text), mark(1)) == "fleet"
    assert brake.decode(text) == Ledger(engaged={"fleet": 0.0})


def test_the_largest_ledger_fits_into_a_config_map() -> None:
    long = Mark("u" * 36, 1_700_000_000.0, "t" * 63, "n" * 63)
    ledger = Ledger(
        counted(*([long] * brake.MAX_COUNTED)), {f"namespace/{i:063}": NOW for i in range(brake.MAX_ENGAGED)}
    )
    assert len(brake.encode(ledger)) < 900_000


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        ("fleet", "more than 3 resources were marked"),
        ("tier/free", "more than 4 resources in the tier free were"),
        ("namespace/tenants", "more than 5 resources in the namespace tenants were"),
    ],
)
def test_the_message_says_why_and_what_to_do(scope: str, words: str) -> None:
    text = brake.message(scope, BrakeLimits(window=600, fleet=3, per_tier=4, per_namespace=5))
    assert words in text
    assert "release-deletions" in text
    assert "Retain" in text
