"""Neon's things as we decide about them. Times are in seconds, sizes in bytes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from neon_tenants.core.quota import QUOTA_KINDS, Quota

PLAN_DEFAULT_SUSPEND: Final = frozenset({0, 300})
"""Neon stores its default suspend time as 0 or as 300 seconds (docs/neon.md, Computes)."""


@dataclass(frozen=True, slots=True)
class ComputeSettings:
    """Sizes in CU, and the idle time until suspension (-1: never, 0: the plan's default)."""

    min_cu: float
    max_cu: float
    suspend_seconds: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What a tenant's project is held to."""

    quota: Quota
    compute: ComputeSettings
    retention_seconds: int


@dataclass(frozen=True, slots=True)
class Signs:
    """What Neon's list tells of a project's life: whether it was used or changed since an earlier list."""

    updated_at: str = ""
    active_at: str = ""
    """When a compute was last active."""
    active_seconds: int | None = None
    """Active time in this billing period."""
    storage_bytes: int | None = None
    """Storage with its history. The quota counts the logical size of each branch, which is another number."""


@dataclass(frozen=True, slots=True)
class Consumption:
    """The meters that Neon compares with the quotas, as it told them; None where it told none."""

    period_end: str | None = None
    """RFC 3339: when all but the logical size begins again at 0."""
    compute_time_seconds: int | None = None
    active_time_seconds: int | None = None
    logical_size_bytes: int | None = None
    """Of the largest branch."""
    written_data_bytes: int | None = None
    data_transfer_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Project:
    """A Neon project, from a list or a single read."""

    id: str
    name: str
    created_at: str
    region: str
    postgres_version: int
    quota: Quota | None
    defaults: ComputeSettings | None
    """Settings for new endpoints."""
    retention_seconds: int | None
    complete: bool = False
    """Whether it was read by itself. Neon's list may leave out the three above: None is unknown then."""
    signs: Signs = Signs()
    consumption: Consumption | None = None
    """The meters; only a project that was read by itself shows them."""
    recoverable_until: str | None = None
    """RFC 3339. Of a deleted project, where Neon says it."""
    organization: str | None = None

    @property
    def partial(self) -> bool:
        """Whether reading it by itself would tell more."""
        return not self.complete and None in (self.quota, self.defaults, self.retention_seconds)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A compute."""

    id: str
    branch_id: str
    host: str
    read_write: bool
    compute: ComputeSettings
    disabled: bool
    idle: bool = False
    """Whether it is suspended. Neon wakes it for a moment when it is changed."""


class Progress(Enum):
    """How far a Neon operation is."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Operation:
    """A piece of Neon's work that a request started."""

    id: str
    action: str
    progress: Progress


MIN_CU: Final = "minCU"
MAX_CU: Final = "maxCU"
SUSPEND: Final = "suspendAfter"
RETENTION: Final = "historyRetention"


def suspend_differs(wanted: int, found: int) -> bool:
    """Whether two suspend times differ to Neon, for which 0 and 300 seconds are the same."""
    return wanted != found and not {wanted, found} <= PLAN_DEFAULT_SUSPEND


def compute_differences(wanted: ComputeSettings, found: ComputeSettings) -> frozenset[str]:
    """The settings that differ, by their names in the DatabaseTier."""
    differences = {
        MIN_CU: wanted.min_cu != found.min_cu,
        MAX_CU: wanted.max_cu != found.max_cu,
        SUSPEND: suspend_differs(wanted.suspend_seconds, found.suspend_seconds),
    }
    return frozenset(name for name, differs in differences.items() if differs)


def project_differences(wanted: Limits, found: Project) -> frozenset[str]:
    """The limits in which a project differs, by their names in the DatabaseTier.

    What is unknown is not known to differ.
    """
    differing: set[str] = set()
    if found.quota is not None:
        differing.update(
            kind.name
            for kind in QUOTA_KINDS
            if getattr(wanted.quota, kind.neon) != getattr(found.quota, kind.neon)
        )
    if found.retention_seconds is not None and found.retention_seconds != wanted.retention_seconds:
        differing.add(RETENTION)
    if found.defaults is not None:
        differing |= compute_differences(wanted.compute, found.defaults)
    return frozenset(differing)
