"""What was asked of the emulator: counters for ever, and the last requests without bodies or secrets."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass

KEPT = 10_000
DROPPED = 0
"""Stands for the status of a request that got no answer."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One request that was answered, or dropped."""

    at: float
    """Seconds since 1970, when it was answered."""
    method: str
    route: str
    """Its template, without /api/v2; empty if there is none."""
    path: str
    query: str
    status: int
    seconds: float


class Journal:
    """Counts requests by method, route template and status, and keeps the last ten thousand."""

    def __init__(self) -> None:
        self._counters: Counter[tuple[str, str, int]] = Counter()
        self._entries: deque[Entry] = deque(maxlen=KEPT)

    def add(self, entry: Entry) -> None:
        """Records one."""
        self._counters[entry.method, entry.route, entry.status] += 1
        self._entries.append(entry)

    def clear(self) -> None:
        """Starts again from zero."""
        self._counters.clear()
        self._entries.clear()

    def count(self, method: str | None = None, route: str | None = None, status: int | None = None) -> int:
        """How many there were; None is any."""
        return sum(
            number
            for (its_method, its_route, its_status), number in self._counters.items()
            if method in (None, its_method) and route in (None, its_route) and status in (None, its_status)
        )

    @property
    def counters(self) -> dict[tuple[str, str, int], int]:
        """A copy of the counters: (method, route template, status) to number."""
        return dict(self._counters)

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries))

    def __len__(self) -> int:
        return len(self._entries)
