"""Neon's limits and our share of them, by a clock that is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neon_sandbox.bench.figures import busiest
from neon_tenants.neon.limits import PART_BURST, Bucket, Limits, Rates, Second

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
    assert bucket.wait(0.0) == pytest.approx(1 / 0.97)
    assert bucket.wait(1 / 0.97) == 0.0


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


def test_a_part_has_its_part_of_everything_but_the_consumption() -> None:
    whole = Rates(per_minute=560, per_second_of_route=32, consumption_per_minute=24)
    assert whole.part(560) == Rates(560, 32, 24, PART_BURST)
    assert whole.part(140) == Rates(140, 8, 24, PART_BURST)
    assert whole.part(1) == Rates(1, 1, 24, PART_BURST)


def test_a_small_part_lets_a_create_go_at_once_and_is_not_exceeded() -> None:
    bucket = Bucket.of(20, 0.0, least_burst=PART_BURST)
    assert (bucket.burst, bucket.rate) == pytest.approx((3.0, 16.8 / 60))
    assert bucket.wait(60.0) == 0.0
    assert taken(bucket, now=60.0, until=60.1) == [60.0] * 3


@pytest.mark.parametrize("share", [1, 2, 5, 10, 21, 60, 140, 560])
def test_no_minute_sees_more_than_a_part(share: int) -> None:
    bucket = Bucket.of(share, 0.0, least_burst=PART_BURST)
    bucket.wait(600.0)
    assert busiest(taken(bucket, now=600.0, until=3600), 60.0) <= share
    assert Bucket.of(share, 0.0).burst <= bucket.burst <= max(0.4 * share, 3.0)


def test_the_whole_and_its_parts_are_changed_to_with_their_bursts() -> None:
    limits = Limits(Rates(per_minute=560, per_second_of_route=100), 0.0)
    limits.change(Rates(per_minute=560, per_second_of_route=100).part(20), 0.0)
    assert limits.left(60.0) == 3
    assert Limits(Rates(per_minute=560).part(20), 0.0).left(60.0) == 3


@given(st.lists(st.tuples(st.floats(0.1, 90), st.integers(1, 560)), min_size=1, max_size=12))
def test_two_that_move_their_shares_keep_to_the_whole(moves: list[tuple[float, int]]) -> None:
    """What one has more begins empty; what the other has less, it cannot have saved up."""
    whole = 600
    buckets = [Bucket.of(300, 0.0), Bucket.of(300, 0.0)]
    times: list[float] = []
    now = 0.0
    for lasts, share in moves:
        for bucket, part in zip(buckets, (share, whole - share), strict=True):
            bucket.change(part, now, least_burst=PART_BURST)
            times += taken(bucket, now=now, until=now + lasts)
        now += lasts
    assert busiest(sorted(times), 60.0) <= whole


def test_a_lowered_share_leaves_no_more_than_its_own_burst() -> None:
    bucket = Bucket.of(6000, 0.0)
    assert bucket.wait(60.0) == 0.0
    bucket.change(60, 60.0)
    assert (bucket.tokens, bucket.burst, bucket.rate) == pytest.approx((1.2, 1.2, 0.97))


def test_a_raised_share_begins_with_what_was_there() -> None:
    bucket = Bucket.of(60, 0.0)
    bucket.change(6000, 1.0)
    assert bucket.tokens == pytest.approx(0.97)


def test_a_second_with_another_limit_counts_what_has_left_in_it() -> None:
    second = Second(3)
    for at in (0.0, 0.2, 0.4):
        second.take(at)
    assert second.wait(0.5) == pytest.approx(0.5)
    second.change(2)
    assert second.wait(0.5) == pytest.approx(0.7)
    second.change(4)
    assert second.wait(0.5) == 0.0


def test_limits_with_other_rates_keep_to_them() -> None:
    limits = Limits(Rates(per_minute=6000, per_second_of_route=10, consumption_per_minute=6000), 0.0)
    for _ in range(4):
        limits.take(LIST, 0.0)
    limits.change(Rates(per_minute=60, per_second_of_route=4, consumption_per_minute=60), 100.0)
    assert limits.left(100.0) == 1
    assert limits.wait_of(LIST, 0.5) == pytest.approx(0.5)
    limits.take(USAGE, 100.0)
    assert limits.wait_of(USAGE, 100.0) == pytest.approx(0.8 / 0.97)
    for _ in range(4):
        limits.take(POST, 100.0)
    assert limits.wait_of(POST, 100.0) == pytest.approx(1.0)
