"""The numbers that are shown, and that nobody's choice of names makes more and more of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

import builders as a
from neon_tenants.core.again import Again
from neon_tenants.core.key import Key
from neon_tenants.core.record import Record
from neon_tenants.core.tally import MAX_TIERS, OTHER, tally
from neon_tenants.metrics import outcome_of

RECORD = Record.of(a.tenant(status=a.status()))


def test_tenants_are_counted_by_tier_state_and_condition() -> None:
    held = replace(RECORD, tier="pro", reason="QuotaExceeded", conditions=frozenset({"Stalled"}))
    found = tally([RECORD, RECORD, held], ["free", "pro"])
    assert found.states["free", "True", "Provisioned"] == 2
    assert sum(found.states.values()) == 3
    assert found.conditions["free", "Available"] == 2
    assert found.conditions["pro", "Stalled"] == 1


def test_tenants_of_one_tier_that_are_not_alike_count_together_where_they_share_a_condition() -> None:
    near = replace(RECORD, conditions=RECORD.conditions | {"QuotaNear"})
    assert tally([RECORD, near], ["free"]).conditions["free", "Available"] == 2


def test_a_tier_that_there_is_not_is_not_named() -> None:
    """Who may write a TenantDatabase may name any tier, and would make a series for each."""
    found = tally([replace(RECORD, tier=f"made-up-{n}") for n in range(1000)], ["free"])
    assert found.states == {(OTHER, "True", "Provisioned"): 1000}


def test_only_so_many_tiers_are_named() -> None:
    names = [f"tier-{number:04}" for number in range(MAX_TIERS + 50)]
    found = tally([replace(RECORD, tier=name) for name in names], names)
    assert len(found.states) == MAX_TIERS + 1
    assert found.states[OTHER, "True", "Provisioned"] == 50


def test_words_that_the_operator_never_writes_are_not_named() -> None:
    forged = replace(RECORD, reason="Forged", conditions=frozenset({"Forged"}))
    found = tally([forged], ["free"])
    assert found.states == {("free", "True", OTHER): 1}
    assert not found.conditions


@pytest.mark.parametrize(
    ("again", "outcome"),
    [
        (None, "error"),
        (Again(backoff=True), "retry"),
        (Again(gone=True), "gone"),
        (Again(after=3), "wait"),
        (Again(), "done"),
    ],
)
def test_how_a_pass_ended(again: Again | None, outcome: str) -> None:
    assert outcome_of(again) == outcome


def test_a_record_of_each_tenant_takes_part() -> None:
    records = [replace(RECORD, key=Key("ns", f"t{number}")) for number in range(10)]
    assert sum(tally(records, ["free"]).states.values()) == 10
