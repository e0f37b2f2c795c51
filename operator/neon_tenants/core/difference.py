"""Differences between what a project is held to and what Neon shows, field by field, for people to read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from neon_tenants.api.quantity import NEVER, format_seconds
from neon_tenants.core.project import (
    MAX_CU,
    MIN_CU,
    RETENTION,
    SUSPEND,
    ComputeSettings,
    Endpoint,
    Limits,
    Project,
    compute_differences,
    project_differences,
)
from neon_tenants.core.quota import QUOTA_KINDS

NAME: Final = "name"
MAX_SHOWN: Final = 64
"""Characters of a value that a person chose."""


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """One field that is not as it should be."""

    field: str
    """By its name in the DatabaseTier."""
    found: str
    wanted: str
    endpoint: str = ""
    """Of which compute; empty: of the project, and of computes to come."""

    def __str__(self) -> str:
        where = f" of {self.endpoint}" if self.endpoint else ""
        return f"{self.field}{where} was {self.found}, not {self.wanted}"


def of_project(wanted: Limits, found: Project, ignored: frozenset[str]) -> tuple[Difference, ...]:
    """In what a project differs from its limits."""
    differing = project_differences(wanted, found) - ignored
    quotas = [
        Difference(
            kind.name,
            kind.show(getattr(found.quota, kind.neon)),
            kind.show(getattr(wanted.quota, kind.neon)),
        )
        for kind in QUOTA_KINDS
        if kind.name in differing
    ]
    others = []
    if RETENTION in differing and found.retention_seconds is not None:
        old, new = format_seconds(found.retention_seconds), format_seconds(wanted.retention_seconds)
        others.append(Difference(RETENTION, old, new))
    if found.defaults is not None:
        others += _of_compute(wanted.compute, found.defaults, differing, "")
    return (*quotas, *others)


def of_endpoint(wanted: ComputeSettings, found: Endpoint, ignored: frozenset[str]) -> tuple[Difference, ...]:
    """In what a compute differs from its settings."""
    differing = compute_differences(wanted, found.compute) - ignored
    return tuple(_of_compute(wanted, found.compute, differing, found.id))


def of_name(wanted: str, found: str) -> Difference:
    """A name that a person gave; shown in part, since it may be anything."""
    shown = "".join(char for char in found if char.isprintable())[:MAX_SHOWN]
    return Difference(NAME, repr(shown), repr(wanted))


def sentence(differences: Iterable[Difference]) -> str:
    """All of them in one sentence without its end."""
    return "; ".join(map(str, sorted(differences)))


def reported(
    known: frozenset[Difference], found: Iterable[Difference], *, endpoints_read: bool
) -> frozenset[Difference]:
    """What counts as said of a tenant, after a look that found these.

    | difference | counts as said |
    |---|---|
    | found now | yes: it is said now, or was before |
    | of a compute, said before, and the computes were not read now | yes |
    | any other that was said before | no: it is gone, and would be news if it came again |
    """
    kept = frozenset(old for old in known if old.endpoint and not endpoints_read)
    return kept | frozenset(found)


def _of_compute(
    wanted: ComputeSettings, found: ComputeSettings, differing: frozenset[str], endpoint: str
) -> list[Difference]:
    values = {
        MIN_CU: (f"{found.min_cu:g}", f"{wanted.min_cu:g}"),
        MAX_CU: (f"{found.max_cu:g}", f"{wanted.max_cu:g}"),
        SUSPEND: (_suspend(found.suspend_seconds), _suspend(wanted.suspend_seconds)),
    }
    # A project's defaults and its computes have the same names: what differs in one need not in the other.
    own = compute_differences(wanted, found) & differing
    return [Difference(name, *values[name], endpoint) for name in values if name in own]


def _suspend(seconds: int) -> str:
    return NEVER if seconds < 0 else format_seconds(seconds)
