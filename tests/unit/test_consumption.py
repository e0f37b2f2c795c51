"""The report for billing: joins, and no number that nobody told."""

from __future__ import annotations

from dataclasses import replace

import builders as a
from neon_tenants.core.consumption import (
    METRICS,
    V1,
    V2,
    History,
    Owner,
    Row,
    Timeframe,
    Version,
    merged,
    notes,
    report,
)
from neon_tenants.core.key import Key
from neon_tenants.core.record import Record

ALL_V2 = {
    "compute_unit_seconds": 7,
    "root_branch_bytes_month": 100,
    "child_branch_bytes_month": 20,
    "public_network_transfer_bytes": 3,
}
RECORD = Record.of(a.tenant(status=a.status()))


def frame(day: int = 1, **amounts: int) -> Timeframe:
    return Timeframe(f"2026-11-{day:02}T00:00:00Z", f"2026-11-{day + 1:02}T00:00:00Z", amounts)


def rows(
    projects: dict[str, tuple[Timeframe, ...]],
    *records: Record,
    version: Version = V2,
    **names: str,
) -> list[Row]:
    listed = [a.project(project.replace("_", "-"), name=name) for project, name in names.items()]
    history = History(version, projects)
    found = report(history, organization="org-1", cluster=a.CLUSTER, records=records, projects=listed)
    return list(found)


def test_a_tenant_gets_what_its_version_of_the_history_has() -> None:
    (row,) = rows({"cool-project-1": (frame(**ALL_V2),)}, RECORD, cool_project_1="ours")
    assert replace(row, amounts={}) == Row(
        owner=Owner.TENANT,
        namespace="tenants",
        tenant="acme",
        tier="free",
        organization="org-1",
        project_id="cool-project-1",
        project_name="ours",
        start="2026-11-01T00:00:00Z",
        end="2026-11-02T00:00:00Z",
    )
    assert row.amounts == {
        "compute_time_seconds": 7,
        "active_time_seconds": None,
        "storage_bytes_month": 120,
        "storage_bytes_hour": None,
        "written_data_bytes": None,
        "data_transfer_bytes": 3,
    }
    old = {"compute_time_seconds": 1, "active_time_seconds": 2, "data_storage_bytes_hour": 3}
    (row,) = rows({"cool-project-1": (frame(**old, written_data_bytes=0),)}, RECORD, version=V1)
    assert row.amounts == {
        "compute_time_seconds": 1,
        "active_time_seconds": 2,
        "storage_bytes_month": None,
        "storage_bytes_hour": 3,
        "written_data_bytes": 0,
        "data_transfer_bytes": None,
    }


def test_a_metric_that_is_left_out_is_empty_and_not_zero() -> None:
    (row,) = rows({"cool-project-1": (frame(root_branch_bytes_month=100),)}, RECORD)
    assert all(row.amounts[metric] is None for metric in METRICS)
    told = list(notes(History(V2, {}), [row]))
    assert any("left a metric out of 1 rows" in note for note in told)


def test_each_hour_is_told_once_and_half_a_sum_is_no_sum() -> None:
    """A day in which a billing period ended stands in two periods."""
    parts = [frame(2, x=5), frame(1, x=1, y=10), frame(1, x=2)]
    assert merged(parts) == (frame(1, x=3), frame(2, x=5))


def test_projects_without_a_tenant_are_listed_as_what_they_are() -> None:
    one = (frame(**ALL_V2),)
    found = rows(
        {"released-1": one, "foreign-1": one, "deleted-1": ()},
        released_1=a.MARKER.released_name,
        foreign_1="somebody's own project",
    )
    assert [(row.owner, row.project_id, row.tenant) for row in found] == [
        (Owner.RELEASED, "released-1", None),
        (Owner.UNKNOWN, "foreign-1", None),
        (Owner.UNKNOWN, "deleted-1", None),
    ]
    assert found[1].project_name == "somebody's own project"
    _, others = notes(History(V2, {}), found)
    assert others.startswith("3 projects are no tenant's")


def test_a_tenant_without_history_is_listed_without_numbers() -> None:
    fresh = replace(RECORD, key=Key("tenants", "fresh"), project_id=None)
    moved = replace(RECORD, key=Key("tenants", "moved"), project_id="moved-away-1")
    idle = replace(RECORD, key=Key("tenants", "idle"), project_id="idle-1")
    found = rows({"idle-1": ()}, fresh, moved, idle, moved_away_1="elsewhere")
    told = [(row.tenant, row.organization, row.project_id, row.project_name) for row in found]
    assert told == [
        ("idle", "org-1", "idle-1", None),
        ("fresh", "org-1", None, None),
        ("moved", "org-1", "moved-away-1", "elsewhere"),
    ]
    assert [(row.start, dict(row.amounts)) for row in found] == [(None, {})] * 3
    assert any("no history of 3 tenants" in note for note in notes(History(V2, {}), found))


def test_a_project_that_two_tenants_record_is_counted_once() -> None:
    older = replace(RECORD, key=Key("a", "older"), created=1.0)
    newer = replace(RECORD, key=Key("a", "newer"), created=2.0)
    found = rows({"cool-project-1": (frame(**ALL_V2),)}, newer, older)
    assert [(row.tenant, row.start is None) for row in found] == [("older", False), ("newer", True)]


def test_the_tier_is_the_one_that_is_applied() -> None:
    """A tenant that just asked for another tier has the old one until it is applied."""
    asked = replace(RECORD, tier="pro")
    (row,) = rows({"cool-project-1": (frame(**ALL_V2),)}, asked)
    assert row.tier == "free"
    (row,) = rows({}, replace(asked, applied=None))
    assert row.tier == "pro"


def test_a_complete_report_says_only_what_the_version_lacks() -> None:
    found = rows({"cool-project-1": (frame(**ALL_V2),)}, RECORD)
    (told,) = notes(History(V2, {}), found)
    assert told.endswith(
        "v2 of Neon has no active_time_seconds, storage_bytes_hour, written_data_bytes: left empty."
    )
