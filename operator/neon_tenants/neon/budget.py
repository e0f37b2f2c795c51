"""The request budget: what share of Neon's limit we use, as one token bucket for every call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Self

from neon_tenants.core.lane import Lane

NEON_REQUESTS_PER_MINUTE: Final = 700
"""For a whole account, people in Neon's console included (docs/neon.md, Limits)."""
NEON_REQUESTS_PER_SECOND: Final = 40
"""For a route of an account."""
BURST_SHARE: Final = 0.05
"""Part of a minute's share that may go at once. The rest is the rate, so that burst and rate together
stay within the share in *every* window of 60 seconds."""


@dataclass(frozen=True, slots=True)
class Turn:
    """On whose account requests go: the namespaces of a lane take turns."""

    lane: Lane
    namespace: str = ""
    """Empty for what is done for the whole fleet."""


_UNACCOUNTED: Final = Turn(Lane.SWEEP)
_turn: ContextVar[Turn] = ContextVar("turn", default=_UNACCOUNTED)


def current_turn() -> Turn:
    """On whose account this task's requests go; what nobody accounts for is a sweep."""
    return _turn.get()


@contextmanager
def taking_turns(turn: Turn) -> Iterator[None]:
    """Puts all requests inside the block, and in tasks begun there, on this account."""
    token = _turn.set(turn)
    try:
        yield
    finally:
        _turn.reset(token)


@dataclass(slots=True)
class Bucket:
    """The tokens, by a clock that is told: no I/O and no waiting.

    With `per_minute` as the share, no window of 60 seconds sees more requests.
    """

    burst: float
    rate: float
    """Tokens a second."""
    tokens: float
    filled_at: float
    paused_until: float = 0.0

    @classmethod
    def of(cls, per_minute: float, now: float) -> Self:
        """A full bucket."""
        # Half of a route's limit of a second at once leaves room for the rate that comes on top.
        burst = max(1.0, min(per_minute * BURST_SHARE, NEON_REQUESTS_PER_SECOND / 2))
        return cls(burst, (per_minute - burst) / 60, burst, now)

    def take(self, now: float) -> float:
        """Takes a token and returns 0; or takes none and returns the seconds until there may be one."""
        self.tokens = min(self.burst, self.tokens + (now - self.filled_at) * self.rate)
        self.filled_at = now
        # A token that lacks a rounding error is one: else the rest is never waited for.
        wanting = 0.0 if self.tokens > 1 - 1e-6 else (1 - self.tokens) / self.rate
        delay = max(wanting, self.paused_until - now)
        if delay <= 0:
            self.tokens -= 1
        return max(delay, 0.0)

    def pause(self, until: float) -> None:
        """Nobody takes a token before."""
        self.paused_until = max(self.paused_until, until)


class Budget:
    """One bucket for every call, first come first served."""

    def __init__(self, per_minute: float, clock: Callable[[], float]) -> None:
        self._bucket = Bucket.of(per_minute, clock())
        self._clock = clock
        self._turn = asyncio.Lock()

    async def acquire(self) -> None:
        """Waits for the right to send one request."""
        async with self._turn:  # asyncio's lock is fair
            # Waiting for time itself: there is no event to wait for, and a pause may lengthen the wait.
            while (delay := self._bucket.take(self._clock())) > 0:  # noqa: ASYNC110
                await asyncio.sleep(delay)

    def pause(self, seconds: float) -> None:
        """Neon said Retry-After: nobody sends before."""
        self._bucket.pause(self._clock() + seconds)
