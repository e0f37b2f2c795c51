"""When Neon's operations are looked at first."""

from __future__ import annotations

import pytest

from neon_tenants.core.pace import CAUTIOUS, FIRST, LEAST, MOST, SCOUTS, Pace


def test_of_a_crowd_that_nothing_is_known_for_a_few_look_early() -> None:
    pace = Pace()
    assert [pace.first() for _ in range(SCOUTS + 2)] == [FIRST] * SCOUTS + [CAUTIOUS] * 2


def test_a_look_that_was_too_early_puts_off_the_next_ones_once_for_all_who_came_with_it() -> None:
    pace = Pace()
    for _ in range(3):
        pace.found(after=FIRST, finished=False)
    assert pace.first() == pytest.approx(FIRST * 1.5)
    pace.found(after=FIRST / 2, finished=False)
    assert pace.first() == pytest.approx(FIRST * 1.5)


def test_a_look_that_was_not_too_early_brings_the_next_ones_forward_once_for_all_who_came_with_it() -> None:
    pace = Pace()
    for _ in range(3):
        pace.found(after=FIRST, finished=True)
    assert pace.first() == pytest.approx(FIRST * 0.8)
    pace.found(after=CAUTIOUS, finished=True)
    assert pace.first() == pytest.approx(FIRST * 0.8)


def test_once_both_were_met_the_steps_are_fine() -> None:
    pace = Pace()
    pace.found(after=FIRST, finished=False)
    known = pace.first()
    pace.found(after=known, finished=True)
    assert pace.first() == pytest.approx(known * 0.995)
    known = pace.first()
    pace.found(after=known, finished=False)
    assert pace.first() == pytest.approx(known * 1.1)


@pytest.mark.parametrize("seconds", [0.3, 1.0, 3.0])
def test_it_comes_near_to_what_neon_takes_and_seldom_looks_twice(seconds: float) -> None:
    pace, early = Pace(), 0
    for number in range(400):
        after = pace.first()
        early += after < seconds and number >= 40
        pace.found(after=after, finished=after >= seconds)
    assert seconds * 0.995 <= pace.first() <= seconds * 1.1
    assert early <= 20


def test_it_stays_within_bounds() -> None:
    fast, slow = Pace(), Pace()
    for _ in range(100):
        fast.found(after=fast.first(), finished=True)
        slow.found(after=slow.first(), finished=False)
    assert (fast.first(), slow.first()) == (LEAST, MOST)
