"""Usage and quotas, row by row: late, missing and negative numbers, and counters that begin again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import builders as a
from neon_tenants.api.conditions import ConditionType, Reason
from neon_tenants.api.quantity import MAX_INT64
from neon_tenants.api.tenant_database import Meter, TenantDatabaseStatus, Usage
from neon_tenants.core import event as core_event
from neon_tenants.core import plan
from neon_tenants.core import status as core_status
from neon_tenants.core import usage as core_usage
from neon_tenants.core.note import Note
from neon_tenants.core.observed import Observed
from neon_tenants.core.project import Consumption, Signs
from neon_tenants.core.quota import QUOTA_KINDS, Quota
from neon_tenants.core.status import Verdict
from neon_tenants.core.steps import Rest

FIRST = "2000-06-01T00:00:00Z"
NOVEMBER, DECEMBER = "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"
QUOTA = Quota(compute_time_seconds=1000, logical_size_bytes=1000, written_data_bytes=0)


def told(end: str | None = NOVEMBER, **amounts: int | None) -> Consumption:
    return Consumption(period_end=end, **amounts)


def used(seconds: int, end: str | None = NOVEMBER) -> Consumption:
    return told(end, compute_time_seconds=seconds)


MERGED: dict[str, tuple[Consumption, Consumption, Consumption]] = {
    "more": (used(10), used(20), used(20)),
    "late: less within the same period": (used(20), used(10), used(20)),
    "the largest that there is": (used(20), used(MAX_INT64), used(MAX_INT64)),
    "nothing used": (told(), used(0), used(0)),
    "negative": (used(20), used(-5), used(20)),
    "absurd": (used(20), used(MAX_INT64 + 1), used(20)),
    "none": (used(20), told(), used(20)),
    "first": (told(None), used(5), used(5)),
    "without a period": (used(20), used(30, None), used(30)),
    "an unreadable period": (used(20), used(30, "soon"), used(30)),
    "an unreadable period at first": (told(None), used(30, "soon"), used(30, None)),
    "a period without a zone": (used(20), used(30, "2027-01-01T00:00:00"), used(30)),
    "a period of the first year that counts": (told(None), used(5, FIRST), used(5, FIRST)),
    "a period of a year before": (told(None), used(5, "1999-12-31T23:59:59Z"), used(5, None)),
    "a period of another age": (used(20), used(30, "9999-12-31T23:59:59-12:00"), used(30)),
    "a period in another zone": (used(20), used(3, "2027-01-01T01:00:00+01:00"), used(3, DECEMBER)),
    "a later period: the counter began again": (used(900), used(3, DECEMBER), used(3, DECEMBER)),
    "a later period without the meter": (used(900), told(DECEMBER), told(DECEMBER)),
    "an earlier period: an answer that came late": (used(3, DECEMBER), used(900), used(3, DECEMBER)),
    "storage shrinks": (told(logical_size_bytes=9), told(logical_size_bytes=5), told(logical_size_bytes=5)),
    "storage is not told": (told(logical_size_bytes=9), told(), told(logical_size_bytes=9)),
    "storage outlives the period": (
        told(logical_size_bytes=9),
        told(DECEMBER),
        told(DECEMBER, logical_size_bytes=9),
    ),
}


@pytest.mark.parametrize(("known", "news", "after"), MERGED.values(), ids=MERGED.keys())
def test_what_is_known_after_more_was_told(known: Consumption, news: Consumption, after: Consumption) -> None:
    assert core_usage.merged(known, news) == after


amounts = st.none() | st.integers(-10, 10_000)
tellings = st.builds(
    Consumption,
    period_end=st.sampled_from((None, NOVEMBER, DECEMBER, "soon")),
    **{kind.neon: amounts for kind in QUOTA_KINDS},
)


@given(st.lists(tellings, max_size=6))
def test_within_a_period_no_meter_ever_falls_and_none_is_negative(series: list[Consumption]) -> None:
    known = Consumption()
    for news in series:
        after = core_usage.merged(known, news)
        for kind in QUOTA_KINDS:
            old, new = getattr(known, kind.neon), getattr(after, kind.neon)
            assert new is None or new >= 0
            if kind.neon != core_usage.STORAGE and after.period_end == known.period_end and old is not None:
                assert new is not None
                assert new >= old
        assert core_usage.merged(after, news) == after
        known = after


def test_odd_meters_are_named() -> None:
    whole = Consumption(NOVEMBER, 1, 2, None, 4, 5)
    assert core_usage.odd(whole) == ()
    assert core_usage.odd(replace(whole, written_data_bytes=-1, active_time_seconds=None)) == (
        "active_time_seconds",
        "written_data_bytes",
    )


def test_usage_in_a_status() -> None:
    usage = core_usage.measured(told(compute_time_seconds=999, written_data_bytes=7), QUOTA)
    assert usage == Usage(
        period_end=NOVEMBER,
        compute_time=Meter(used=999, limit=1000, percent=99),
        written_data=Meter(used=7),
    )
    assert core_usage.consumed(usage) == told(compute_time_seconds=999, written_data_bytes=7)
    assert core_usage.consumed(None) == Consumption()
    least = Quota(compute_time_seconds=1)
    most = core_usage.measured(used(2**62), least).compute_time
    assert most is not None
    assert most.percent == core_usage.MAX_PERCENT


def status_of(seconds: int, end: str | None = NOVEMBER, quota: Quota = QUOTA) -> Usage:
    return core_usage.measured(used(seconds, end), quota)


NEWS: dict[str, tuple[Usage | None, Consumption, Quota, bool]] = {
    "the same": (status_of(100), used(100), QUOTA, False),
    "nothing": (None, Consumption(), QUOTA, False),
    "a first little": (None, used(49), QUOTA, False),
    "a first five points": (None, used(50), QUOTA, True),
    "four points": (status_of(100), used(149), QUOTA, False),
    "five points": (status_of(100), used(150), QUOTA, True),
    "the warning, by one point": (status_of(790), used(800), QUOTA, True),
    "one hundred, by one point": (status_of(990), used(1000), QUOTA, True),
    "another period": (status_of(10), used(10, DECEMBER), QUOTA, True),
    "another period, and nothing told before": (None, used(10, DECEMBER), QUOTA, False),
    "a late period": (status_of(10, DECEMBER), used(10), QUOTA, False),
    "another limit": (status_of(100), Consumption(), replace(QUOTA, compute_time_seconds=2000), True),
    "another limit, and nothing used": (
        status_of(0),
        Consumption(),
        replace(QUOTA, compute_time_seconds=2000),
        True,
    ),
    "an unlimited meter": (status_of(100), told(written_data_bytes=10**12), QUOTA, False),
}


@pytest.mark.parametrize(("old", "more", "quota", "news"), NEWS.values(), ids=NEWS.keys())
def test_what_is_worth_a_write(old: Usage | None, more: Consumption, quota: Quota, news: bool) -> None:
    new = core_usage.updated(old, more, quota, 80)
    assert (new != old) is news
    assert core_usage.updated(new, more, quota, 80) == new


@given(st.lists(tellings, max_size=6), st.integers(1, 100))
def test_a_status_says_no_less_than_what_was_told_but_for_five_points(
    series: list[Consumption], warning: int
) -> None:
    known, usage = Consumption(), None
    for news in series:
        known = core_usage.merged(known, news)
        usage = core_usage.updated(usage, news, QUOTA, warning)
        truth = core_usage.measured(known, QUOTA).compute_time
        shown = usage.compute_time if usage else None
        true_percent = (truth and truth.percent) or 0
        shown_percent = (shown and shown.percent) or 0
        assert true_percent - shown_percent < core_usage.STEP
        assert (true_percent >= 100) <= (shown_percent >= 100)
        assert (true_percent >= warning) <= (shown_percent >= warning)


def test_a_warning_and_the_end_may_be_crossed_at_once() -> None:
    assert core_usage.updated(status_of(960), used(1000), QUOTA, 97) == status_of(1000)


def test_an_unlimited_meter_crosses_no_warning() -> None:
    assert core_usage.updated(None, told(written_data_bytes=10**12), QUOTA, 1) is None


def test_where_quotas_stand() -> None:
    assert core_usage.standing(None, 80) == core_usage.Standing()
    assert core_usage.standing(Usage(active_time=Meter(used=5)), 80) == core_usage.Standing()
    usage = core_usage.measured(told(compute_time_seconds=850, logical_size_bytes=1000), QUOTA)
    standing = core_usage.standing(usage, 80)
    assert [kind.name for kind in standing.near] == ["computeTime"]
    assert standing.storage
    assert standing.exceeded
    assert not standing.suspending
    assert core_usage.standing(usage, 90).near == ()


def test_the_warning_is_the_tiers() -> None:
    assert core_usage.warning_percent(None) == 80
    assert core_usage.warning_percent(a.tier()) == 80
    assert core_usage.warning_percent(a.tier(quotaWarningPercent=1)) == 1


ACTIVE: dict[str, tuple[Signs, tuple[int | None, int | None] | None, Usage | None, bool]] = {
    "at rest": (Signs(active_seconds=5, storage_bytes=7), (5, 7), None, False),
    "active": (Signs(active_seconds=6, storage_bytes=7), (5, 7), None, True),
    "grown": (Signs(active_seconds=5, storage_bytes=8), (5, 7), None, True),
    "begun again": (Signs(active_seconds=0, storage_bytes=7), (5, 7), None, True),
    "at first, never used": (Signs(active_seconds=0), None, None, False),
    "at first, used": (Signs(active_seconds=3), None, None, True),
    "at first, not told": (Signs(), None, None, False),
    "at first, as the status says": (
        Signs(active_seconds=3),
        None,
        Usage(active_time=Meter(used=3)),
        False,
    ),
    "at first, and the status says nothing of it": (
        Signs(active_seconds=3),
        None,
        Usage(compute_time=Meter(used=3)),
        True,
    ),
}


@pytest.mark.parametrize(("told", "before", "usage", "active"), ACTIVE.values(), ids=ACTIVE.keys())
def test_a_list_tells_who_was_active(
    told: Signs, before: tuple[int | None, int | None] | None, usage: Usage | None, active: bool
) -> None:
    assert core_usage.was_active(told, before, usage) is active


# --- in the plan, the status and the events --------------------------------------------------------

HOURS = 3600
FULL = told(compute_time_seconds=100 * HOURS)
NEAR = told(compute_time_seconds=85 * HOURS)
CROWDED = told(logical_size_bytes=600 * 1024**2)


def world(consumption: Consumption | None, **changes: Any) -> Observed:
    status = changes.pop("status", a.status())
    return a.bound(tenant=a.tenant(changes.pop("spec", {}), status=status), note=Note(consumption), **changes)


def resting(observed: Observed) -> tuple[Rest, TenantDatabaseStatus]:
    step = plan.next_step(observed)
    assert isinstance(step, Rest), step
    return step, core_status.updated(observed, Verdict.of(step), "2026-11-22T00:00:00Z")


def shown(status: TenantDatabaseStatus) -> dict[str, tuple[str, str]]:
    return {c.type: (c.status.value, c.reason) for c in status.conditions}


PROVISIONED = {"Ready": ("True", "Provisioned"), "Available": ("True", "Provisioned")}


def test_a_quota_that_is_near_is_a_condition_beside_the_others() -> None:
    _, status = resting(world(NEAR))
    assert shown(status) == {**PROVISIONED, "QuotaNear": ("True", "QuotaNear")}
    assert status.usage is not None
    assert "computeTime 85 % of 100h" in status.conditions[-1].message


def test_a_used_up_quota_of_time_shuts_the_tenant_out_and_it_stays_ready() -> None:
    rest, status = resting(world(FULL))
    assert (rest.reason, rest.ready, rest.available) == (Reason.QUOTA_EXCEEDED, True, False)
    assert shown(status) == {
        "Ready": ("True", "QuotaExceeded"),
        "Available": ("False", "QuotaExceeded"),
        "QuotaExceeded": ("True", "QuotaExceeded"),
    }
    assert rest.message.startswith("Used up: computeTime 100 % of 100h. Neon suspends the computes")
    assert f"until {NOVEMBER}" in rest.message
    assert "raised" in rest.message
    again = a.bound(tenant=a.tenant(status=status))
    assert again.settled
    assert resting(again)[1] == status


def test_without_a_period_the_message_says_so() -> None:
    assert "until the billing period ends" in resting(world(replace(FULL, period_end=None)))[0].message


def test_used_up_storage_stops_writes_only() -> None:
    rest, status = resting(world(CROWDED))
    assert rest.available is True
    assert shown(status)["Available"] == ("True", "QuotaExceeded")
    assert shown(status)["QuotaExceeded"] == ("True", "QuotaExceeded")
    assert rest.message.startswith("Used up: storagePerBranch 117 % of 512Mi. Logins and reads work")
    assert "only writes fail" in rest.message
    assert "until" not in rest.message


def test_a_person_s_suspension_comes_first() -> None:
    rest, status = resting(
        world(
            FULL,
            spec={"state": "Suspended"},
            status=a.status(suspended=True),
            endpoints=(a.endpoint(disabled=True),),
        )
    )
    assert rest.reason is Reason.SUSPENDED
    assert ConditionType.QUOTA_EXCEEDED in shown(status)


def test_a_larger_quota_clears_it_in_the_same_pass() -> None:
    _, full = resting(world(FULL))
    larger = replace(a.LIMITS.quota, compute_time_seconds=750 * HOURS)
    raised = a.bound(
        tenant=a.tenant(status=full),
        tier=a.tier(quota={**a.tier_spec().quota.model_dump(by_alias=True), "computeTime": "750h"}),
        lookup=a.lookup(a.project(quota=larger)),
    )
    rest, status = resting(raised)
    assert rest.reason is Reason.PROVISIONED
    assert shown(status) == PROVISIONED
    assert status.usage is not None
    assert status.usage.compute_time == Meter(used=100 * HOURS, limit=750 * HOURS, percent=13)


def test_a_new_period_clears_it() -> None:
    _, full = resting(world(FULL))
    _, status = resting(world(told(DECEMBER, compute_time_seconds=0), status=full))
    assert shown(status) == PROVISIONED


def test_what_was_told_of_another_project_does_not_count() -> None:
    _, full = resting(world(FULL))
    moved = full.model_copy(update={"project_id": "another-project-3"})
    bound = a.bound(
        tenant=a.tenant(status=moved),
        lookup=a.lookup(a.project("another-project-3", name="x"), a.project()),
        knowledge=replace(a.bound().knowledge, created=None),
    )
    assert core_usage.of_project(bound, a.project()) is None


def test_the_tier_says_what_is_worth_a_write() -> None:
    little = told(compute_time_seconds=3 * HOURS)
    assert core_usage.of_project(world(little), a.project()) is None
    early = world(little, tier=a.tier(quotaWarningPercent=2))
    assert core_usage.of_project(early, a.project()) is not None


def test_a_list_without_quotas_leaves_the_usage_as_it_is() -> None:
    _, full = resting(world(FULL))
    bound = a.bound(tenant=a.tenant(status=full))
    assert core_usage.of_project(bound, a.project(quota=None)) == full.usage


def test_a_project_that_was_read_by_itself_tells_its_meters() -> None:
    bound = a.bound(lookup=a.lookup(a.project(consumption=FULL)))
    assert resting(bound)[0].reason is Reason.QUOTA_EXCEEDED


EVENTS: dict[str, tuple[Consumption | None, Consumption | None, list[tuple[Reason, bool]]]] = {
    "nothing": (None, None, []),
    "near": (None, NEAR, [(Reason.QUOTA_NEAR, True)]),
    "still near": (NEAR, NEAR, []),
    "still used up": (FULL, FULL, []),
    "used up": (NEAR, FULL, [(Reason.QUOTA_EXCEEDED, True)]),
    "free again": (FULL, told(DECEMBER, compute_time_seconds=0), [(Reason.PROVISIONED, False)]),
    "no longer near is silent": (NEAR, told(DECEMBER, compute_time_seconds=0), []),
}


@pytest.mark.parametrize(("before", "after", "events"), EVENTS.values(), ids=EVENTS.keys())
def test_a_crossed_threshold_is_an_event(
    before: Consumption | None, after: Consumption | None, events: list[tuple[Reason, bool]]
) -> None:
    _, old = resting(world(before))
    _, new = resting(world(after, status=old))
    assert [(event.reason, event.warning) for event in core_event.of_usage(old, new)] == events


def test_an_event_of_a_quota_says_what_its_condition_says() -> None:
    _, old = resting(world(NEAR))
    _, new = resting(world(FULL, status=old))
    (event,) = core_event.of_usage(old, new)
    assert event.message == next(c.message for c in new.conditions if c.type == "QuotaExceeded")
    (freed,) = core_event.of_usage(new, resting(world(told(DECEMBER, compute_time_seconds=0), status=new))[1])
    assert freed.message == "No quota is used up any more: logins and writes work again."
