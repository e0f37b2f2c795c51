"""Who comes before whom in a tier that takes only so many: each row, and that the order is one."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import pytest

import builders as a
from neon_tenants.api import names
from neon_tenants.api.tenant_database import AppliedTier, TenantDatabaseStatus
from neon_tenants.core.observed import Tenant
from neon_tenants.core.record import Record
from neon_tenants.core.room import Claim, asks, before


def claim(uid: str = "other", created: float = 5.0, **marks: bool) -> Claim:
    return Claim(uid, created, **{"has": False, "let_in": False, "held": False, **marks})


def mine(created: float = 5.0, **marks: bool) -> Claim:
    return claim("mine", created, **marks)


ROWS: dict[str, tuple[Claim, Claim, bool]] = {
    "one that has the tier": (claim(created=9, has=True), mine(held=True, let_in=True), True),
    "one that was let in": (claim(created=9, let_in=True), mine(held=True), True),
    "an older one, when I was let in": (claim(created=1, held=True), mine(let_in=True), False),
    "a held one, when I am not": (claim(created=9, held=True), mine(), True),
    "one that is not held, when I am": (claim(created=1), mine(held=True), False),
    "an older one": (claim(created=4), mine(), True),
    "a younger one": (claim(created=6), mine(), False),
    "one as old with a smaller uid": (claim("lesser"), mine(), True),
    "one as old with a larger uid": (claim("other"), mine(), False),
    "myself": (claim("mine", 1, has=True, let_in=True, held=True), mine(), False),
}


@pytest.mark.proves("T4")
@pytest.mark.parametrize(("other", "me", "first"), ROWS.values(), ids=ROWS.keys())
def test_one_comes_before(other: Claim, me: Claim, first: bool) -> None:
    assert before(me, [other]) == first


def test_of_any_three_that_wait_one_is_first_one_second_and_one_third() -> None:
    """Else two could each wait for the other for ever."""
    waiting = [
        claim(f"{held}-{created}", created, held=held) for held, created in product((False, True), (1.0, 2.0))
    ]
    for three in permutations(waiting, 3):
        assert sorted(before(one, three) for one in three) == [0, 1, 2]


@pytest.mark.proves("T4")
def test_a_finalizer_that_was_brought_along_never_passes_one_that_is_in() -> None:
    forged = mine(created=0.0, held=True)
    assert before(forged, [claim("a", has=True), claim("b", let_in=True)]) == 2


ASKING: dict[str, tuple[dict[str, Any], bool]] = {
    "a new one": ({"finalizers": ()}, True),
    "one with our finalizer and nothing else": ({}, True),
    "one whose project is recorded": ({"status": TenantDatabaseStatus(project_id="p-1")}, False),
    "one that has the tier": ({"status": a.status()}, False),
    "one that comes from another tier": (
        {"status": a.status(tier=AppliedTier(name="pro", generation=1))},
        True,
    ),
    "a deleted one": ({"deleting": True}, False),
}


@pytest.mark.proves("T4")
@pytest.mark.parametrize(("changes", "does"), ASKING.values(), ids=ASKING.keys())
def test_a_tenant_asks_for_a_place(changes: dict[str, Any], does: bool) -> None:
    assert asks(a.tenant(**changes)) is does


CLAIMS: dict[str, tuple[dict[str, Any], str, bool, Claim]] = {
    "a new one": ({"finalizers": ()}, "free", False, claim(a.UID, 3.0)),
    "one that this process let in": ({"finalizers": ()}, "free", True, claim(a.UID, 3.0, let_in=True)),
    "one with our finalizer": ({}, "free", False, claim(a.UID, 3.0, held=True)),
    "one that has the tier": ({"status": a.status()}, "free", False, claim(a.UID, 3.0, has=True, held=True)),
    "one that has another": ({"status": a.status()}, "pro", False, claim(a.UID, 3.0, held=True)),
}


@pytest.mark.parametrize(("changes", "tier", "let_in", "wanted"), CLAIMS.values(), ids=CLAIMS.keys())
def test_a_tenant_claims_a_place(changes: dict[str, Any], tier: str, let_in: bool, wanted: Claim) -> None:
    assert Claim.of(a.tenant(created=3.0, **changes), tier, let_in=let_in) == wanted


def test_a_record_claims_what_its_tenant_claims() -> None:
    tenants: list[Tenant] = [
        a.tenant(),
        a.tenant(finalizers=("example.com/other",)),
        a.tenant(finalizers=(names.FINALIZER,), deleting=True),
        a.tenant(status=a.status()),
        a.tenant(status=a.status(tier=AppliedTier(name="pro", generation=3))),
    ]
    for tenant in tenants:
        for tier in ("free", "pro"):
            claims = (Claim.of(found, tier, let_in=False) for found in (tenant, Record.of(tenant)))
            assert len(set(claims)) == 1
