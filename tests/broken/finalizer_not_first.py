"""The intent is declared, and the finalizer comes when the project stands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from broken import breaks
from neon_tenants.api import names
from neon_tenants.core.intent import Intent
from neon_tenants.core.observed import Tenant
from neon_tenants.kube.client import add
from neon_tenants.kube.tenants import Tenants

Declare = Callable[[Tenants, Tenant, Intent], Awaitable[Tenant]]


def _broken(_original: Declare) -> Declare:
    async def declare(self: Tenants, tenant: Tenant, intent: Intent) -> Tenant:
        declared = add("/metadata/annotations", {**tenant.annotations, names.INTENT: intent.encode()})
        return await self._patch("declare the create", tenant, [declared])

    return declare


breaks(Tenants, "declare", _broken)
