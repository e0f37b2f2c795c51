"""Which tenants and tiers there are, as far as the watch has told: the least that must be kept of each."""

from __future__ import annotations

from neon_tenants.core.entitlement import Tier
from neon_tenants.queue import Key


class Roster:
    """Tiers by name, and the tier of each tenant."""

    def __init__(self) -> None:
        self._tiers: dict[str, Tier] = {}
        self._tier_of: dict[Key, str] = {}
        self._tenants_of: dict[str, set[Key]] = {}

    def tier(self, name: str) -> Tier | None:
        """The tier of this name."""
        return self._tiers.get(name)

    def put_tier(self, tier: Tier) -> bool:
        """Notes a tier; whether its generation is new."""
        known = self._tiers.get(tier.name)
        self._tiers[tier.name] = tier
        return known is None or known.generation != tier.generation

    def drop_tier(self, name: str) -> None:
        """The tier is gone."""
        self._tiers.pop(name, None)

    def put_tenant(self, key: Key, tier: str) -> None:
        """Notes a tenant and its tier."""
        self.drop_tenant(key)
        self._tier_of[key] = tier
        self._tenants_of.setdefault(tier, set()).add(key)

    def drop_tenant(self, key: Key) -> None:
        """The tenant is gone."""
        tier = self._tier_of.pop(key, None)
        if tier is not None:
            tenants = self._tenants_of[tier]
            tenants.discard(key)
            if not tenants:
                del self._tenants_of[tier]

    def tenants(self) -> list[Key]:
        """All tenants."""
        return list(self._tier_of)

    def tenants_of(self, tier: str) -> list[Key]:
        """The tenants of a tier."""
        return list(self._tenants_of.get(tier, ()))
