"""What is measured: a tenant that is created in the middle of a tier change, or of another's thousand."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from neon_sandbox.bench.figures import busiest
from neon_sandbox.bench.ground import Ground

PATCH: Final = ("PATCH", "/projects/{project_id}")
CROWD: Final = "crowd"
QUIET: Final = "quiet"
_LOOK: Final = 0.2

Progress = Callable[[str, int, int], None]
"""Told what is done, how much of it, and of how much."""


@dataclass(frozen=True, slots=True)
class Load:
    """How much is asked of the operator."""

    tenants: int
    requests_per_minute: int
    every: float
    """Seconds between two single creates."""
    replicas: int = 1
    """That share the work, and the share of Neon's limit."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of it."""

    waits: tuple[float, ...]
    """Seconds from each single create to Ready."""
    served: int
    """Requests that Neon got while there was work."""
    seconds: float
    """How long there was work."""
    busiest_minute: int
    refused: int
    """Answered with 429."""


async def settle(ground: Ground, load: Load, progress: Progress) -> None:
    """Makes the tenants, without limits on either side: this is not measured."""
    ground.neon.knobs.requests_per_minute = ground.neon.knobs.requests_per_second_per_route = 0
    names = [f"t{number}" for number in range(load.tenants)]
    fast = {"requests_per_minute": "100000", "requests_per_second_per_route": "10000"}
    async with ground.operator("settle", **fast), _showing(ground, load, progress):
        await ground.create_many(CROWD, names)
        await ground.until(lambda: _ready(ground, CROWD) >= load.tenants)


async def tier_change(ground: Ground, load: Load, progress: Progress) -> Measured:
    """Changes the tier of all tenants, and creates others meanwhile."""
    async with _limited(ground, load, "tier-change"):
        before = ground.neon.requests.count(*PATCH)
        ground.neon.requests.clear()
        await ground.change_tier({"quota": {"computeTime": f"{77 + before}h"}})

        def changed() -> int:
            return ground.neon.requests.count(*PATCH, status=200)

        while not changed():  # noqa: ASYNC110  # it is counted in Neon's journal, which tells nobody
            await asyncio.sleep(_LOOK)
        waits = await _singles(
            ground,
            load,
            QUIET,
            lambda: changed() >= load.tenants,
            lambda: progress("changed", changed(), load.tenants),
        )
    return _measured(ground, waits, PATCH)


async def crowd(ground: Ground, load: Load, progress: Progress) -> Measured:
    """One namespace creates all its tenants, and another single ones meanwhile."""
    namespace, single = f"{CROWD}-2", f"{QUIET}-2"
    async with _limited(ground, load, "crowd"):
        ground.neon.requests.clear()
        await ground.create_many(namespace, [f"t{number}" for number in range(load.tenants)])
        waits = await _singles(
            ground,
            load,
            single,
            lambda: _ready(ground, namespace) >= load.tenants,
            lambda: progress("of the crowd Ready", _ready(ground, namespace), load.tenants),
        )
    return _measured(ground, waits, ("POST", "/projects"))


async def alone(ground: Ground, load: Load, progress: Progress) -> Measured:
    """Creates one tenant after another, with nothing else to do: Neon's own time, and ours."""
    count = 20
    waits: list[float] = []
    async with _limited(ground, load, "alone"):
        ground.neon.requests.clear()
        for number in range(count):
            waits.append(await _single(ground, "alone", f"a{number}"))
            progress("single creates", number + 1, count)
    return _measured(ground, tuple(waits), ("POST", "/projects"))


@asynccontextmanager
async def _limited(ground: Ground, load: Load, name: str) -> AsyncIterator[None]:
    """Operators with their share of a Neon with limits, as large beside it as by default."""
    ground.neon.knobs.requests_per_minute = load.requests_per_minute * 700 // 560
    ground.neon.knobs.requests_per_second_per_route = max(40, load.requests_per_minute // 14)
    async with ground.sharing(
        name,
        load.replicas,
        requests_per_minute=str(load.requests_per_minute),
        requests_per_second_per_route=str(ground.neon.knobs.requests_per_second_per_route * 4 // 5),
    ):
        yield


async def _singles(
    ground: Ground, load: Load, namespace: str, done: Callable[[], bool], show: Callable[[], None]
) -> tuple[float, ...]:
    """Creates a tenant now and again until all is done; returns how long each took."""
    tasks: list[asyncio.Task[float]] = []
    numbers = itertools.count()
    loop = asyncio.get_running_loop()
    due = loop.time()
    while not done():
        if loop.time() >= due:
            due += load.every
            tasks.append(asyncio.create_task(_single(ground, namespace, f"s{next(numbers)}")))
        show()
        await asyncio.sleep(_LOOK)
    show()
    return tuple(await asyncio.gather(*tasks))


async def _single(ground: Ground, namespace: str, name: str) -> float:
    asked = await ground.create(namespace, name)
    await ground.until(lambda: (namespace, name) in ground.ready)
    return ground.ready[namespace, name] - asked


def _ready(ground: Ground, namespace: str) -> int:
    return sum(of == namespace for of, _ in ground.ready)


def _measured(ground: Ground, waits: tuple[float, ...], work: tuple[str, str]) -> Measured:
    """From the first to the last request of the work: before and after it there was not enough to do."""
    entries = list(ground.neon.requests)
    times = [entry.at for entry in entries]
    working = [entry.at for entry in entries if (entry.method, entry.route) == work]
    first, last = min(working), max(working)
    return Measured(
        waits=waits,
        served=sum(first <= at <= last for at in times),
        seconds=last - first,
        busiest_minute=busiest(times, 60.0),
        refused=sum(entry.status == 429 for entry in entries),
    )


@asynccontextmanager
async def _showing(ground: Ground, load: Load, progress: Progress) -> AsyncIterator[None]:
    async def show() -> None:
        while True:
            progress("tenants made", _ready(ground, CROWD), load.tenants)
            await asyncio.sleep(_LOOK)

    showing = asyncio.create_task(show())
    try:
        yield
    finally:
        showing.cancel()
        await asyncio.gather(showing, return_exceptions=True)
