"""What a changed tier takes from its tenants, and the limits that take nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import builders as a
from neon_tenants.api.database_tier import Overrides
from neon_tenants.api.tenant_database import Meter, Usage
from neon_tenants.core.harm import EITHER, harms, held_back, survey, used
from neon_tenants.core.project import ComputeSettings, Limits, Project, Signs
from neon_tenants.core.quota import QUOTA_KINDS, QuotaKind
from neon_tenants.core.record import Record

GIB = 1024**3


def limits(**changes: Any) -> Limits:
    retention = changes.pop("retention_seconds", a.LIMITS.retention_seconds)
    return replace(a.LIMITS, quota=replace(a.LIMITS.quota, **changes), retention_seconds=retention)


def record(**used: int) -> Record:
    usage = Usage(**{name: Meter(used=amount) for name, amount in used.items()}) if used else None
    return Record.of(a.tenant(status=a.status(usage=usage)))


ROWS: dict[str, tuple[Limits, Project, Record, tuple[str, ...]]] = {
    "nothing is changed": (limits(), a.project(), record(), ()),
    "shorter history": (limits(retention_seconds=60), a.project(), record(), ("historyRetention",)),
    "longer history": (limits(retention_seconds=10**6), a.project(), record(), ()),
    "history left out by the list": (
        limits(retention_seconds=60),
        a.project(retention_seconds=None),
        record(),
        (),
    ),
    "lower, above what is used": (limits(written_data_bytes=9), a.project(), record(written_data=8), ()),
    "lower, and all of it used": (
        limits(written_data_bytes=9),
        a.project(),
        record(written_data=9),
        ("writtenData",),
    ),
    "limited for the first time": (
        limits(active_time_seconds=9),
        a.project(signs=Signs(active_seconds=10)),
        record(),
        ("activeTime",),
    ),
    "higher, though used up": (
        limits(written_data_bytes=2 * GIB),
        a.project(),
        record(written_data=3 * GIB),
        (),
    ),
    "as it was, and used up": (limits(), a.project(), record(written_data=GIB), ()),
    "unlimited": (limits(written_data_bytes=0), a.project(), record(written_data=3 * GIB), ()),
    "quota left out by the list": (
        limits(written_data_bytes=1),
        a.project(quota=None),
        record(written_data=9),
        (),
    ),
    "storage by the list, history included": (
        limits(logical_size_bytes=9),
        a.project(signs=Signs(storage_bytes=10)),
        record(),
        ("storagePerBranch",),
    ),
    "storage as it was metered": (
        limits(logical_size_bytes=9),
        a.project(signs=Signs(storage_bytes=10)),
        record(storage_per_branch=8),
        (),
    ),
}


@pytest.mark.parametrize(("wanted", "project", "tenant", "taken"), ROWS.values(), ids=ROWS.keys())
def test_what_a_change_takes(
    wanted: Limits, project: Project, tenant: Record, taken: tuple[str, ...]
) -> None:
    assert harms(wanted, project, tenant) == taken


@pytest.mark.parametrize("kind", QUOTA_KINDS, ids=lambda kind: kind.name)
def test_what_nothing_tells_of_is_not_used(kind: QuotaKind) -> None:
    assert used(kind, a.project(signs=Signs()), record()) == 0
    assert used(kind, a.project(signs=Signs()), record(compute_time=0)) == 0


def test_tenants_are_counted_once_and_by_what_is_taken() -> None:
    refused = replace(record(), overrides=Overrides.model_validate({"compute": {"maxCU": 4}}))
    used_up = record(written_data=10, data_transfer=10)
    tier = a.tier(
        historyRetention="1h",
        quota={
            "computeTime": "100h",
            "activeTime": "Unlimited",
            "storagePerBranch": "512Mi",
            "writtenData": "5",
            "dataTransfer": "5",
        },
    )
    found = survey(tier, [(used_up, a.project()), (record(), a.project()), (refused, a.project())])
    assert found == {"historyRetention": 2, "writtenData": 1, "dataTransfer": 1, EITHER: 2}
    assert survey(a.tier(), [(record(), a.project())])[EITHER] == 0


def test_what_no_rollout_has_reached_is_neither_lowered_nor_resized() -> None:
    lower = replace(limits(written_data_bytes=1, data_transfer_bytes=0, retention_seconds=60))
    held = held_back(replace(lower, compute=ComputeSettings(1, 8, 60)), a.project(), None)
    assert held == limits(data_transfer_bytes=0)


def test_a_person_gets_what_it_wishes_all_the_same() -> None:
    wishes = Overrides.model_validate({"quota": {"writtenData": "1"}, "compute": {"maxCU": 8}})
    wanted = replace(limits(written_data_bytes=1), compute=ComputeSettings(1, 8, 60))
    assert held_back(wanted, a.project(), wishes) == wanted


def test_without_known_defaults_the_tier_s_are_as_good() -> None:
    wanted = replace(limits(retention_seconds=0), compute=ComputeSettings(1, 8, 60))
    found = held_back(wanted, a.project(defaults=None, retention_seconds=None, quota=None), None)
    assert found == wanted
