"""Consumption history: what the ledger holds, cut into hours, days or months."""

from __future__ import annotations

import calendar
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from neon_sandbox.emulator import errors, views
from neon_sandbox.emulator.queries import Granularity
from neon_sandbox.emulator.state import Project

HOUR = 3_600
_DAY = 86_400
_EARLIEST = float(calendar.timegm((2024, 3, 1, 0, 0, 0)))
"""Neon has no history before March 2024."""
_WINDOWS: dict[Granularity, int] = {"hourly": 168 * HOUR, "daily": 60 * _DAY, "monthly": 366 * _DAY}
"""How far back each granularity reaches."""

V1_ALWAYS = (
    "active_time_seconds",
    "compute_time_seconds",
    "written_data_bytes",
    "synthetic_storage_size_bytes",
)
"""Metrics that are in each answer of the first version, asked for or not: its schema requires them."""


def floor(moment: float, granularity: Granularity) -> int:
    """The start of the hour, day or month."""
    if granularity == "hourly":
        return int(moment) // HOUR * HOUR
    if granularity == "daily":
        return int(moment) // _DAY * _DAY
    now = time.gmtime(moment)
    return calendar.timegm((now.tm_year, now.tm_mon, 1, 0, 0, 0))


def _next(start: int, granularity: Granularity) -> int:
    if granularity == "hourly":
        return start + HOUR
    if granularity == "daily":
        return start + _DAY
    return floor(start + 32 * _DAY, "monthly")


def window(begin: float, end: float, granularity: Granularity, now: float) -> tuple[int, int]:
    """The rounded window. Raises ApiError 406 if it is not one that Neon has."""
    first, last = floor(begin, granularity), floor(end, granularity)
    oldest = max(_EARLIEST, floor(now - _WINDOWS[granularity], granularity))
    if first > last:
        raise errors.outside_window("from must not be later than to")
    if first < oldest or last > now:
        raise errors.outside_window(
            f"the requested date-time range is outside the boundaries of the {granularity} granularity"
        )
    return first, last


def timeframes(
    project: Project, first: int, last: int, granularity: Granularity
) -> Iterator[tuple[int, int, dict[str, int]]]:
    """Start, end and sums of each timeframe since the project was made; an empty one holds zeros."""
    totals: dict[int, dict[str, int]] = {}
    for hour, metrics in project.ledger.items():
        sums = totals.setdefault(floor(hour, granularity), {})
        for metric, value in metrics.items():
            sums[metric] = sums.get(metric, 0) + value
    start = max(first, floor(project.created_at, granularity))
    while start < last:
        end = _next(start, granularity)
        yield start, end, totals.get(start, {})
        start = end


def record(project: Project, hours: Iterable[tuple[float, dict[str, int]]]) -> None:
    """Writes consumption into the ledger, in place of what stood there for the same hours."""
    for moment, metrics in hours:
        project.ledger[floor(moment, "hourly")] = metrics


def v1(frames: Iterable[tuple[int, int, dict[str, int]]], metrics: Sequence[str]) -> Any:
    """The `consumption` list of the first version: metrics are fields."""
    wanted = dict.fromkeys((*V1_ALWAYS, *metrics))
    return [
        {
            "timeframe_start": views.stamp(start),
            "timeframe_end": views.stamp(end),
            **{metric: sums.get(metric, 0) for metric in wanted},
        }
        for start, end, sums in frames
    ]


def v2(frames: Iterable[tuple[int, int, dict[str, int]]], metrics: Sequence[str]) -> Any:
    """The `consumption` list of the second version: metrics are a list of names and values."""
    return [
        {
            "timeframe_start": views.stamp(start),
            "timeframe_end": views.stamp(end),
            "metrics": [{"metric_name": metric, "value": sums.get(metric, 0)} for metric in metrics],
        }
        for start, end, sums in frames
    ]
