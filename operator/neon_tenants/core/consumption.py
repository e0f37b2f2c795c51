"""Consumption for billing: Neon's history by project, joined with the tenants. No number is made up.

What a version of the history does not have stays None, and so does what Neon left out of a timeframe.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from neon_tenants.core.marker import RELEASED, owner_in
from neon_tenants.core.project import Project
from neon_tenants.core.record import Record

Amounts = Mapping[str, int | None]


@dataclass(frozen=True, slots=True)
class Version:
    """A version of Neon's consumption history, and which of its metrics make up each of ours."""

    name: str
    metrics: Mapping[str, tuple[str, ...]]


METRICS: Final = (
    "compute_time_seconds",
    "active_time_seconds",
    "storage_bytes_month",
    "storage_bytes_hour",
    "written_data_bytes",
    "data_transfer_bytes",
)
"""The five metrics of Neon's guide. Storage comes in the unit of the version, which cannot be converted."""

# docs/neon.md, Consumption history.
V2: Final = Version(
    "v2",
    {
        "compute_time_seconds": ("compute_unit_seconds",),
        "storage_bytes_month": ("root_branch_bytes_month", "child_branch_bytes_month"),
        "data_transfer_bytes": ("public_network_transfer_bytes",),
    },
)
V1: Final = Version(
    "v1",
    {
        "compute_time_seconds": ("compute_time_seconds",),
        "active_time_seconds": ("active_time_seconds",),
        "storage_bytes_hour": ("data_storage_bytes_hour",),
        "written_data_bytes": ("written_data_bytes",),
    },
)


@dataclass(frozen=True, slots=True)
class Timeframe:
    """An hour, a day or a month of a project, with Neon's amounts by Neon's names."""

    start: str
    end: str
    amounts: Mapping[str, int]


def merged(frames: Iterable[Timeframe]) -> tuple[Timeframe, ...]:
    """In order, and each time once: a day in which a billing period ended is told in two parts.

    A metric that a part leaves out is left out: half a sum is no sum.
    """
    found: dict[tuple[str, str], Mapping[str, int]] = {}
    for frame in frames:
        times = (frame.start, frame.end)
        known = found.get(times)
        found[times] = (
            frame.amounts
            if known is None
            else {metric: known[metric] + frame.amounts[metric] for metric in known.keys() & frame.amounts}
        )
    return tuple(Timeframe(start, end, amounts) for (start, end), amounts in sorted(found.items()))


@dataclass(frozen=True, slots=True)
class History:
    """A complete answer for one organization."""

    version: Version
    projects: Mapping[str, tuple[Timeframe, ...]]


class Owner(StrEnum):
    """Whose a project is."""

    TENANT = "tenant"
    RELEASED = "released"
    """It was a tenant's, and was released when its resource was deleted."""
    UNKNOWN = "unknown"
    """No tenant of this operator records it."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one project used in one timeframe; times are None where there is no history of a tenant."""

    owner: Owner
    namespace: str | None
    tenant: str | None
    tier: str | None
    """That is applied now: the history does not know tiers."""
    organization: str
    project_id: str | None
    project_name: str | None
    start: str | None = None
    end: str | None = None
    amounts: Amounts = field(default_factory=dict)


def report(
    history: History,
    *,
    organization: str,
    cluster: str,
    records: Iterable[Record],
    projects: Iterable[Project],
) -> Iterator[Row]:
    """A row for each project and timeframe, and one for each tenant without any.

    | project in the history | tenant that records it | row |
    |---|---|---|
    | yes | yes | tenant, once: the oldest where several record it |
    | yes, named as released | no | released |
    | yes, any other | no | unknown |
    | no | yes | tenant, without numbers |
    """
    names = {project.id: project.name for project in projects}
    records = sorted(records, key=lambda record: (record.created, record.key))
    tenants: dict[str, Record] = {}
    for record in records:
        if record.project_id is not None:
            tenants.setdefault(record.project_id, record)
    for project_id, timeframes in history.projects.items():
        tenant = tenants.get(project_id)
        row = _row(tenant, project_id, names.get(project_id), organization, cluster)
        for frame in timeframes:
            amounts = _amounts(history.version, frame)
            yield replace(row, start=frame.start, end=frame.end, amounts=amounts)
        if not timeframes:
            yield row
    for record in records:
        found = record.project_id
        if found is None or found not in history.projects or tenants[found] is not record:
            yield _row(record, found, names.get(found or ""), organization, cluster)


def _row(
    tenant: Record | None, project_id: str | None, name: str | None, organization: str, cluster: str
) -> Row:
    if tenant is not None:
        owner = Owner.TENANT
    elif name is not None and owner_in(name, cluster) == RELEASED:
        owner = Owner.RELEASED
    else:
        owner = Owner.UNKNOWN
    return Row(
        owner=owner,
        namespace=tenant.key.namespace if tenant else None,
        tenant=tenant.key.name if tenant else None,
        tier=(tenant.applied.name if tenant.applied else tenant.tier) if tenant else None,
        organization=organization,
        project_id=project_id,
        project_name=name,
    )


def _amounts(version: Version, frame: Timeframe) -> Amounts:
    return {metric: _sum(frame, version.metrics.get(metric, ())) for metric in METRICS}


def _sum(frame: Timeframe, parts: tuple[str, ...]) -> int | None:
    """None where the version has no such metric, or Neon left out a part of it."""
    found = [frame.amounts[part] for part in parts if part in frame.amounts]
    return sum(found) if parts and len(found) == len(parts) else None


def notes(history: History, rows: Iterable[Row]) -> Iterator[str]:
    """What a reader of the report must know, in sentences."""
    absent = [metric for metric in METRICS if metric not in history.version.metrics]
    yield f"Consumption history {history.version.name} of Neon has no {', '.join(absent)}: left empty."
    rows = list(rows)
    without = sum(row.owner is Owner.TENANT and row.start is None for row in rows)
    if without:
        yield f"Neon has no history of {without} tenants in this time: their numbers are empty, not 0."
    partial = sum(
        row.start is not None and any(row.amounts[metric] is None for metric in history.version.metrics)
        for row in rows
    )
    if partial:
        yield f"Neon left a metric out of {partial} rows: it is empty there, not 0."
    others = len({row.project_id for row in rows if row.owner is not Owner.TENANT})
    if others:
        yield f"{others} projects are no tenant's of this operator; their rows name the project."
