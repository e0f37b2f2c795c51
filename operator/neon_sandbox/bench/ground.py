"""Where the benchmarks take place: a real Kubernetes, a Neon without PostgreSQL, and the shipped operator."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import aiohttp
import orjson
import yaml

from neon_sandbox import installation
from neon_sandbox.bench.program import OPERATOR, Program
from neon_sandbox.child import Child
from neon_sandbox.controlplane import Binaries, ControlPlane
from neon_sandbox.demo.stage import is_ready
from neon_sandbox.emulator import Emulator
from neon_tenants.shards import lease_of

TIER: Final = "free"
WARM_UP: Final = "warm-up"
"""The namespace of tenants that are not measured."""
OPERATOR_USER: Final = f"system:serviceaccount:{installation.NAMESPACE}:{installation.SERVICE_ACCOUNT}"
_API: Final = "/apis/neontenants.io/v1alpha1"
_AT_ONCE: Final = 50
"""Requests of ours to the API server, so that it has time for the operator's."""
_LOOK: Final = 0.5
"""Seconds between two looks at Leases."""
_AGAIN: Final = 0.2
"""Seconds until a watch that broke is begun again."""
_AUDIT: Final = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [{"level": "Metadata", "users": [OPERATOR_USER]}, {"level": "None"}],
}
"""The operator's requests, and of them no bodies: a log of all costs the API server what is measured."""
_UNLIMITED: Final = {
    "requests_per_minute": "100000",
    "requests_per_second_per_route": "10000",
    "deletions_per_window": "0",
    # The default's 32 are for Neon's real limits: most of their time they wait for a list that many share.
    "workers": "256",
}


