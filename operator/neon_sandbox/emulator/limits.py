"""Neon's rate limits: https://neon.com/docs/reference/api/key-concepts."""

from __future__ import annotations

from collections import deque

from neon_sandbox.emulator.clock import Clock
from neon_sandbox.emulator.knobs import Knobs

_MINUTE = 60.0
_SECOND = 1.0


class _Window:
    """The times of the requests of the last `seconds`; a refused request does not count."""

    __slots__ = ("_seconds", "_times")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._times: deque[float] = deque()

    def wait(self, now: float, limit: int) -> float:
        """Seconds until there is room; 0 if there is."""
        if limit == 0:
            self._times.clear()
            return 0
        while self._times and self._times[0] <= now - self._seconds:
            self._times.popleft()
        if len(self._times) < limit:
            return 0
        return self._times[len(self._times) - limit] + self._seconds - now

    def add(self, now: float, limit: int) -> None:
        if limit:
            self._times.append(now)


class Limits:
    """700 a minute for the account, 40 a second for a route, 30 a minute for the consumption routes.

    Counted over any 60 (or 1) seconds: stricter than a bucket that refills, which is also possible.
    """

    def __init__(self, knobs: Knobs, clock: Clock) -> None:
        self._knobs = knobs
        self._clock = clock
        self._account = _Window(_MINUTE)
        self._consumption = _Window(_MINUTE)
        self._routes: dict[tuple[str, str], _Window] = {}

    def take(self, method: str, route: str) -> float:
        """0 if the request may pass, and is counted; otherwise the seconds until one may."""
        now = self._clock.now()
        windows = [(self._account, self._knobs.requests_per_minute)]
        if self._knobs.requests_per_second_per_route:
            window = self._routes.setdefault((method, route), _Window(_SECOND))
            windows.append((window, self._knobs.requests_per_second_per_route))
        if route.startswith("/consumption_history/"):
            windows.append((self._consumption, self._knobs.consumption_requests_per_minute))
        wait = max(window.wait(now, limit) for window, limit in windows)
        if wait <= 0:
            for window, limit in windows:
                window.add(now, limit)
        return wait
