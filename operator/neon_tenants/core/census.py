"""The census of a tier: how far each of its tenants is with the tier's latest generation.

It is counted once, and then follows each record that changes: a look at a rollout costs what has changed
since the last one, and not what there is.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from itertools import islice
from math import ceil
from typing import Final

from neon_tenants.api.conditions import ConditionStatus
from neon_tenants.api.database_tier import RolloutStatus
from neon_tenants.core.entitlement import Tier
from neon_tenants.core.key import Key
from neon_tenants.core.record import Record
from neon_tenants.core.timestamp import seconds


class Standing(Enum):
    """How far a tenant is with its tier's latest generation."""

    APART = "apart"
    """Not of the tier yet, or on its way out: the rollout does not count it."""
    UPDATED = "updated"
    WAITING = "waiting"
    """It has all but the size of its compute, which changes when it is idle."""
    FAILED = "failed"
    """It stalled since the rollout began: a person must look at it."""
    SICK = "sick"
    """It was not Ready before: nobody waits for it, and it gets the change when it gets well."""
    HELD = "held"
    """A person said hands off."""
    TO_COME = "to come"


def standing(record: Record, tier: Tier, started: str) -> Standing:
    """How far a tenant is. `started` is RFC 3339, as `since`: they are compared as texts.

    | # | tenant | standing |
    |---|---|---|
    | 1 | deleted, or nothing applied yet, or another tier | APART |
    | 2 | has this generation, the size of its compute waits | WAITING |
    | 3 | has this generation | UPDATED |
    | 4 | paused by a person | HELD |
    | 5 | not Ready since before the rollout | SICK |
    | 6 | stalled | FAILED |
    | 7 | else | TO_COME |
    """
    applied = record.applied
    if record.deleting or applied is None or applied.name != tier.name or record.tier != tier.name:
        return Standing.APART
    if applied.generation == tier.generation:
        return Standing.WAITING if applied.waiting else Standing.UPDATED
    if record.paused:
        return Standing.HELD
    if record.ready is not ConditionStatus.TRUE and record.since < started:
        return Standing.SICK
    return Standing.FAILED if record.stalled else Standing.TO_COME


_COUNTED_ALONE: Final = frozenset({Standing.APART, Standing.UPDATED})
"""Nobody asks who they are, and at rest they are all."""
_TO_DO: Final = frozenset({Standing.TO_COME, Standing.SICK})
_CANARIES: Final = frozenset({Standing.UPDATED, Standing.WAITING, Standing.FAILED, Standing.TO_COME})


class Order:
    """Tenants as a rollout takes them: mixed, and the same after a restart."""

    def __init__(self, generation: int, records: Iterable[Record]) -> None:
        self._generation = generation
        self._line = sorted(self._place(record) for record in records)

    def __len__(self) -> int:
        return len(self._line)

    def __iter__(self) -> Iterator[Key]:
        return (key for _, key in self._line)

    def add(self, record: Record) -> None:
        """One more."""
        insort(self._line, self._place(record))

    def remove(self, record: Record) -> None:
        """One less, that is among them."""
        del self._line[bisect_left(self._line, self._place(record))]

    def _place(self, record: Record) -> tuple[bytes, Key]:
        mixed = hashlib.sha256(f"{record.uid}/{self._generation}".encode()).digest()
        return mixed, record.key


class Census:
    """The tenants of a tier, by how far they are with a rollout that began at `started` (RFC 3339).

    Without `canaries` it does not know who they are: they are a third of what it remembers, and of its work.
    """

    def __init__(self, tier: Tier, records: Iterable[Record], started: str, *, canaries: bool = True) -> None:
        self._tier = tier
        self.started = started
        self._since = seconds(started)
        self._counts: Counter[Standing] = Counter()
        self._named: dict[Standing, set[Key]] = {
            kind: set() for kind in Standing if kind not in _COUNTED_ALONE
        }
        there = [(record, standing(record, tier, started)) for record in records]
        for record, kind in there:
            self._count(record, kind)
        self._to_do = Order(tier.generation, (record for record, kind in there if kind in _TO_DO))
        self._there: Order | None = None
        """The canaries first."""
        if canaries:
            may_be = (record for record, kind in there if self._may_be_canary(record, kind))
            self._there = Order(tier.generation, may_be)

    def change(self, before: Record | None, after: Record | None) -> None:
        """A record has changed, is new, or is gone."""
        if before is not None:
            self._leave(before, standing(before, self._tier, self.started))
        if after is not None:
            self._enter(after, standing(after, self._tier, self.started))

    def _enter(self, record: Record, kind: Standing) -> None:
        self._count(record, kind)
        if kind in _TO_DO:
            self._to_do.add(record)
        if self._there is not None and self._may_be_canary(record, kind):
            self._there.add(record)

    def _count(self, record: Record, kind: Standing) -> None:
        self._counts[kind] += 1
        if kind not in _COUNTED_ALONE:
            self._named[kind].add(record.key)

    def _leave(self, record: Record, kind: Standing) -> None:
        self._counts[kind] -= 1
        if kind not in _COUNTED_ALONE:
            self._named[kind].remove(record.key)
        if kind in _TO_DO:
            self._to_do.remove(record)
        if self._there is not None and self._may_be_canary(record, kind):
            self._there.remove(record)

    def _may_be_canary(self, record: Record, kind: Standing) -> bool:
        """Whether it was there when the rollout began: later ones have it anyway."""
        return kind in _CANARIES and record.created <= self._since

    def count(self, kind: Standing) -> int:
        """How many have this standing."""
        return self._counts[kind]

    def keys(self, kind: Standing) -> frozenset[Key]:
        """Who has it; of those who are up to date, or apart, nobody keeps the names."""
        return frozenset(self._named[kind])

    def has(self, key: Key, *kinds: Standing) -> bool:
        """Whether this tenant has one of these standings."""
        return any(key in self._named[kind] for kind in kinds)

    def counted(self, status: RolloutStatus) -> RolloutStatus:
        """The status with the numbers of this moment."""
        return status.model_copy(
            update={
                "updated": self._counts[Standing.UPDATED],
                "waiting": self._counts[Standing.WAITING],
                "failed": self._counts[Standing.FAILED],
                "total": self._counts.total() - self._counts[Standing.APART],
            }
        )

    def to_do(self, most: int | None, mine: Callable[[Key], bool]) -> tuple[Key, ...]:
        """The first of mine who are without it, the sick ones too, in the order in which it reaches them."""
        return tuple(islice(filter(mine, self._to_do), most))

    @property
    def knows_canaries(self) -> bool:
        """Whether it can tell who they are."""
        return self._there is not None

    def canaries(self, percent: int) -> tuple[Key, ...]:
        """The first so many percent of the tenants that were there when the rollout began; one at least."""
        assert self._there is not None
        return tuple(islice(self._there, max(1, ceil(len(self._there) * percent / 100))))

    def forget_canaries(self) -> None:
        """Nobody will ask for them any more."""
        self._there = None
