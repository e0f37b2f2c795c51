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
    """Empty where nobody holds it, or its holder has not been heard of for as long as it lasts.

    Where we are giving it up, it is who gets it.
    """
    wanted: str = ""
    """Who asked its holder to give it up, and has it kept for itself until a while after that."""

    @property
    def owner(self) -> str:
        """Whose it is to be: who asked for it, else who holds it; empty for nobody."""
        return self.wanted or self.holder


@dataclass(frozen=True, slots=True)
class Intent:
    """What a replica is to do about the shards."""

    takes: frozenset[int] = frozenset()
    """The free ones that it may take."""
    gives: frozenset[int] = frozenset()
    """Its own that it gives up."""
    refuses: frozenset[int] = frozenset()
    """Its own that it keeps although another asked: who asked is to ask elsewhere."""
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
    | another | we, and another wants it | two more than that one | give up: so we are never left with none |
    | another | we, and another wants it | less | refuse, so that it asks elsewhere |
    | another | one who has the most, two more than we | any | ask for it, if nobody has asked |

    What somebody asked for counts as that one's: so those that come together ask different holders.
    """
    mine = frozenset(shard for shard, seat in enumerate(seats) if seat.holder == me)
    free = frozenset(shard for shard, seat in enumerate(seats) if not seat.holder)
    first = frozenset({0})
    if not agreed:
        return Intent(takes=free & first, gives=mine - first)
    gives, refuses = _answers(me, seats)
    seats = [Seat(seat.holder) if shard in refuses else seat for shard, seat in enumerate(seats)]
    parts = Counter({me: 0})
    parts.update(seat.owner for seat in seats if seat.owner)
    lacking = max(ceil(len(seats) / len(parts)) - len(mine), 0)
    # In another order for each replica, so that those that begin together do not all try for the same.
    mixed = sorted(free, key=lambda shard: _mixed(me, str(shard)))
    takes = frozenset([shard for shard in mixed if seats[shard].wanted in ("", me)][:lacking])
    return Intent(takes | (free & first), gives, refuses, None if free else _asked_for(me, seats, parts))


def _answers(me: str, seats: Sequence[Seat]) -> tuple[frozenset[int], frozenset[int]]:
    """Of our shards that others want, those that we give and those that we do not.

    We give as long as we have two more than who asks. What is to be ours does not count yet: it may not come,
    and who has nothing left ends its work as at a crash.
    """
    parts = Counter(seat.owner for seat in seats if seat.holder != me)
    parts[me] = sum(seat.holder == me for seat in seats)
    gives, refuses = set(), set()
    for shard, seat in enumerate(seats):
        if seat.holder != me or seat.wanted in ("", me):
            continue
        if shard and parts[me] >= parts[seat.wanted] + 2:
            gives.add(shard)
            parts.update({me: -1, seat.wanted: 1})
        else:
            refuses.add(shard)
    return frozenset(gives), frozenset(refuses)


def _asked_for(me: str, seats: Sequence[Seat], parts: Counter[str]) -> int | None:
    """Of the one who has the most, the last shard; None where nobody has two more, or one was asked for."""
    fullest = max(parts, key=lambda replica: (parts[replica], _mixed(me, replica)))
    if parts[fullest] < parts[me] + 2 or any(seat.wanted == me for seat in seats if seat.holder != me):
        return None
    of_fullest = [n for n, seat in enumerate(seats) if n and seat.holder == fullest and not seat.wanted]
    return max(of_fullest, default=None)


def _mixed(me: str, other: str) -> int:
    """An order of others that differs between replicas."""
    return crc32(f"{me}/{other}".encode())
