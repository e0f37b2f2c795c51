"""The intent is a merge patch without a resourceVersion, as Kopf's own patches are (K11)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from broken import breaks
from neon_tenants.api import names
from neon_tenants.core.intent import Intent
from neon_tenants.core.observed import Tenant
from neon_tenants.kube.tenants import Tenants, parse_tenant

Declare = Callable[[Tenants, Tenant, Intent], Awaitable[Tenant]]


def _broken(_original: Declare) -> Declare:
    async def declare(self: Tenants, tenant: Tenant, intent: Intent) -> Tenant:
        body = {"metadata": {"finalizers": [names.FINALIZER], "annotations": {names.INTENT: intent.encode()}}}
        answer = await self._kube.request(
            "declare the create",
            "PATCH",
            f"/apis/{names.API_VERSION}/namespaces/{{namespace}}/{names.TENANT_DATABASES}/{{name}}",
            {"namespace": tenant.namespace, "name": tenant.name},
            body=body,
            content_type="application/merge-patch+json",
        )
        return parse_tenant(answer)

    return declare


breaks(Tenants, "declare", _broken)
