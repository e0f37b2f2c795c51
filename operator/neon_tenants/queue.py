"""The queue: keyed, deduplicating, prioritized, fair among namespaces; retries with back-off, in memory.

Kopf's own retries live in annotations and cost two writes each; these cost none. A failing tenant
delays nobody else.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import traceback
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from neon_tenants.core.again import Again
from neon_tenants.core.key import Key
from neon_tenants.core.lane import Lane
from neon_tenants.core.staff import Staff
from neon_tenants.core.turns import Line, Place, Precedence, Waiting
from neon_tenants.kube.errors import KubeError

logger = logging.getLogger(__name__)

FIRST_DELAY: Final = 1.0
MAX_DELAY: Final = 300.0
"""Seconds of the first and of the longest back-off, each times a random factor of 0.5 to 1."""


FEW: Final = 3
"""So many of a namespace that are ready or at work are no crowd yet, for what serves many at once: who makes
two databases is not to wait as long for it as who makes a thousand."""
_ALONE: Final = "alone"
_CROWD: Final = "crowd"
"""The gates of a lane: for a key whose namespace had nothing else ready or at work, and for the others."""


class Reconcile(Protocol):
    """One pass for a key, in the lane that it was taken from."""

    def __call__(self, key: Key, lane: Lane, *, crowd: bool) -> Awaitable[Again]:
        """`crowd` tells whether its namespace has more than `FEW` ready or at work."""


@dataclass(slots=True)
class _Entry:
    lane: Lane
    place: Place[Key] | None = None
    """In its lane's line, while it is ready."""
    ticket: int = 0
    """Of the delay that counts; one with an older ticket does not."""
    running: bool = False
    crowd: bool = False
    """Whether its namespace had others ready or at work when it became ready."""
    failures: int = 0
    seen: int = 0
    """The newest version that a pass knew."""
    news: int = 0
    """The newest version that came while a pass ran."""
    renewed: bool = False
    """Whether versions began anew while a pass runs: the one that it knew is no measure any more."""
    asked: bool = False
    """Whether another pass was asked for, without a version, while one runs."""
    next_lane: Lane = Lane.SWEEP
    """The most urgent that another pass was asked for in while one runs."""
    ended: asyncio.Event | None = None
    """Set when the pass that runs ends, where somebody waits for that."""


