"""Connection Secrets: get, create, update. Never list, watch or delete: the role does not allow it.

A Secret goes with its resource by the owner reference, which Kubernetes' garbage collector follows.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

from neon_tenants.api import names
from neon_tenants.core.observed import Tenant
from neon_tenants.core.secret import SecretContent, SecretObject
from neon_tenants.kube.client import KubeClient
from neon_tenants.kube.errors import NotFoundError

_SECRETS: Final = "/api/v1/namespaces/{namespace}/secrets"
_SECRET: Final = f"{_SECRETS}/{{name}}"


class Secrets:
    """The connection Secrets of a cluster. All methods raise KubeError."""

    def __init__(self, kube: KubeClient) -> None:
        self._kube = kube

    async def get(self, namespace: str, name: str) -> SecretObject | None:
        """The Secret as it is now; None where there is none."""
        try:
            body = await self._kube.request(
                "read the Secret", "GET", _SECRET, {"namespace": namespace, "name": name}
            )
        except NotFoundError:
            return None
        return _parse(body)

    async def create(self, tenant: Tenant, content: SecretContent) -> SecretObject:
        """Creates it; ConflictError where one of this name exists.

        It carries no owner reference yet: Argo CD's prune and `kubectl delete --cascade=foreground`
        delete dependents first, and a tenant whose deletion is held would lose its login.
        """
        body = _body(tenant, content)
        ids = {"namespace": tenant.namespace}
        return _parse(await self._kube.request("create the Secret", "POST", _SECRETS, ids, body=body))

    async def update(self, tenant: Tenant, found: SecretObject, content: SecretContent) -> SecretObject:
        """Writes over what was found; ConflictError where somebody wrote since.

        Labels and annotations of others stay. An owner reference of an earlier resource goes, else the
        garbage collector would take the Secret away.
        """
        body = _body(tenant, content)
        body["metadata"]["labels"] = {**found.labels, **content.labels}
        body["metadata"]["annotations"] = {**found.annotations, **content.annotations}
        return await self._replace("update the Secret", tenant, found, body)

    async def own(self, tenant: Tenant, found: SecretObject) -> SecretObject:
        """Attaches the owner reference, so that the Secret goes with its resource."""
        body = _body(tenant, SecretContent(found.data, found.labels, found.annotations))
        if found.immutable:
            body["immutable"] = True
        body["metadata"]["ownerReferences"] = [
            {
                "apiVersion": names.API_VERSION,
                "kind": names.TENANT_DATABASE,
                "name": tenant.name,
                "uid": tenant.uid,
            }
        ]
        return await self._replace("own the Secret", tenant, found, body)

    async def _replace(
        self, what: str, tenant: Tenant, found: SecretObject, body: dict[str, Any]
    ) -> SecretObject:
        body["metadata"]["resourceVersion"] = found.resource_version
        ids = {"namespace": tenant.namespace, "name": tenant.secret_name}
        return _parse(await self._kube.request(what, "PUT", _SECRET, ids, body=body))


def _body(tenant: Tenant, content: SecretContent) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": names.SECRET_TYPE,
        "metadata": {
            "name": tenant.secret_name,
            "labels": dict(content.labels),
            "annotations": dict(content.annotations),
        },
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in content.data.items()},
    }


def _parse(body: Mapping[str, Any]) -> SecretObject:
    metadata = body["metadata"]
    return SecretObject(
        type=body.get("type", ""),
        data={key: _text(value) for key, value in (body.get("data") or {}).items()},
        labels=dict(metadata.get("labels") or {}),
        annotations=dict(metadata.get("annotations") or {}),
        owner_uids=tuple(reference["uid"] for reference in metadata.get("ownerReferences") or ()),
        resource_version=metadata["resourceVersion"],
        immutable=bool(body.get("immutable")),
    )


def _text(encoded: str) -> str:
    """A value as text. Others may write bytes that are none; they then differ from what we wrote."""
    try:
        return base64.b64decode(encoded).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
