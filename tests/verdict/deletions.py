"""What the operator deleted, renamed and left behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from verdict import names
from verdict.evidence import Evidence
from verdict.lives import RACE, Life, policies
from verdict.projects import Project, by_operator


def found(evidence: Evidence) -> dict[str, list[str]]:
    """Leaked, deleted against the spec, and touched though not ours."""
    return {
        "leaked": list(_leaked(evidence)),
        "deleted_against_spec": list(_against_spec(evidence)),
        "touched_not_ours": list(_not_ours(evidence)),
    }


def owner(evidence: Evidence, project: Project, name: str) -> str | None:
    """The uid, or `released`, that a name of our cluster's gives; the certificate tells clusters apart."""
    certificate = project.certificate
    if certificate is not None and certificate.cluster != evidence.cluster:
        return None
    return names.owner(name, evidence.cluster)


def stripped(evidence: Evidence) -> list[Project]:
    """Living projects that are left because somebody else took our finalizer away."""
    return [project for project, life in _ownerless(evidence) if _stripped(evidence, life)]


def duplicates(evidence: Evidence) -> list[str]:
    """Ids of projects that the operator removed beside another one of the same name."""
    return [
        effect["project"]
        for effect in _acts(evidence, "project_deleted")
        if not _recorders(evidence, effect["project"], effect["at"])
        and _has_twin(evidence, evidence.projects[effect["project"]], effect["at"])
    ]


def _ownerless(evidence: Evidence) -> Iterator[tuple[Project, Life | None]]:
    for project in evidence.projects.values():
        if not project.last.lives:
            continue
        uid = owner(evidence, project, project.last.name)
        if uid in (None, names.RELEASED):
            continue
        life = evidence.tenants.get(uid or "")
        if life is None and project.last.named_by_operator:
            yield project, None
        elif life is not None and life.gone is not None:
            yield project, life


def _stripped(evidence: Evidence, life: Life | None) -> bool:
    return life is not None and life.stripped_by_others(names.FINALIZER, evidence.operator)


def _leaked(evidence: Evidence) -> Iterator[str]:
    for project, life in _ownerless(evidence):
        if life is None:
            yield f"{project.id} bears the name of a resource that never was"
        elif not _stripped(evidence, life) and "Delete" in _last_policies(evidence, life):
            yield f"{project.id} lives, and its resource {life.namespace}/{life.name} is gone"


def _last_policies(evidence: Evidence, gone: Life) -> set[str]:
    assert gone.gone is not None
    end = gone.gone[1]
    return policies(gone.last, evidence.tiers, end - RACE, end)


def _acts(evidence: Evidence, kind: str) -> Iterator[Mapping[str, Any]]:
    return (effect for effect in evidence.effects if effect["event"] == kind and by_operator(effect))


def _recorders(evidence: Evidence, project_id: str, moment: float) -> list[Life]:
    """The resources whose status names the project; where none of them lives, those that did at their end."""
    found = []
    for life in evidence.tenants.values():
        begun = [version for version in life.versions if version.received <= moment]
        if begun and begun[-1].status.get("projectId") == project_id:
            found.append(life)
    # One that was bound again is no matter of its earlier resource's.
    return [life for life in found if life.gone is None or moment <= life.gone[1]] or found


def _permits(evidence: Evidence, life: Life, moment: float) -> bool:
    """Whether what stood, or was read by who acted then, allows to delete the resource's project."""
    standing = life.at(moment) or [life.last]
    return any(
        version.marked
        and not version.spec.get("deletionProtection")
        and "Delete" in policies(version, evidence.tiers, moment - RACE, moment)
        for version in standing
    )


def _vanished(evidence: Evidence, life: Life, moment: float) -> bool:
    """Whether the resource was gone by then without ever being marked: a DELETE can race with our finalizer.

    What was made for it goes by its policy; protection holds a resource that is there.
    """
    gone = life.gone is not None and life.gone[0] <= moment
    return gone and not life.last.marked and "Delete" in _last_policies(evidence, life)


def _has_twin(evidence: Evidence, project: Project, moment: float) -> bool:
    before = project.before(moment)
    return before is not None and any(
        other.id != project.id
        and (then := other.at(moment)) is not None
        and then.lives
        and then.name == before.name
        for other in evidence.projects.values()
    )


def _against_spec(evidence: Evidence) -> Iterator[str]:
    for effect in _acts(evidence, "project_deleted"):
        project, at = evidence.projects[effect["project"]], effect["at"]
        if project.id in evidence.orders:
            continue
        recorders = _recorders(evidence, project.id, at)
        refusing = [life for life in recorders if not _permits(evidence, life, at)]
        if refusing:
            life = refusing[0]
            yield f"{project.id} was deleted, which {life.namespace}/{life.name} records and wants"
        elif not recorders:
            named = evidence.tenants.get(owner(evidence, project, effect["name"]) or "")
            if named is None:
                yield f"{project.id} ({effect['name']}) was deleted, and no resource owned it"
            elif not (
                _permits(evidence, named, at)
                or _vanished(evidence, named, at)
                or _has_twin(evidence, project, at)
            ):
                yield f"{project.id} was deleted, the unrecorded project of {named.namespace}/{named.name}"


_TOUCHES: Final = {"project_deleted": "deleted", "project_renamed": "renamed"}


def _not_ours(evidence: Evidence) -> Iterator[str]:
    for kind, what in _TOUCHES.items():
        for effect in _acts(evidence, kind):
            project = evidence.projects[effect["project"]]
            name = effect.get("before", effect["name"])
            if not _ours(evidence, project, name, effect["at"]):
                yield f"{project.id} ({name}) was {what}, and it is not ours"


def _ours(evidence: Evidence, project: Project, name: str, moment: float) -> bool:
    certificate = project.certificate
    if project.id in evidence.orders:
        return owner(evidence, project, name) is not None
    for life in evidence.tenants.values():
        if life.versions[0].received > moment:
            continue
        if name == names.marker(evidence.cluster, life.namespace, life.name, life.uid):
            return True
        place = (evidence.cluster, life.namespace, life.name)
        born_here = certificate and (certificate.cluster, certificate.namespace, certificate.name) == place
        recorded = any(
            version.status.get("projectId") == project.id
            for version in life.versions
            if version.received <= moment
        )
        if born_here and recorded:
            return True
    return False
