"""Obstacles: what stands against a tenant, and only somebody else can take away."""

from __future__ import annotations

from typing import Final

from neon_tenants.api.conditions import Reason
from neon_tenants.core.entitlement import Refusal, granted, refused_room, refused_start
from neon_tenants.core.observed import Observed
from neon_tenants.core.project import Limits
from neon_tenants.core.secret import Conflict, Foreign
from neon_tenants.core.steps import Rest

STALLED_AGAIN: Final = 300.0
"""Seconds between looks while only a person, or something that sends no event, can help."""


def obstacle_of(observed: Observed) -> Rest | None:
    """What stands against a tenant for which nothing was made yet."""
    limits = granted(observed.tenant.spec, observed.tier, observed.namespace_labels)
    if isinstance(limits, Refusal):
        return refused(limits)
    assert observed.tier is not None
    if refusal := refused_start(observed.tenant.spec, observed.tier, observed.older_tenants):
        return refused(refusal)
    return secret_taken(observed)


def entitled(observed: Observed) -> Limits | Refusal:
    """What the tier grants a tenant whose project stands; one from another tier needs room as well."""
    limits = granted(observed.tenant.spec, observed.tier, observed.namespace_labels)
    applied, tier = observed.tenant.status.tier, observed.tier
    if isinstance(limits, Refusal) or applied is None or tier is None or applied.name == tier.name:
        return limits
    return refused_room(tier, observed.older_tenants) or limits


def refused(refusal: Refusal) -> Rest:
    """The tier says no."""
    # A namespace's labels or another tenant may change without an event for this one.
    return Rest(refusal.reason, refusal.message, stalled=True, again=STALLED_AGAIN)


def secret_taken(observed: Observed) -> Rest | None:
    """Somebody else's Secret stands where ours should; it is never overwritten, and is no login of ours."""
    name = observed.tenant.secret_name
    advice = (
        "It is left as it is. Delete it, or create this resource again with another connectionSecret.name."
    )
    match observed.secret:
        case Foreign():
            message = f"A Secret {name} exists that this operator did not write. {advice}"
            return Rest(Reason.SECRET_NOT_OURS, message, available=False, stalled=True, again=STALLED_AGAIN)
        case Conflict(owner):
            message = (
                f"The Secret {name} belongs to the TenantDatabase {owner or 'of another name'}. {advice}"
            )
            return Rest(Reason.SECRET_CONFLICT, message, available=False, stalled=True, again=STALLED_AGAIN)
        case _:
            return None
