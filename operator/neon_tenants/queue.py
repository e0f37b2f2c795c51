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
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from neon_tenants.core.again import Again
from neon_tenants.core.key import Key
from neon_tenants.core.lane import Lane
from neon_tenants.kube.errors import KubeError

logger = logging.getLogger(__name__)

FIRST_DELAY: Final = 1.0
MAX_DELAY: Final = 300.0
"""Seconds of the first and of the longest back-off, each times a random factor of 0.5 to 1."""


Reconcile = Callable[[Key, Lane], Awaitable[Again]]
"""One pass for a key, in the lane that it was taken from."""


@dataclass(slots=True)
class _Entry:
    lane: Lane
    ticket: int = 0
    """Of its place in a ready line or among the delayed; a place with an older ticket does not count."""
    ready: bool = False
    running: bool = False
    failures: int = 0
    seen: int = 0
    """The newest version that a pass knew."""
    news: int = 0
    """The newest version that came while a pass ran."""
    asked: bool = False
    """Whether another pass was asked for, without a version, while one runs."""
    next_lane: Lane = Lane.SWEEP
    """The most urgent that another pass was asked for in while one runs."""
    since: float = 0.0
    """When it became ready."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The keys of a lane that a worker could take now."""

    depth: int = 0
    oldest: float = 0.0
    """Seconds for which the first of them has been waiting."""


class _Line:
    """The ready keys of a lane, their namespaces taking turns."""

    def __init__(self) -> None:
        self._by_namespace: dict[str, deque[tuple[Key, int]]] = {}
        self._turns: deque[str] = deque()

    def push(self, key: Key, ticket: int) -> None:
        if key.namespace not in self._by_namespace:
            self._by_namespace[key.namespace] = deque()
            self._turns.append(key.namespace)
        self._by_namespace[key.namespace].append((key, ticket))

    def pop(self) -> tuple[Key, int] | None:
        if not self._turns:
            return None
        namespace = self._turns.popleft()
        line = self._by_namespace[namespace]
        place = line.popleft()
        if line:
            self._turns.append(namespace)
        else:
            del self._by_namespace[namespace]
        return place


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
        self._lines = {lane: _Line() for lane in Lane}
        self._delayed: list[tuple[float, int, Key]] = []
        self._tickets = itertools.count(1)
        self._ready = asyncio.Semaphore(0)
        self._timer: asyncio.TimerHandle | None = None
        self._running = 0
        self._moved = 0.0
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return len(self._entries)

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
        elif (not entry.ready or lane < entry.lane) and (version == 0 or version > entry.seen):
            # What is left of a pass that failed stays as urgent as it was.
            entry.lane = min(entry.lane, lane)
            self._make_ready(key, entry)

    def waiting(self) -> dict[Lane, Waiting]:
        """What could be worked on now, by lane."""
        now = _now()
        found = dict.fromkeys(Lane, Waiting())
        for entry in self._entries.values():
            if entry.ready:
                known = found[entry.lane]
                found[entry.lane] = Waiting(known.depth + 1, max(known.oldest, now - entry.since))
        return found

    def backing_off(self) -> int:
        """How many keys wait because their last pass failed."""
        return sum(
            entry.failures > 0 and not (entry.ready or entry.running) for entry in self._entries.values()
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
                self._make_ready(key, entry)
        self._delayed.clear()

    @asynccontextmanager
    async def working(self, reconcile: Reconcile, *, workers: int, grace: float) -> AsyncIterator[None]:
        """Works off the queue until the block ends; passes that run then have `grace` seconds to finish."""
        stopping = asyncio.Event()
        self._moved = _now()
        tasks = [asyncio.create_task(self._work(reconcile, stopping)) for _ in range(workers)]
        try:
            yield
        finally:
            stopping.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await self._idle.wait()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._timer is not None:
                self._timer.cancel()

    async def _work(self, reconcile: Reconcile, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            await self._ready.acquire()
            key = self._take()
            if key is None or stopping.is_set():
                continue
            self._running += 1
            self._idle.clear()
            again = Again(backoff=True)
            try:
                again = await reconcile(key, self._entries[key].lane)
            # One of the two boundaries: whatever a pass raises, this tenant backs off and the others go on.
            except Exception as error:  # noqa: BLE001
                _log(key, error)
            finally:
                self._running -= 1
                if not self._running:
                    self._idle.set()
                self._finished(key, again)

    def _take(self) -> Key | None:
        """The next key; None where a place turned out to be an old one."""
        for line in self._lines.values():
            if place := line.pop():
                key, ticket = place
                entry = self._entries.get(key)
                if entry is None or entry.ticket != ticket:
                    return None
                self._moved = _now()
                entry.ready = False
                entry.running = True
                entry.news, entry.asked, entry.next_lane = 0, False, Lane.SWEEP
                return key
        return None

    def _finished(self, key: Key, again: Again) -> None:
        self._moved = _now()
        entry = self._entries[key]
        entry.running = False
        entry.seen = max(entry.seen, again.version)
        if entry.asked or entry.news > entry.seen:
            entry.lane = min(entry.lane, entry.next_lane) if again.backoff else entry.next_lane
            self._make_ready(key, entry)
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

    def _make_ready(self, key: Key, entry: _Entry) -> None:
        entry.ticket = next(self._tickets)
        entry.ready = True
        entry.since = _now()
        self._lines[entry.lane].push(key, entry.ticket)
        self._ready.release()

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
                self._make_ready(key, entry)
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
