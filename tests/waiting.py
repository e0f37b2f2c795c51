"""Waiting for what must come: a condition and a patience, never a sleep in its place."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeVar

from neon_sandbox.emulator import Emulator

T = TypeVar("T")

PATIENCE: Final = 90.0
"""Seconds until a condition that must come is given up. Never a measure of speed."""


async def until(look: Callable[[], Awaitable[T | None]], what: str, *, every: float = 0.05) -> T:
    """Looks `every` so many seconds until the answer is something, and returns it."""
    deadline = time.monotonic() + PATIENCE
    while not (answer := await look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain until {what}")
        await asyncio.sleep(every)
    return answer


async def until_scripts_met(neon: Emulator) -> None:
    """Waits until every scripted answer has met its request, which may be under way."""

    async def met() -> bool:
        return not neon.answers.pending

    await until(met, "the scripted requests have come")


def processes_in(folder: Path) -> list[int]:
    """Who works in `folder`, on Linux."""
    found = []
    for each in Path("/proc").iterdir():
        try:
            if each.name.isdigit() and (each / "cwd").readlink().is_relative_to(folder):
                found.append(int(each.name))
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            continue
    return found


async def until_nobody_works_in(folder: Path) -> None:
    """Whoever works there is nobody's child to wait for."""

    async def empty() -> bool:
        return not processes_in(folder)

    await until(empty, f"nobody works in {folder}")
