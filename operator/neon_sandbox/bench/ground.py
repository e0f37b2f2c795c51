"""Where the benchmarks take place: a real Kubernetes, a Neon without PostgreSQL, and the shipped operator."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import httpx
import yaml

from neon_sandbox import installation
from neon_sandbox.child import Child
from neon_sandbox.controlplane import Binaries, ControlPlane
from neon_sandbox.demo.stage import is_ready
from neon_sandbox.emulator import Emulator

TIER: Final = "free"
_API: Final = "/apis/neontenants.io/v1alpha1"
_AT_ONCE: Final = 50
"""Requests of ours to the API server, so that it has time for the operator's."""


@dataclass
class Ground:
    """What a benchmark is run on. Times are of `time.monotonic`."""

    plane: ControlPlane
    neon: Emulator
    http: httpx.AsyncClient
    folder: Path
    ready: dict[tuple[str, str], float] = field(default_factory=dict)
    """When each tenant was seen Ready first, by namespace and name."""
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @classmethod
    @asynccontextmanager
    async def prepare(cls, binaries: Binaries) -> AsyncIterator[Self]:
        """All but the operator; it ends with the block."""
        async with AsyncExitStack() as stack:
            plane = await stack.enter_async_context(ControlPlane.start(binaries))
            neon = await stack.enter_async_context(Emulator.start())
            neon.knobs.projects_limit = 1_000_000
            folder = await installation.furnish(plane, neon)
            token = yaml.safe_load(plane.kubeconfig.read_text())["users"][0]["user"]["token"]
            http = await stack.enter_async_context(
                httpx.AsyncClient(
                    base_url=plane.url,
                    verify=ssl.create_default_context(cafile=plane.ca_file),
                    headers={"Authorization": f"Bearer {token}"},
                    timeout=httpx.Timeout(30, read=None, pool=None),
                    limits=httpx.Limits(max_connections=_AT_ONCE + 1),
                    trust_env=False,
                )
            )
            ground = cls(plane, neon, http, folder)
            watching = asyncio.create_task(ground._watch())
            try:
                yield ground
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)

    @asynccontextmanager
    async def operator(self, name: str, **settings: str) -> AsyncIterator[Child]:
        """The operator as it ships, until the block ends."""
        told = {
            "cluster_id": "bench",
            "api_key_file": str(self.folder / "api-key"),
            "api_url": self.neon.url,
            "listen": "127.0.0.1:0",
            "log_level": "WARNING",
            **settings,
        }
        async with installation.operator(
            self.folder, kubeconfig=self.folder / "kubeconfig", settings=told, name=name
        ) as child:
            yield child

    # --- Kubernetes ----------------------------------------------------------------------------------

    async def _request(self, method: str, path: str, body: Any, kind: str = "application/json") -> Any:
        answer = await self.http.request(
            method, path, content=json.dumps(body), headers={"Content-Type": kind}
        )
        answer.raise_for_status()
        return answer.json()

    async def create_namespace(self, name: str) -> None:
        """Creates a namespace."""
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        await self._request("POST", "/api/v1/namespaces", manifest)

    async def create(self, namespace: str, name: str) -> float:
        """Creates a tenant; returns when it was asked for."""
        manifest = {
            "apiVersion": "neontenants.io/v1alpha1",
            "kind": "TenantDatabase",
            "metadata": {"name": name},
            "spec": {"tier": TIER, "deletionPolicy": "Delete"},
        }
        asked = time.monotonic()
        await self._request("POST", f"{_API}/namespaces/{namespace}/tenantdatabases", manifest)
        return asked

    async def create_many(self, namespace: str, names: Iterable[str]) -> None:
        """Creates tenants, several at a time."""
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(name: str) -> None:
            async with gate:
                await self.create(namespace, name)

        async with asyncio.TaskGroup() as tasks:
            for name in names:
                tasks.create_task(one(name))

    async def change_tier(self, spec: dict[str, Any]) -> None:
        """Changes what the tier promises."""
        path = f"{_API}/databasetiers/{TIER}"
        await self._request("PATCH", path, {"spec": spec}, "application/merge-patch+json")

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until the tenants that are Ready are as `condition` wants them."""
        async with self.changed:
            await self.changed.wait_for(condition)

    async def _watch(self) -> None:
        """Notes when each tenant gets Ready, as a user would see it."""
        params = {"watch": "1", "allowWatchBookmarks": "false"}
        while True:
            async with self.http.stream("GET", f"{_API}/tenantdatabases", params=params) as answer:
                answer.raise_for_status()
                async for line in answer.aiter_lines():
                    found = json.loads(line)["object"]
                    if found.get("kind") == "TenantDatabase" and is_ready(found):
                        key = (found["metadata"]["namespace"], found["metadata"]["name"])
                        async with self.changed:
                            self.ready.setdefault(key, time.monotonic())
                            self.changed.notify_all()
