"""Which shards a replica takes, asks for and gives up: the table, a row each, and that it comes to rest."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

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


def asks(shard: int) -> Intent:
    return Intent(asks=shard)


ROWS: dict[str, tuple[list[Seat], bool, Intent]] = {
    "the first is nobody's": (seats("-aaa"), True, takes(0)),
    "the first is nobody's, and nothing is agreed": (seats("-a--"), False, takes(0)),
    "the first is nobody's, and we have enough": (seats("-mmb"), True, takes(0)),
    "we hold the first, and another wants it": (seats("maa", [(0, "a")]), True, Intent()),
    "we hold another, and nothing is agreed": (seats("am-m"), False, gives(1, 3)),
    "we hold the first, and nothing is agreed": (seats("m-"), False, Intent()),
    "all are nobody's": (seats("m---"), True, takes(1, 2, 3)),
    "we have an even part, rounded up": (seats("amm--"[:4]), True, Intent()),
    "we hold what another wants": (seats("ammb", [(2, "b")]), True, gives(2)),
    "we hold what we asked for": (seats("ammb", [(2, ME)]), True, Intent()),
    "one has two more": (seats("abbm"), True, Intent()),
    "what was given up for another": (seats("aa-m", [(2, "b")]), True, Intent()),
    "what was given up for us": (seats("aa-m", [(2, ME)]), True, takes(2)),
    "one that asks is one more to share with": (seats("am-m--"[:4], [(0, "b")]), True, Intent()),
    "one has two more than we": (seats("aaam"), True, asks(2)),
    "we have nothing": (seats("aabb"), True, asks(3)),
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


@given(count=st.integers(1, 12), replicas=st.integers(1, 8), seed=st.integers(0, 2**32))
def test_any_start_comes_to_rest_evenly(count: int, replicas: int, seed: int) -> None:
    """Each looks and moves in turn, in any order; whoever is asked gives up, and the free ones are taken."""
    dice = random.Random(seed)
    names = [f"r{number}" for number in range(replicas)]
    held = ["", *(dice.choice(["", "gone", *names]) for _ in range(count - 1))]
    wanted = [""] * count
    for _ in range(40 * (count + replicas)):
        me = dice.choice(names)
        if dice.random() < 0.2:  # who has ended is not heard of any more, nor waited for
            held = ["" if holder == "gone" else holder for holder in held]
            wanted = [who if holder else "" for who, holder in zip(wanted, held, strict=True)]
        does = intent(me, [Seat(*pair) for pair in zip(held, wanted, strict=True)], agreed=True)
        for shard in does.takes:
            held[shard], wanted[shard] = me, ""
        for shard in does.gives:
            held[shard] = ""
        if does.asks is not None:
            wanted[does.asks] = me
    parts = Counter(held)
    sizes = [parts[name] for name in names]
    assert sum(sizes) == count
    assert max(sizes) - min(sizes) <= 1
