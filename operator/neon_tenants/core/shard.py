"""Shards: parts of the fleet, and which replica works on which tenant.

A tenant's shard follows from its uid alone. Its status tells it, too, so that the API server can keep a
replica's watch to its own part; who reads it there compares it with the uid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from zlib import crc32

from neon_tenants.core.entitlement import Tier
from neon_tenants.core.record import Record

MOST: Final = 32
"""Shards at the most. Each replica looks at each shard's Lease every few seconds."""
SELECTED: Final = "status.shard"
"""The selectable field of a TenantDatabase that tells its shard."""


def shard_of(uid: str, count: int) -> int:
    """The number of the shard, of so many, that a tenant is in."""
    return crc32(uid.encode()) % count


def told(uid: str, count: int) -> str | None:
    """As a tenant's status tells it, such as `1of4`; None where the fleet is not split."""
    return None if count == 1 else name(shard_of(uid, count), count)


def name(shard: int, count: int) -> str:
    """A shard as statuses and Leases name it. Of another count, it is another shard."""
    return f"{shard}of{count}"


@dataclass(frozen=True, slots=True)
class Scope:
    """What one replica works on."""

    count: int
    """Of the shards."""
    held: frozenset[int]
    """The shards whose Leases it holds."""

    @property
    def conducts(self) -> bool:
        """Whether it does what is done for the whole fleet. Who holds the first shard does."""
        return 0 in self.held

    @property
    def is_split(self) -> bool:
        """Whether there are others that work."""
        return self.count > 1

    def holds(self, uid: str) -> bool:
        """Whether the tenant's shard is held."""
        return shard_of(uid, self.count) in self.held

    def sees(self, uid: str) -> bool:
        """Whether the replica is to know the tenant: who conducts knows all."""
        return self.conducts or self.holds(uid)

    @property
    def selector(self) -> str:
        """What the API server is to leave out of lists and watches; empty for nothing.

        What is named is what others hold: a new tenant tells no shard yet, and all get to see it.
        """
        if self.conducts:
            return ""
        others = (shard for shard in range(self.count) if shard not in self.held)
        return ",".join(f"{SELECTED}!={name(shard, self.count)}" for shard in others)

    def works_on(self, record: Record, tier: Tier | None) -> bool:
        """Whether what the watch tells of a tenant is for this replica to act on.

        | the status tells | the tenant | who works on it |
        |---|---|---|
        | another shard than its uid, of this count | any | who conducts: the holder does not see it |
        | else | has no place yet in a tier that takes only so many | who conducts: it alone knows all |
        | else | else | who holds its shard |
        """
        if self.is_misplaced(record) or _waits_for_place(record, tier):
            return self.conducts
        return self.holds(record.uid)

    def is_misplaced(self, record: Record) -> bool:
        """Whether the status tells a shard in which nobody looks for the tenant."""
        if record.shard is None or not record.shard.endswith(f"of{self.count}"):
            return False
        return record.shard != told(record.uid, self.count)


def _waits_for_place(record: Record, tier: Tier | None) -> bool:
    if tier is None or tier.spec.max_tenants_per_namespace is None or record.deleting:
        return False
    return record.applied is None or record.applied.name != record.tier


WHOLE: Final = Scope(1, frozenset({0}))
"""That of a replica that works alone."""
