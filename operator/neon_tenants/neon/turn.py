"""On whose account requests to Neon go, and how those are given up that still wait on it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from neon_tenants.core.lane import Lane
from neon_tenants.neon.errors import given_up

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Turn:
    """On whose account requests go: the namespaces of a lane take turns."""

    lane: Lane
    namespace: str = ""
    """Empty for what is done for the whole fleet."""
    crowd: bool = False
    """Whether many others of the namespace are ready or at work: what serves them all may wait for them."""
    _waits_for: asyncio.Future[Any] | None = field(default=None, init=False)
    _is_given_up: bool = field(default=False, init=False)
    _insists: bool = field(default=False, init=False)

    def give_up(self) -> None:
        """From now on nothing waits on this account. What was sent is waited for."""
        if self._insists:
            return
        self._is_given_up = True
        if self._waits_for is not None:
            self._waits_for.cancel()

    def insist(self) -> None:
        """What is done on this account is not given up: nobody else could do it."""
        self._insists, self._is_given_up = True, False

    async def wait(self, future: asyncio.Future[T]) -> T:
        """What the future comes to. One wait at a time, as in a pass, is found by `give_up`.

        Raises:
            GivenUpError: nothing is to wait any more. The future is cancelled then.
        """
        if self._is_given_up:
            future.cancel()
            raise given_up()
        self._waits_for = future
        try:
            return await future
        except asyncio.CancelledError:
            if self._is_given_up and not is_cancelled():
                raise given_up() from None
            raise
        finally:
            self._waits_for = None


_UNACCOUNTED: Final = Turn(Lane.SWEEP)
_turn: ContextVar[Turn] = ContextVar("turn", default=_UNACCOUNTED)


def is_cancelled() -> bool:
    """Whether this very task is to end, and not only what it waits for."""
    us = asyncio.current_task()
    return us is not None and us.cancelling() > 0


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
