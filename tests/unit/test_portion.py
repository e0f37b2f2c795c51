"""The request budget divided among shards: the tables, and that the sum is never exceeded."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neon_tenants.core.portion import FREE, SETTLE, Claim, Demand, Division, Kept, Portions, divided

WHOLE = 1000


def test_portions_are_even_at_first() -> None:
    assert Portions.even(562, 4) == Portions(0, (140, 140, 140, 140))


def test_portions_are_read_as_they_were_written() -> None:
    portions = Portions(7, (100, 300, 600))
    assert portions.encode() == "7:100,300,600"
    assert Portions.decode(portions.encode(), whole=WHOLE, count=3) == portions


OTHERS = {
    "nothing": "",
    "no number": "7:100,x,600",
    "another count": "7:400,600",
    "more than the whole": "7:400,301,300",
    "nothing for one": "7:0,500,500",
    "more after it": "7:100,300,600 ",
}


@pytest.mark.parametrize("text", OTHERS.values(), ids=OTHERS.keys())
def test_what_is_no_division_is_taken_for_an_even_one(text: str) -> None:
    assert Portions.decode(text, whole=WHOLE, count=3) == Portions.even(WHOLE, 3)


def test_all_of_the_whole_may_be_divided() -> None:
    assert Portions.decode("1:1,999", whole=WHOLE, count=2) == Portions(1, (1, 999))


DIVIDED: dict[str, tuple[tuple[int, ...], tuple[float, ...], tuple[int, ...]]] = {
    "nobody needs anything": ((500, 500), (0, 0), (500, 500)),
    "all need as much": ((500, 500), (2000, 2000), (500, 500)),
    "one needs all: it is first left over": ((500, 500), (2000, 0), (500, 75)),
    "one needs all: then it is taken": ((500, 75), (2000, 0), (925, 75)),
    "hardly anything is needed, by one": ((500, 500), (0.5, 0), (500, 500)),
    "the whole is enough: what is left is for all alike": ((500, 500), (600, 100), (500, 250)),
    "likewise, then it is taken": ((500, 250), (600, 100), (750, 250)),
    "two need more than there is, and one a little": ((333, 333, 333), (3000, 1500, 60), (334, 333, 60)),
    "likewise, then by what they need beyond the half": ((333, 333, 60), (3000, 1500, 60), (579, 361, 60)),
    "half an even portion is sure": ((400, 400), (100_000, 250), (600, 250)),
    "no more than is wished": ((333, 333, 200), (0, 0, 0), (334, 333, 333)),
    "nobody needs anything any more": ((925, 75), (0, 0), (500, 75)),
    "two share what is left over by what they lack": ((100, 100, 400), (300, 100, 0), (371, 229, 233)),
    "the same, with less left over": ((100, 100, 700), (300, 100, 0), (168, 132, 233)),
    "nearly as it is": ((500, 500), (515, 485), (500, 500)),
    "no more than nearly": ((500, 500), (519, 481), (500, 500)),
    "just more than nearly": ((500, 500), (520, 480), (500, 480)),
    "a small one is to grow by less than a quarter": ((925, 75), (2000, 93), (925, 75)),
    "a small one is to grow by a quarter": ((925, 75), (2000, 94), (906, 75)),
    "a small one is to grow by just a quarter": (
        (880, 40, 40, 40),
        (2000, 50, 0, 0),
        (875, 40, 38, 37),
    ),
    "hardly anything is left over": ((498, 498), (2000, 2000), (498, 498)),
    "a little is left over, for all together": ((498, 497), (2000, 2000), (500, 500)),
    "a little is left over, and nobody gives up as little": ((505, 490), (2000, 2000), (505, 495)),
    "it grew, and a little is left over": ((890, 91), (2000, 95), (905, 95)),
}


@pytest.mark.parametrize(("before", "needs", "after"), DIVIDED.values(), ids=DIVIDED.keys())
def test_divided(before: tuple[int, ...], needs: tuple[float, ...], after: tuple[int, ...]) -> None:
    changed = after != before
    assert divided(WHOLE, Portions(3, before), needs) == Portions(4 if changed else 3, after)


def test_each_has_something_however_small_the_whole() -> None:
    assert divided(10, Portions(0, (2, 2, 2, 2)), (9, 0, 0, 0)).of == (4, 1, 1, 1)


def test_one_that_lacks_one_gets_it() -> None:
    assert divided(20, Portions(3, (9, 10)), (0, 0)) == Portions(4, (10, 10))


def test_of_so_small_a_whole_that_a_part_is_less_than_one_nobody_has_none() -> None:
    assert divided(4, Portions(3, (1, 1, 1)), (0.1, 0, 9)).of == (1, 1, 2)
    assert divided(3, Portions(3, (1, 1, 1)), (0, 0, 0)).of == (1, 1, 1)


def test_each_shard_has_a_need() -> None:
    with pytest.raises(ValueError, match=r"longer|shorter"):
        divided(WHOLE, Portions(3, (500, 500)), (1,))


def test_more_counts_only_from_a_later_look_on() -> None:
    kept = Kept().looked(100, at=5)
    assert (kept.now, kept.grows) == (0, True)
    kept = kept.looked(100, at=6)
    assert (kept.now, kept.grows) == (100, False)
    kept = kept.looked(300, at=8)
    assert (kept.now, kept.grows) == (100, True)
    kept = kept.looked(200, at=10)
    assert kept.now == 200
    assert kept.looked(50, at=10).now == 50


def test_more_counts_when_it_was_told_for_a_second() -> None:
    kept = Kept(100, 100, 5).looked(300, at=8).looked(300, at=8.9)
    assert (kept.now, kept.grows) == (100, True)
    assert kept.looked(300, at=9).now == 300
    assert kept.looked(400, at=8.95).now == 100
    assert kept.looked(400, at=9).now == 300
    assert kept.looked(90, at=8.95).now == 90


def claim(keeps_to: int | None, *, need: float = 0, seen_at: float = 11) -> Claim:
    return Claim(need, keeps_to, seen_at)


TOLD = Portions(5, (500, 500))
KNOWN = Division(WHOLE, written=5, since=10, pressed_since=10 - SETTLE)
HELD_UP = {
    "one keeps to another writing": [claim(5, need=900), claim(4)],
    "one does not say": [claim(5, need=900), claim(None)],
    "one was seen when that was written": [claim(5, need=900), claim(5, seen_at=10)],
    "a free one was seen before that": [claim(5, need=900), claim(FREE, seen_at=9)],
}


@pytest.mark.parametrize("claims", HELD_UP.values(), ids=HELD_UP.keys())
def test_nothing_is_divided_before_all_keep_to_it(claims: list[Claim]) -> None:
    assert KNOWN.next(TOLD, claims, 12) == KNOWN


def test_another_writing_is_noted_first() -> None:
    claims = [claim(5, need=900), claim(5)]
    assert Division(WHOLE).next(TOLD, claims, 12) == Division(WHOLE, None, 5, 12, 12)
    assert Division(WHOLE, TOLD, 4, 3, 2).next(TOLD, claims, 12) == Division(WHOLE, TOLD, 5, 12, 2)


def test_then_it_is_divided_anew() -> None:
    found = KNOWN.next(TOLD, [claim(5, need=900), claim(5)], 12)
    assert found == replace(KNOWN, wanted=Portions(6, (500, 87)))
    free = KNOWN.next(TOLD, [claim(5, need=900), claim(FREE, need=900)], 12)
    assert free.wanted == Portions(6, (500, 87))


def test_it_is_not_divided_before_all_have_told_what_they_need() -> None:
    claims = [claim(5, need=501), claim(5)]
    begun = replace(KNOWN, pressed_since=None).next(TOLD, claims, 12)
    assert begun == replace(KNOWN, pressed_since=12)
    assert begun.next(TOLD, claims, 12 + SETTLE - 0.1) is begun
    assert begun.next(TOLD, claims, 12 + SETTLE).wanted is not None


def test_who_needs_what_it_has_is_not_pressed() -> None:
    claims = [claim(5, need=500), claim(5, need=500)]
    assert KNOWN.next(TOLD, claims, 12) == replace(KNOWN, pressed_since=None)


def test_where_nobody_lacks_anything_it_is_divided_at_once() -> None:
    told = Portions(5, (925, 75))
    found = replace(KNOWN, pressed_since=None).next(told, [claim(5), claim(5)], 12)
    assert found.wanted == Portions(6, (500, 75))


def test_nothing_is_written_where_nothing_changes() -> None:
    known = replace(KNOWN, pressed_since=None)
    assert known.next(TOLD, [claim(5), claim(5)], 12) is known


def test_demand() -> None:
    first = Demand(10, granted=40)
    assert first.measured(40, 0, 10) == first
    assert first.measured(41, 0, 9) == first
    assert first.measured(60, 7, 12) == Demand(12, 60, 200, 7)
    assert first.measured(60, 7, 16) == Demand(16, 60, 200, 7)
    assert first.measured(60, 7, 40) == Demand(40, 60, 40, 7)
    assert first.measured(60, 7, 12).measured(60, 0, 15) == Demand(15, 60, 100, 0)


def test_what_waits_and_a_little_more_than_was_sent_is_needed() -> None:
    assert Demand(10, 40, rate=200).per_minute == pytest.approx(240)
    assert Demand(10, 40, rate=200, waiting=5).per_minute == pytest.approx(270)


@dataclass
class Holder:
    """A shard as its holder sees it. It looks when it gets to it, and writes what it keeps to later."""

    gained: float = 0.0
    seen: tuple[float, Portions] = (-1.0, Portions(0, (1,)))
    kept: Kept = field(default_factory=Kept)
    keeps_to: int | None = None


class Fleet:
    """Holders look, write, end and begin in any order and as late as they like; who conducts changes, too."""

    def __init__(self, count: int, seed: int) -> None:
        self.dice = random.Random(seed)
        self.lease = Portions.even(WHOLE, count)
        """The portions on the first Lease."""
        self.notes: list[int | None] = [FREE] * count
        """What the other Leases tell."""
        self.holders: list[Holder | None] = [None] * count
        self.needs = [0.0] * count
        self.begin_to_conduct()

    def begin_to_conduct(self) -> None:
        self.division = Division(WHOLE)
        self.sights: list[tuple[float, int | None]] = [(-1.0, FREE)] * len(self.notes)

    def step(self, now: float) -> None:
        act = self.dice.choice(ACTS)
        if act == "divide":
            self.divide(now)
        for shard in range(len(self.notes)):
            if self.dice.random() < 0.85:
                self.act(act, shard, now)

    def act(self, act: str, shard: int, now: float) -> None:
        holder = self.holders[shard]
        match act:
            case "look" if holder:
                holder.seen = (now, self.lease)
            case "adopt" if holder and holder.seen[0] > holder.gained:
                told = holder.seen[1]
                holder.kept, holder.keeps_to = holder.kept.looked(told.of[shard], now), told.writing
            case "write" if holder:
                self.notes[shard] = holder.keeps_to
            case "move" if self.dice.random() < 0.08:
                self.holders[shard] = None if holder else Holder(gained=now)
                self.notes[shard] = FREE if holder else None
            case "sight":
                self.sights[shard] = (now, self.notes[shard])
            case "need":
                self.needs[shard] = self.dice.choice((0.0, 10.0, 2000.0))

    def divide(self, now: float) -> None:
        if self.dice.random() < 0.05:  # another, who has seen nothing
            self.begin_to_conduct()
        claims = [Claim(need, told, at) for need, (at, told) in zip(self.needs, self.sights, strict=True)]
        self.division = self.division.next(self.lease, claims, now)
        if self.division.wanted is not None and self.division.wanted.writing > self.lease.writing:
            self.lease = self.division.wanted


ACTS = ("look", "adopt", "write", "move", "sight", "divide", "need")


@given(count=st.integers(2, 5), seed=st.integers(0, 2**32))
def test_in_sum_no_more_is_kept_to_than_the_whole(count: int, seed: int) -> None:
    fleet = Fleet(count, seed)
    for step in range(800):
        fleet.step(float(step))
        assert sum(holder.kept.now for holder in fleet.holders if holder is not None) <= WHOLE
        assert sum(fleet.lease.of) <= WHOLE


def test_such_fleets_do_divide_the_budget_anew() -> None:
    """Else the test above would say nothing."""
    fleet = Fleet(3, seed=1)
    for step in range(4000):
        fleet.step(float(step))
    assert fleet.lease.writing > 10
