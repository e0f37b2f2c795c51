"""The shards of one replica: whose Leases it takes, keeps, asks for and gives up.

Without a split there is one shard, the whole fleet, and its Lease elects the replica that works.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, Final, Protocol

from neon_tenants import part
from neon_tenants.core import balance, shard
from neon_tenants.core.balance import Seat
from neon_tenants.core.lease import Terms
from neon_tenants.core.portion import HOLD
from neon_tenants.core.shard import Scope
from neon_tenants.election import Election
from neon_tenants.kube.errors import KubeError
from neon_tenants.part import Part, Sender
from neon_tenants.sleep import sleep_unless

logger = logging.getLogger(__name__)

# Notes on Leases, which become annotations.
WANTED: Final = "wanted-by"
"""On another's: the replica that asks for it."""
SPLIT: Final = "split"
"""On the first: how its holder splits the fleet, and who that is."""

LEASE: Final = "neon-tenant-operator"
"""Name of the first Lease. The chart's Role names it, too."""
Elect = Callable[[str, Callable[[], bool], Callable[[], Mapping[str, str]], Callable[[], None]], Election]
"""Makes the election of a Lease by its name, whether it is wanted, the notes that its holder writes, and what
is called when other notes stand on it."""


def lease_of(number: int, count: int) -> str:
    """The name of a shard's Lease. That of the first is the same for every count: one replica conducts."""
    return LEASE if number == 0 else f"{LEASE}-{shard.name(number, count)}"


class Work(Sender, Protocol):
    """What a replica does for its shards while it has some."""

    async def let_go(self, number: int) -> None:
        """Waits for what is under way in a shard that is not this replica's any more."""


