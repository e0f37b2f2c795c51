"""Orphans: projects of this cluster whose owner is gone, told from those that only look so."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from neon_tenants.core.marker import RELEASED, Certificate, owner_in
from neon_tenants.core.project import Project

MIN_AGE: Final = 3600.0
"""Seconds. A younger project may be one whose create is under way, here or in another process."""


class Kind(StrEnum):
    """What a project without an owner is."""

    ORPHAN = "Orphan"
    """Nobody's, and nobody can come for it: left behind."""
    RELEASED = "Released"
    """Let go on purpose, with its data."""
    CLAIMABLE = "Claimable"
    """Of an earlier resource, and one of the same name stands and could have it back (protocol, rule 13)."""


@dataclass(frozen=True, slots=True)
class Orphan:
    """A project of this cluster without an owner."""

    project_id: str
    project_name: str
    kind: Kind
    namespace: str
    """Of the resource that it was made for, by its birth certificate."""
    name: str
    uid: str
    """Of the owner that the project's name names; empty where it was released."""
    age: float
    """Seconds since the project was made, by our wall clock."""


@dataclass(frozen=True, slots=True)
class Owners:
    """Who there is."""

    uids: Collection[str]
    project_ids: Collection[str]
    """Recorded by a resource, whatever the project's name says."""
    places: Collection[tuple[str, str]]
    """Namespace and name of every resource."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What a complete list tells of projects without an owner."""

    orphans: tuple[Orphan, ...]
    unread: tuple[Project, ...]
    """Those of which the birth certificate must be read first, oldest first."""


def survey(
    projects: Iterable[Project],
    *,
    cluster: str,
    owners: Owners,
    certificates: Mapping[str, Certificate | None],
    now: float,
) -> Survey:
    """Which projects have no owner. `now` is the wall clock. The first row that applies decides.

    | project | is |
    |---|---|
    | recorded by a resource | owned |
    | its name is not of this cluster | none of ours |
    | its owner exists | owned |
    | younger than `MIN_AGE`, also by a clock that is wrong, or its age cannot be read | not judged |
    | its birth certificate was not read | unread |
    | it has no certificate, or one of another cluster | none of ours |
    | named as released | Released |
    | a resource of its place exists | Claimable |
    | else | Orphan |
    """
    found: list[Orphan] = []
    unread: list[Project] = []
    for project in projects:
        # Nearly all are recorded: their names need not be read.
        owner = None if project.id in owners.project_ids else owner_in(project.name, cluster)
        if owner is None or owner in owners.uids:
            continue
        age = now - born(project)
        if not age >= MIN_AGE:
            continue
        if project.id not in certificates:
            unread.append(project)
            continue
        certificate = certificates[project.id]
        if certificate is not None and certificate.cluster == cluster:
            found.append(_orphan(project, owner, certificate, owners, age))
    return Survey(tuple(found), tuple(sorted(unread, key=lambda project: (project.created_at, project.id))))


def _orphan(project: Project, owner: str, certificate: Certificate, owners: Owners, age: float) -> Orphan:
    released = owner == RELEASED
    if released:
        kind = Kind.RELEASED
    elif (certificate.namespace, certificate.name) in owners.places:
        kind = Kind.CLAIMABLE
    else:
        kind = Kind.ORPHAN
    return Orphan(
        project_id=project.id,
        project_name=project.name,
        kind=kind,
        namespace=certificate.namespace,
        name=certificate.name,
        uid="" if released else owner,
        age=age,
    )


def born(project: Project) -> float:
    """When it was made, in seconds of the epoch; not a number where Neon's time cannot be read."""
    try:
        moment = datetime.fromisoformat(project.created_at)
    except ValueError:
        return float("nan")
    return moment.timestamp() if moment.tzinfo else float("nan")
