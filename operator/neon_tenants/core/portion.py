"""Portions: how the request budget of one organization is divided among shards, and never exceeded in sum.

Who conducts writes the portions, and each holder of a shard says which writing it keeps to. Only when all
keep to the latest is another written. So while one is on its way, each keeps to the old or to the new; and
what one is to give up goes to another only with the writing after that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

LEAST: Final = 0.15
"""Of an even portion: what a shard has that needs nothing, so that its next request is not held up."""
SURE: Final = 0.5
"""Of an even portion: what a shard gets of what it needs, however much others need."""
CHANGE: Final = 0.02
"""Of the whole: smaller differences are not worth that part of the budget stands still while it moves."""
HAND_OUT: Final = 0.005
"""Of the whole: so much that nobody has is given to who lacks it. For that nobody gives anything up."""
GROWTH: Final = 1.25
"""Times the portion before: a small one that is to grow so much is worth it in any case."""
CLEAR: Final = 10.0
"""Seconds within which what waits is to be sent."""
MORE: Final = 1.2
"""Times what was sent lately: who needs more and more does not get it always too late."""
SMOOTH: Final = 6.0
"""Seconds over which that is taken: a few requests come together and say nothing."""
HOLD: Final = 1.0
"""Seconds. So long after more was told it counts: by then, who gave it up has sent its last request of it so
long ago that it is in no second with ours (Neon's limit of a route)."""
SETTLE: Final = 6.0
"""Seconds. Work comes for all shards alike and at once, and they say so one after the other, as each gets to
write. So long after the first needed more than it has, what a shard says to need is what it needs."""
FREE: Final = -1
"""What a shard keeps to that nobody holds: it sends nothing, so it holds nothing up."""
_FORM: Final = re.compile(r"(\d{1,18}):(\d{1,9}(?:,\d{1,9})*)")


@dataclass(frozen=True, slots=True)
class Portions:
    """Requests a minute, by the number of the shard."""

    writing: int
    """Each is one more than the one before."""
    of: tuple[int, ...]

    @classmethod
    def even(cls, whole: int, count: int) -> Self:
        """Where nobody has written any yet."""
        return cls(0, (whole // count,) * count)

    @classmethod
    def decode(cls, text: str, *, whole: int, count: int) -> Self:
        """As they are written. What is no division of this whole into so many is taken for an even one."""
        if (found := _FORM.fullmatch(text)) is None:
            return cls.even(whole, count)
        portions = tuple(int(portion) for portion in found[2].split(","))
        if len(portions) != count or sum(portions) > whole or min(portions) < 1:
            return cls.even(whole, count)
        return cls(int(found[1]), portions)

    def encode(self) -> str:
        """As they are written."""
        return f"{self.writing}:{','.join(map(str, self.of))}"


def divided(whole: int, before: Portions, needs: Sequence[float]) -> Portions:
    """The next portions, where all keep to the ones before. `needs` are requests a minute.

    | a shard's need | the others' | it is to have |
    |---|---|---|
    | any | such that the whole is enough | that, or the least; and a part of what is left |
    | none | more | the least |
    | up to half an even portion | more | that |
    | above that | more | half an even portion, and of the rest by what it needs beyond that |

    So those that all have much to do are done at the same time, and one with little to do need not wait.

    | it is to have | it gets |
    |---|---|
    | no more than before | that, unless all is nearly so |
    | more, and enough is left over | that |
    | more, and not enough is left over | its part of that; the rest when others have given up theirs |

    All stays as it is where it is nearly so, and hardly anything is left over.
    """
    pairs = tuple(zip(_wished(whole, needs), before.of, strict=True))
    left = whole - sum(before.of)
    lacks = [max(wish - old, 0) for wish, old in pairs]
    lack = sum(lacks)
    given = min(left, lack)
    moves = any(abs(wish - old) >= CHANGE * whole or wish >= GROWTH * old for wish, old in pairs)
    if not moves and given < HAND_OUT * whole:
        return before
    kept = [min(wish, old) if moves else old for wish, old in pairs]
    gains = _rounded([one * given / max(lack, 1) for one in lacks], given)
    return Portions(before.writing + 1, tuple(map(sum, zip(kept, gains, strict=True))))


def _wished(whole: int, needs: Sequence[float]) -> tuple[int, ...]:
    even = whole / len(needs)
    least = max(LEAST * even, 1.0)
    sure = [max(least, min(need, SURE * even)) for need in needs]
    beyond = [max(need - has, 0.0) for need, has in zip(needs, sure, strict=True)]
    rest, more = whole - sum(sure), sum(beyond)
    part = 1.0 if more <= rest else rest / more
    spare = (rest - more * part) / len(needs)
    return _rounded([has + need * part + spare for has, need in zip(sure, beyond, strict=True)], whole)


def _rounded(amounts: Sequence[float], total: int) -> tuple[int, ...]:
    """The integers next to these amounts; their sum is `total` where that of the amounts is."""
    floors = [int(amount) for amount in amounts]
    by_rest = sorted(range(len(amounts)), key=lambda number: floors[number] - amounts[number])
    for number in by_rest[: max(total - sum(floors), 0)]:
        floors[number] += 1
    return tuple(floors)


@dataclass(frozen=True, slots=True)
class Kept:
    """The portion that a holder keeps to."""

    now: int = 0
    told: int = 0
    """What was written at the last look."""
    since: float = float("-inf")
    """When that was first seen."""

    def looked(self, told: int, at: float) -> Kept:
        """After another look.

        | told is | now is |
        |---|---|
        | less than now | that |
        | more, and was so at looks for as long as `HOLD` | that |
        | more | what was told before, where that was told so long and is less; else as before |
        """
        held = at - self.since >= HOLD
        now = self.told if held else self.now
        return Kept(min(now, told), told, self.since if told == self.told else at)

    @property
    def grows(self) -> bool:
        """Whether more was told than counts by now."""
        return self.told > self.now


@dataclass(frozen=True, slots=True)
class Claim:
    """What is seen of a shard's holder."""

    need: float
    """Requests a minute that it would send, if it might."""
    keeps_to: int | None
    """The writing of portions; None where it does not say."""
    seen_at: float
    """When the look at its Lease began."""


@dataclass(frozen=True, slots=True)
class Division:
    """What who conducts wants to be written, and since when it knows what is."""

    whole: int
    wanted: Portions | None = None
    """None where it leaves what is written as it is."""
    written: int | None = None
    """The latest writing that it saw, at the time `since`."""
    since: float = 0.0
    pressed_since: float | None = None
    """Since when a shard was seen to need more than it has; None where none does."""

    def next(self, told: Portions, claims: Sequence[Claim], now: float) -> Division:
        """After a look at all Leases, of which the first tells these portions.

        | what is told | the others | a shard needs more than it has | next |
        |---|---|---|---|
        | another writing than before | any | any | it is noted, and the others are waited for |
        | the same | one was seen before that, or keeps to another writing, or does not say | any | wait |
        | the same | all keep to it, or are nobody's | for less than `SETTLE` | wait |
        | the same | all keep to it, or are nobody's | no, or for so long | divided anew |
        """
        needs = [0.0 if claim.keeps_to == FREE else claim.need for claim in claims]
        seen = self._pressed(any(need > has for need, has in zip(needs, told.of, strict=True)), now)
        if told.writing != self.written:
            return replace(seen, written=told.writing, since=now)
        for claim in claims:
            if claim.seen_at <= self.since or claim.keeps_to not in (told.writing, FREE):
                return seen
        if seen.pressed_since is not None and now - seen.pressed_since < SETTLE:
            return seen
        new = divided(self.whole, told, needs)
        return seen if new == told else replace(seen, wanted=new)

    def _pressed(self, pressed: bool, now: float) -> Division:
        if pressed is (self.pressed_since is not None):
            return self
        return replace(self, pressed_since=now if pressed else None)


@dataclass(frozen=True, slots=True)
class Demand:
    """What a replica sent lately, and what waits."""

    at: float
    granted: int = 0
    rate: float = 0.0
    """Requests a minute, over the last seconds."""
    waiting: int = 0

    def measured(self, granted: int, waiting: int, now: float) -> Demand:
        """After another look; the first one, at the time of the start, tells nothing of what was sent."""
        if now <= self.at:
            return self
        lately = (granted - self.granted) * 60 / (now - self.at)
        weight = min((now - self.at) / SMOOTH, 1.0)
        return Demand(now, granted, self.rate + (lately - self.rate) * weight, waiting)

    @property
    def per_minute(self) -> float:
        """How many requests a minute the replica would send, if it might."""
        return self.rate * MORE + self.waiting * 60 / CLEAR
