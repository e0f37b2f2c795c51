"""Which tenants and tiers there are, as far as the watch has told."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeVar

from neon_tenants.core.entitlement import Tier
from neon_tenants.core.key import Key
from neon_tenants.core.observed import Tenant
from neon_tenants.core.record import Record

IndexT = TypeVar("IndexT", bound=Hashable)

Changed = Callable[[Record | None, Record | None], None]
"""Told of a record as it was and as it is; None where there was none, or is none any more."""


class Roster:
    """Tiers by name, and a record of each tenant."""

    def __init__(self) -> None:
        self._tiers: dict[str, Tier] = {}
        self._records: dict[Key, Record] = {}
        self._tenants_of: dict[str, set[Key]] = {}
        self._claims: dict[tuple[str, str], set[Key]] = {}
        self._marked: set[Key] = set()
        self._new: dict[Key, Tenant] = {}
        self._listeners: list[Changed] = []

    def listen(self, changed: Changed) -> None:
        """From now on, `changed` is told of each record that changes, is new, or is gone."""
        self._listeners.append(changed)

    def __len__(self) -> int:
        return len(self._records)

    def tier(self, name: str) -> Tier | None:
        """The tier of this name."""
        return self._tiers.get(name)

    def tiers(self) -> list[Tier]:
        """All tiers."""
        return list(self._tiers.values())

    def put_tier(self, tier: Tier) -> bool:
        """Notes a tier; whether its generation is new."""
        known = self._tiers.get(tier.name)
        self._tiers[tier.name] = tier
        return known is None or known.generation != tier.generation

    def wrote_tier(self, before: Tier, after: Tier) -> None:
        """Notes a tier as a write of ours left it, unless an event has told of another state meanwhile.

        The answer may come after the event of what somebody wrote next, which nothing tells again.
        """
        known = self._tiers.get(before.name)
        if known is not None and known.resource_version == before.resource_version:
            self._tiers[before.name] = after

    def drop_tier(self, name: str) -> None:
        """The tier is gone."""
        self._tiers.pop(name, None)

    def put(self, record: Record, new: Tenant | None = None) -> None:
        """Notes a tenant as it is now; one that nobody has touched yet, as a whole."""
        before = self._remove(record.key)
        self._records[record.key] = record
        if new is not None:
            self._new[record.key] = new
        self._tenants_of.setdefault(record.tier, set()).add(record.key)
        for tier in _claimed(record):
            self._claims.setdefault((record.key.namespace, tier), set()).add(record.key)
        if record.marked is not None:
            self._marked.add(record.key)
        self._tell(before, record)

    def drop(self, key: Key) -> None:
        """The tenant is gone."""
        before = self._remove(key)
        if before is not None:
            self._tell(before, None)

    def _tell(self, before: Record | None, after: Record | None) -> None:
        for changed in self._listeners:
            changed(before, after)

    def _remove(self, key: Key) -> Record | None:
        self._new.pop(key, None)
        record = self._records.pop(key, None)
        if record is not None:
            self._marked.discard(key)
            _discard(self._tenants_of, record.tier, key)
            for tier in _claimed(record):
                _discard(self._claims, (key.namespace, tier), key)
        return record

    def record(self, key: Key) -> Record | None:
        """The record of this tenant."""
        return self._records.get(key)

    def version(self, key: Key) -> int:
        """The newest version that the watch told of this tenant; 0 if it told of none."""
        record = self._records.get(key)
        return 0 if record is None else record.version

    def take_new(self, key: Key) -> Tenant | None:
        """The tenant as the watch told it, if nobody has touched it yet; once."""
        return self._new.pop(key, None)

    def records(self) -> Iterable[Record]:
        """All tenants. The roster must not change while they are gone through: no `await` in between."""
        return self._records.values()

    def marked(self) -> list[Record]:
        """The tenants that are marked for deletion and held by our finalizer."""
        return [self._records[key] for key in self._marked]

    def all_keys(self) -> list[Key]:
        """The keys of all tenants."""
        return list(self._records)

    def count_of(self, tier: str) -> int:
        """How many tenants ask for a tier."""
        return len(self._tenants_of.get(tier, ()))

    def records_of(self, tier: str) -> Iterator[Record]:
        """The tenants that ask for a tier, as records. The roster must not change meanwhile."""
        return (self._records[key] for key in self._tenants_of.get(tier, ()))

    def claims(self, namespace: str, tier: str) -> list[Record]:
        """The tenants of a namespace that ask for a tier, or still have it while they ask for another."""
        return [self._records[key] for key in self._claims.get((namespace, tier), ())]


def _claimed(record: Record) -> set[str]:
    return {record.tier} if record.applied is None else {record.tier, record.applied.name}


def _discard(index: dict[IndexT, set[Key]], entry: IndexT, key: Key) -> None:
    index[entry].discard(key)
    if not index[entry]:
        del index[entry]
