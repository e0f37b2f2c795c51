from dataclasses import replace

import pytest

from builders import UID, status, tenant, tier
from neon_tenants.api import names
from neon_tenants.api.conditions import Condition, ConditionStatus
from neon_tenants.api.database_tier import DeletionPolicy, Overrides
from neon_tenants.api.tenant_database import AppliedTier, Meter, TenantDatabaseStatus, Usage
from neon_tenants.core.key import Key
from neon_tenants.core.observed import Tenant, is_untouched
from neon_tenants.core.record import Record, packed
from neon_tenants.roster import Roster


def _condition(kind: str, status: str, reason: str = "Provisioned") -> Condition:
    return Condition(
        type=kind,
        status=ConditionStatus(status),
        reason=reason,
        message="Said.",
        last_transition_time="2026-01-01T00:00:00Z",
    )


def test_a_fresh_tenant_is_neither_ready_nor_not() -> None:
    record = Record.of(replace(tenant(), status=TenantDatabaseStatus()))
    assert (record.ready, record.reason, record.since) == (ConditionStatus.UNKNOWN, "", "")
    assert not record.stalled
    assert record.conditions == frozenset()


def test_a_stalled_tenant_keeps_its_reason() -> None:
    told = TenantDatabaseStatus(
        conditions=[_condition("Ready", "False", "TierFull"), _condition("Stalled", "True", "TierFull")]
    )
    record = Record.of(replace(tenant(), status=told))
    assert (record.ready, record.reason) == (ConditionStatus.FALSE, "TierFull")
    assert record.stalled
    assert record.conditions == {"Stalled"}


def test_a_record_is_all_that_the_fleet_needs_to_know() -> None:
    wishes = {"overrides": {"compute": {"maxCU": 2}}, "state": "Suspended", "deletionPolicy": "Retain"}
    usage = Usage(compute_time=Meter(used=5))
    found = tenant(wishes, resource_version="12", created=5.0, status=status(region="eu", usage=usage))
    record = Record.of(found)
    assert record == Record(
        key=Key("tenants", "acme"),
        uid=UID,
        version=12,
        created=5.0,
        tier="free",
        applied=AppliedTier(name="free", generation=1),
        overrides=Overrides.model_validate(wishes["overrides"]),
        suspended=True,
        paused=False,
        deleting=False,
        held=True,
        marked=None,
        deletion_policy=DeletionPolicy.RETAIN,
        settled_generation=True,
        project_id="cool-project-1",
        region="eu",
        ready=ConditionStatus.TRUE,
        reason="Provisioned",
        since="2026-01-01T00:00:00Z",
        stalled=False,
        meters=packed(usage),
        conditions=frozenset({"Ready", "Available"}),
    )
    assert not Record.of(replace(found, generation=2)).settled_generation


def test_a_deletion_that_our_finalizer_does_not_hold_is_not_marked() -> None:
    deleted = tenant(deleting=True, marked=7.0)
    assert Record.of(deleted).marked == 7.0
    assert Record.of(replace(deleted, finalizers=())).marked is None


def test_a_tenant_whose_namespace_is_paused_is_paused() -> None:
    told = TenantDatabaseStatus(conditions=[_condition("Reconciling", "False", "Paused")])
    assert Record.of(replace(tenant(), status=told)).paused
    assert not Record.of(tenant()).paused


def test_the_roster_knows_who_asks_for_a_tier() -> None:
    roster = Roster()
    first = Record.of(tenant())
    second = replace(first, key=Key(first.key.namespace, "second"))
    roster.put(first)
    roster.put(second)
    assert sorted([record.key for record in roster.records_of(first.tier)]) == sorted([first.key, second.key])
    roster.put(replace(first, tier="other"))
    assert [record.key for record in roster.records_of(first.tier)] == [second.key]
    assert [record.key for record in roster.records_of("other")] == [first.key]
    roster.drop(first.key)
    assert [record.key for record in roster.records_of("other")] == []
    assert [record.key for record in roster.records()] == [second.key]
    assert roster.record(first.key) is None
    assert len(roster) == 1


def test_the_roster_knows_who_of_a_namespace_claims_a_tier() -> None:
    """Who asks for another tier claims both, until it has that one."""
    roster = Roster()
    here = Record.of(tenant())
    moving = replace(here, key=Key("tenants", "moving"), applied=AppliedTier(name="pro", generation=1))
    elsewhere = replace(here, key=Key("others", "acme"))
    for record in (here, moving, elsewhere):
        roster.put(record)
    assert {record.key.name for record in roster.claims("tenants", "free")} == {"acme", "moving"}
    assert roster.claims("tenants", "pro") == [moving]
    assert roster.claims("others", "free") == [elsewhere]
    roster.put(replace(moving, applied=AppliedTier(name="free", generation=1)))
    assert roster.claims("tenants", "pro") == []
    for record in (here, moving, elsewhere):
        roster.drop(record.key)
    assert roster.claims("tenants", "free") == []