class Shards:
    """Those that this replica holds."""

    def __init__(
        self,
        *,
        count: int,
        whole: int,
        identity: str,
        terms: Terms,
        elect: Elect,
        stop: asyncio.Event,
        clock: Callable[[], float],
        dice: Callable[[], float],
    ) -> None:
        """`whole` is the requests a minute of all shards together.

        When `stop` is set it takes nothing more.
        """
        self._count = count
        self._whole = whole
        self._identity = identity
        self._terms = terms
        self._stop = stop
        self._clock = clock
        self._dice = dice
        self._takes = frozenset({0})
        self._news = asyncio.Event()
        """Set when other notes stand on a Lease."""
        self._elections = [
            elect(
                lease_of(number, count),
                partial(self._is_wanted, number),
                partial(self._notes, number),
                self._news.set,
            )
            for number in range(count)
        ]
        self._given = [asyncio.Event() for _ in range(count)]
        self._refuses: frozenset[int] = frozenset()
        """Those that another asks for in vain."""
        self._end = asyncio.Event()
        self._agreed_at: float | None = None
        self._part = Part(whole=whole, elections=self._elections, clock=clock)
        self._work: Work | None = None
        self._lost = asyncio.Event()
        self._began = False
        """Whether it conducted when its work began."""
        self._has_some = asyncio.Event()
        self._tasks: frozenset[asyncio.Task[None]] = frozenset()
        self.scope = Scope(count, frozenset())
        """What this replica works on. It is asked at every event, and changes when a shard moves."""
        self.moved = asyncio.Event()
        """Set when the replica holds others than before. Whoever waits for it clears it."""

    @property
    def first(self) -> Election:
        """The election of who conducts, or of who works alone."""
        return self._elections[0]

    @property
    def looked(self) -> bool:
        """Whether all Leases were seen."""
        return all(election.looked for election in self._elections)

    @property
    def trouble(self) -> str | None:
        """Why the last look at one of the Leases told nothing."""
        return next((election.trouble for election in self._elections if election.trouble), None)

    @asynccontextmanager
    async def sharing(self) -> AsyncIterator[None]:
        """Takes part until the block ends, and gives all up then."""
        sitting = {asyncio.create_task(self._sit(number)) for number in range(self._count)}
        loops = (self._look_again_and_again(), self._keep_part()) if self._count > 1 else ()
        looking = {asyncio.create_task(loop) for loop in loops}
        self._tasks = frozenset(sitting | looking)
        for task in self._tasks:
            task.add_done_callback(self._note_end)
        try:
            yield
        finally:
            self._end.set()
            for task in looking:
                task.cancel()
            await asyncio.wait(self._tasks)
            for task in self._tasks:
                if not task.cancelled():
                    task.result()

    def _note_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._lost.set()

    async def hold_some(self) -> bool:
        """Waits until this replica has something to work on; false when asked to stop."""
        waits = {asyncio.create_task(event.wait()) for event in (self._has_some, self._stop)}
        done, _ = await asyncio.wait(waits | self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        for task in done & self._tasks:
            task.result()  # it ends early only by an error, which ends the process
        return not self._stop.is_set()

    @contextmanager
    def working(self, work: Work) -> Iterator[asyncio.Event]:
        """While the block runs, `work` is done for the shards. The event is set when it is to end at once:
        nothing is held any more, or this replica begins or ceases to conduct.
        """
        self._work, self._lost, self._began = work, asyncio.Event(), self.scope.conducts
        self._part.begin(work)
        self._note_loss()
        try:
            yield self._lost
        finally:
            self._part.end()
            self._work = None

    # --- one shard ------------------------------------------------------------------------------

    def _is_wanted(self, number: int) -> bool:
        return number in self._takes and not self._stop.is_set()

    async def _sit(self, number: int) -> None:
        """Takes the shard, keeps it, and gives it up, again and again."""
        election = self._elections[number]
        while await election.acquire(self._end):
            self._given[number].clear()
            renewing = asyncio.create_task(election.renew())
            try:
                self._gain(number)
                await _first_of(renewing, self._given[number].wait(), self._end.wait())
                self._lose(number)
                if self._work is not None:
                    # Whoever takes it finds nothing half done.
                    await _first_of(renewing, self._work.let_go(number))
            finally:
                self._lose(number)
                renewing.cancel()
                await asyncio.wait({renewing})
                if election.leads:
                    await election.release(dict.fromkeys((part.NEED, part.KEEPS_TO), ""))
            if not renewing.cancelled():
                renewing.result()

    def _gain(self, number: int) -> None:
        self._part.gain(number)
        self._note_move(self.scope.held | {number})

    def _lose(self, number: int) -> None:
        if number in self.scope.held:
            self._part.lose(number)
            self._note_move(self.scope.held - {number})

    def _note_move(self, held: frozenset[int]) -> None:
        self.scope = Scope(self._count, held)
        if self.scope.is_split:
            logger.info("The shards have moved.", extra={"held": sorted(held), "of": self._count})
        if held:
            self._has_some.set()
        else:
            self._has_some.clear()
        self.moved.set()
        self._note_loss()

    def _note_loss(self) -> None:
        if not self.scope.held or self.scope.conducts is not self._began:
            self._lost.set()

    # --- all shards -----------------------------------------------------------------------------

    async def _look_again_and_again(self) -> None:
        while True:
            await self._look()
            await asyncio.sleep(self._terms.pause(self._dice()))

    async def _look(self) -> None:
        """Decides what to take, to ask for and to give up."""
        agreed = self._agrees(self._clock())
        seats = [self._seat(number) for number in range(self._count)]
        intent = balance.intent(self._identity, seats, agreed=agreed)
        self._takes = intent.takes | {0}
        for number in intent.gives:
            self._given[number].set()
        self._refuses = intent.refuses
        for number in intent.refuses:
            self._elections[number].hurry()  # who asked waits for it
        if intent.asks is not None:
            await self._ask(intent.asks)

    async def _keep_part(self) -> None:
        """Keeps to the part of the budget that is told. What others wait for is written at once."""
        while True:
            self._news.clear()
            if self._part.look(conducts=self.scope.conducts):
                for number in self.scope.held:
                    self._elections[number].hurry()
            pause = self._terms.pause(self._dice())
            await sleep_unless(self._news, min(pause, HOLD) if self._part.grows else pause)

    def _seat(self, number: int) -> Seat:
        """A free shard is kept for who asked for it, as long as a Lease lasts: else it does not come."""
        election = self._elections[number]
        comes = bool(election.holder) or election.unchanged < self._terms.duration
        wanted = election.noted(WANTED) if comes else ""
        given = election.leads and self._given[number].is_set()
        return Seat(wanted) if given else Seat(election.holder, wanted)

    def _agrees(self, now: float) -> bool:
        """Whether the fleet is split as this replica does, and was for as long as a Lease lasts."""
        split, _, by = self.first.noted(SPLIT).rpartition("/")
        lease = self.first.lease
        if lease is None or split != self._split or lease.holder not in ("", by):
            self._agreed_at = None
            return False
        if self._agreed_at is None:
            self._agreed_at = now
        return now - self._agreed_at >= self._terms.duration

    async def _ask(self, number: int) -> None:
        try:
            await self._elections[number].note({WANTED: self._identity})
        except KubeError as error:
            logger.info("A shard was not asked for.", extra={"shard": number, "why": str(error)})

    # --- notes ----------------------------------------------------------------------------------

    @property
    def _split(self) -> str:
        return f"{self._count}/{self._whole}"

    def _notes(self, number: int) -> dict[str, str]:
        """What is written with each renewal of a shard's Lease."""
        if self._count == 1:
            return dict.fromkeys((SPLIT, WANTED, *part.NOTES), "")
        notes = self._part.notes(number)
        if not self._elections[number].leads or number in self._refuses:
            notes[WANTED] = ""  # it is being taken, or is not given
        if number == 0:
            notes[SPLIT] = f"{self._split}/{self._identity}"
        return notes


async def _first_of(task: asyncio.Task[None], *others: Coroutine[Any, Any, Any]) -> None:
    """Returns when one of them has ended. The others are cut off, but for the first."""
    beside = {asyncio.create_task(other) for other in others}
    try:
        await asyncio.wait({task, *beside}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for other in beside:
            other.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
