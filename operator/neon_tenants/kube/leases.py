"""A Lease of coordination.k8s.io, written by compare-and-swap."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from neon_tenants.api import names
from neon_tenants.core.lease import Lease
from neon_tenants.kube.client import KubeClient
from neon_tenants.kube.errors import NotFoundError

_API: Final = "coordination.k8s.io/v1"
_LEASES: Final = f"/apis/{_API}/namespaces/{{namespace}}/leases"
_LEASE: Final = f"{_LEASES}/{{name}}"


@dataclass(frozen=True, slots=True)
class Found:
    """A Lease as it is stored."""

    lease: Lease
    metadata: Mapping[str, Any]
    """Others' labels and annotations stay, and the resourceVersion guards the next write."""


class Leases:
    """One Lease by its name. All methods raise KubeError; `timeout` is that of the request, in seconds."""

    def __init__(self, kube: KubeClient, *, namespace: str, name: str) -> None:
        self._kube = kube
        self._ids = {"namespace": namespace, "name": name}

    def __str__(self) -> str:
        return f"{self._ids['namespace']}/{self._ids['name']}"

    async def read(self, *, timeout: float) -> Found | None:  # noqa: ASYNC109 - the request's
        """The Lease as it is now; None where there is none."""
        try:
            return _found(
                await self._kube.request("read the Lease", "GET", _LEASE, self._ids, timeout=timeout)
            )
        except NotFoundError:
            return None

    async def write(self, before: Found | None, lease: Lease, *, timeout: float) -> Found:  # noqa: ASYNC109
        """Stores the Lease in the place of what was found. ConflictError: somebody else was faster."""
        body: dict[str, Any] = {"apiVersion": _API, "kind": "Lease", "spec": _spec(lease)}
        if before is None:
            body["metadata"] = {"name": self._ids["name"], "annotations": _annotations({}, lease)}
            namespace = {"namespace": self._ids["namespace"]}
            stored = await self._kube.request(
                "create the Lease", "POST", _LEASES, namespace, body=body, timeout=timeout
            )
        else:
            annotations = _annotations(before.metadata.get("annotations") or {}, lease)
            body["metadata"] = {**before.metadata, "annotations": annotations}
            stored = await self._kube.request(
                "update the Lease", "PUT", _LEASE, self._ids, body=body, timeout=timeout
            )
        return _found(stored)


def _found(body: Mapping[str, Any]) -> Found:
    """Anybody may have written it, so anything may be missing; the API server sees to the types."""
    spec = body.get("spec") or {}
    lease = Lease(
        holder=spec.get("holderIdentity") or "",
        duration=float(spec.get("leaseDurationSeconds") or 0),
        acquired=spec.get("acquireTime") or "",
        renewed=spec.get("renewTime") or "",
        transitions=spec.get("leaseTransitions") or 0,
        notes={
            name.removeprefix(names.RESERVED_PREFIX): value
            for name, value in (body["metadata"].get("annotations") or {}).items()
            if name.startswith(names.RESERVED_PREFIX)
        },
    )
    return Found(lease, {key: value for key, value in body["metadata"].items() if key != "managedFields"})


def _annotations(before: Mapping[str, str], lease: Lease) -> dict[str, str]:
    """Others' as they are; of ours those that say something."""
    others = {name: value for name, value in before.items() if not name.startswith(names.RESERVED_PREFIX)}
    return others | {names.RESERVED_PREFIX + name: value for name, value in lease.notes.items() if value}


def _spec(lease: Lease) -> dict[str, Any]:
    return {
        "holderIdentity": lease.holder,
        # Whole seconds, and more than none: the API server refuses others.
        "leaseDurationSeconds": max(1, math.ceil(lease.duration)),
        "acquireTime": lease.acquired or None,
        "renewTime": lease.renewed,
        "leaseTransitions": lease.transitions,
    }
