"""Neon's limits, and what of them is left to us at a moment: no I/O, no waiting, and a clock that is told."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Final, Self

NEON_REQUESTS_PER_MINUTE: Final = 700
"""For a whole account, people in Neon's console included (docs/neon.md, Limits)."""
NEON_REQUESTS_PER_SECOND: Final = 40
"""For a route of an account."""
NEON_CONSUMPTION_REQUESTS_PER_MINUTE: Final = 30
"""For all routes of the consumption history together."""
OUR_SHARE: Final = 0.8
"""The rest is for people: they share the limits."""

RATE_SHARE: Final = 0.97
"""Part of a minute's share that flows evenly: what a long run uses at the least."""
BURST_SHARE: Final = 0.02
"""Part of a minute's share that may go at once. Rate and burst leave a hundredth of the share, since
requests that leave in time may reach Neon closer together."""
PART_BURST: Final = 3.0
MOST_BURST: Final = 0.4
"""Requests that may go at once where the share is part of a divided one, or so much of one that is smaller. A
create that comes alone needs three, and is not to wait for the rate between them."""
CONSUMPTION: Final = "/consumption_history/"


@dataclass(frozen=True, slots=True)
class Rates:
    """Our shares."""

    per_minute: float = NEON_REQUESTS_PER_MINUTE * OUR_SHARE
    per_second_of_route: int = int(NEON_REQUESTS_PER_SECOND * OUR_SHARE)
    consumption_per_minute: float = NEON_CONSUMPTION_REQUESTS_PER_MINUTE * OUR_SHARE
    least_burst: float = 0.0
    """Requests that may go at once, however small the share."""

    def part(self, per_minute: int) -> Self:
        """A part of these, of so many requests a minute. The consumption is read by one for all."""
        second = int(self.per_second_of_route * per_minute / self.per_minute)
        return replace(
            self, per_minute=per_minute, per_second_of_route=max(second, 1), least_burst=PART_BURST
        )


@dataclass(slots=True)
class Bucket:
    """With `per_minute` as the share, no window of 60 seconds sees more requests, burst and rate together."""

    burst: float
    rate: float
    """Tokens a second."""
    tokens: float
    filled_at: float

    @classmethod
    def of(cls, per_minute: float, now: float, *, least_burst: float = 0.0) -> Self:
        """An empty bucket: the process before this one may have used up its burst a moment ago."""
        burst = max(per_minute * BURST_SHARE, min(least_burst, per_minute * MOST_BURST))
        rate = per_minute * (RATE_SHARE + BURST_SHARE) - burst
        return cls(max(burst, 1.0), rate / 60, 0.0, now)

    def change(self, per_minute: float, now: float, *, least_burst: float = 0.0) -> None:
        """Another share from now on. What is new of it begins empty: somebody else may have used it up."""
        self.wait(now)
        new = Bucket.of(per_minute, now, least_burst=least_burst)
        self.burst, self.rate = new.burst, new.rate
        self.tokens = min(self.tokens, self.burst)

    def wait(self, now: float) -> float:
        """Seconds until there is a token; 0 if there is."""
        self.tokens = min(self.burst, self.tokens + max(now - self.filled_at, 0.0) * self.rate)
        self.filled_at = max(now, self.filled_at)
        # A token that lacks a rounding error is one: else the rest is never waited for.
        return 0.0 if self.tokens > 1 - 1e-6 else (1 - self.tokens) / self.rate

    def take(self) -> None:
        """Takes the token that `wait` found."""
        self.tokens -= 1

    def give_back(self) -> None:
        """Puts a token back that was not used."""
        self.tokens = min(self.burst, self.tokens + 1)


class Second:
    """No window of a second sees more than the limit; all of it may go at once, as Neon allows."""

    def __init__(self, limit: int) -> None:
        self._times: deque[float] = deque()
        self._limit = limit

    def change(self, limit: int) -> None:
        """Another limit from now on."""
        self._limit = limit

    def wait(self, now: float) -> float:
        """Seconds until there is room; 0 if there is."""
        full = len(self._times) >= self._limit
        # Shorter than a rounding error is over.
        wait = self._times[-self._limit] + 1.0 - now if full else 0.0
        return wait if wait > 1e-6 else 0.0

    def take(self, now: float) -> None:
        """Takes the room that `wait` found."""
        self._times.append(now)
        while len(self._times) > self._limit:
            self._times.popleft()


class Limits:
    """What may be sent now, by route: its method and template, such as `GET /projects/{}`."""

    def __init__(self, rates: Rates, now: float) -> None:
        self._rates = rates
        self._account = Bucket.of(rates.per_minute, now, least_burst=rates.least_burst)
        self._consumption = Bucket.of(rates.consumption_per_minute, now)
        self._seconds: dict[str, Second] = {}
        self._paused: dict[str, float] = {}
        self._all_paused_until = now

    def change(self, rates: Rates, now: float) -> None:
        """Other shares from now on."""
        self._rates = rates
        self._account.change(rates.per_minute, now, least_burst=rates.least_burst)
        self._consumption.change(rates.consumption_per_minute, now)
        for second in self._seconds.values():
            second.change(rates.per_second_of_route)

    def left(self, now: float) -> int:
        """How many requests the account's share allows at once."""
        self._account.wait(now)
        return int(self._account.tokens + 1e-6)

    def wait(self, now: float) -> float:
        """Seconds until any request may be sent, as far as the account goes."""
        return max(self._account.wait(now), self._all_paused_until - now, 0.0)

    def wait_of(self, route: str, now: float) -> float:
        """Seconds until one of this route may be sent, as far as the route goes."""
        wait = self._paused.get(route, now) - now
        if route in self._seconds:
            wait = max(wait, self._seconds[route].wait(now))
        if CONSUMPTION in route:
            wait = max(wait, self._consumption.wait(now))
        return max(wait, 0.0)

    def take(self, route: str, now: float) -> None:
        """One request is sent."""
        self._account.take()
        if route not in self._seconds:
            self._seconds[route] = Second(self._rates.per_second_of_route)
        self._seconds[route].take(now)
        if CONSUMPTION in route:
            self._consumption.take()

    def give_back(self, route: str) -> None:
        """One that was taken is not sent after all. Its place in its route's second passes by itself."""
        self._account.give_back()
        if CONSUMPTION in route:
            self._consumption.give_back()

    def pause(self, route: str, until: float, now: float) -> None:
        """Neon refused a request of this route because of a limit, and does not say which.

        The route waits. A second route that is refused meanwhile says that it is the account's limit: then
        all wait (docs/decisions/0010-whose-limit.md).
        """
        self._paused = {known: end for known, end in self._paused.items() if end > now}
        if self._paused.keys() - {route}:
            self._all_paused_until = max(self._all_paused_until, until)
        self._paused[route] = max(self._paused.get(route, until), until)
