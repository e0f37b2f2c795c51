"""The request budget, by a clock that is told."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neon_tenants.neon.budget import NEON_REQUESTS_PER_SECOND, Bucket


def taken(bucket: Bucket, *, until: float, pauses: list[float] | None = None) -> list[float]:
    """When requests leave, if somebody always wants to send one, resting before each as `pauses` say."""
    now = 0.0
    times: list[float] = []
    rests = iter(pauses or [])
    while True:
        now += next(rests, 0.0)
        while (delay := bucket.take(now)) > 0:
            now += delay
        if now >= until:
            return times
        times.append(now)


def busiest(times: list[float], window: float) -> int:
    most, inside = 0, deque[float]()
    for time in times:
        inside.append(time)
        while inside[0] <= time - window:
            inside.popleft()
        most = max(most, len(inside))
    return most


@pytest.mark.parametrize("share", [10, 60, 560, 700])
def test_no_minute_sees_more_than_the_share_and_little_of_it_is_left(share: int) -> None:
    times = taken(Bucket.of(share, 0.0), until=600)
    assert busiest(times, 60.0) <= share
    assert len(times) / 10 >= 0.9 * share


def test_no_second_sees_more_than_neon_takes_on_a_route() -> None:
    assert busiest(taken(Bucket.of(560, 0.0), until=120), 1.0) <= NEON_REQUESTS_PER_SECOND


@given(st.lists(st.floats(0, 90), max_size=30))
def test_idle_times_save_up_no_more_than_the_burst(pauses: list[float]) -> None:
    assert busiest(taken(Bucket.of(60, 0.0), until=600, pauses=pauses), 60.0) <= 60


def test_nobody_sends_before_a_pause_is_over() -> None:
    bucket = Bucket.of(560, 0.0)
    bucket.pause(30.0)
    bucket.pause(10.0)
    assert bucket.take(0.0) == 30.0
    assert bucket.take(30.0) == 0.0
