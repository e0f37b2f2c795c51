"""Work that goes on after a request was answered; none of it outlives the emulator, no failure is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

_KEPT_FAILURES = 100


class Background:
    """The tasks of one emulator."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures: list[Exception] = []

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Starts `work`; what it raises comes out of `close`."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self) -> None:
        """Cancels what still runs and waits for it. Raises ExceptionGroup if any work had failed."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._failures:
            raise ExceptionGroup("Work in the background of the emulator failed", self._failures)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        failure = task.exception()
        if isinstance(failure, Exception) and len(self._failures) < _KEPT_FAILURES:
            self._failures.append(failure)
