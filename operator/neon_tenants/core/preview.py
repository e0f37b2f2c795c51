"""A change of a tier before it happens: whom it would change, and in what; and whom it would harm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Final

from neon_tenants.core.difference import Difference, of_project
from neon_tenants.core.entitlement import Refusal, Tier, limits_of
from neon_tenants.core.harm import harms
from neon_tenants.core.key import Key
from neon_tenants.core.project import MAX_CU, MIN_CU, RETENTION, Project
from neon_tenants.core.record import Record

REQUESTS: Final = 4
"""For a tenant that changes: PATCH of the project, its computes, and two looks at Neon's operations."""
REQUESTS_FOR_SIZE: Final = 2
"""More for another size: PATCH of the compute, and another look at operations."""


@dataclass(frozen=True, slots=True)
class TenantPreview:
    """What would become of one tenant."""

    key: Key
    differences: tuple[Difference, ...] = ()
    over: tuple[str, ...] = ()
    """Quotas that would be used up at once."""
    shorter_history: bool = False
    refusal: str | None = None
    """Why the changed tier would refuse what the tenant overrides; it would keep what it has."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What would become of the tenants of a tier."""

    tenants: tuple[TenantPreview, ...]
    """Those that would change or be refused, by name."""
    unchanged: int
    unknown: int
    """Tenants without a project in Neon's list: new ones, and those whose project is gone."""
    requests: int
    """To Neon, in all."""

    @property
    def needs_confirmation(self) -> bool:
        """Whether the rollout would wait for a person."""
        return any(tenant.over or tenant.shorter_history for tenant in self.tenants)

    def seconds(self, requests_per_minute: float) -> int:
        """How long the rollout takes at least, with nothing else to do."""
        return ceil(self.requests * 60 / requests_per_minute)


def preview(tier: Tier, records: Iterable[Record], projects: Mapping[str, Project]) -> Preview:
    """What a tier would do to those who ask for it. `projects` are by id, from one complete list.

    | tenant | told |
    |---|---|
    | deleted | nothing |
    | no project of it in the list | unknown |
    | the tier would refuse its overrides | the refusal |
    | a limit differs from its project's | what differs, and what that takes |
    | else | unchanged |
    """
    changed: list[TenantPreview] = []
    unchanged = unknown = requests = 0
    for record in records:
        if record.deleting:
            continue
        project = projects.get(record.project_id or "")
        if project is None:
            unknown += 1
            continue
        limits = limits_of(tier, record.overrides)
        if isinstance(limits, Refusal):
            changed.append(TenantPreview(record.key, refusal=limits.message))
            continue
        differences = of_project(limits, project, frozenset())
        if not differences:
            unchanged += 1
            continue
        taken = harms(limits, project, record)
        over = tuple(name for name in taken if name != RETENTION)
        changed.append(TenantPreview(record.key, differences, over, RETENTION in taken))
        resized = any(difference.field in (MIN_CU, MAX_CU) for difference in differences)
        requests += REQUESTS + (REQUESTS_FOR_SIZE if resized else 0)
    return Preview(tuple(sorted(changed, key=lambda found: found.key)), unchanged, unknown, requests)
