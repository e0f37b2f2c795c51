"""A tenant as the fleet knows it: the least that must be kept to compare it with Neon and to count it.

Whole objects would cost three times as much memory (docs/decisions/0001-kopf-as-a-trigger.md), and the models
of their parts five times: most of a hundred thousand tenants say the same of their tier.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from sys import intern
from typing import Self

from neon_tenants.api.conditions import ConditionStatus, ConditionType
from neon_tenants.api.database_tier import DeletionPolicy, Overrides
from neon_tenants.api.tenant_database import AppliedTier, Meter, Usage
from neon_tenants.core.key import Key
from neon_tenants.core.observed import Tenant, is_told_paused
from neon_tenants.core.quota import QUOTA_KINDS

Meters = tuple[str | None, tuple[int | None, ...]]
"""The end of the period, and of each quota what is used, its limit, and how much that is in percent."""


@dataclass(frozen=True, slots=True)
class Record:
    """What the watch told last of one tenant. None where its status says nothing of it yet."""

    key: Key
    uid: str
    version: int
    created: float
    """Seconds of the epoch, by the API server's clock."""
    tier: str
    """Asked for."""
    applied: AppliedTier | None
    overrides: Overrides | None
    suspended: bool
    paused: bool
    """By its own annotation, or by what its status tells of: its Namespace, or all."""
    deleting: bool
    held: bool
    """Whether our finalizer stands."""
    marked: float | None
    """When it was marked for deletion, in seconds of the epoch, while our finalizer stands."""
    deletion_policy: DeletionPolicy | None
    settled_generation: bool
    """Whether the status speaks of the spec as it is."""
    project_id: str | None
    region: str | None
    ready: ConditionStatus
    reason: str
    """Of the Ready condition."""
    since: str
    """RFC 3339: when Ready last changed."""
    stalled: bool
    meters: Meters | None
    """None where its status tells of no usage."""
    conditions: frozenset[str]
    """Types of the conditions that are True."""
    shard: str | None = None
    """As its status tells it; nobody but its uid says which it is."""

    @property
    def usage(self) -> Usage | None:
        """As the status tells it."""
        return None if self.meters is None else _unpacked(self.meters)

    @property
    def fullest(self) -> int:
        """How much is used, in percent, of the quota of which the most is."""
        return 0 if self.meters is None else max(percent or 0 for percent in self.meters[1][2::3])

    @classmethod
    def of(cls, tenant: Tenant) -> Self:
        """The record of a tenant as it was read."""
        status = tenant.status
        ready = next((c for c in status.conditions if c.type == ConditionType.READY), None)
        true = _same(frozenset(c.type for c in status.conditions if c.status is ConditionStatus.TRUE))
        return cls(
            key=Key(intern(tenant.namespace), tenant.name),
            uid=tenant.uid,
            version=tenant.version,
            created=tenant.created,
            tier=intern(tenant.spec.tier),
            applied=None if status.tier is None else _applied(status.tier),
            overrides=tenant.spec.overrides,
            suspended=tenant.suspended,
            paused=tenant.paused or is_told_paused(status),
            deleting=tenant.deleting,
            held=tenant.has_finalizer,
            marked=tenant.marked if tenant.has_finalizer else None,
            deletion_policy=tenant.spec.deletion_policy,
            settled_generation=status.observed_generation == tenant.generation,
            project_id=status.project_id,
            region=None if status.region is None else intern(status.region),
            ready=ready.status if ready else ConditionStatus.UNKNOWN,
            reason=intern(ready.reason) if ready else "",
            since=ready.last_transition_time if ready else "",
            stalled=ConditionType.STALLED in true,
            meters=None if status.usage is None else packed(status.usage),
            conditions=true,
            shard=None if status.shard is None else intern(status.shard),
        )


def packed(usage: Usage) -> Meters:
    """The usage as a record keeps it: in a tenth of the memory."""
    meters = (getattr(usage, kind.attribute) for kind in QUOTA_KINDS)
    numbers = ((meter.used, meter.limit, meter.percent) if meter else (None,) * 3 for meter in meters)
    return usage.period_end, tuple(chain.from_iterable(numbers))


def _unpacked(meters: Meters) -> Usage:
    period_end, numbers = meters
    triples = zip(QUOTA_KINDS, numbers[::3], numbers[1::3], numbers[2::3], strict=True)
    told = {
        kind.attribute: Meter(used=used, limit=limit, percent=percent)
        for kind, used, limit, percent in triples
        if used is not None
    }
    return Usage(period_end=period_end, **told)


@lru_cache(maxsize=256)
def _same(conditions: frozenset[str]) -> frozenset[str]:
    return conditions


def _applied(tier: AppliedTier) -> AppliedTier:
    """The one that all tenants of a tier share."""
    return _shared(tier.name, tier.generation, tuple(tier.not_taken), tuple(tier.waiting))


@lru_cache(maxsize=1024)
def _shared(name: str, generation: int, not_taken: tuple[str, ...], waiting: tuple[str, ...]) -> AppliedTier:
    return AppliedTier(name=name, generation=generation, not_taken=list(not_taken), waiting=list(waiting))
