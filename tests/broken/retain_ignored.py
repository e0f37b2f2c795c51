"""Every project is deleted with its resource."""

from __future__ import annotations

from collections.abc import Callable

from broken import breaks
from neon_tenants.api.database_tier import DeletionPolicy
from neon_tenants.core.entitlement import Tier
from neon_tenants.core.observed import Tenant

Policy = Callable[[Tenant, Tier | None], DeletionPolicy]


def _broken(_original: Policy) -> Policy:
    return lambda _tenant, _tier: DeletionPolicy.DELETE


breaks(Tenant, "deletion_policy", _broken)
