"""What is made of times: percentiles, and how many requests a limit that counts over a window would see."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable


def busiest(times: Iterable[float], window: float) -> int:
    """The most in any window of so many seconds, both of its ends included."""
    most, inside = 0, deque[float]()
    for time in sorted(times):
        inside.append(time)
        while inside[0] < time - window:
            inside.popleft()
        most = max(most, len(inside))
    return most


def percentile(values: Iterable[float], percent: float) -> float:
    """The smallest value that so many percent are not above; NaN where there are none."""
    ordered = sorted(values)
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
