"""Imported before an operator's program: its clock of the wall is some time off, by SKEW in seconds."""

from __future__ import annotations

import datetime as dt
import time

from neon_tenants import assembly

SKEW = 3600.0
_true_time = time.time


def _time() -> float:
    return _true_time() + SKEW


class _Datetime(dt.datetime):
    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> _Datetime:
        return cls.fromtimestamp(_time(), tz)


time.time = _time
assembly.datetime = _Datetime  # type: ignore[attr-defined]
