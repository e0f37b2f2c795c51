"""A tenant as the fleet knows it: the least that must be kept to compare it with Neon and to count it.

Whole objects would cost three times as much memory (docs/decisions/0001-kopf-as-a-trigger.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from neon_tenants.api.conditions import ConditionStatus, ConditionType
from neon_tenants.api.database_tier import DeletionPolicy, Overrides
from neon_tenants.api.tenant_database import AppliedTier, Usage
from neon_tenants.core.key import Key
from neon_tenants.core.observed import Tenant, is_told_paused


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
    usage: Usage | None
    conditions: frozenset[str]
    """Types of the conditions that are True."""

    @classmethod
    def of(cls, tenant: Tenant) -> Self:
        """The record of a tenant as it was read."""
        status = tenant.status
        ready = next((c for c in status.conditions if c.type == ConditionType.READY), None)
        true = frozenset(c.type for c in status.conditions if c.status is ConditionStatus.TRUE)
        return cls(
            key=Key(tenant.namespace, tenant.name),
            uid=tenant.uid,
            version=tenant.version,
            created=tenant.created,
            tier=tenant.spec.tier,
            applied=status.tier,
            overrides=tenant.spec.overrides,
            suspended=tenant.suspended,
            paused=tenant.paused or is_told_paused(status),
            deleting=tenant.deleting,
            held=tenant.has_finalizer,
            marked=tenant.marked if tenant.has_finalizer else None,
            deletion_policy=tenant.spec.deletion_policy,
            settled_generation=status.observed_generation == tenant.generation,
            project_id=status.project_id,
            region=status.region,
            ready=ready.status if ready else ConditionStatus.UNKNOWN,
            reason=ready.reason if ready else "",
            since=ready.last_transition_time if ready else "",
            stalled=ConditionType.STALLED in true,
            usage=status.usage,
            conditions=true,
        )
