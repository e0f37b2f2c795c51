"""The POST leaves under an intent that only this process knows of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from broken import breaks
from neon_tenants.api import names
from neon_tenants.core.intent import Intent
from neon_tenants.core.observed import Tenant
from neon_tenants.kube.tenants import Tenants

Declare = Callable[[Tenants, Tenant, Intent], Awaitable[Tenant]]


def _broken(_original: Declare) -> Declare:
    async def declare(self: Tenants, tenant: Tenant, intent: Intent) -> Tenant:
        held = tenant if tenant.has_finalizer else await self.add_finalizer(tenant)
        return replace(held, annotations={**held.annotations, names.INTENT: intent.encode()})

    return declare


breaks(Tenants, "declare", _broken)
