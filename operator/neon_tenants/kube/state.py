"""The operator's own state: one ConfigMap in its namespace, changed by compare-and-swap."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from neon_tenants.core.failure import Done
from neon_tenants.kube.client import KubeClient
from neon_tenants.kube.errors import ConflictError, KubeError, NotFoundError

_CONFIG_MAPS: Final = "/api/v1/namespaces/{namespace}/configmaps"
_CONFIG_MAP: Final = f"{_CONFIG_MAPS}/{{name}}"
TRIES: Final = 5
"""Times that a change is decided anew because another operator of this cluster id wrote in between."""


class State:
    """Texts by key. All methods raise KubeError."""

    def __init__(self, kube: KubeClient, *, namespace: str, cluster: str) -> None:
        self._kube = kube
        self._ids = {"namespace": namespace, "name": f"neon-tenant-operator-{cluster}"}
        self._lock = asyncio.Lock()
        self._known: tuple[dict[str, str], str] | None = None
        """What we read or wrote last, and its resourceVersion ("" where there is no object)."""

    async def change(self, key: str, decide: Callable[[str | None], str | None]) -> str | None:
        """Sets `key` to what `decide` makes of its value, and returns it once it is stored.

        `decide` may be asked several times: after each write of somebody else it gets the new value.
        """
        async with self._lock:
            for _ in range(TRIES):
                data, version = self._known or await self._read()
                wanted = decide(data.get(key))
                if wanted == data.get(key):
                    return wanted
                kept = {name: value for name, value in data.items() if name != key}
                try:
                    await self._write(kept if wanted is None else {**kept, key: wanted}, version)
                except ConflictError:
                    self._known = None
                    continue
                except KubeError:
                    # It may be stored or not: the next one reads.
                    self._known = None
                    raise
                return wanted
        raise KubeError("The operator's state could not be stored.", Done.NO)

    def forget(self) -> None:
        """The next change reads first: somebody else may have written."""
        self._known = None

    async def _read(self) -> tuple[dict[str, str], str]:
        try:
            body = await self._kube.request("read the operator's state", "GET", _CONFIG_MAP, self._ids)
        except NotFoundError:
            return {}, ""
        return self._note(body)

    async def _write(self, data: Mapping[str, str], version: str) -> None:
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": self._ids["name"]},
            "data": dict(data),
        }
        what = f"keep the operator's state in the namespace {self._ids['namespace']}"
        if version:
            body["metadata"]["resourceVersion"] = version
            self._note(await self._kube.request(what, "PUT", _CONFIG_MAP, self._ids, body=body))
        else:
            ids = {"namespace": self._ids["namespace"]}
            self._note(await self._kube.request(what, "POST", _CONFIG_MAPS, ids, body=body))

    def _note(self, body: Mapping[str, Any]) -> tuple[dict[str, str], str]:
        self._known = dict(body.get("data") or {}), body["metadata"]["resourceVersion"]
        return self._known
