"""Which replica works on which tenant: the table, a row each."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import pytest

import builders as a
from neon_tenants.api.tenant_database import AppliedTier
from neon_tenants.core.entitlement import Tier
from neon_tenants.core.record import Record
from neon_tenants.core.shard import WHOLE, Scope, name, shard_of, told

COUNT = 4
UID = "uid-a"
OWN = shard_of(UID, COUNT)
OTHER = OWN + 1
CONDUCTS = Scope(COUNT, frozenset({0}))
HOLDS = Scope(COUNT, frozenset({OWN}))
STANDS_ASIDE = Scope(COUNT, frozenset({OTHER}))
LIMITED = a.tier(maxTenantsPerNamespace=3)


def record(shard: str | None = None, *, applied: str | None = "free", **more: bool) -> Record:
    status = a.status(shard=shard, tier=None if applied is None else AppliedTier(name=applied, generation=1))
    return Record.of(a.tenant({"tier": "free"}, uid=UID, status=status, **more))


def test_the_shard_is_not_the_first() -> None:
    """Else these tests could not tell its holder from who conducts."""
    assert OWN not in (0, OTHER)


def test_uids_spread_evenly() -> None:
    found = Counter(shard_of(str(UUID(int=number**7 + number)), COUNT) for number in range(4000))
    assert sorted(found) == list(range(COUNT))
    assert max(found.values()) < 1.2 * min(found.values())


def test_a_shard_is_told_with_the_count() -> None:
    assert told(UID, COUNT) == f"{OWN}of4" == name(OWN, COUNT)
    assert told(UID, 1) is None


ROWS = {
    "the status tells nothing yet": (record(None), a.tier(), HOLDS),
    "it tells the right one": (record(told(UID, COUNT)), a.tier(), HOLDS),
    "it tells one of another count": (record("0of8"), a.tier(), HOLDS),
    "it tells another": (record(name(OTHER, COUNT)), a.tier(), CONDUCTS),
    "a new one of a tier that takes only so many": (record(applied=None), LIMITED, CONDUCTS),
    "one that moves to such a tier": (record(applied="pro"), LIMITED, CONDUCTS),
    "one that is in such a tier": (record(), LIMITED, HOLDS),
    "one that is deleted in such a tier": (record(applied=None, deleting=True), LIMITED, HOLDS),
    "a new one of a tier that takes all": (record(applied=None), a.tier(), HOLDS),
    "a new one of a tier that nobody knows": (record(applied=None), None, HOLDS),
}


@pytest.mark.parametrize(("tenant", "tier", "works"), ROWS.values(), ids=ROWS.keys())
def test_who_works_on_it(tenant: Record, tier: Tier | None, works: Scope) -> None:
    for scope in (CONDUCTS, HOLDS, STANDS_ASIDE):
        assert scope.works_on(tenant, tier) is (scope is works)
    assert WHOLE.works_on(tenant, tier)


def test_a_status_that_tells_another_shard_is_misplaced() -> None:
    assert CONDUCTS.is_misplaced(record(name(OTHER, COUNT)))
    assert not CONDUCTS.is_misplaced(record(told(UID, COUNT)))
    assert not CONDUCTS.is_misplaced(record("0of8"))
    assert not CONDUCTS.is_misplaced(record(None))


def test_who_conducts_knows_all_and_others_their_own() -> None:
    assert (CONDUCTS.sees(UID), CONDUCTS.holds(UID), CONDUCTS.conducts) == (True, False, True)
    assert (HOLDS.sees(UID), HOLDS.holds(UID), HOLDS.conducts) == (True, True, False)
    assert (STANDS_ASIDE.sees(UID), STANDS_ASIDE.holds(UID)) == (False, False)
    assert (WHOLE.sees(UID), WHOLE.holds(UID), WHOLE.conducts) == (True, True, True)


def test_a_watch_leaves_out_what_others_hold() -> None:
    assert Scope(3, frozenset({1})).selector == "status.shard!=0of3,status.shard!=2of3"
    assert Scope(3, frozenset({1, 2})).selector == "status.shard!=0of3"
    assert Scope(3, frozenset({0})).selector == "" == WHOLE.selector


def test_a_fleet_of_one_part_is_not_split() -> None:
    assert Scope(2, frozenset({0, 1})).is_split
    assert not WHOLE.is_split
