"""Kopf's tasks among ours. It takes the whole loop for its own, and yet leaves some of its tasks behind."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterator
from typing import Any, Final

import kopf

logger = logging.getLogger(__name__)

_WATCHER: Final = "watcher for "
"""What Kopf begins the names of such tasks with."""
_PATIENCE: Final = 5.0
"""Seconds for tasks that were left behind to end. Each only closes what it holds."""


async def run(tasks: Collection[asyncio.Task[None]]) -> None:
    """Runs what `kopf.spawn_tasks` made until it ends. Raises what a part of it ended with."""
    try:
        await kopf.run_tasks(tasks, ignored=_ALL)
    finally:
        await _end_watchers()


async def _end_watchers() -> None:
    """Ends the watches of other kinds that Kopf leaves behind where that of one kind broke.

    They wait for ever for a login that nobody makes any more. They must be gone before the process ends:
    cancelled together with the tasks that they wait for, they would never end, and neither would it.
    """
    left = {task for task in asyncio.all_tasks() if task.get_name().startswith(_WATCHER)}
    if not left:
        return
    for task in left:
        task.cancel()
    _, stuck = await asyncio.wait(left, timeout=_PATIENCE)
    if stuck:
        logger.warning("Watches of Kopf did not end.", extra={"watches": sorted(t.get_name() for t in stuck)})


class _AllTasks(Collection[asyncio.Task[Any]]):
    """What Kopf is to let be when it ends: every task that is not its own.

    It takes whatever began after it for its own and cancels it, in the middle of a write, too; and by
    itself it knows only tasks that began before. Its own it ends by name, before it asks for these.
    """

    def __contains__(self, task: object) -> bool:
        return True

    def __iter__(self) -> Iterator[asyncio.Task[Any]]:
        return iter(asyncio.all_tasks())

    def __len__(self) -> int:
        return len(asyncio.all_tasks())


_ALL: Final = _AllTasks()