class Queue:
    """What is to be reconciled, and when.

    `dice` gives numbers from 0 to 1, for jitter. Delays are in seconds of the event loop's clock.
    """

    def __init__(
        self,
        *,
        dice: Callable[[], float],
        first_delay: float = FIRST_DELAY,
        max_delay: float = MAX_DELAY,
    ) -> None:
        self._dice = dice
        self._first_delay = first_delay
        self._max_delay = max_delay
        self._entries: dict[Key, _Entry] = {}
        self._lines: dict[Lane, Line[Key]] = {lane: Line() for lane in Lane}
        self._since: dict[Lane, dict[Key, float]] = {lane: {} for lane in Lane}
        """When the ready ones joined their lines, in this order."""
        self._active: Counter[str] = Counter()
        """How many keys of a namespace are ready or at work."""
        self._precedence = Precedence()
        self._staff = Staff(0)
        self._delayed: list[tuple[float, int, Key]] = []
        self._tickets = itertools.count(1)
        self._sleeping: deque[asyncio.Future[None]] = deque()
        """The workers that found nothing to do."""
        self._timer: asyncio.TimerHandle | None = None
        self._running = 0
        self._moved = 0.0
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return len(self._entries)

    def at_work(self, first: Lane, last: Lane) -> int:
        """How many passes run, of these lanes and those between."""
        return self._staff.at_work(first, last)

    def add(self, key: Key, lane: Lane, *, version: int = 0) -> None:
        """Asks for a pass as soon as possible; a back-off that is under way ends.

        `version` is that of the object that asks: a version that a pass has seen is no news. While a
        pass runs, at most one more is remembered.
        """
        entry = self._entries.setdefault(key, _Entry(lane))
        if entry.running:
            entry.news = max(entry.news, version)
            entry.asked |= version == 0
            entry.next_lane = min(entry.next_lane, lane)
        elif (entry.place is None or lane < entry.lane) and (version == 0 or version > entry.seen):
            # What is left of a pass that failed stays as urgent as it was.
            self._make_ready(key, entry, min(entry.lane, lane))

    def busy(self, key: Key) -> bool:
        """Whether a pass runs for the key, or could begin now."""
        entry = self._entries.get(key)
        return entry is not None and (entry.running or entry.place is not None)

    async def ended(self, of: Callable[[Key], bool]) -> None:
        """Waits until the passes have ended that run now for such keys."""
        running = [entry for key, entry in self._entries.items() if entry.running and of(key)]
        for entry in running:
            entry.ended = entry.ended or asyncio.Event()
        for event in [entry.ended for entry in running if entry.ended is not None]:
            await event.wait()

    def waiting(self) -> dict[Lane, Waiting]:
        """What could be worked on now, by lane."""
        now = _now()
        return {
            lane: Waiting(len(since), now - next(iter(since.values()), now))
            for lane, since in self._since.items()
        }

    def backing_off(self) -> int:
        """How many keys wait because their last pass failed."""
        return sum(
            entry.failures > 0 and entry.place is None and not entry.running
            for entry in self._entries.values()
        )

    @property
    def moved_ago(self) -> float:
        """Seconds since a worker took a key or finished one, or could first have done so."""
        return _now() - self._moved

    def expedite(self) -> None:
        """Ends every delay, as when a new API key may have ended the cause of all failures."""
        for _, ticket, key in self._delayed:
            entry = self._entries.get(key)
            if entry is not None and entry.ticket == ticket:
                self._make_ready(key, entry, entry.lane)
        self._delayed.clear()

    def renew(self) -> None:
        """Versions count anew, as on an API server whose history went back; every delay ends."""
        for entry in self._entries.values():
            entry.seen = 0
            if entry.running:
                # It has perhaps read what is gone.
                entry.renewed = entry.asked = True
        self.expedite()

    @asynccontextmanager
    async def working(
        self, reconcile: Reconcile, *, workers: int, grace: float, cut: asyncio.Event | None = None
    ) -> AsyncIterator[None]:
        """Works off the queue until the block ends; passes that run then have `grace` seconds to finish.

        When `cut` is set, they have none.
        """
        stopping = asyncio.Event()
        self._moved = _now()
        self._staff = Staff(workers)
        tasks = [asyncio.create_task(self._work(reconcile, stopping)) for _ in range(workers)]
        try:
            yield
        finally:
            stopping.set()
            ends = [asyncio.create_task(event.wait()) for event in (self._idle, cut) if event is not None]
            await asyncio.wait(ends, timeout=grace, return_when=asyncio.FIRST_COMPLETED)
            for task in (*ends, *tasks):
                task.cancel()
            await asyncio.gather(*ends, *tasks, return_exceptions=True)
            if self._timer is not None:
                self._timer.cancel()

    async def _work(self, reconcile: Reconcile, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            key = self._take()
            if key is None:
                await self._sleep()
                continue
            lane, crowd = self._entries[key].lane, self._entries[key].crowd
            # The workers tell one from two of a namespace; what serves many at once, few from a crowd.
            many = self._active[key.namespace] > FEW
            self._staff.start(lane, crowd=crowd)
            self._running += 1
            self._idle.clear()
            # There may be more to do: whoever sleeps looks.
            self._wake()
            again = Again(backoff=True)
            try:
                again = await reconcile(key, lane, crowd=many)
            # One of the two boundaries: whatever a pass raises, this tenant backs off and the others go on.
            except Exception as error:  # noqa: BLE001
                _log(key, error)
            finally:
                self._staff.finish(lane, crowd=crowd)
                self._running -= 1
                if not self._running:
                    self._idle.set()
                self._finished(key, again)

    async def _sleep(self) -> None:
        """Until there may be something to do."""
        sleeper = asyncio.get_running_loop().create_future()
        self._sleeping.append(sleeper)
        await sleeper

    def _wake(self) -> None:
        """Lets a worker that sleeps look for something to do; it wakes the next if it finds some."""
        if self._sleeping:
            sleeper = self._sleeping.popleft()
            if not sleeper.done():
                sleeper.set_result(None)

    def _take(self) -> Key | None:
        """The next key; None where there is none that may occupy a worker."""
        gates = {lane: self._open_gates(lane) for lane in Lane}
        lanes = [lane for lane, opened in gates.items() if opened]
        if not lanes:
            return None
        lane = self._precedence.choose(lanes)
        key = self._lines[lane].pop(gates[lane])
        assert key is not None  # somebody waits at an open gate
        self._moved = _now()
        entry = self._entries[key]
        del self._since[lane][key]
        entry.place = None
        entry.running = True
        entry.news, entry.asked, entry.next_lane = 0, False, Lane.SWEEP
        return key

    def _open_gates(self, lane: Lane) -> list[str]:
        return [
            gate for gate in self._lines[lane].gates() if self._staff.may_start(lane, crowd=gate == _CROWD)
        ]

    def _finished(self, key: Key, again: Again) -> None:
        self._moved = _now()
        self._deactivate(key)
        entry = self._entries[key]
        entry.running = False
        if entry.ended is not None:
            entry.ended.set()
            entry.ended = None
        entry.seen = 0 if entry.renewed else max(entry.seen, again.version)
        entry.renewed = False
        if entry.asked or entry.news > entry.seen:
            lane = min(entry.lane, entry.next_lane) if again.backoff else entry.next_lane
            self._make_ready(key, entry, lane)
        elif again.backoff:
            entry.failures += 1
            self._delay(key, entry, self._backoff(entry.failures, again))
        elif again.after is not None:
            entry.failures = 0
            self._delay(key, entry, again.after)
        else:
            del self._entries[key]

    def _backoff(self, failures: int, again: Again) -> float:
        delay = min(self._first_delay * 2.0 ** min(failures - 1, 30), self._max_delay) * (
            0.5 + self._dice() / 2
        )
        delay = max(delay, again.after or 0.0)
        return delay if again.within is None else min(delay, max(again.within, 0.0))

    def _make_ready(self, key: Key, entry: _Entry, lane: Lane) -> None:
        if entry.place is not None:
            self._lines[entry.lane].leave(entry.place)
            del self._since[entry.lane][key]
            self._deactivate(key)
        if not any(self._since.values()):
            self._moved = _now()  # nobody could have moved before
        entry.ticket = 0
        entry.lane = lane
        entry.crowd = key.namespace in self._active
        entry.place = self._lines[lane].join(key.namespace, key, _CROWD if entry.crowd else _ALONE)
        self._active[key.namespace] += 1
        self._since[lane][key] = _now()
        self._wake()

    def _deactivate(self, key: Key) -> None:
        self._active[key.namespace] -= 1
        if not self._active[key.namespace]:
            del self._active[key.namespace]

    def _delay(self, key: Key, entry: _Entry, seconds: float) -> None:
        entry.ticket = next(self._tickets)
        heapq.heappush(self._delayed, (_now() + seconds, entry.ticket, key))
        self._arm()

    def _arm(self) -> None:
        """Sets the timer for the first of the delayed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._delayed:
            self._timer = asyncio.get_running_loop().call_at(self._delayed[0][0], self._promote)

    def _promote(self) -> None:
        now = _now()
        while self._delayed and self._delayed[0][0] <= now:
            _, ticket, key = heapq.heappop(self._delayed)
            entry = self._entries.get(key)
            if entry is not None and entry.ticket == ticket:
                self._make_ready(key, entry, entry.lane)
        self._arm()


def _now() -> float:
    return asyncio.get_running_loop().time()


def _log(key: Key, error: Exception) -> None:
    """Says what happened without the exception's text, which may quote what must not be seen."""
    where = traceback.format_tb(error.__traceback__)[-3:]
    told = str(error) if isinstance(error, KubeError) else ""
    logger.error(
        "A pass failed and is tried again.",
        extra={
            "tenant": f"{key.namespace}/{key.name}",
            "error": type(error).__name__,
            "why": told,
            "where": where,
        },
    )
