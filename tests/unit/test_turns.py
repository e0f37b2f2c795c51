"""Lanes in order, namespaces in turn: by order alone."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from neon_tenants.core.lane import Lane
from neon_tenants.core.turns import GUARANTEE, Line, Place, Precedence


def served(line: Line[str], count: int, *gates: str) -> list[str | None]:
    return [line.pop(gates or ("",)) for _ in range(count)]


def test_namespaces_take_turns_and_inside_one_the_first_is_first() -> None:
    line = Line[str]()
    for item in ("a1", "a2", "a3", "b1", "c1", "c2"):
        line.join(item[0], item)
    assert served(line, 7) == ["a1", "b1", "c1", "a2", "c2", "a3", None]


def crowded(places: int = 1000) -> Line[str]:
    """A line in which one namespace waits with so many, of which two were served."""
    line = Line[str]()
    for number in range(places):
        line.join("crowd", f"crowd{number}")
    served(line, 2)
    return line


def test_who_comes_anew_waits_for_none_of_the_crowd_however_long_it_is() -> None:
    line = crowded()
    line.join("quiet", "alone")
    assert served(line, 3) == ["alone", "crowd2", "crowd3"]


def test_of_many_who_come_anew_one_waits_for_none_and_the_others_for_one() -> None:
    line = crowded()
    for item in ("first", "second", "third"):
        line.join(item, item)
    assert served(line, 5) == ["first", "crowd2", "second", "third", "crowd3"]
    line.join("fourth", "fourth")
    assert served(line, 2) == ["fourth", "crowd4"]


def test_who_was_served_in_this_round_waits_for_the_next() -> None:
    line = crowded()
    line.join("quiet", "quiet")
    assert served(line, 1) == ["quiet"]
    line.join("quiet", "again")
    line.join("other", "other")
    assert served(line, 3) == ["crowd2", "again", "other"]


def test_where_nobody_waits_the_first_is_first() -> None:
    line = crowded(2)
    for item in ("a1", "a2", "b1"):
        line.join(item[0], item)
    assert served(line, 4) == ["a1", "b1", "a2", None]


def test_who_waits_with_one_already_gets_no_second_place_in_a_round() -> None:
    line = crowded()
    line.join("first", "first")
    line.join("quiet", "quiet1")
    assert served(line, 2) == ["first", "crowd2"]
    line.join("quiet", "quiet2")
    assert served(line, 3) == ["quiet1", "crowd3", "quiet2"]


def test_a_crowd_goes_on_however_many_come_anew() -> None:
    line = Line[str]()
    for number in range(20):
        line.join("crowd", f"crowd{number}")
    order = []
    for number in range(60):
        line.join(f"new{number}a", "new")
        line.join(f"new{number}b", "new")
        order += served(line, 2)
    assert Counter(order).keys() >= {"crowd0", "crowd1", "crowd2", "crowd3"}


def test_who_comes_again_and_again_is_not_always_next() -> None:
    line = Line[str]()
    for number in range(100):
        line.join("crowd", f"crowd{number}")
    line.join("quiet", "quiet")
    order = []
    for _ in range(50):
        item = line.pop()
        order.append(item)
        if item == "quiet":
            line.join("quiet", "quiet")
    assert Counter(item == "quiet" for item in order) == {True: 25, False: 25}


def test_a_closed_gate_holds_up_nobody_at_another_and_is_made_up_for() -> None:
    line = Line[str]()
    for item in ("a1", "a2"):
        line.join("a", item, "closed")
    for item in ("b1", "b2", "b3"):
        line.join("b", item, "open")
    assert served(line, 2, "open") == ["b1", "b2"]
    assert set(line.gates()) == {"closed", "open"}
    assert served(line, 3, "open", "closed") == ["a1", "a2", "b3"]
    assert not line.gates()


def test_who_leaves_is_never_served_and_nobody_loses_a_place() -> None:
    line = Line[str]()
    places: dict[str, Place[str]] = {}
    for item in ("a1", "a2", "a3", "b1"):
        places[item] = line.join(item[0], item)
    line.leave(places["a1"])
    line.leave(places["a2"])
    assert served(line, 3) == ["b1", "a3", None]
    line.leave(places["a3"])
    assert not line.gates()


def test_namespaces_that_wait_for_nothing_are_forgotten() -> None:
    line = Line[str]()
    for number in range(10_000):
        line.join(f"ns{number}", "x")
        assert line.pop() == "x"
        place = line.join(f"ns{number}", "x")
        line.leave(place)
        line.leave(place)
    assert not line._namespaces


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.booleans()), max_size=60))
def test_whatever_joins_is_served_once_and_each_namespace_in_order(
    joins: list[tuple[str, str, bool]],
) -> None:
    line = Line[tuple[str, str, int]]()
    order = []
    for number, (namespace, gate, pops) in enumerate(joins):
        line.join(namespace, (namespace, gate, number), gate)
        if pops:
            order.append(line.pop(("x", "y")))
    while line.gates():
        order.append(line.pop(("x", "y")))
    found = [item for item in order if item is not None]
    assert sorted(number for _, _, number in found) == list(range(len(joins)))
    for namespace in "abc":
        numbers = [number for name, _, number in found if name == namespace]
        assert numbers == sorted(numbers)


def test_the_first_lane_that_waits_is_served_but_for_the_guarantee() -> None:
    precedence = Precedence()
    chosen = [precedence.choose([Lane.CREATE, Lane.SWEEP]) for _ in range(5 * GUARANTEE)]
    assert Counter(chosen) == {Lane.CREATE: 5 * (GUARANTEE - 1), Lane.SWEEP: 5}
    assert chosen[GUARANTEE - 1] is Lane.SWEEP


def test_the_lower_lanes_share_the_guarantee() -> None:
    precedence = Precedence()
    count = GUARANTEE * (len(Lane) - 1) * 4
    chosen = Counter(precedence.choose(list(Lane)) for _ in range(count))
    assert {lane: chosen[lane] for lane in Lane if lane} == dict.fromkeys(set(Lane) - {Lane.CREATE}, 4)


def test_a_lane_that_was_just_served_leaves_the_guarantee_to_another() -> None:
    precedence = Precedence()
    for _ in range(GUARANTEE - 1):
        precedence.choose([Lane.SWEEP])
    assert precedence.choose([Lane.CREATE, Lane.ROLLOUT, Lane.SWEEP]) is Lane.ROLLOUT
