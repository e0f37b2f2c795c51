"""The fleet on one screen: by tier and region, and who has been waiting longest."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from neon_tenants.api.conditions import ConditionStatus, ConditionType
from neon_tenants.core.record import Record
from neon_tenants.core.tally import OTHER
from neon_tenants.core.timestamp import stamp

MAX_GROUPS: Final = 40
"""Lines of the screen; the smallest groups come together in one more."""
MAX_UNREADY: Final = 10


@dataclass(slots=True)
class Group:
    """The tenants of a tier in a region, by how they do."""

    tier: str
    region: str
    tenants: int = 0
    ready: int = 0
    working: int = 0
    """Neither Ready nor Stalled."""
    stalled: int = 0
    quota_near: int = 0
    quota_exceeded: int = 0

    def take(self, other: Group) -> None:
        """Adds another group's numbers."""
        self.tenants += other.tenants
        self.ready += other.ready
        self.working += other.working
        self.stalled += other.stalled
        self.quota_near += other.quota_near
        self.quota_exceeded += other.quota_exceeded


@dataclass(frozen=True, slots=True)
class Unready:
    """A tenant that is not Ready."""

    namespace: str
    name: str
    tier: str
    reason: str
    since: str
    """RFC 3339: of its condition, or of the resource where nobody has looked yet."""


def groups(records: Iterable[Record]) -> list[Group]:
    """At most `MAX_GROUPS` and one more, in order of tier and region."""
    found: dict[tuple[str, str], Group] = {}
    for record in records:
        where = (record.tier, record.region or "")
        group = found.get(where)
        if group is None:
            group = found[where] = Group(*where)
        group.tenants += 1
        if record.ready is ConditionStatus.TRUE:
            group.ready += 1
        elif record.stalled:
            group.stalled += 1
        else:
            group.working += 1
        group.quota_near += ConditionType.QUOTA_NEAR in record.conditions
        group.quota_exceeded += ConditionType.QUOTA_EXCEEDED in record.conditions
    largest = sorted(found.values(), key=lambda group: (-group.tenants, group.tier, group.region))
    shown = sorted(largest[:MAX_GROUPS], key=lambda group: (group.tier, group.region))
    rest = Group(OTHER, "")
    for group in largest[MAX_GROUPS:]:
        rest.take(group)
    return [*shown, rest] if rest.tenants else shown


def unready(records: Iterable[Record]) -> list[Unready]:
    """Those that have not been Ready for longest, at most `MAX_UNREADY`."""
    waiting = (
        Unready(record.key.namespace, record.key.name, record.tier, record.reason, _since(record))
        for record in records
        if record.ready is not ConditionStatus.TRUE
    )
    return heapq.nsmallest(MAX_UNREADY, waiting, key=lambda one: (one.since, one.namespace, one.name))


def _since(record: Record) -> str:
    return record.since or stamp(datetime.fromtimestamp(record.created, UTC))
