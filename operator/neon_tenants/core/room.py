"""Room in a tier: who of a namespace comes before whom, where a tier takes only so many.

Nothing that decides here is a tenant's to write, except that our finalizer can be brought along when a
resource is created: it moves a tenant forward among those that wait, and never past one that is in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from neon_tenants.core.observed import Tenant
from neon_tenants.core.record import Record


@dataclass(frozen=True, slots=True)
class Claim:
    """A tenant's claim to a place in a tier."""

    uid: str
    created: float
    """Seconds of the epoch, by the API server's clock."""
    has: bool
    """Whether its status says that it has the tier. Tenants cannot write that."""
    let_in: bool
    """Whether this process let it in, and its status may not say so yet."""
    held: bool
    """Whether our finalizer stands: perhaps another process let it in, or this one before a restart."""

    @classmethod
    def of(cls, found: Tenant | Record, tier: str, *, let_in: bool) -> Self:
        """The claim of a tenant, as it was read or as the watch told it."""
        if isinstance(found, Tenant):
            applied, held = found.status.tier, found.has_finalizer
        else:
            applied, held = found.applied, found.held
        has = applied is not None and applied.name == tier
        return cls(found.uid, found.created, has=has, let_in=let_in, held=held)


def asks(tenant: Tenant) -> bool:
    """Whether the tenant asks for a place: nothing was made for it yet, or it comes from another tier.

    A project that stands without an applied tier was let in before its status was lost.
    """
    applied = tenant.status.tier
    if tenant.deleting:
        return False
    return tenant.status.project_id is None if applied is None else applied.name != tenant.spec.tier


def before(mine: Claim, others: Iterable[Claim]) -> int:
    """How many of the others come before the one that asks."""
    return sum(_comes_before(other, mine) for other in others if other.uid != mine.uid)


def _comes_before(other: Claim, mine: Claim) -> bool:
    """Whether the other comes first. The first row that applies decides.

    | the other | the one that asks | first |
    |---|---|---|
    | has the tier, or was let in by this process | any | yes |
    | else | was let in by this process | no |
    | is held | is not | yes |
    | is not held | is | no |
    | is older, or as old with a smaller uid | any | yes |
    | else | any | no |
    """
    if other.has or other.let_in:
        return True
    if mine.let_in:
        return False
    if other.held != mine.held:
        return other.held
    return (other.created, other.uid) < (mine.created, mine.uid)
