"""What the benchmarks and the tests make of times."""

from __future__ import annotations

import math

import pytest

from neon_sandbox.bench.figures import busiest, percentile


def test_a_window_holds_both_of_its_ends_wherever_it_begins() -> None:
    assert busiest([], 60) == 0
    assert busiest([100, 0, 40, 60], 60) == 3
    assert busiest([0, 60.1, 120.2], 60) == 1


@pytest.mark.parametrize(("percent", "value"), [(50, 50), (99, 99), (99.5, 100), (100, 100), (0, 1)])
def test_a_percentile_is_a_value_that_was_measured(percent: float, value: float) -> None:
    assert percentile(range(100, 0, -1), percent) == value


def test_of_nothing_there_is_no_percentile() -> None:
    assert math.isnan(percentile([], 99))
