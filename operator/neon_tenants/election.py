"""The election: who of several replicas works, and that it stops before another may begin.

It saves work and requests, and nothing else rests on it: two who both believe that they lead do no harm
(docs/protocol.md).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

from neon_tenants.core.lease import (
    Lease,
    Move,
    Sight,
    Terms,
    View,
    held,
    honored,
    is_free,
    next_move,
    noted,
    released,
    seen,
)
from neon_tenants.kube.errors import KubeError
from neon_tenants.kube.leases import Found, Leases
from neon_tenants.sleep import sleep_unless

logger = logging.getLogger(__name__)

_CONFLICT: Final = 409
_RELEASES: Final = 3
"""Tries to let the Lease go, where somebody wrote in between."""


class Election:
    """One candidate for one Lease: `acquire`, then `renew` beside the work, and `release` at its end."""

    def __init__(
        self,
        *,
        leases: Leases,
        identity: str,
        terms: Terms,
        clock: Callable[[], float],
        dice: Callable[[], float],
        wall_time: Callable[[], str],
        eager: Callable[[], bool] = lambda: True,
        notes: Callable[[], Mapping[str, str]] = dict,
        noticed: Callable[[], None] = lambda: None,
    ) -> None:
        """`eager` says whether it would lead at all, and `notes` what it writes into a Lease that it has.

        `noticed` is called when other notes stand on it than at the last look.
        """
        self._eager = eager
        self._notes = notes
        self._noticed = noticed
        self._due = asyncio.Event()
        """Set where it is to be renewed at once."""
        self._leases = leases
        self._identity = identity
        self._terms = terms
        self._clock = clock
        self._dice = dice
        self._wall_time = wall_time
        self._sight: Sight | None = None
        self._stored: Found | None = None
        """What we wrote last; None where somebody may have written since."""
        self.seen_at = float("-inf")
        """When the last look began that told what stands in the Lease."""
        self._renewed: float | None = None
        """When the write by which we lead was begun: it took effect later, so others wait longer."""
        self.trouble: str | None = None
        """Why the last try told or changed nothing."""

    @property
    def leads(self) -> bool:
        """Whether we lead, as far as we know."""
        return self._renewed is not None

    @property
    def looked(self) -> bool:
        """Whether the Lease was seen at all."""
        return self._sight is not None

    @property
    def leader(self) -> str:
        """Who held the Lease when it was last seen; empty where nobody did."""
        return "" if self.lease is None else self.lease.holder

    @property
    def lease(self) -> Lease | None:
        """The Lease as it was last seen."""
        return None if self._sight is None else self._sight.lease

    def noted(self, name: str) -> str:
        """A note on the Lease, as it was last seen; empty for none."""
        return self._known_notes.get(name, "")

    @property
    def _known_notes(self) -> Mapping[str, str]:
        return {} if self.lease is None else self.lease.notes

    @property
    def holder(self) -> str:
        """Who is to be taken for its holder: we while we lead, else who renews it; empty for nobody."""
        if self.leads:
            return self._identity
        lease = self.lease
        if lease is None or lease.holder == self._identity:
            return ""
        return "" if is_free(lease, self.unchanged, self._terms) else lease.holder

    async def acquire(self, stop: asyncio.Event) -> bool:
        """Waits until we lead; false when asked to stop."""
        told: str | None = None
        while not stop.is_set():
            wait = await self._try(self._terms.deadline / 2)
            if self.leads:
                logger.info("This replica leads.", extra={"lease": str(self._leases)})
                return True
            if self.trouble is None and self.leader != told:
                told = self.leader
                logger.info("This replica stands by.", extra={"leader": told})
            await sleep_unless(stop, wait)
        return False

    async def renew(self) -> None:
        """Keeps the Lease, and returns when it is lost."""
        wait, why = self._delay(), "Another, or nobody, is written in it."
        while self._renewed is not None:
            await sleep_unless(self._due, max(min(wait, self._left(self._renewed)), 0.0))
            self._due.clear()
            if self._next_move(None) is Move.STEP_DOWN:  # whatever stands there by now
                self._renewed = self._stored = None
                why = self.trouble or "It was not renewed in time."
            else:
                wait = await self._try(min(self._terms.deadline / 2, self._left(self._renewed)))
        logger.warning("This replica does not lead any more.", extra={"why": why})

    def hurry(self) -> None:
        """There are new notes to write, for which others wait: it is renewed at once."""
        self._due.set()

    async def release(self, notes: Mapping[str, str] | None = None) -> None:
        """Lets another lead at once, and leaves these notes. Only for when all work has ended."""
        self._renewed, why = None, ""
        for _ in range(_RELEASES):
            try:
                was_ours = await self._let_go(self._terms.deadline / 2, notes)
            except KubeError as error:
                why = str(error)
                if error.status != _CONFLICT:
                    break
                # A renewal that was cut off has landed after all, perhaps.
            else:
                if was_ours:
                    logger.info("The Lease is released.")
                return
        logger.warning("The Lease is not released and runs out by itself.", extra={"why": why})

    async def note(self, notes: Mapping[str, str]) -> None:
        """Writes notes into another's Lease, unless somebody else writes meanwhile; its holder will see them.

        Raises:
            KubeError: they are not written, or perhaps.
        """
        found = await self._leases.read(timeout=self._terms.deadline / 2)
        if found is not None and found.lease.holder not in ("", self._identity):
            await self._leases.write(found, noted(found.lease, notes), timeout=self._terms.deadline / 2)

    async def _let_go(self, timeout: float, notes: Mapping[str, str] | None) -> bool:  # noqa: ASYNC109 - likewise
        """Whether it was ours to release."""
        found, self._stored = self._stored or await self._leases.read(timeout=timeout), None
        if found is None or found.lease.holder != self._identity:
            return False
        await self._leases.write(found, released(found.lease, self._wall_time(), notes), timeout=timeout)
        return True

    async def _try(self, timeout: float) -> float:  # noqa: ASYNC109 - of each request
        """One look and one move; seconds until the next."""
        begun, known = self._clock(), self._known_notes
        try:
            found = self._stored or await self._leases.read(timeout=timeout)
            wait = await self._move(found, timeout)
        except KubeError as error:
            self._stored = None
            if error.status != _CONFLICT:  # who was slower only looks again
                if self.trouble is None:
                    logger.warning("The Lease could not be read or written.", extra={"why": str(error)})
                self.trouble = str(error)
            return max(self._delay() - (self._clock() - begun), 0.0)
        self.trouble = None
        self.seen_at = begun
        if self._known_notes != known:
            self._noticed()
        return wait

    async def _move(self, found: Found | None, timeout: float) -> float:  # noqa: ASYNC109 - likewise
        lease = None if found is None else found.lease
        self._sight = seen(self._sight, lease, self._clock())
        match self._next_move(lease):
            case Move.CREATE | Move.TAKE | Move.RENEW:
                await self._hold(found, timeout)
            case Move.STEP_DOWN:
                self._renewed = self._stored = None
            case Move.WAIT if lease is not None and lease.holder:
                return min(self._delay(), max(honored(lease, self._terms) - self.unchanged, 0.0))
        return self._delay()

    def _next_move(self, lease: Lease | None) -> Move:
        renewed = None if self._renewed is None else self._clock() - self._renewed
        view = View(self._identity, lease, self.unchanged, renewed, self._eager())
        return next_move(view, self._terms)

    @property
    def unchanged(self) -> float:
        """Seconds since the Lease was seen to change."""
        return 0.0 if self._sight is None else self._clock() - self._sight.since

    async def _hold(self, found: Found | None, timeout: float) -> None:  # noqa: ASYNC109 - likewise
        begun = self._clock()
        before = None if found is None else found.lease
        wanted = held(before, self._identity, self._terms, self._wall_time(), self._notes())
        self._stored = None  # until the answer comes, nobody knows what stands there
        self._stored = await self._leases.write(found, wanted, timeout=timeout)
        self._sight = seen(self._sight, self._stored.lease, begun)
        self._renewed = begun

    def _left(self, renewed: float) -> float:
        return self._terms.deadline - (self._clock() - renewed)

    def _delay(self) -> float:
        return self._terms.pause(self._dice())
