"""Each configuration and each broken variant of the protocol, and what exploring it must show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from model import baseline
from model.explorer import Verdict, explore


@dataclass(frozen=True, slots=True)
class Variant:
    """One row of the table."""

    name: str
    run: Callable[[], Verdict]
    broken: str | None = None
    """The property that must be seen violated; None where all must hold."""
    states: int | None = None
    """How many states there are, where that was counted before."""
    steps: int | None = None
    """How long the shortest way into the violation is."""
    long: bool = False
    """Whether it takes more than a few seconds."""


def _baseline(**rules: bool) -> Callable[[], Verdict]:
    return partial(_explore_baseline, baseline.Rules(**rules))


def _explore_baseline(rules: baseline.Rules) -> Verdict:
    return explore(baseline.protocol(rules))


# Timing dropped, and a person removes what the orphan report lists: S3 and S4 are not checked.
_LATE: dict[str, Any] = {"bounded_pause": False, "orphan_sweep": True}

BASELINE = (
    Variant("the protocol", _baseline(), states=34_673),
    Variant("without the intent", _baseline(intent=False), "S3", steps=10),
    Variant("the intent without compare-and-swap", _baseline(cas=False), "S4", steps=13),
    Variant("a POST on another's living intent", _baseline(wait_for_others=False), "S4", steps=13),
    Variant("a time-out clears the intent", _baseline(error_is_not_failure=False), "S3", steps=11),
    Variant("an incomplete list read as empty", _baseline(partial_is_unknown=False), "S3", steps=13),
    Variant("let go while an intent is alive", _baseline(delete_waits_for_intent=False), "S3", steps=10),
    Variant("the finalizer is not first", _baseline(finalizer_first=False), "S3", steps=4),
    Variant("the intent cleared on recording", _baseline(keep_intent_until_expiry=False), states=21_593),
    Variant("the Secret records, the status follows", _baseline(secret_records=True), states=37_311),
    Variant("no second look after recording", _baseline(relist_after_record=False), states=34_673),
    Variant("a POST may leave after its deadline", _baseline(bounded_pause=False), "S3", steps=11),
    Variant("... and orphans are removed by hand", _baseline(**_LATE), states=361_811, long=True),
    Variant(
        "... and the Secret records",
        _baseline(**_LATE, secret_records=True),
        states=426_113,
        long=True,
    ),
    Variant(
        "... and no second look after recording",
        _baseline(**_LATE, relist_after_record=False),
        "L1",
        long=True,
    ),
)
