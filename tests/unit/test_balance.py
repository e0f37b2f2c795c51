"""Which shards a replica takes, asks for and gives up: the table, a row each, and that it comes to rest."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neon_tenants.core.balance import Intent, Seat, intent

ME = "me"


def seats(holders: str, wanted: Sequence[tuple[int, str]] = ()) -> list[Seat]:
    """`m` holds it, or `a`, `b`, ..., or nobody (`-`)."""
    names = [{"m": ME, "-": ""}.get(holder, holder) for holder in holders]
    by = dict(wanted)
    return [Seat(holder, by.get(number, "")) for number, holder in enumerate(names)]


def takes(*shards: int) -> Intent:
    return Intent(takes=frozenset(shards))


def gives(*shards: int) -> Intent:
    return Intent(gives=frozenset(shards))


def refuses(*shards: int) -> Intent:
    return Intent(refuses=frozenset(shards))


def asks(shard: int) -> Intent:
    return Intent(asks=shard)


ROWS: dict[str, tuple[list[Seat], bool, Intent]] = {
    "the first is nobody's": (seats("-aaa"), True, takes(0)),
    "the first is nobody's, and nothing is agreed": (seats("-a--"), False, takes(0)),
    "the first is nobody's, and we have enough": (seats("-mmb"), True, takes(0)),
    "we hold the first, and another wants it": (seats("mab", [(0, "c")]), True, refuses(0)),
    "we hold another, and nothing is agreed": (seats("am-m"), False, gives(1, 3)),
    "we hold the first, and nothing is agreed": (seats("m-"), False, Intent()),
    "all are nobody's": (seats("m---"), True, takes(1, 2, 3)),
    "we have an even part, rounded up": (seats("amm--"[:4]), True, Intent()),
    "we hold what another wants, who has none": (seats("ammc", [(2, "b")]), True, gives(2)),
    "we hold what another wants, who has one less": (seats("ammb", [(2, "b")]), True, refuses(2)),
    "we hold the only other one, and another wants it": (seats("am", [(1, "b")]), True, refuses(1)),
    "two want all that we hold": (
        seats("aamm", [(2, "b"), (3, "c")]),
        True,
        Intent(gives=frozenset({2}), refuses=frozenset({3})),
    ),
    "two want what we can spare": (seats("ammm", [(2, "b"), (3, "c")]), True, gives(2, 3)),
    "we are to get one, and another wants the one that we have": (
        seats("aam-", [(2, "b"), (3, ME)]),
        True,
        Intent(takes=frozenset({3}), refuses=frozenset({2})),
    ),
    "we are giving what we could spare": (seats("aamc", [(2, "b")]), True, refuses(2)),
    "we hold what we asked for": (seats("ammb", [(2, ME)]), True, Intent()),
    "one has two more": (seats("abbm"), True, Intent()),
    "what was given up for another": (seats("aa-m", [(2, "b")]), True, Intent()),
    "what was given up for us": (seats("aa-m", [(2, ME)]), True, takes(2)),
    "one that asks is one more to share with": (seats("am-m--"[:4], [(0, "b")]), True, Intent()),
    "one has two more than we": (seats("aaam"), True, asks(2)),
    "we have nothing": (seats("aabb"), True, asks(1)),
    "we have nothing, and another asked for one's": (seats("aabb", [(1, "c")]), True, asks(3)),
    "we have nothing, and each has one": (seats("abcd"), True, Intent()),
    "we have asked": (seats("aabb", [(1, ME)]), True, Intent()),
    "another has asked for it": (seats("aaaa", [(3, "b")]), True, asks(2)),
    "all that could be asked for are": (seats("aa", [(1, "b")]), True, Intent()),
    "one has two, the first and another": (seats("aa"), True, asks(1)),
    "something is nobody's": (seats("aa-a"), True, takes(2)),
}


@pytest.mark.parametrize(("found", "agreed", "does"), ROWS.values(), ids=ROWS.keys())
def test_intent(found: list[Seat], agreed: bool, does: Intent) -> None:
    assert intent(ME, found, agreed=agreed) == does


def test_it_takes_only_as_many_as_it_lacks() -> None:
    found = intent(ME, seats("a-----"), agreed=True)
    assert len(found.takes) == 3


def test_those_that_begin_together_try_for_different_ones() -> None:
    found = {intent(name, seats("a" + "-" * 31), agreed=True).takes for name in ("b", "c", "d")}
    assert len(found) == 3


@dataclass
class Fleet:
    """Leases of all shards, and replicas that look at them and move."""

    held: list[str]
    wanted: list[str]
    giving: set[int] = field(default_factory=set)
    """Those whose holders finish what runs in them."""
    lost_all: int = 0
    """How often a replica gave the last that it held."""

    def seen_by(self, me: str) -> Intent:
        """What the replica decides from the Leases as they stand."""
        found = [Seat(*pair) for pair in zip(self.held, self.wanted, strict=True)]
        for shard in self.giving:
            if self.held[shard] == me:
                found[shard] = Seat(self.wanted[shard])
        return intent(me, found, agreed=True)

    def move(self, me: str, does: Intent) -> None:
        """Whoever comes too late with a write changes nothing."""
        for shard in does.takes:
            if not self.held[shard]:
                self.held[shard], self.wanted[shard] = me, ""
        kept = self.kept(me)
        for shard in does.gives & kept:
            self.giving.add(shard)
        self.lost_all += bool(kept) and not self.kept(me)
        for shard in does.refuses & kept:
            self.wanted[shard] = ""
        if does.asks is not None and self.held[does.asks] not in ("", me):
            self.wanted[does.asks] = me

    def kept(self, me: str) -> set[int]:
        return {shard for shard, holder in enumerate(self.held) if holder == me} - self.giving

    def finish(self, shard: int) -> None:
        self.giving.discard(shard)
        self.held[shard] = ""

    def forget(self, gone: str) -> None:
        """It is not heard of any more, and what was kept for anybody is kept no longer."""
        for shard, holder in enumerate(self.held):
            if holder == gone:
                self.finish(shard)
        self.wanted = [who if holder else "" for who, holder in zip(self.wanted, self.held, strict=True)]


@given(count=st.integers(1, 12), replicas=st.integers(1, 8), seed=st.integers(0, 2**32))
def test_any_start_comes_to_rest_evenly(count: int, replicas: int, seed: int) -> None:
    """Some look at once and then move, in any order. One asks, and is never heard of again."""
    dice = random.Random(seed)
    names = [f"r{number}" for number in range(replicas)]
    fleet = Fleet(
        held=["", *(dice.choice(["", "gone", *names]) for _ in range(count - 1))],
        wanted=[dice.choice(["", "", "gone"]) for _ in range(count)],
    )
    for _ in range(40 * (count + replicas)):
        looking = dice.sample(names, dice.randint(1, replicas))
        decided = {me: fleet.seen_by(me) for me in looking}
        for me, does in decided.items():
            fleet.move(me, does)
        for shard in [shard for shard in fleet.giving if dice.random() < 0.3]:
            fleet.finish(shard)
        if dice.random() < 0.2:
            fleet.forget("gone")
    sizes = [fleet.held.count(name) for name in names]
    assert (sum(sizes), fleet.giving) == (count, set())
    assert max(sizes) - min(sizes) <= 1
    assert fleet.lost_all == 0
