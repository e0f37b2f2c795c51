"""Where the operator's time goes: its Python stacks, sampled by py-spy, and counted by part."""

from __future__ import annotations

import re
import signal
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from neon_sandbox.child import Child, installed

RATE: Final = 200
"""Samples a second."""
_HEAVIEST: Final = 20
_LINE_NUMBER: Final = re.compile(r":\d+\)$")


@dataclass(frozen=True, slots=True)
class Stack:
    """One stack, outermost frame first, and in how many samples it stood."""

    frames: tuple[str, ...]
    """Each as in `Queue._work (neon_tenants/queue.py)`."""
    samples: int


@dataclass(frozen=True, slots=True)
class Part:
    """What stacks with one of these frames are part of."""

    name: str
    frames: tuple[str, ...]
    """How such a frame begins."""
    within: str | None = None
    """The part that it belongs to: of others' stacks it counts none."""


PARTS: Final = (
    Part("passes over tenants", ("Passes.run (neon_tenants/passes.py",)),
    Part("requests to Kubernetes, sent", ("KubeClient.exchange (neon_tenants/kube/",), "passes over tenants"),
    Part("requests to Neon, sent", ("Http._send (neon_tenants/neon/",), "passes over tenants"),
    Part("Neon's answers, parsed", ("_parsed (neon_tenants/neon/http",), "passes over tenants"),
    Part("resources, parsed", ("parse_tenant (neon_tenants/kube/",), "passes over tenants"),
    Part("decisions (core.plan)", ("next_step (neon_tenants/core/plan",), "passes over tenants"),
    Part("the new status (core.status)", ("updated (neon_tenants/core/status",), "passes over tenants"),
    Part("lists of Neon's projects, that many share", ("Inventory._run (neon_tenants/neon/",)),
    Part(
        "events of the watch, Kopf's part included",
        ("_handing.<locals>.infinite_watch (neon_tenants/", "watcher (kopf/"),
    ),
    Part("rollouts: looks and writes", ("Rollouts.run (neon_tenants/fleet/",)),
    Part("answers that arrive, read as HTTP", ("ResponseHandler.data_received (aiohttp/",)),
    Part("the budget", ("Budget._grant (neon_tenants/neon/",)),
)


def parse(text: str) -> list[Stack]:
    """The stacks of py-spy's raw format: frames between semicolons, and a count."""
    found: Counter[tuple[str, ...]] = Counter()
    for line in text.splitlines():
        frames, _, samples = line.rpartition(" ")
        found[tuple(_LINE_NUMBER.sub(")", frame) for frame in frames.split(";"))] += int(samples)
    return [Stack(frames, samples) for frames, samples in found.items()]


def shares(stacks: Sequence[Stack], parts: Sequence[Part] = PARTS) -> dict[str, float]:
    """What part of all samples each part is in, in percent."""
    named = {part.name: part for part in parts}
    total = sum(stack.samples for stack in stacks)

    def counts(stack: Stack, part: Part) -> bool:
        outer = part.within is None or counts(stack, named[part.within])
        return outer and any(frame.startswith(part.frames) for frame in stack.frames)

    return {
        part.name: 100 * sum(stack.samples for stack in stacks if counts(stack, part)) / max(total, 1)
        for part in parts
    }


def heaviest(stacks: Sequence[Stack], most: int = _HEAVIEST) -> list[tuple[str, float]]:
    """The functions in which most samples ended, with their part in percent."""
    ends: Counter[str] = Counter()
    for stack in stacks:
        ends[stack.frames[-1]] += stack.samples
    total = max(sum(ends.values()), 1)
    return [(frame, 100 * samples / total) for frame, samples in ends.most_common(most)]


def report(found: Mapping[str, Sequence[Stack]]) -> str:
    """The parts of each scenario side by side; then the heaviest functions of the first."""
    columns = {name: shares(stacks) for name, stacks in found.items()}
    lines = ["".join([f"{'percent of the samples':46}", *(f"{name:>12}" for name in columns)])]
    for part in PARTS:
        label = part.name if part.within is None else f"  {part.name}"
        lines.append("".join([f"{label:46}", *(f"{column[part.name]:12.1f}" for column in columns.values())]))
    counted = {name: sum(stack.samples for stack in stacks) for name, stacks in found.items()}
    lines.append("".join([f"{'samples':46}", *(f"{count:12}" for count in counted.values())]))
    name, stacks = next(iter(found.items()))
    lines += ["", f"{name}: functions by what they take themselves"]
    lines += [f"{share:6.1f}  {frame}" for frame, share in heaviest(stacks)]
    return "\n".join(lines) + "\n"


@asynccontextmanager
async def sampled(process: Child, folder: Path, name: str) -> AsyncIterator[Path]:
    """Samples a process until the block ends; then the file holds its stacks.

    Only what holds the interpreter's lock counts: under uvloop, whatever waits looks busy to py-spy.

    Raises:
        FileNotFoundError: there is no py-spy.
        ChildFailedError: it may not look at the process.
    """
    program = installed("py-spy")
    file = folder / f"{name}.stacks"
    how = ["--gil", "--nonblocking", "--format", "raw", "--rate", str(RATE), "--output", str(file)]
    child = await Child.start(
        "py-spy", [program, "record", "--pid", str(process.pid), *how], log=folder / f"{name}.py-spy.log"
    )
    try:
        yield file
        child.check()
    finally:
        await child.stop(sign=signal.SIGINT, grace=60.0)
