"""Compute sizes and suspend timeouts: what Neon takes, and what it makes of it."""

from __future__ import annotations

from neon_sandbox.emulator import errors
from neon_sandbox.emulator.plans import Plan

SIZES = frozenset({0.25, 0.5, *map(float, range(1, 17)), *map(float, range(18, 57, 2))})
"""Compute units that exist: https://neon.com/docs/manage/computes."""

DEFAULT_MIN_CU = 0.25
DEFAULT_MAX_CU = 2.0
DEFAULT_SUSPEND_SECONDS = 300
_MAX_SPAN = 8.0
_AUTOSCALING_CEILING = 16.0


def chosen(minimum: float | None, maximum: float | None) -> tuple[float, float]:
    """Fills in what the request left open; an open end gives way to the one that was given."""
    if minimum is None:
        minimum = DEFAULT_MIN_CU if maximum is None else min(DEFAULT_MIN_CU, maximum)
    if maximum is None:
        maximum = max(DEFAULT_MAX_CU, minimum)
    return minimum, maximum


def check(minimum: float, maximum: float, plan: Plan) -> None:
    """Raises ApiError 400 for a pair that Neon or the plan does not have."""
    for size in (minimum, maximum):
        if size not in SIZES:
            raise errors.invalid(f"compute size {size:g} is not supported")
    if minimum > maximum:
        raise errors.invalid("autoscaling_limit_min_cu must not be greater than autoscaling_limit_max_cu")
    if minimum != maximum:
        if maximum > _AUTOSCALING_CEILING:
            raise errors.invalid("computes larger than 16 CU must have a fixed size")
        if maximum - minimum > _MAX_SPAN:
            raise errors.invalid("the difference between minimum and maximum compute size cannot exceed 8 CU")
    allowed = plan.fixed_cu if minimum == maximum else plan.autoscaling_cu
    if maximum > allowed:
        raise errors.invalid(
            f"requested autoscaling limit exceeds allowed maximum; "
            f'requested_autoscaling_limit_max_cu:"{maximum:g}", max:"{allowed:g}"'
        )


def suspend_timeout(seconds: int, plan: Plan) -> int:
    """What Neon stores for a requested timeout; raises ApiError 400 for one that does not exist.

    -1 is never, 0 the plan's default. A plan that does not allow the value stores 0 without a word
    (neondatabase/neon#4915), and the default itself comes back as 0.
    """
    if seconds not in (-1, 0) and not 60 <= seconds <= 604_800:
        raise errors.invalid("suspend_timeout_seconds must be -1, 0, or between 60 and 604800")
    if plan.suspend_timeout == "fixed":
        return 0
    if plan.suspend_timeout == "on-off":
        return min(seconds, 0)
    return 0 if seconds == DEFAULT_SUSPEND_SECONDS else seconds


def effective_suspend_timeout(stored: int) -> float | None:
    """Seconds without a connection after which a compute goes idle; None is never."""
    if stored < 0:
        return None
    return float(stored or DEFAULT_SUSPEND_SECONDS)