@dataclass
class Ground:
    """What a benchmark is run on. Times are of `time.monotonic`."""

    plane: ControlPlane
    neon: Emulator
    http: aiohttp.ClientSession
    folder: Path
    program: Program = OPERATOR
    """What is started as the operator."""
    running: set[Child] = field(default_factory=set)
    """Those that were started, and are not asked to end yet."""
    ready: dict[tuple[str, str], float] = field(default_factory=dict)
    """When each tenant was seen Ready first, by namespace and name."""
    readied: Counter[str] = field(default_factory=Counter)
    """How many of them there are in each namespace."""
    served: dict[tuple[str, str], int] = field(default_factory=dict)
    """The generation of the tier that each tenant has."""
    moved: Counter[tuple[str, int]] = field(default_factory=Counter)
    """How many of a namespace have a generation of the tier."""
    gone: Counter[str] = field(default_factory=Counter)
    """How many of a namespace are not there any more."""
    stored: tuple[int, ...] = ()
    """Bytes in etcd of a settled tenant, and of its Secret."""
    standing: set[tuple[str, str]] = field(default_factory=set)
    """Those that are there, as far as anything told."""
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @classmethod
    @asynccontextmanager
    async def prepare(cls, binaries: Binaries) -> AsyncIterator[Self]:
        """All but the operator; it ends with the block."""
        async with AsyncExitStack() as stack:
            plane = await stack.enter_async_context(ControlPlane.start(binaries, audit=_AUDIT))
            neon = await stack.enter_async_context(Emulator.start())
            neon.knobs.projects_limit = 1_000_000
            folder = await installation.furnish(plane, neon)
            token = yaml.safe_load(plane.kubeconfig.read_text())["users"][0]["user"]["token"]
            tls = ssl.create_default_context(cafile=plane.ca_file)
            http = await stack.enter_async_context(
                aiohttp.ClientSession(
                    base_url=plane.url,
                    connector=aiohttp.TCPConnector(ssl=tls, limit=_AT_ONCE + 2),
                    headers={"Authorization": f"Bearer {token}"},
                    timeout=aiohttp.ClientTimeout(total=None, sock_connect=30),
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
            self.folder,
            login=self._login(),
            settings=told,
            name=name,
            start=self.program.start,
        ) as child:
            self.running.add(child)
            try:
                yield child
            finally:
                self.running.discard(child)

    def _login(self) -> dict[str, str]:
        if self.program.in_a_pod:
            return installation.as_pod(self.plane, self.folder / installation.LOGIN)
        return installation.by_kubeconfig(self.folder / installation.KUBECONFIG)

    async def serve_one(self, name: str) -> float:
        """Creates a tenant of this name beside what is measured; returns when it was seen Ready.

        With it the operator has started, and what was there before is known.
        """
        await self.create(WARM_UP, name)
        await self.until(lambda: (WARM_UP, name) in self.ready)
        return self.ready[WARM_UP, name]

    @asynccontextmanager
    async def unlimited(self, name: str, **settings: str) -> AsyncIterator[Child]:
        """An operator without limits on either side, once it has served its first tenant."""
        async with self.unlimited_sharing(name, 1, **settings) as (child,):
            yield child

    @asynccontextmanager
    async def unlimited_sharing(
        self, name: str, replicas: int, **settings: str
    ) -> AsyncIterator[tuple[Child, ...]]:
        """So many of them, each with a shard of its own."""
        self.neon.knobs.requests_per_minute = self.neon.knobs.requests_per_second_per_route = 0
        async with self.sharing(name, replicas, **{**_UNLIMITED, **settings}) as children:
            yield children

    @asynccontextmanager
    async def sharing(self, name: str, replicas: int, **settings: str) -> AsyncIterator[tuple[Child, ...]]:
        """So many operators, each with a shard of its own, once they have served their first tenant; one
        alone has the whole fleet.

        The first object of a new kind takes two seconds, whoever the operator is.
        """
        if replicas == 1:
            async with self.operator(name, **settings) as child:
                await self.serve_one(name)
                yield (child,)
            return
        await installation.allow_shards(self.plane, replicas)
        async with AsyncExitStack() as stack:
            children = [
                await stack.enter_async_context(
                    self.operator(f"{name}-{number}", **settings, shards=str(replicas))
                )
                for number in range(replicas)
            ]
            while len(await self._holders(replicas)) < replicas:  # the Leases tell nobody
                for child in children:
                    child.check()
                await asyncio.sleep(_LOOK)
            await self.serve_one(name)
            yield tuple(children)

    async def _holders(self, shards: int) -> set[str]:
        """Who holds the Leases of so many shards."""
        path = f"/apis/coordination.k8s.io/v1/namespaces/{installation.NAMESPACE}/leases"
        wanted = {lease_of(number, shards) for number in range(shards)}
        found = (await self.request("GET", path))["items"]
        holders = {
            lease["spec"].get("holderIdentity") for lease in found if lease["metadata"]["name"] in wanted
        }
        return holders - {"", None}

    # --- Kubernetes ----------------------------------------------------------------------------------

    async def request(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        """One request as cluster-admin. Raises aiohttp.ClientResponseError."""
        data = None if body is None else orjson.dumps(body)
        async with self.http.request(method, path, data=data, headers={"Content-Type": kind}) as answer:
            answer.raise_for_status()
            return orjson.loads(await answer.read())

    async def create_namespace(self, name: str) -> None:
        """Creates a namespace."""
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        await self.request("POST", "/api/v1/namespaces", manifest)

    async def create(self, namespace: str, name: str) -> float:
        """Creates a tenant; returns when it was asked for."""
        manifest = {
            "apiVersion": "neontenants.io/v1alpha1",
            "kind": "TenantDatabase",
            "metadata": {"name": name},
            "spec": {"tier": TIER, "deletionPolicy": "Delete"},
        }
        asked = time.monotonic()
        await self.request("POST", f"{_API}/namespaces/{namespace}/tenantdatabases", manifest)
        return asked

    async def create_many(self, namespace: str, names: Iterable[str]) -> None:
        """Creates tenants, several at a time."""
        await self._many(lambda name: self.create(namespace, name), names)

    async def delete_many(self, namespace: str, names: Iterable[str]) -> None:
        """Marks tenants for deletion, several at a time."""
        await self._many(lambda name: self._delete(namespace, name), names)

    async def _delete(self, namespace: str, name: str) -> None:
        await self.request("DELETE", f"{_API}/namespaces/{namespace}/tenantdatabases/{name}")

    @staticmethod
    async def _many(act: Callable[[str], Awaitable[object]], names: Iterable[str]) -> None:
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(name: str) -> None:
            async with gate:
                await act(name)

        async with asyncio.TaskGroup() as tasks:
            for name in names:
                tasks.create_task(one(name))

    async def change_tier(self, spec: dict[str, Any]) -> int:
        """Changes what the tier promises; the generation that it has then."""
        path = f"{_API}/databasetiers/{TIER}"
        tier = await self.request("PATCH", path, {"spec": spec}, "application/merge-patch+json")
        return int(tier["metadata"]["generation"])

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until the tenants that are Ready are as `condition` wants them.

        Raises:
            ChildFailedError: an operator has ended, so that they would never be.
        """

        async def met() -> None:
            async with self.changed:
                await self.changed.wait_for(condition)

        waiting = asyncio.create_task(met())
        ends = [asyncio.create_task(child.wait()) for child in self.running]
        try:
            await asyncio.wait({waiting, *ends}, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                return waiting.result()
            for child in self.running:
                child.check()
        finally:
            for task in (waiting, *ends):
                task.cancel()
            await asyncio.gather(waiting, *ends, return_exceptions=True)

    async def _watch(self) -> None:
        """Notes when each tenant gets Ready, as a user would see it.

        The API server ends the watch of one who reads too slowly, as this process may on a busy machine.
        What went meanwhile is missing in a list, and told by nothing else.
        """
        while True:
            try:
                await self._watch_from(await self._list())
            except aiohttp.ClientError:
                await asyncio.sleep(_AGAIN)

    async def _list(self) -> str:
        """Notes what is there, and what is not there any more; the version to watch from."""
        listed = await self.request("GET", f"{_API}/tenantdatabases")
        there = {self._note(found) for found in listed["items"]}
        for missed in self.standing - there:
            self._note_gone(missed)
        async with self.changed:
            self.changed.notify_all()
        return str(listed["metadata"]["resourceVersion"])

    async def _watch_from(self, version: str) -> None:
        params = {"watch": "1", "resourceVersion": version, "timeoutSeconds": "86400"}
        async with self.http.get(f"{_API}/tenantdatabases", params=params) as answer:
            answer.raise_for_status()
            rest = b""
            async for data in answer.content.iter_any():
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self._note_event(orjson.loads(line))
                async with self.changed:
                    self.changed.notify_all()

    def _note_event(self, event: dict[str, Any]) -> None:
        found = event["object"]
        if found.get("kind") == "TenantDatabase":
            key = self._note(found)
            if event["type"] == "DELETED":
                self._note_gone(key)

    def _note_gone(self, key: tuple[str, str]) -> None:
        self.standing.discard(key)
        self.gone[key[0]] += 1

    def _note(self, found: dict[str, Any]) -> tuple[str, str]:
        key = (found["metadata"]["namespace"], found["metadata"]["name"])
        self.standing.add(key)
        generation = found.get("status", {}).get("tier", {}).get("generation")
        if generation is not None and self.served.get(key) != generation:
            self.served[key] = generation
            self.moved[key[0], generation] += 1
        if key not in self.ready and is_ready(found):
            self.ready[key] = time.monotonic()
            self.readied[key[0]] += 1
        return key
