"""TenantDatabases and DatabaseTiers: reads, and the compare-and-swap writes of the protocol.

Every write carries the resourceVersion that was read, as a JSON patch `test`: who read something else
loses, reads again and decides anew.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from pydantic import ValidationError

from neon_tenants.api import names
from neon_tenants.api.database_tier import DatabaseTierSpec, DatabaseTierStatus
from neon_tenants.api.tenant_database import TenantDatabaseSpec, TenantDatabaseStatus
from neon_tenants.core import status as core_status
from neon_tenants.core.entitlement import Tier
from neon_tenants.core.intent import Intent
from neon_tenants.core.observed import Tenant
from neon_tenants.core.timestamp import seconds
from neon_tenants.kube.client import KubeClient, add
from neon_tenants.kube.errors import NotFoundError

_BASE: Final = f"/apis/{names.API_VERSION}"
_TENANTS: Final = f"{_BASE}/namespaces/{{namespace}}/{names.TENANT_DATABASES}"
_TENANT: Final = f"{_TENANTS}/{{name}}"
_ALL_TENANTS: Final = f"{_BASE}/{names.TENANT_DATABASES}"
_TIER: Final = f"{_BASE}/{names.DATABASE_TIERS}/{{name}}"


def parse_tenant(body: Mapping[str, Any]) -> Tenant:
    """A TenantDatabase from its JSON.

    Raises:
        ValidationError: not even its tier, or not its status, is of a form that this version knows.
    """
    metadata = body["metadata"]
    spec, unread = _read_spec(body["spec"])
    return Tenant(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        generation=metadata["generation"],
        created=seconds(metadata["creationTimestamp"]),
        deleting="deletionTimestamp" in metadata,
        marked=seconds(metadata["deletionTimestamp"]) if "deletionTimestamp" in metadata else None,
        finalizers=tuple(metadata.get("finalizers") or ()),
        annotations=dict(metadata.get("annotations") or {}),
        spec=spec,
        unread=unread,
        status=TenantDatabaseStatus.model_validate(body.get("status") or {}),
    )


def _read_spec(content: Mapping[str, Any]) -> tuple[TenantDatabaseSpec, frozenset[str]]:
    """The spec without the parts that are not understood, and their names."""
    try:
        return TenantDatabaseSpec.model_validate(content), frozenset()
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        unread = frozenset(str(each["loc"][0]) for each in found if each["loc"])
    rest = {name: value for name, value in content.items() if name not in unread}
    return TenantDatabaseSpec.model_validate(rest), unread


def parse_tier(body: Mapping[str, Any]) -> Tier:
    """A DatabaseTier from its JSON."""
    metadata = body["metadata"]
    return Tier(
        name=metadata["name"],
        generation=metadata["generation"],
        spec=DatabaseTierSpec.model_validate(body["spec"]),
        status=DatabaseTierStatus.model_validate(body.get("status") or {}),
        annotations=dict(metadata.get("annotations") or {}),
        resource_version=metadata["resourceVersion"],
        uid=metadata["uid"],
    )


class Tenants:
    """The TenantDatabases of a cluster, and what stands around them. All methods raise KubeError."""

    def __init__(self, kube: KubeClient) -> None:
        self._kube = kube

    async def get(self, namespace: str, name: str) -> Tenant | None:
        """The resource as it is now; None where there is none."""
        try:
            body = await self._kube.request(
                "read the TenantDatabase", "GET", _TENANT, {"namespace": namespace, "name": name}
            )
        except NotFoundError:
            return None
        return parse_tenant(body)

    async def listed(self, namespace: str, name: str) -> Tenant | None:
        """As `get`; raises NotFoundError where the API server does not serve the kind at the moment."""
        body = await self._kube.request(
            "look for the TenantDatabase",
            "GET",
            _TENANTS,
            {"namespace": namespace},
            query={"fieldSelector": f"metadata.name={name}"},
        )
        return next((parse_tenant(item) for item in body["items"]), None)

    async def uid(self, namespace: str, name: str) -> str | None:
        """The uid of the resource as it is now, whatever else stands in it; None where there is none."""
        ids = {"namespace": namespace, "name": name}
        try:
            body = await self._kube.request("read the TenantDatabase", "GET", _TENANT, ids)
        except NotFoundError:
            return None
        return str(body["metadata"]["uid"])

    async def tier(self, name: str) -> Tier | None:
        """The tier as it is now; None where there is none, or none that this version understands."""
        try:
            return parse_tier(await self._kube.request("read the DatabaseTier", "GET", _TIER, {"name": name}))
        except (NotFoundError, ValidationError):
            return None

    async def all(self, namespace: str | None) -> AsyncIterator[Tenant]:
        """All tenants of a namespace or, where it is None, of the cluster.

        Those that were stored under another version's schema are left out.
        """
        path, ids = (_TENANTS, {"namespace": namespace}) if namespace else (_ALL_TENANTS, {})
        async for item in self._kube.items("list TenantDatabases", path, ids):
            try:
                yield parse_tenant(item)
            except ValidationError:
                continue

    async def declare(self, tenant: Tenant, intent: Intent) -> Tenant:
        """Finalizer and intent in one compare-and-swap. Whoever wins it may create (protocol, rule 3)."""
        operations = _finalizer(tenant)
        if not tenant.annotations:
            operations.append(add("/metadata/annotations", {}))
        operations.append(add(f"/metadata/annotations/{_pointer(names.INTENT)}", intent.encode()))
        return await self._patch("declare the create", tenant, operations)

    async def write_status(self, tenant: Tenant, status: TenantDatabaseStatus) -> Tenant:
        """Replaces the status."""
        operations = [add("/status", core_status.as_json(status))]
        return await self._patch("write the status", tenant, operations, path=f"{_TENANT}/status")

    async def add_finalizer(self, tenant: Tenant) -> Tenant:
        """Holds the resource until we let it go."""
        return await self._patch("add the finalizer", tenant, _finalizer(tenant))

    async def bind(self, tenant: Tenant, project_id: str, *, own: str | None) -> Tenant:
        """Records another project as the tenant's; the next pass renames both. Nobody else can write this."""
        return await self.write_status(tenant, core_status.rebound(tenant.status, project_id, own=own))

    async def remove_finalizer(self, tenant: Tenant) -> None:
        """Lets the resource go."""
        index = tenant.finalizers.index(names.FINALIZER)
        operations = [{"op": "remove", "path": f"/metadata/finalizers/{index}"}]
        await self._patch("remove the finalizer", tenant, operations)

    async def _patch(
        self, what: str, tenant: Tenant, operations: list[dict[str, Any]], path: str = _TENANT
    ) -> Tenant:
        body = await self._kube.patch(
            what,
            path,
            {"namespace": tenant.namespace, "name": tenant.name},
            operations,
            uid=tenant.uid,
            version=tenant.resource_version,
        )
        return parse_tenant(body)


def _finalizer(tenant: Tenant) -> list[dict[str, Any]]:
    if not tenant.finalizers:
        return [add("/metadata/finalizers", [names.FINALIZER])]
    return [] if tenant.has_finalizer else [add("/metadata/finalizers/-", names.FINALIZER)]


def _pointer(key: str) -> str:
    """A key as a part of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")
