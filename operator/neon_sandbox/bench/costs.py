"""What work costs: a burst, a trickle, a change and a deletion of all, rest, a sweep, a restart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from neon_sandbox.bench.figures import percentile
from neon_sandbox.bench.ground import Ground
from neon_sandbox.bench.processes import peak_megabytes
from neon_sandbox.bench.stacks import Stack, parse, sampled
from neon_sandbox.bench.window import Figures, Window
from neon_sandbox.controlplane.release import ETCD, KUBE_APISERVER

SWEEPS: Final = 6
"""As many as in an hour with the default interval."""
REST: Final = 30.0
"""Seconds into which an hour of rest is pressed: as many looks and sweeps, closer together."""
_LOOK: Final = 0.1


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done, and how slow Neon is."""

    tenants: int
    """That are created, changed and deleted."""
    fleet: int
    """That are there in a restart, in a sweep and at rest."""
    rate: float
    """Creates a second in the trickle."""
    trickle_seconds: float
    latency: float
    operation_seconds: float
    replicas: int
    """That share a burst, a change and a deletion of all."""


def _neon_is_slow(ground: Ground, size: Size) -> None:
    ground.neon.knobs.latency = size.latency
    ground.neon.knobs.operation_seconds = size.operation_seconds


@dataclass(frozen=True, slots=True)
class _Life:
    """Tenants of one namespace, from the first to the last."""

    ground: Ground
    size: Size
    namespace: str

    @classmethod
    async def begin(cls, ground: Ground, size: Size, run: int) -> Self:
        _neon_is_slow(ground, size)
        namespace = f"life-{run}-{size.tenants}-{size.replicas}"
        await ground.create_namespace(namespace)
        return cls(ground, size, namespace)

    def acts(self) -> dict[str, Callable[[], Awaitable[None]]]:
        if self.ground.program.creates_alone:
            return {"burst": self._create}
        return {"burst": self._create, "change-all": self._change, "delete-all": self._delete}

    def _names(self) -> list[str]:
        return [f"t{number}" for number in range(self.size.tenants)]

    async def _create(self) -> None:
        ground = self.ground
        await ground.create_many(self.namespace, self._names())
        await ground.until(lambda: ground.readied[self.namespace] >= self.size.tenants)

    async def _change(self) -> None:
        ground = self.ground
        hours = 1000 + ground.neon.requests.count()
        generation = await ground.change_tier({"quota": {"computeTime": f"{hours}h"}})
        await ground.until(lambda: ground.moved[self.namespace, generation] >= self.size.tenants)

    async def _delete(self) -> None:
        ground = self.ground
        await ground.delete_many(self.namespace, self._names())
        await ground.until(lambda: ground.gone[self.namespace] >= self.size.tenants)


async def life(ground: Ground, size: Size, run: int) -> dict[str, Figures]:
    """Creates all at once, changes the tier of all, and deletes all; each measured from its first request."""
    begun = await _Life.begin(ground, size, run)
    found: dict[str, Figures] = {}
    async with ground.unlimited_sharing(begun.namespace, size.replicas) as operators:
        for name, act in begun.acts().items():
            window = Window(ground, *operators)
            await act()
            found[name] = window.close(size.tenants)
    return found


async def profile(ground: Ground, size: Size) -> dict[str, list[Stack]]:
    """Where the operator's time goes in the same.

    Raises:
        FileNotFoundError: there is no py-spy.
        ChildFailedError: py-spy may not look at the operator.
    """
    begun = await _Life.begin(ground, size, 0)
    files: dict[str, Path] = {}
    async with ground.unlimited(begun.namespace) as operator:
        for name, act in begun.acts().items():
            async with sampled(operator, ground.folder, name) as files[name]:
                await act()
    return {name: parse(file.read_text()) for name, file in files.items()}


