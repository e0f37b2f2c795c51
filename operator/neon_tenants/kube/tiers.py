"""DatabaseTiers' status: written with the resourceVersion that was read, as all our writes."""

from __future__ import annotations

from typing import Final

from neon_tenants.api import names
from neon_tenants.api.database_tier import DatabaseTierStatus
from neon_tenants.core.entitlement import Tier
from neon_tenants.kube.client import KubeClient, add
from neon_tenants.kube.tenants import parse_tier

_STATUS: Final = f"/apis/{names.API_VERSION}/{names.DATABASE_TIERS}/{{name}}/status"


class Tiers:
    """What we tell people of their tiers. All methods raise KubeError."""

    def __init__(self, kube: KubeClient) -> None:
        self._kube = kube

    async def write_status(self, tier: Tier, status: DatabaseTierStatus) -> Tier:
        """Replaces the status; ConflictError where somebody wrote since."""
        content = status.model_dump(mode="json", by_alias=True, exclude_none=True)
        body = await self._kube.patch(
            "write the tier's status",
            _STATUS,
            {"name": tier.name},
            [add("/status", content)],
            uid=tier.uid,
            version=tier.resource_version,
        )
        return parse_tier(body)
