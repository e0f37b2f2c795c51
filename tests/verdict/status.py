"""What the statuses tell: the states that were visited, the words that were used, and the rest at the end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from verdict import names
from verdict.deletions import owner
from verdict.evidence import Evidence
from verdict.lives import Life, Version

_REASONS = Path(__file__).parents[2] / "docs" / "troubleshooting.md"


@dataclass(frozen=True, order=True)
class State:
    """One combination of what the protocol hangs on."""

    ready: str
    """Status and reason of Ready, as in `False Provisioning`."""
    intent: bool
    finalizer: bool
    deleting: bool
    recorded: bool
    """Whether the status names a project."""
    project: bool
    """Whether a project of its name lives."""


def states(evidence: Evidence) -> frozenset[State]:
    """Those that the resources were in, at each write to one."""
    return frozenset(
        _state(evidence, life, version) for life in evidence.tenants.values() for version in life.versions
    )


def _state(evidence: Evidence, life: Life, version: Version) -> State:
    ready = version.condition("Ready")
    return State(
        ready=f"{ready.get('status', 'none')} {ready.get('reason', '')}".strip(),
        intent=names.INTENT in version.annotations,
        finalizer=names.FINALIZER in version.finalizers,
        deleting=version.marked,
        recorded=bool(version.status.get("projectId")),
        project=_has_project(evidence, life, version.answered),
    )


def _has_project(evidence: Evidence, life: Life, moment: float) -> bool:
    return any(
        (then := project.at(moment)) is not None
        and then.lives
        and owner(evidence, project, then.name) == life.uid
        for project in evidence.projects.values()
    )


@cache
def documented_reasons() -> frozenset[str]:
    """The words that docs/troubleshooting.md explains."""
    _, _, reasons = _REASONS.read_text().partition("## Reasons")
    return frozenset(re.findall(r"^### (\w+)$", reasons, re.MULTILINE))


def undocumented_reasons(evidence: Evidence) -> list[str]:
    """Each other word, once for each resource."""
    found = {
        f"{life.namespace}/{life.name}: {condition['type']} {condition['reason']}"
        for life in evidence.tenants.values()
        for version in life.versions
        for condition in version.status.get("conditions") or []
        if condition["reason"] not in documented_reasons()
    }
    return sorted(found)


def unsettled(evidence: Evidence) -> list[str]:
    """The living resources whose status does not tell how they are."""
    return [
        f"{life.namespace}/{life.name} {problem}"
        for life in evidence.tenants.values()
        if life.gone is None
        for problem in _unsettled(life.last)
    ]


def _unsettled(version: Version) -> Iterator[str]:
    generation, observed = version.metadata["generation"], version.status.get("observedGeneration")
    if observed != generation:
        yield f"has generation {generation} and observed {observed}"
        return
    if any(c["reason"] == "Paused" for c in version.status.get("conditions") or []):
        return
    telling = [
        kind
        for kind in ("Ready", "Reconciling", "Stalled")
        if version.condition(kind).get("status") == "True"
    ]
    if len(telling) != 1:
        yield f"tells its story by {' and '.join(telling) or 'none'} of Ready, Reconciling and Stalled"
    if version.marked and telling != ["Stalled"]:
        yield "is being deleted, and does not say what a person must do"
