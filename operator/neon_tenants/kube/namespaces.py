"""Namespaces: their uid, labels and annotations, which tenants cannot edit."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final

from neon_tenants.api import names
from neon_tenants.kube.client import KubeClient
from neon_tenants.kube.errors import NotFoundError

MAX_AGE: Final = 5.0
"""Seconds for which an answer serves: many tenants of a namespace are looked at together."""
REMEMBERED: Final = 4096


class Namespaces:
    """The Namespaces of a cluster. All methods raise KubeError."""

    def __init__(self, kube: KubeClient, clock: Callable[[], float]) -> None:
        self._kube = kube
        self._clock = clock
        self._paused: OrderedDict[str, tuple[float, bool]] = OrderedDict()

    async def uid(self, name: str) -> str:
        """The uid of a Namespace."""
        return str((await self._read(name))["metadata"]["uid"])

    async def is_paused(self, name: str) -> bool:
        """Whether a person said hands off for a whole Namespace, as of a few seconds ago."""
        now = self._clock()
        known = self._paused.get(name)
        if known is not None and now - known[0] < MAX_AGE:
            return known[1]
        try:
            metadata = (await self._read(name))["metadata"]
        except NotFoundError:
            metadata = {}
        return self._note(name, metadata, now)

    async def labels(self, name: str) -> dict[str, str]:
        """The labels as they are now; whether it is paused need not be read again for a moment."""
        now = self._clock()
        metadata = (await self._read(name))["metadata"]
        self._note(name, metadata, now)
        return dict(metadata.get("labels") or {})

    def _note(self, name: str, metadata: Mapping[str, Any], now: float) -> bool:
        paused = (metadata.get("annotations") or {}).get(names.PAUSED) == "true"
        self._paused[name] = (now, paused)
        self._paused.move_to_end(name)
        if len(self._paused) > REMEMBERED:
            self._paused.popitem(last=False)
        return paused

    async def _read(self, name: str) -> Any:
        return await self._kube.request(
            "read the Namespace", "GET", "/api/v1/namespaces/{name}", {"name": name}
        )
