"""Drift: what one complete list of Neon tells of a tenant that was as it should be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from neon_tenants.api.conditions import ConditionStatus, Reason
from neon_tenants.core.difference import Difference, of_name, of_project
from neon_tenants.core.entitlement import Tier
from neon_tenants.core.marker import Marker
from neon_tenants.core.project import Limits, Project
from neon_tenants.core.record import Record


class Drift(StrEnum):
    """What is not as it should be."""

    SETTINGS = "settings"
    """A quota, a default of computes, or the history's retention."""
    RENAMED = "renamed"
    MISSING = "missing"
    DUPLICATE = "duplicate"
    RECOVERED = "recovered"
    """A project that was missing stands again."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What the list told of one tenant."""

    drift: Drift
    differences: tuple[Difference, ...] = ()


def judge(
    record: Record,
    *,
    marker: Marker,
    tier: Tier | None,
    limits: Limits | None,
    by_id: Mapping[str, Project],
    in_place: tuple[Project, ...],
) -> Finding | None:
    """What a complete list tells of a tenant. The first row that applies decides.

    `limits` are what the tier grants, None where it refuses; `in_place` are the projects with names of the
    tenant's place. Only a pass decides what is done: it looks again.

    | tenant | finding |
    |---|---|
    | deleted, paused, or without a recorded project | none: others look after it |
    | told as ProjectMissing, and its project is listed | RECOVERED |
    | not ready, or its spec or its tier changed since: a rollout comes to it | none |
    | its project is not listed | MISSING |
    | its project bears another name | RENAMED |
    | another project bears its name | DUPLICATE |
    | a limit that the list shows differs, other than what Neon did not take | SETTINGS |
    | else | none |
    """
    if record.deleting or record.paused or record.project_id is None:
        return None
    project = by_id.get(record.project_id)
    if record.reason == Reason.PROJECT_MISSING and record.ready is ConditionStatus.FALSE:
        return Finding(Drift.RECOVERED) if project else None
    if not is_held(record, tier):
        return None
    if project is None:
        return Finding(Drift.MISSING)
    if project.name != marker.project_name:
        return Finding(Drift.RENAMED, (of_name(marker.project_name, project.name),))
    if any(other.name == project.name and other.id != project.id for other in in_place):
        return Finding(Drift.DUPLICATE)
    ignored = frozenset(record.applied.not_taken if record.applied else ())
    differences = of_project(limits, project, ignored) if limits else ()
    return Finding(Drift.SETTINGS, differences) if differences else None


def is_held(record: Record, tier: Tier | None) -> bool:
    """Whether the status says that the tenant was brought to where its spec and tier want it."""
    applied = record.applied
    return (
        record.settled_generation
        and record.ready is ConditionStatus.TRUE
        and tier is not None
        and applied is not None
        and (applied.name, applied.generation) == (tier.name, tier.generation)
        and record.tier == tier.name
    )
