"""What a process holds: memory, descriptors, sockets, threads, tasks, objects."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from scene import Scene
from scraping import scrape, value
from soak.counted import FILE
from waiting import until


@dataclass(frozen=True)
class Holding:
    """What the operator holds at one moment of rest."""

    memory: int
    """Bytes of its own: resident, and not of a file."""
    descriptors: int
    sockets: int
    threads: int
    tasks: int
    objects: int
    """That Python's garbage collector knows, after a collection; not those that a start has frozen."""
    passes: int
    """Over tenants, so far: to be told, not compared."""
    types: dict[str, int] = field(repr=False)
    """Objects by type, to explain a growth."""

    @classmethod
    async def of(cls, scene: Scene) -> Holding:
        """Of the last operator of the scene, which was started with `before="soak.counted"`."""
        child = scene.operators[-1]
        proc = Path("/proc") / str(child.pid)
        file = scene.folder / FILE
        file.unlink(missing_ok=True)
        child.send(signal.SIGUSR1)

        async def told() -> bool:
            return file.exists()

        await until(told, "the operator has counted")
        inside = json.loads(file.read_text())
        links = await _fewest(proc / "fd")
        samples = await scrape(scene)
        return cls(
            memory=_kilobytes(proc / "smaps_rollup", "Anonymous") * 1024,
            descriptors=len(links),
            sockets=sum(link.startswith("socket:") for link in links),
            threads=_kilobytes(proc / "status", "Threads"),
            tasks=inside["tasks"],
            objects=inside["objects"],
            passes=int(value(samples, "reconcile_duration_seconds_count")),
            types=inside["types"],
        )

    def __str__(self) -> str:
        told = {key: number for key, number in asdict(self).items() if key != "types"}
        told["memory"] = f"{self.memory / 2**20:.1f} MiB"
        return ", ".join(f"{key} {number}" for key, number in told.items())


BOUNDS: Final = {
    "memory": 4 * 2**20,
    "descriptors": 8,
    "sockets": 8,
    "threads": 2,
    "tasks": 4,
    "objects": 2000,
}
"""How much more the last third may hold than the second: connections and caches come and go."""
IDLE: Final = 32.0
"""Seconds until every connection is closed that nobody has used: aiohttp keeps one for 15, looks for such as
often, and so closes it after twice that at the latest."""


async def _fewest(folder: Path) -> list[str]:
    """What the descriptors lead to when there are fewest, while idle connections come to their end."""
    end = time.monotonic() + IDLE
    fewest = _links(folder)
    while time.monotonic() < end:
        await asyncio.sleep(0.5)
        fewest = min(fewest, _links(folder), key=len)
    return fewest


def _links(folder: Path) -> list[str]:
    found = []
    for link in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed in this moment
            found.append(str(link.readlink()))
    return found


def growth(second: Sequence[Holding], last: Sequence[Holding]) -> list[str]:
    """What grew beyond its bound between two thirds, by the least that each held; nothing, if all is flat."""
    found = []
    for key, bound in BOUNDS.items():
        before, after = (min(getattr(each, key) for each in third) for third in (second, last))
        if after > before + bound:
            found.append(f"{key} grew from {before} to {after}, beyond {bound}")
    return found + _grown_types(second[-1], last[-1]) if found else []


def _grown_types(before: Holding, after: Holding) -> list[str]:
    more = {kind: number - before.types.get(kind, number) for kind, number in after.types.items()}
    return [f"{number} more {kind}" for kind, number in more.items() if number > 200]


def _kilobytes(file: Path, key: str) -> int:
    line = next(line for line in file.read_text().splitlines() if line.startswith(f"{key}:"))
    return int(line.split()[1])
