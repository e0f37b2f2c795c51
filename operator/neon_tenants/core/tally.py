"""The fleet in numbers, counted from the records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from neon_tenants.api.conditions import ConditionType, Reason
from neon_tenants.core.record import Record

OTHER: Final = "other"
"""What is not named one by one, so that nobody's choice of names makes more and more of them."""
MAX_TIERS: Final = 100
"""Tiers that are named one by one."""

_REASONS: Final = frozenset(reason.value for reason in Reason)
_CONDITIONS: Final = frozenset(kind.value for kind in ConditionType)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many tenants there are of each kind."""

    states: Counter[tuple[str, ...]]
    """By tier, status of Ready and its reason."""
    conditions: Counter[tuple[str, ...]]
    """By tier and type of a condition that is True."""


def tally(records: Iterable[Record], tiers: Iterable[str]) -> Tally:
    """Counts tenants. Only `tiers`, which are those that there are, are named, and of them `MAX_TIERS`.

    Anybody who may write a TenantDatabase may name any tier.
    """
    named = frozenset(sorted(tiers)[:MAX_TIERS])
    # Alike tenants are counted first: a fleet of 100,000 has some dozens of kinds.
    kinds = Counter((record.tier, record.ready, record.reason, record.conditions) for record in records)
    states: Counter[tuple[str, ...]] = Counter()
    conditions: Counter[tuple[str, ...]] = Counter()
    for (asked, ready, told, true), count in kinds.items():
        tier = asked if asked in named else OTHER
        states[tier, ready.value, told if told in _REASONS else OTHER] += count
        for condition in true & _CONDITIONS:
            conditions[tier, condition] += count
    return Tally(states, conditions)
