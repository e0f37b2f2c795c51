"""Time, as the emulator sees it: real, and movable by a test."""

from __future__ import annotations

import asyncio
import time


class Clock:
    """Real time that can be moved forward; one clock belongs to one event loop.

    Everything in the emulator that waits or that compares times asks this clock, so a test reaches
    the end of a recovery window with `advance(7 * 86400)`.
    """

    def __init__(self) -> None:
        # Monotonic underneath: a machine whose wall clock is set back must not revive old requests.
        self._origin = time.time() - time.monotonic()
        self._moved = asyncio.Event()

    def now(self) -> float:
        """Seconds since 1970 UTC."""
        return self._origin + time.monotonic()

    def advance(self, seconds: float) -> None:
        """Moves the clock forward; whoever sleeps wakes if its time has come."""
        if seconds < 0:
            raise ValueError("A clock only moves forward.")
        self._origin += seconds
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def sleep_until(self, until: float) -> None:
        """Returns when this clock has come to `until`, however that came; at once where it has passed it."""
        while (left := until - self.now()) > 0:
            try:
                async with asyncio.timeout(left):
                    await self._moved.wait()
            except TimeoutError:
                return
