"""Which of Neon's projects is ours (docs/protocol.md, rules 2, 7, 9, 11 and 13)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from neon_tenants.api import names
from neon_tenants.core.marker import start_empty_token
from neon_tenants.core.observed import Lookup, Observed
from neon_tenants.core.project import Project
from neon_tenants.core.secret import Ours
from neon_tenants.core.steps import LookUpDeleted, ReadCertificate, ReadSecret

MAX_RELEASED: Final = 8
"""Projects that a resource may give up for earlier ones; the status keeps their ids."""


@dataclass(frozen=True, slots=True)
class Bound:
    """This project is ours."""

    project: Project
    duplicates: tuple[Project, ...] = ()
    """Proven to be ours too, and never published: to be deleted."""
    released: tuple[Project, ...] = ()
    """Given up for this one, and to be renamed: they are never duplicates."""
    suspects: tuple[Project, ...] = ()
    """They bear our name but were not proven to be ours, or were published: to be reported."""


@dataclass(frozen=True, slots=True)
class Unbound:
    """No project of ours exists, nor of an earlier life: one may be made."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A recorded project is gone."""

    project_id: str
    deleted: Project | None
    """It, where Neon lists it among the deleted ones that can be recovered."""


@dataclass(frozen=True, slots=True)
class Stranger:
    """The project recorded in status proves not to be ours."""

    project_id: str


@dataclass(frozen=True, slots=True)
class Predecessors:
    """Projects of earlier resources of this name still stand, with their data."""

    projects: tuple[Project, ...]
    token: str


Look: TypeAlias = ReadSecret | ReadCertificate | LookUpDeleted
"""What must be read before it can be told."""
Identity: TypeAlias = Bound | Unbound | Missing | Stranger | Predecessors | Look


def identify(observed: Observed, lookup: Lookup) -> Identity:
    """Whose the projects of our place are, or what must be read to know.

    The recorded id is the one in status, or in our own POST's answer (both out of tenants' reach),
    else the one in our Secret, which tenants can edit and which therefore needs the exact name.

    | recorded id | found | identity |
    |---|---|---|
    | any | alive, exact name | Bound |
    | status or POST | alive, other name, certificate of our place | Bound (to be renamed) |
    | status or POST | alive, other name, no such certificate | Stranger |
    | Secret | alive, other name | Missing: the same words as for none, so that nobody can probe |
    | any | gone | Missing |
    | none | exact names | Bound to the oldest |
    | none | others of our place, not set aside by token | Predecessors |
    | none | nothing alive; older than an intent; exact name among the deleted | Missing |
    | none | else | Unbound |
    """
    trusted = observed.tenant.status.project_id or observed.knowledge.created_id
    recorded = trusted or (observed.secret.project_id if isinstance(observed.secret, Ours) else None)
    if recorded is not None:
        project = lookup.find(recorded)
        if project is None:
            return _missing(lookup, recorded)
        if project.name == observed.marker.project_name:
            return _bound(observed, lookup, project)
        if trusted is None:
            return _missing(lookup, recorded)
        if project.id not in observed.certificates:
            return ReadCertificate(project.id)
        certificate = observed.certificates[project.id]
        if certificate is not None and certificate.names_place_of(observed.marker):
            return _bound(observed, lookup, project)
        return Stranger(project.id)
    if exact := _exact(observed, lookup):
        return _bound(observed, lookup, exact[0])
    return _unrecorded(observed, lookup)


def _exact(observed: Observed, lookup: Lookup) -> tuple[Project, ...]:
    return tuple(p for p in lookup.projects if p.name == observed.marker.project_name)


def _bound(observed: Observed, lookup: Lookup, project: Project) -> Bound | Look:
    """The recorded id wins, before recording the oldest; others are duplicates or suspects (rule 9)."""
    published = observed.secret.project_id if isinstance(observed.secret, Ours) else None
    duplicates: list[Project] = []
    suspects: list[Project] = []
    released: list[Project] = []
    for other in _exact(observed, lookup):
        if other.id == project.id:
            continue
        if other.id in observed.tenant.status.released_projects:
            released.append(other)
            continue
        if observed.secret is None:
            return ReadSecret()
        if other.id not in observed.certificates:
            return ReadCertificate(other.id)
        certificate = observed.certificates[other.id]
        born_ours = (
            certificate is not None
            and certificate.names_place_of(observed.marker)
            and certificate.uid == observed.tenant.uid
        )
        (duplicates if born_ours and other.id != published else suspects).append(other)
    return Bound(project, tuple(duplicates), tuple(released), tuple(suspects))


def _missing(lookup: Lookup, project_id: str) -> Missing | LookUpDeleted:
    if lookup.recoverable is None:
        return LookUpDeleted()
    return Missing(project_id, next((p for p in lookup.recoverable if p.id == project_id), None))


def _unrecorded(observed: Observed, lookup: Lookup) -> Identity:
    marker = observed.marker
    earlier = []
    for project in lookup.projects:
        if not marker.in_place(project.name):
            continue
        if project.id not in observed.certificates:
            return ReadCertificate(project.id)
        certificate = observed.certificates[project.id]
        # A hash can collide; the certificate tells. Where the branch that bore it is gone, the name decides.
        if certificate is None or certificate.names_place_of(marker):
            earlier.append(project)
    if earlier:
        token = start_empty_token([project.id for project in earlier])
        if observed.tenant.annotations.get(names.START_EMPTY) != token:
            return Predecessors(tuple(earlier), token)
    if observed.age > observed.intent_lifetime:
        # An old resource without an id: its status may have been lost with a restored backup.
        if lookup.recoverable is None:
            return LookUpDeleted()
        if deleted := next((p for p in lookup.recoverable if p.name == marker.project_name), None):
            return Missing(deleted.id, deleted)
    return Unbound()
