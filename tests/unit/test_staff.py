"""How many workers the lanes may occupy: one test for each row of the table."""

from __future__ import annotations

import pytest

from neon_tenants.core.lane import Lane
from neon_tenants.core.staff import Staff


def started(staff: Staff, lane: Lane, *, crowd: bool = False) -> int:
    """How many passes of a lane may start one after another."""
    count = 0
    while staff.may_start(lane, crowd=crowd):
        staff.start(lane, crowd=crowd)
        count += 1
    return count


@pytest.mark.parametrize(
    ("lane", "most"),
    [
        (Lane.CREATE, 28),
        (Lane.CHANGE, 28),
        (Lane.DELETE, 24),
        (Lane.REPAIR, 16),
        (Lane.ROLLOUT, 12),
        (Lane.SWEEP, 8),
    ],
)
def test_one_lane_alone_may_not_occupy_all_workers(lane: Lane, most: int) -> None:
    assert started(Staff(32), lane) == most


def test_a_create_finds_a_worker_whatever_waits_below() -> None:
    staff = Staff(32)
    for lane in sorted(Lane, reverse=True):
        if lane is not Lane.CREATE:
            started(staff, lane)
    assert started(staff, Lane.CREATE) == 4
    assert not any(staff.may_start(lane) for lane in Lane)


def test_each_lane_finds_a_worker_whatever_waits_below() -> None:
    staff = Staff(32)
    assert [started(staff, lane) for lane in sorted(Lane, reverse=True)] == [8, 4, 4, 8, 4, 4]


def test_the_lower_lanes_find_workers_whoever_waits_above() -> None:
    staff = Staff(32)
    assert started(staff, Lane.CREATE) == 28
    assert started(staff, Lane.CHANGE) == 0
    assert started(staff, Lane.DELETE) == 0
    assert started(staff, Lane.SWEEP) == 4
    staff.finish(Lane.SWEEP)
    assert started(staff, Lane.CREATE) == 0
    assert started(staff, Lane.REPAIR) == 1


def test_a_namespace_alone_finds_a_worker_whatever_crowd_waits() -> None:
    staff = Staff(32)
    assert started(staff, Lane.CREATE, crowd=True) == 24
    assert started(staff, Lane.CREATE) == 4
    assert started(staff, Lane.SWEEP, crowd=True) == 4
    staff.finish(Lane.CREATE, crowd=True)
    assert started(staff, Lane.CREATE, crowd=True) == 1


def test_a_crowd_finds_workers_however_many_namespaces_come_alone() -> None:
    staff = Staff(32)
    assert started(staff, Lane.CREATE) == 28
    staff.finish(Lane.CREATE)
    assert started(staff, Lane.CREATE, crowd=True) == 1


@pytest.mark.parametrize("workers", [1, 2, 3, 5, 7])
def test_with_few_workers_creates_may_occupy_all_and_each_lane_one(workers: int) -> None:
    assert started(Staff(workers), Lane.CREATE, crowd=True) == workers
    assert all(started(Staff(workers), lane) >= 1 for lane in Lane)


@pytest.mark.parametrize(("workers", "most"), [(3, 1), (10, 2)])
def test_a_part_of_a_worker_is_none_but_each_lane_has_one(workers: int, most: int) -> None:
    assert started(Staff(workers), Lane.SWEEP) == most


def test_deletes_of_a_crowd_count_among_those_of_crowds() -> None:
    staff = Staff(32)
    assert started(staff, Lane.DELETE, crowd=True) == 24
    assert started(staff, Lane.CREATE, crowd=True) == 0
    assert started(staff, Lane.CREATE) == 4
