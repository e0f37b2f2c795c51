"""Neon's limits and our share of them, by a clock that is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neon_sandbox.bench.figures import busiest
from neon_tenants.neon.limits import Bucket, Limits, Rates, Second

LIST = "GET /projects"
POST = "POST /projects"
READ = "GET /projects/{}"
USAGE = "GET /consumption_history/v2/projects"


def taken(
    bucket: Bucket, *, until: float, now: float = 0.0, pauses: list[float] | None = None
) -> list[float]:
    """When requests leave, if somebody always wants to send one, resting before each as `pauses` say."""
    times: list[float] = []
    rests = iter(pauses or [])
    while True:
        now += next(rests, 0.0)
        while (delay := bucket.wait(now)) > 0:
            now += delay
        if now >= until:
            return times
        bucket.take()
        times.append(now)


@pytest.mark.parametrize("share", [1, 10, 24, 33, 34, 60, 560, 700, 6000])
def test_no_minute_sees_more_than_the_share_and_at_least_95_percent_of_it_is_used(share: int) -> None:
    times = taken(Bucket.of(share, 0.0), until=3600)
    assert busiest(times, 60.0) <= share
    assert len(times) / 60 >= 0.95 * share


def test_a_bucket_is_empty_at_first() -> None:
    bucket = Bucket.of(60, 0.0)
    assert bucket.wait(0.0) == 1 / 0.96
    assert bucket.wait(1 / 0.96) == 0.0


def test_a_minute_has_room_for_requests_that_reach_neon_closer_together_than_they_left() -> None:
    assert busiest(taken(Bucket.of(560, 0.0), until=600), 60.5) <= 560


@given(st.sampled_from([10, 60, 560]), st.lists(st.floats(0, 90), max_size=30))
def test_idle_times_save_up_no_more_than_the_burst(share: int, pauses: list[float]) -> None:
    assert busiest(taken(Bucket.of(share, 0.0), until=400, pauses=pauses), 60.0) <= share


@given(st.lists(st.floats(0.01, 40), min_size=1, max_size=8))
def test_an_operator_that_is_started_again_and_again_keeps_to_the_share(lives: list[float]) -> None:
    times: list[float] = []
    now = 0.0
    for life in lives:
        times += taken(Bucket.of(560, now), now=now, until=now + life)
        now += life
    assert busiest(times, 60.0) <= 560


@given(st.lists(st.floats(0, 2), max_size=80))
def test_no_second_of_a_route_sees_more_than_its_limit_and_all_of_it_may_go_at_once(
    pauses: list[float],
) -> None:
    second, now = Second(8), 0.0
    times: list[float] = []
    for pause in [0.0] * 20 + pauses:
        now += pause
        while (wait := second.wait(now)) > 0:
            now += wait
        second.take(now)
        times.append(now)
    assert busiest(times, 1.0 - 1e-5) == 8
    assert times[7] == 0.0


def test_a_request_of_a_full_second_waits_until_the_first_is_a_second_old() -> None:
    second = Second(2)
    second.take(0.0)
    assert second.wait(0.0) == 0.0
    second.take(0.5)
    assert second.wait(0.75) == 0.25
    assert second.wait(1.0) == 0.0
    assert second.wait(1.0 - 5e-7) == 0.0, "shorter than a rounding error"


def filled(rates: Rates | None = None) -> Limits:
    """With all that may be saved up, an hour after the start."""
    limits = Limits(rates or Rates(), -3600.0)
    assert limits.wait(0.0) == limits.wait_of(USAGE, 0.0) == 0.0
    return limits


def test_a_route_that_neon_paused_waits_alone() -> None:
    limits = filled()
    limits.pause(POST, 30.0, 0.0)
    limits.pause(POST, 10.0, 0.0)
    assert [limits.wait_of(route, 0.0) for route in (POST, LIST)] == [30.0, 0.0]
    assert limits.wait(0.0) == 0.0
    assert limits.wait_of(POST, 30.0) == 0.0


def test_a_second_route_that_is_refused_meanwhile_pauses_all() -> None:
    limits = filled()
    limits.pause(POST, 30.0, 0.0)
    limits.pause(LIST, 15.0, 5.0)
    assert limits.wait(5.0) == 10.0
    assert limits.wait(15.0) == 0.0
    assert limits.wait_of(POST, 15.0) == 15.0


def test_a_second_route_that_is_refused_later_says_nothing_of_the_account() -> None:
    limits = filled()
    limits.pause(POST, 30.0, 0.0)
    limits.pause(LIST, 50.0, 30.0)
    assert limits.wait(30.0) == 0.0


def test_the_consumption_history_has_a_share_of_its_own() -> None:
    limits = filled(Rates(560, 32, 24))
    limits.take(USAGE, 0.0)
    assert limits.wait_of(USAGE, 0.0) > 1.0
    assert limits.wait_of("GET /consumption_history/projects", 0.0) > 1.0
    assert limits.wait_of(READ, 0.0) == 0.0


def test_each_route_has_a_second_of_its_own() -> None:
    limits = filled(Rates(6000, 2, 24))
    for _ in range(2):
        assert limits.wait_of(READ, 0.0) == 0.0
        limits.take(READ, 0.0)
    assert [limits.wait_of(route, 0.25) for route in (READ, LIST)] == [0.75, 0.0]


def test_what_is_given_back_is_one_and_of_its_own_kind() -> None:
    limits = filled(Rates(560, 32, 24))
    left = limits.left(0.0)
    for route in (USAGE, READ, READ):
        limits.take(route, 0.0)
    limits.give_back(READ)
    assert limits.left(0.0) == left - 2
    assert limits.wait_of(USAGE, 0.0) > 1.0


def test_what_is_not_sent_is_given_back() -> None:
    limits = filled(Rates(560, 32, 24))
    left = limits.left(0.0)
    limits.take(USAGE, 0.0)
    assert limits.left(0.0) == left - 1
    limits.give_back(USAGE)
    assert limits.left(0.0) == left
    assert limits.wait_of(USAGE, 0.0) == 0.0
