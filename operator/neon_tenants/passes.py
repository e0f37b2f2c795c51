"""The passes over tenants that run: on whose account each asks Neon, and how they are asked to end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from pydantic import ValidationError

from neon_tenants.core.again import Again
from neon_tenants.core.key import Key
from neon_tenants.core.lane import Lane
from neon_tenants.kube.errors import KubeError
from neon_tenants.metrics import Metrics
from neon_tenants.neon.turn import Turn, taking_turns
from neon_tenants.reconcile import Reconciler
from neon_tenants.roster import Roster

logger = logging.getLogger(__name__)

FINISH: Final = 10.0
"""Seconds for what a process that ends must finish itself, after its grace. The pod has 15 more than that."""


class Passes:
    """Those that run now; `clock` gives seconds."""

    def __init__(
        self, *, reconciler: Reconciler, roster: Roster, metrics: Metrics, clock: Callable[[], float]
    ) -> None:
        self._reconciler = reconciler
        self._roster = roster
        self._metrics = metrics
        self._clock = clock
        self._turns: dict[Key, Turn] = {}
        """On whose account the pass for a key asks; there is one at a time."""

    async def run(self, key: Key, lane: Lane, *, crowd: bool) -> Again:
        """One pass for a key of the queue."""
        began, again = self._clock(), None
        turn = self._turns[key] = Turn(lane, key.namespace, crowd=crowd)
        try:
            with taking_turns(turn):
                again = await self._reconciler.reconcile(key.namespace, key.name)
        finally:
            del self._turns[key]
            self._metrics.passed(again, self._clock() - began)
        if again.gone:
            # The watch may have missed it: Kopf notices no deletion across a new list.
            self._roster.drop(key)
        return again

    def give_up(self, of: Callable[[Key], bool]) -> None:
        """Lets those over such keys wait for Neon's budget no longer: whoever comes next does the rest.

        What they have sent is waited for, so that nothing is left half done that could be known.
        """
        for key, turn in self._turns.items():
            if of(key):
                turn.give_up()

    async def finish(self, keys: Iterable[Key]) -> None:
        """Of these, lets go what was made for resources that have vanished: nobody else could know of it.

        For a process that ends, when no other pass runs any more.
        """
        try:
            async with asyncio.timeout(FINISH):
                for key in keys:
                    if await self._reconciler.has_vanished(key):
                        await self.run(key, Lane.DELETE, crowd=False)
        except (KubeError, ValidationError, TimeoutError) as error:
            logger.warning(
                "It was not seen whether a resource vanished while its project was made. If so, the orphan "
                "report will show it.",
                extra={"error": type(error).__name__},
            )

    @contextmanager
    def given_up_at_the_end(self) -> Iterator[None]:
        """Gives all up when the block ends."""
        try:
            yield
        finally:
            self.give_up(lambda _: True)