async def trickle(ground: Ground, size: Size, run: int) -> dict[str, Figures]:
    """Creates a few a second; how long each takes until it is Ready, beyond Neon's own time."""
    _neon_is_slow(ground, size)
    namespace = f"trickle-{run}"
    await ground.create_namespace(namespace)
    count = max(round(size.rate * size.trickle_seconds), 1)
    asked: dict[str, float] = {}

    async def one(name: str) -> None:
        asked[name] = await ground.create(namespace, name)

    async with ground.unlimited(namespace) as operator:
        window = Window(ground, operator)
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for number in range(count):
                await asyncio.sleep(max(began + number / size.rate - time.monotonic(), 0.0))
                tasks.create_task(one(f"t{number}"))
        await ground.until(lambda: ground.readied[namespace] >= count)
        found = window.close(count)
    # A list, the POST; then the operations, whose look costs another answer.
    own = 2 * size.latency + (size.operation_seconds + size.latency if size.operation_seconds else 0.0)
    waits = [(ground.ready[namespace, name] - at - own) * 1000 for name, at in asked.items()]
    for percent in (50, 99):
        found[f"ready_p{percent}_ms_over_neon"] = percentile(waits, percent)
    return {"trickle": found}


async def restart(ground: Ground, size: Size, run: int) -> dict[str, Figures]:
    """Starts the operator over a settled fleet; how long until a tenant that is created now is Ready."""
    ground.neon.knobs.latency = ground.neon.knobs.operation_seconds = 0
    ground.neon.knobs.requests_per_minute = ground.neon.knobs.requests_per_second_per_route = 0
    name = f"restart-{run}-{size.fleet}"
    began = time.monotonic()
    async with ground.operator(name) as operator:
        window = Window(ground, operator, since_birth=True)
        ready = await ground.serve_one(name)
        found = window.close(size.fleet)
    tenant, secret = ground.stored
    return {
        "restart": found
        | {
            "seconds": ready - began,
            "api_server_peak_mb": peak_megabytes(ground.plane.pids[KUBE_APISERVER]),
            "etcd_peak_mb": peak_megabytes(ground.plane.pids[ETCD]),
            "stored_bytes_of_a_tenant": tenant,
            "stored_bytes_of_its_secret": secret,
        }
    }


async def rest(ground: Ground, size: Size, run: int) -> dict[str, Figures]:
    """An hour of rest, pressed together: every tenant is looked at once, and six sweeps go by."""
    ground.neon.knobs.latency = ground.neon.knobs.operation_seconds = 0
    settings = {
        "sweep_interval": f"{REST / SWEEPS}",
        "resync_interval": f"{REST}",
        "usage_reads_per_sweep": f"{2 * size.fleet}",
    }
    async with ground.unlimited(f"rest-{run}", **settings) as operator:
        asked = -1
        while asked != (now := ground.neon.requests.count() - ground.neon.requests.count("GET", "/projects")):
            asked = now  # the first sweeps read who was active; looks in passing begin after an interval
            await asyncio.sleep(REST)
        window = Window(ground, operator)
        await asyncio.sleep(REST)
        found = window.close(size.fleet)
    return {"rest": found}


async def sweep(ground: Ground, size: Size, run: int) -> dict[str, Figures]:
    """Compares the whole fleet with Neon again and again, each tenant's own look left out."""
    ground.neon.knobs.latency = ground.neon.knobs.operation_seconds = 0
    settings = {"sweep_interval": "1", "resync_interval": "86400", "log_level": "INFO"}
    async with ground.unlimited(f"sweep-{run}", **settings) as operator:

        def ended() -> int:
            return operator.log.read_text().count("A sweep ended.")

        async def swept(goal: int) -> None:
            while ended() < goal:  # the log tells nobody
                operator.check()
                await asyncio.sleep(_LOOK)

        await swept(2)
        window, before = Window(ground, operator), ended()
        await swept(before + SWEEPS)
        sweeps = ended() - before
        found = window.close(size.fleet * sweeps)
    pages = -(-len(ground.neon.store) // 400)
    found |= {"sweeps": sweeps, "pages": pages}
    found["neon_requests_per_page"] = found["neon_requests"] / sweeps / pages
    return {"sweep": found}
