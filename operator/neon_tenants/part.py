"""This replica's part of the request budget, as the notes on the Leases of the shards agree on it.

Who conducts writes the portions of all shards on the first Lease; each holder writes what it needs and which
writing it keeps to. `core.portion` decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from neon_tenants.core.portion import FREE, Claim, Demand, Division, Kept, Portions
from neon_tenants.election import Election

# Notes on Leases, which become annotations.
NEED: Final = "need"
"""Requests a minute that the shard's holder would send, if it might."""
KEEPS_TO: Final = "keeps-to"
"""The writing of portions that the shard's holder keeps to."""
PORTIONS: Final = "portions"
"""On the first: requests a minute, by shard."""
NOTES: Final = (PORTIONS, NEED, KEEPS_TO)


class Sender(Protocol):
    """What sends requests to Neon for the shards of this replica."""

    @property
    def granted(self) -> int:
        """Requests that were let go to Neon so far."""

    @property
    def waiting(self) -> int:
        """Requests that wait to be let go, or will when those before them have gone."""

    def keep_to(self, per_minute: int) -> None:
        """From now on no more than so many requests a minute."""


@dataclass(slots=True)
class _Share:
    """The portion of a shard that this replica holds."""

    since: float
    kept: Kept = field(default_factory=Kept)
    writing: int | None = None
    """The writing of portions that is kept to; None before any was seen."""


class Part:
    """The portions of the shards that this replica holds. One that is not split has all of the budget."""

    def __init__(self, *, whole: int, elections: Sequence[Election], clock: Callable[[], float]) -> None:
        """`whole` is the requests a minute of all shards together, in the order of their elections."""
        self._whole = whole
        self._elections = elections
        self._clock = clock
        self._shares: dict[int, _Share] = {}
        self._division = Division(whole)
        self._demand = Demand(clock())
        self._sender: Sender | None = None

    def begin(self, sender: Sender) -> None:
        """From now on this one keeps to it."""
        self._sender = sender
        self._demand = Demand(self._clock(), sender.granted)
        self._tell()

    def end(self) -> None:
        """Nobody sends any more."""
        self._sender = None

    def gain(self, number: int) -> None:
        """A shard is this replica's now."""
        self._shares[number] = _Share(since=self._clock())
        self._tell()

    def lose(self, number: int) -> None:
        """A shard is not this replica's any more."""
        del self._shares[number]
        if number == 0:
            self._division = Division(self._whole)
        self._tell()

    def look(self, *, conducts: bool) -> bool:
        """Keeps to what is told by now; who conducts divides anew. Whether there is news to write."""
        now = self._clock()
        if self._sender is not None:
            self._demand = self._demand.measured(self._sender.granted, self._sender.waiting, now)
        told, news = self._told(), False
        for number, share in self._shares.items():
            # What was seen before it was gained may be older than what its last holder gave up.
            if self._elections[0].seen_at > share.since:
                share.kept = share.kept.looked(told.of[number], now)
                news |= share.writing != told.writing
                share.writing = told.writing
        self._tell()
        if conducts:
            claims = [self._claim(number, now) for number in range(len(self._elections))]
            before, self._division = self._division, self._division.next(told, claims, now)
            news |= self._division.wanted != before.wanted
        return news

    @property
    def grows(self) -> bool:
        """Whether more was told than counts by now."""
        return any(share.kept.grows for share in self._shares.values())

    def notes(self, number: int) -> dict[str, str]:
        """What is written of it with each renewal of a shard's Lease."""
        share = self._shares.get(number)
        writing = None if share is None else share.writing
        notes = {NEED: str(self._need), KEEPS_TO: "" if writing is None else str(writing)}
        if number == 0 and self._division.wanted is not None:
            notes[PORTIONS] = self._division.wanted.encode()
        return notes

    def _tell(self) -> None:
        if self._sender is not None:
            self._sender.keep_to(self._per_minute)

    @property
    def _per_minute(self) -> int:
        if len(self._elections) == 1:
            return self._whole
        return max(sum(share.kept.now for share in self._shares.values()), 1)

    @property
    def _need(self) -> int:
        """Of each shard that is held."""
        return int(self._demand.per_minute / max(len(self._shares), 1))

    def _told(self) -> Portions:
        text = self._elections[0].noted(PORTIONS)
        return Portions.decode(text, whole=self._whole, count=len(self._elections))

    def _claim(self, number: int, now: float) -> Claim:
        if (share := self._shares.get(number)) is not None:
            return Claim(float(self._need), share.writing, now)
        election = self._elections[number]
        return Claim(float(_number(election.noted(NEED))), _keeps_to(election), election.seen_at)


def _number(text: str) -> int:
    """Anybody may have written it."""
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def _keeps_to(election: Election) -> int | None:
    """The writing that another's shard keeps to; None where its holder does not say."""
    if not election.holder:
        return FREE
    text = election.noted(KEEPS_TO)
    return _number(text) if text else None
