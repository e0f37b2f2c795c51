"""What a process holds: memory, descriptors, sockets, threads, tasks, objects."""

from __future__ import annotations

import json
import signal
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
        links = [str(link.readlink()) for link in (proc / "fd").iterdir() if link.is_symlink()]
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
"""How much more the last third may hold than the second: idle connections and caches come and go."""


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