def test_a_record_tells_the_usage_that_the_status_told() -> None:
    usage = Usage(
        period_end="2026-02-01T00:00:00Z",
        compute_time=Meter(used=50, limit=100, percent=50),
        storage_per_branch=Meter(used=9, limit=10, percent=90),
        written_data=Meter(used=7),
    )
    record = Record.of(replace(tenant(), status=TenantDatabaseStatus(usage=usage)))
    assert record.usage == usage
    assert record.fullest == 90
    untold = Record.of(replace(tenant(), status=TenantDatabaseStatus()))
    assert (untold.usage, untold.fullest) == (None, 0)


def test_tenants_share_what_they_say_alike() -> None:
    first, second = (
        Record.of(replace(tenant(), status=TenantDatabaseStatus(tier=AppliedTier(name="pro", generation=3))))
        for _ in range(2)
    )
    assert first.applied == AppliedTier(name="pro", generation=3)
    assert first.applied is second.applied


UNTOUCHED = replace(tenant(), finalizers=(), annotations={}, status=TenantDatabaseStatus())


@pytest.mark.parametrize(
    ("told", "untouched"),
    [
        (UNTOUCHED, True),
        (replace(UNTOUCHED, annotations={"team": "a"}, finalizers=("other/finalizer",)), True),
        (replace(UNTOUCHED, deleting=True), False),
        (replace(UNTOUCHED, finalizers=(names.FINALIZER,)), False),
        (replace(UNTOUCHED, unread=frozenset({"state"})), False),
        (replace(UNTOUCHED, annotations={names.INTENT: "of another operator"}), False),
        (replace(UNTOUCHED, status=TenantDatabaseStatus(project_id="quiet-sea-1")), False),
        (replace(UNTOUCHED, status=TenantDatabaseStatus(tier=AppliedTier(name="pro", generation=3))), False),
    ],
)
def test_only_what_no_operator_ever_wrote_to_is_decided_on_as_the_watch_told_it(
    told: Tenant, *, untouched: bool
) -> None:
    assert is_untouched(told) is untouched


def test_an_untouched_tenant_is_handed_out_once_and_as_it_was_told_last() -> None:
    roster = Roster()
    first, second = (replace(UNTOUCHED, resource_version=version) for version in ("7", "8"))
    for told in (first, second):
        roster.put(Record.of(told), told)
    key = Record.of(first).key
    assert roster.version(key) == 8
    assert [roster.take_new(key) for _ in range(2)] == [second, None]
    roster.put(Record.of(first), first)
    roster.put(Record.of(second))
    assert roster.take_new(key) is None
    roster.drop(key)
    assert roster.version(key) == 0


def test_a_record_knows_the_quota_of_which_the_most_is_used() -> None:
    usage = Usage(
        compute_time=Meter(used=50, limit=100, percent=50),
        storage_per_branch=Meter(used=9, limit=10, percent=90),
    )
    assert Record.of(replace(tenant(), status=TenantDatabaseStatus(usage=usage))).fullest == 90
    assert Record.of(replace(tenant(), status=TenantDatabaseStatus())).fullest == 0
    unlimited = Usage(compute_time=Meter(used=50))
    assert Record.of(replace(tenant(), status=TenantDatabaseStatus(usage=unlimited))).fullest == 0


def test_a_record_keeps_all_of_the_applied_tier() -> None:
    applied = AppliedTier(name="free", generation=3, not_taken=["suspendAfter"], waiting=["compute"])
    assert Record.of(replace(tenant(), status=TenantDatabaseStatus(tier=applied))).applied == applied


def test_a_listener_is_told_of_each_record_as_it_was_and_as_it_is() -> None:
    roster, told = Roster(), list[tuple[Record | None, Record | None]]()
    first = Record.of(tenant())
    second = Record.of(replace(tenant(), resource_version="8"))
    roster.put(first)
    roster.listen(lambda before, after: told.append((before, after)))
    roster.put(second)
    roster.drop(second.key)
    roster.drop(second.key)
    roster.put(first)
    assert told == [(first, second), (second, None), (None, first)]


def test_what_an_event_told_after_a_write_of_a_tier_is_kept_when_the_answer_comes() -> None:
    roster = Roster()
    before, written, after = (replace(tier(), resource_version=version) for version in ("7", "8", "9"))
    roster.put_tier(before)
    roster.wrote_tier(before, written)
    assert roster.tier("free") is written
    roster.put_tier(after)
    roster.wrote_tier(before, written)
    assert roster.tier("free") is after
    roster.drop_tier("free")
    roster.wrote_tier(after, written)
    assert roster.tier("free") is None
