"""Moments as text."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest

from neon_tenants.core.timestamp import next_second, seconds, stamp

NOON = "2026-01-01T12:00:00Z"
MOMENTS = {
    "whole seconds": datetime(2026, 1, 1, 12, tzinfo=UTC),
    "parts of a second": datetime(2026, 1, 1, 12, 0, 0, 999_999, tzinfo=UTC),
    "another zone": datetime(2026, 1, 1, 17, 30, tzinfo=timezone(timedelta(hours=5, minutes=30))),
}


@pytest.fixture
def far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose own zone is not UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "XXX-14")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("far_east")
@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS.keys())
def test_a_moment_is_written_in_whole_seconds_of_utc_wherever_the_machine_stands(moment: datetime) -> None:
    assert stamp(moment) == NOON
    assert seconds(NOON) == 1_767_268_800


@pytest.mark.usefixtures("far_east")
def test_the_next_second_follows_also_over_the_end_of_a_year() -> None:
    assert next_second(NOON) == "2026-01-01T12:00:01Z"
    assert next_second("2025-12-31T23:59:59Z") == "2026-01-01T00:00:00Z"
