"""The request budget: which request is sent next, of all that wait, and when.

Every request to Neon passes it. Lanes go first to last, the namespaces of a lane take turns, and what waits
for a route that Neon paused holds up nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from neon_tenants.core.lane import Lane
from neon_tenants.core.turns import Line, Place, Precedence, Waiting
from neon_tenants.neon.errors import GivenUpError
from neon_tenants.neon.limits import Limits, Rates
from neon_tenants.neon.turn import Turn, current_turn


@dataclass(slots=True, eq=False)
class Waiter:
    """A request that waits for its turn."""

    turn: Turn
    route: str
    since: float
    place: Place[Waiter] | None = None
    """None once it was granted."""


class Schedule:
    """Who waits, and who is next, by a clock that is told.

    A grant costs O(lanes x routes + log n), however many wait.
    """

    def __init__(self, rates: Rates, now: float) -> None:
        self._limits = Limits(rates, now)
        self._lines: dict[Lane, Line[Waiter]] = {lane: Line() for lane in Lane}
        self._waiting: dict[Lane, dict[Waiter, None]] = {lane: {} for lane in Lane}
        """In the order in which they came."""
        self._precedence = Precedence()

    def join(self, turn: Turn, route: str, now: float) -> Waiter:
        """Takes a place for a request of this route."""
        waiter = Waiter(turn, route, now)
        waiter.place = self._lines[turn.lane].join(turn.namespace, waiter, route)
        self._waiting[turn.lane][waiter] = None
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """The request is not sent after all; what it was granted goes to the next."""
        if waiter.place is None:
            self.give_back(waiter.route)
            return
        self._lines[waiter.turn.lane].leave(waiter.place)
        del self._waiting[waiter.turn.lane][waiter]

    def give_back(self, route: str) -> None:
        """What was granted to a request of this route is not used."""
        self._limits.give_back(route)

    def next(self, now: float) -> Waiter | float | None:
        """Grants one request; or the seconds until one may be granted, or None while nobody waits."""
        waits = {route: 0.0 for line in self._lines.values() for route in line.gates()}
        if not waits:
            return None
        if (wait := self._limits.wait(now)) > 0:
            return wait
        waits = {route: self._limits.wait_of(route, now) for route in waits}
        opened = [route for route, wait in waits.items() if wait <= 0]
        lanes = [lane for lane, line in self._lines.items() if not line.gates().isdisjoint(opened)]
        if not lanes:
            return min(waits.values())
        lane = self._precedence.choose(lanes)
        waiter = self._lines[lane].pop(opened)
        assert waiter is not None
        waiter.place = None
        del self._waiting[lane][waiter]
        self._limits.take(waiter.route, now)
        return waiter

    def pause(self, route: str, seconds: float, now: float) -> None:
        """Neon refused a request of this route because of a limit."""
        self._limits.pause(route, now + seconds, now)

    def change(self, rates: Rates, now: float) -> None:
        """Other rates from now on."""
        self._limits.change(rates, now)

    def left(self, now: float) -> int:
        """How many requests may leave at once."""
        return self._limits.left(now)

    def waiting(self, now: float) -> dict[Lane, Waiting]:
        """Who waits, by lane."""
        return {
            lane: Waiting(len(waiters), now - next((waiter.since for waiter in waiters), now))
            for lane, waiters in self._waiting.items()
        }


class Budget:
    """The right to send requests to one organization of Neon."""

    def __init__(self, rates: Rates, clock: Callable[[], float]) -> None:
        self._schedule = Schedule(rates, clock())
        self._clock = clock
        self._granted: dict[Waiter, asyncio.Future[None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.whole = rates
        """Those of all replicas together."""
        self.rates = rates
        """Those that hold now."""
        self.granted = 0
        """Requests that were let go so far."""

    async def acquire(self, route: str) -> None:
        """Waits for the right to send one request of this route, on the account of this task.

        Raises:
            GivenUpError: nothing waits on this account any more.
        """
        turn = current_turn()
        waiter = self._schedule.join(turn, route, self._clock())
        granted = self._granted[waiter] = asyncio.get_running_loop().create_future()
        self._grant()
        try:
            await turn.wait(granted)
        except (asyncio.CancelledError, GivenUpError):
            self._schedule.leave(waiter)
            self._grant()
            raise
        finally:
            del self._granted[waiter]
        self.granted += 1

    def give_back(self, route: str) -> None:
        """A request of this route is not sent after all: what it was granted goes to the next."""
        self.granted -= 1
        self._schedule.give_back(route)
        self._grant()

    def change(self, rates: Rates) -> None:
        """Other rates from now on, as where replicas divide the budget."""
        if rates != self.rates:
            self.rates = rates
            self._schedule.change(rates, self._clock())
            self._grant()

    def pause(self, route: str, seconds: float) -> None:
        """Neon said Retry-After to a request of this route."""
        self._schedule.pause(route, seconds, self._clock())

    def left(self) -> int:
        """How many requests may leave at once."""
        return self._schedule.left(self._clock())

    def waiting(self) -> dict[Lane, Waiting]:
        """Who waits, by lane."""
        return self._schedule.waiting(self._clock())

    def takes(self, requests: int) -> float:
        """Seconds in which so many leave, where some wait; 0 where none does."""
        busy = any(lane.depth for lane in self.waiting().values())
        return requests * 60 / self.rates.per_minute if busy else 0.0

    def _grant(self) -> None:
        """Lets go all that may go now, and comes again when the next may."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while isinstance(found := self._schedule.next(self._clock()), Waiter):
            future = self._granted[found]
            # One whose task is being cancelled gives its grant back a moment later.
            if not future.done():
                future.set_result(None)
        if found is not None:
            self._timer = asyncio.get_running_loop().call_later(found, self._grant)
