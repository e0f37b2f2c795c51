"""What goes first when there is more to do than workers, or than requests that Neon allows."""

from __future__ import annotations

from enum import IntEnum

from neon_tenants.core.entitlement import Tier
from neon_tenants.core.observed import Tenant


class Lane(IntEnum):
    """First to last: somebody waits for the upper three."""

    CREATE = 0
    """A tenant that was never Ready."""
    CHANGE = 1
    """A person changed one tenant, or asked for a look at it."""
    DELETE = 2
    REPAIR = 3
    """A tenant that was Ready and is not."""
    ROLLOUT = 4
    """A changed tier reaches its tenants."""
    SWEEP = 5
    """A look in passing."""

    @property
    def label(self) -> str:
        """As metrics and `neon-tenant-operator status` name it."""
        return self.name.lower()


def lane_of(tenant: Tenant, tier: Tier | None) -> Lane:
    """The lane of a tenant that is not settled, whatever told us of it.

    `applied` is the tier that its status names, `spoken for` says whether the status is of this spec and of
    the last look that was asked for.

    | deleting | applied | spoken for | lane |
    |---|---|---|---|
    | yes | any | any | DELETE |
    | no | none | any | CREATE |
    | no | some | no | CHANGE |
    | no | an older generation of the tier | yes | ROLLOUT |
    | no | the tier as it is, or there is no tier | yes | REPAIR |
    """
    status = tenant.status
    if tenant.deleting:
        return Lane.DELETE
    if status.tier is None:
        return Lane.CREATE
    if status.observed_generation != tenant.generation or tenant.thorough:
        return Lane.CHANGE
    if tier is not None and (status.tier.name, status.tier.generation) != (tier.name, tier.generation):
        return Lane.ROLLOUT
    return Lane.REPAIR
