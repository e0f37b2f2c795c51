"""The fleet on one screen: what is counted, and that the screen stays one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import builders as a
from neon_tenants.api.conditions import ConditionStatus
from neon_tenants.cli.status import _headlines
from neon_tenants.core.key import Key
from neon_tenants.core.overview import MAX_GROUPS, MAX_UNREADY, Group, Unready, groups, unready
from neon_tenants.core.record import Record
from neon_tenants.core.tally import OTHER

RECORD = replace(Record.of(a.tenant(status=a.status())), region="aws-us-east-2")


def record(name: str = "acme", **changes: Any) -> Record:
    return replace(RECORD, key=Key("tenants", name), **changes)


def down(name: str, since: str = "2026-11-01T00:00:00Z", **changes: Any) -> Record:
    return record(name, ready=ConditionStatus.FALSE, reason="Throttled", since=since, **changes)


def test_each_tenant_counts_once_as_ready_working_or_stalled() -> None:
    stalled: dict[str, Any] = {"stalled": True, "conditions": frozenset({"Stalled"})}
    three = [down(name, **stalled) for name in "fgh"]
    found = groups([record(), record("b"), *(down(name) for name in "cde"), down("i"), *three])
    assert found == [Group("free", "aws-us-east-2", tenants=9, ready=2, working=4, stalled=3)]


def test_quotas_are_counted_beside() -> None:
    near = record(conditions=frozenset({"QuotaNear"}))
    over = down("b", conditions=frozenset({"QuotaNear", "QuotaExceeded"}))
    (group,) = groups([near, over, over])
    assert (group.tenants, group.quota_near, group.quota_exceeded) == (3, 3, 2)


def test_tiers_and_regions_stand_in_order_and_a_tenant_without_a_region_has_a_line() -> None:
    found = groups([record(tier="pro"), record(region=None), record(), record(region="aws-eu-central-1")])
    assert [(group.tier, group.region) for group in found] == [
        ("free", ""),
        ("free", "aws-eu-central-1"),
        ("free", "aws-us-east-2"),
        ("pro", "aws-us-east-2"),
    ]


def test_the_screen_has_so_many_lines_and_no_tenant_is_left_out() -> None:
    crowd = [record(tier=f"tier-{n:03}") for n in range(MAX_GROUPS + 7) for _ in range(2)]
    found = groups([*crowd, record(tier="small")])
    assert len(found) == MAX_GROUPS + 1
    assert sum(group.tenants for group in found) == len(crowd) + 1
    assert (found[-1].tier, found[-1].tenants) == (OTHER, 15)


def test_the_last_line_adds_up_all_numbers_of_those_that_have_no_line() -> None:
    full = [record(tier=f"tier-{n:03}") for n in range(MAX_GROUPS) for _ in range(9)]
    marks = frozenset({"QuotaNear", "QuotaExceeded"})
    near = frozenset({"QuotaNear"})
    small = [
        *(record(tier="small-1", conditions=conditions) for conditions in (marks, near, near, frozenset())),
        *(down("x", tier="small-1"), down("y", tier="small-1", stalled=True)),
        *(record(tier="small-2") for _ in range(2)),
        *(down("x", tier="small-2", conditions=marks), down("y", tier="small-2")),
        *(down("z", tier="small-2", stalled=True),) * 2,
    ]
    assert groups([*full, *small])[-1] == Group(
        OTHER, "", tenants=12, ready=6, working=3, stalled=3, quota_near=4, quota_exceeded=2
    )


def test_those_who_wait_longest_come_first_and_the_rest_is_left_out() -> None:
    crowd = [down(f"t{n:02}", since=f"2026-11-{n + 1:02}T00:00:00Z") for n in range(28)]
    found = unready([*reversed(crowd), record("fine")])
    assert [one.name for one in found] == [f"t{n:02}" for n in range(MAX_UNREADY)]
    assert found[0] == Unready("tenants", "t00", "free", "Throttled", "2026-11-01T00:00:00Z")
    alike = [record(name, tier=name, ready=ConditionStatus.FALSE, since="x") for name in "cab"]
    assert [one.name for one in unready(alike)] == ["a", "b", "c"]


def test_a_tenant_that_nobody_looked_at_has_waited_since_it_was_made() -> None:
    fresh = record("fresh", ready=ConditionStatus.UNKNOWN, since="", created=0.0)
    assert unready([fresh])[0].since == "1970-01-01T00:00:00Z"


def test_a_replica_with_a_part_of_the_budget_says_so() -> None:
    answer: dict[str, Any] = {
        "tenants": 2,
        "backing_off": 0,
        "lanes": [],
        "complete": True,
        "key_usable": True,
        "brake": {"engaged": [], "held": 0},
        "orphans": None,
        "sweep_age": 0,
    }
    whole = {"per_minute": 560.0, "whole": 560.0, "left": 16}
    assert "Neon's budget: 560 requests a minute, 16 free now, 0 waiting." in _headlines(
        {**answer, "budget": whole}
    )
    part = {**whole, "per_minute": 140}
    assert "Neon's budget: 140 of 560 requests a minute, 16 free now, 0 waiting." in _headlines(
        {**answer, "budget": part}
    )
