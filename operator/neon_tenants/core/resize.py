"""When a compute changes its size: another one restarts it, and ends the connections that it has."""

from __future__ import annotations

from typing import Final

from neon_tenants.api.database_tier import ComputeRollout
from neon_tenants.core.observed import Observed, is_pending
from neon_tenants.core.project import MAX_CU, MIN_CU, Endpoint, Limits, compute_differences

SIZES: Final = frozenset({MIN_CU, MAX_CU})


def waits(observed: Observed, endpoint: Endpoint, differing: frozenset[str]) -> frozenset[str]:
    """Which of the settings that differ wait until the compute is idle.

    | # | observed | result |
    |---|---|---|
    | 1 | the compute is idle | none |
    | 2 | it is disabled, or about to be | none |
    | 3 | no rollout of the tenant's own tier brings it | none |
    | 4 | the tier says `rollout.compute: Immediately` | none |
    | 5 | the tenant's spec was changed, and overrides the compute | none |
    | 6 | else | the sizes |
    """
    tenant, tier = observed.tenant, observed.tier
    if endpoint.idle or endpoint.disabled or tenant.suspended or tier is None:
        return frozenset()
    if not is_pending(tenant.status.tier, tier) and not observed.owed:
        return frozenset()
    if tier.spec.rollout is not None and tier.spec.rollout.compute is ComputeRollout.IMMEDIATELY:
        return frozenset()
    changed = tenant.status.observed_generation != tenant.generation
    if changed and tenant.spec.overrides is not None and tenant.spec.overrides.compute is not None:
        return frozenset()
    return differing & SIZES


def waiting(observed: Observed, limits: Limits) -> frozenset[str]:
    """The settings of all computes that wait; what stands in the status, where no compute was read."""
    if observed.endpoints is None:
        return observed.owed
    found = (
        waits(observed, endpoint, compute_differences(limits.compute, endpoint.compute))
        for endpoint in observed.endpoints
    )
    return frozenset().union(*found)
