"""Balance: which shards a replica takes, asks for and gives up, so that all replicas hold about as many.

Each replica decides by itself, from the Leases of all shards. Two that decide at once do no harm: one of them
loses its compare-and-swap, and looks again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from zlib import crc32


@dataclass(frozen=True, slots=True)
class Seat:
    """What a replica sees of one shard's Lease."""

    holder: str
    """Empty where nobody holds it, or its holder has not been heard of for as long as it lasts."""
    wanted: str = ""
    """Who asked its holder to give it up, and has it kept for itself until a while after that."""


@dataclass(frozen=True, slots=True)
class Intent:
    """What a replica is to do about the shards."""

    takes: frozenset[int] = frozenset()
    """The free ones that it may take."""
    gives: frozenset[int] = frozenset()
    """Its own that it gives up."""
    asks: int | None = None
    """Another's that it asks for."""


def intent(me: str, seats: Sequence[Seat], *, agreed: bool) -> Intent:
    """What the replica `me` does next, of the shards by their numbers.

    `agreed` says whether the holder of the first shard splits the fleet as this replica does, and has done so
    for as long as a Lease lasts: until then others may still work on parts of another size.

    | shard | its holder | we hold | does |
    |---|---|---|---|
    | the first | nobody | any | take |
    | the first | we | any | keep: it moves only when its holder ends |
    | another, not agreed | we | any | give up |
    | another, not agreed | else | any | nothing |
    | another | nobody, and another wants it | any | nothing: it was given up for that one |
    | another | nobody | less than an even part, rounded up | take, so many as that lacks |
    | another | nobody | as much | nothing: it is for others |
    | another | we, and another wants it | more than the first only | give up |
    | another | one who has the most, two more than we | any | ask for it, if nobody has asked |
    """
    holders = Counter(seat.holder for seat in seats if seat.holder)
    for replica in (me, *(seat.wanted for seat in seats if seat.wanted)):
        holders.setdefault(replica, 0)
    mine = frozenset(shard for shard, seat in enumerate(seats) if seat.holder == me)
    free = frozenset(shard for shard, seat in enumerate(seats) if not seat.holder)
    first = frozenset({0})
    if not agreed:
        return Intent(takes=free & first, gives=mine - first)
    even = ceil(len(seats) / len(holders))
    lacking = max(even - len(mine), 0)
    # In another order for each replica, so that those that begin together do not all try for the same.
    mixed = sorted(free, key=lambda shard: crc32(f"{me}/{shard}".encode()))
    takes = frozenset([shard for shard in mixed if seats[shard].wanted in ("", me)][:lacking])
    gives = frozenset(shard for shard in mine - first if seats[shard].wanted not in ("", me))
    return Intent(takes | (free & first), gives, None if free else _asked_for(me, seats, holders))


def _asked_for(me: str, seats: Sequence[Seat], holders: Counter[str]) -> int | None:
    """Of the one who has the most, the last shard; None where nobody has two more, or one was asked for."""
    fullest = max(holders, key=lambda holder: (holders[holder], holder))
    if holders[fullest] < holders[me] + 2 or any(seat.wanted == me for seat in seats if seat.holder != me):
        return None
    of_fullest = [n for n, seat in enumerate(seats) if n and seat.holder == fullest and not seat.wanted]
    return max(of_fullest, default=None)
