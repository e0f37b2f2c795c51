"""A census that follows each record is the one that counts anew; and it names whom it must."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import builders as a
from neon_tenants.api import names
from neon_tenants.api.database_tier import RolloutPhase, RolloutStatus
from neon_tenants.api.tenant_database import AppliedTier
from neon_tenants.core.census import Census, Order, Standing
from neon_tenants.core.entitlement import Tier
from neon_tenants.core.key import Key
from neon_tenants.core.record import Record

STARTED = "2026-01-01T12:00:00Z"
TIER: Tier = a.tier(generation=2)
NAMED = [kind for kind in Standing if kind not in (Standing.APART, Standing.UPDATED)]
STATUS = RolloutStatus(generation=2, phase=RolloutPhase.CANARY, started=STARTED, updated=0, total=0, failed=0)


def record(name: str, standing: Standing, *, created: float = 0.0, life: int = 0) -> Record:
    """A tenant of this standing; another `life` has another uid."""
    generation = 2 if standing in (Standing.UPDATED, Standing.WAITING) else 1
    applied = AppliedTier(name=TIER.name, generation=generation)
    if standing is Standing.WAITING:
        applied = applied.model_copy(update={"waiting": ["maxCU"]})
    sick = {Standing.SICK: "2026-01-01T11:00:00Z", Standing.FAILED: STARTED}.get(standing)
    conditions = [a.condition("Ready", "False" if sick else "True", since=sick or STARTED)]
    conditions += [a.condition("Stalled", "True")] if sick else []
    changes: dict[str, Any] = {"deleting": standing is Standing.APART, "created": created}
    if standing is Standing.HELD:
        changes["annotations"] = {names.PAUSED: "true"}
    status = a.status(tier=applied, conditions=conditions)
    tenant = a.tenant({"tier": TIER.name}, name=name, uid=f"{name}-{life}", status=status, **changes)
    return Record.of(tenant)


def told(census: Census) -> tuple[Any, ...]:
    """All that can be asked."""
    return (
        {kind: census.count(kind) for kind in Standing},
        {kind: set(census.keys(kind)) for kind in NAMED},
        census.counted(STATUS),
        census.to_do(None, lambda _key: True),
        [census.canaries(percent) for percent in (1, 50, 100)],
    )


states = st.one_of(
    st.none(),
    st.builds(
        record,
        st.just(""),
        st.sampled_from(Standing),
        created=st.sampled_from([0.0, 1e12]),
        life=st.integers(0, 1),
    ),
)


def named(name: str, state: Record | None) -> Record | None:
    if state is None:
        return None
    key = Key(state.key.namespace, name)
    return Record(**{f: getattr(state, f) for f in Record.__slots__} | {"key": key, "uid": name + state.uid})


@given(st.lists(states, max_size=6), st.lists(st.tuples(st.integers(0, 5), states), max_size=12))
def test_it_follows(first: list[Record | None], changes: list[tuple[int, Record | None]]) -> None:
    there = {number: named(f"t{number}", state) for number, state in enumerate(first)}
    census = Census(TIER, [found for found in there.values() if found], STARTED)
    for number, state in changes:
        after = named(f"t{number}", state)
        census.change(there.get(number), after)
        there[number] = after
        assert told(census) == told(Census(TIER, [found for found in there.values() if found], STARTED))


@pytest.mark.parametrize("standing", Standing)
def test_each_standing_is_counted_as_itself(standing: Standing) -> None:
    found = record("t1", standing)
    census = Census(TIER, [found], STARTED)
    assert [kind for kind in Standing if census.count(kind)] == [standing]
    assert [kind for kind in NAMED if census.has(found.key, kind)] == [
        kind for kind in NAMED if kind is standing
    ]
    assert census.has(found.key, *NAMED) is (standing in NAMED)
    assert not census.has(Key("tenants", "other"), *NAMED)
    assert census.counted(STATUS).total == (standing is not Standing.APART)
    to_do = standing in (Standing.TO_COME, Standing.SICK)
    assert census.to_do(None, lambda _key: True) == ((found.key,) if to_do else ())
    canary = standing in (Standing.UPDATED, Standing.WAITING, Standing.FAILED, Standing.TO_COME)
    assert census.canaries(1) == ((found.key,) if canary else ())


def test_who_came_after_it_began_is_no_canary() -> None:
    census = Census(TIER, [record("t1", Standing.TO_COME, created=1e12)], STARTED)
    assert census.canaries(100) == ()
    census.change(None, record("t2", Standing.TO_COME, created=1e12))
    assert census.canaries(100) == ()


def test_it_can_do_without_knowing_the_canaries() -> None:
    first, second = record("t1", Standing.TO_COME), record("t2", Standing.TO_COME)
    census = Census(TIER, [first], STARTED, canaries=False)
    assert not census.knows_canaries
    census.change(None, second)
    census.change(first, None)
    assert census.to_do(None, lambda _key: True) == (second.key,)
    knowing = Census(TIER, [first], STARTED)
    assert knowing.knows_canaries
    knowing.forget_canaries()
    assert not knowing.knows_canaries
    knowing.change(first, None)
    assert knowing.count(Standing.TO_COME) == 0


def test_an_order_loses_exactly_whom_it_is_told_to() -> None:
    records = [record(f"t{number}", Standing.TO_COME) for number in range(9)]
    order = Order(2, records)
    for gone in records[::2]:
        order.remove(gone)
    assert len(order) == 4
    assert set(order) == {found.key for found in records[1::2]}
    order.add(records[0])
    assert tuple(order) == tuple(Order(2, [records[0], *records[1::2]]))
