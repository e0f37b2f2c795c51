"""Projects that should not have been made: second ones, and empty ones in the place of earlier ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from verdict import names
from verdict.deletions import owner
from verdict.evidence import Evidence
from verdict.lives import Life
from verdict.projects import Certificate, Project, by_operator


def found(evidence: Evidence) -> dict[str, list[str]]:
    """Doubled, doubled at rest, and replaced."""
    made = _made_twice(evidence)
    lived = _lived_twice(evidence)
    at_end = max((effect["at"] for effect in evidence.effects), default=0.0)
    return {
        "doubled": [
            f"{_who(evidence, uid)}: {made.get(uid) or lived[uid]}" for uid in sorted({*made, *lived})
        ],
        "doubled_at_rest": [
            f"{_who(evidence, uid)}: {count} living projects"
            for uid, count in sorted(_living(evidence, at_end).items())
            if count > 1
        ],
        "replaced": list(_replaced(evidence)),
    }


def _who(evidence: Evidence, uid: str) -> str:
    life = evidence.tenants.get(uid)
    return uid if life is None else f"{life.namespace}/{life.name}"


def _living(evidence: Evidence, moment: float) -> Counter[str]:
    """How many living projects bear a resource's name that the operator gave them."""
    count: Counter[str] = Counter()
    for project in evidence.projects.values():
        then = project.at(moment)
        if then is None or not then.lives or not then.named_by_operator:
            continue
        uid = owner(evidence, project, then.name)
        if uid is not None and uid != names.RELEASED:
            count[uid] += 1
    return count


def _lived_twice(evidence: Evidence) -> dict[str, str]:
    twice: dict[str, str] = {}
    for effect in evidence.effects:
        if effect["event"] in ("project_created", "project_renamed", "project_recovered"):
            for uid, count in _living(evidence, effect["at"]).items():
                if count > 1:
                    twice[uid] = f"{count} projects lived at the same time"
    return twice


def _creates(evidence: Evidence) -> Iterator[tuple[Project, Certificate, float]]:
    """What the operator made with a certificate of our cluster, and when."""
    for effect in evidence.effects:
        if effect["event"] == "project_created" and by_operator(effect):
            project = evidence.projects[effect["project"]]
            if project.certificate is not None and project.certificate.cluster == evidence.cluster:
                yield project, project.certificate, effect["at"]


def _made_twice(evidence: Evidence) -> dict[str, str]:
    count = Counter(certificate.uid for _, certificate, _ in _creates(evidence))
    return {uid: f"{times} creates took effect" for uid, times in count.items() if times > 1}


def _replaced(evidence: Evidence) -> Iterator[str]:
    for project, certificate, at in _creates(evidence):
        life = evidence.tenants.get(certificate.uid)
        if life is not None and any(names.START_EMPTY in version.annotations for version in life.at(at)):
            continue
        for earlier in evidence.projects.values():
            if earlier.id != project.id and _stands_ownerless(evidence, earlier, certificate, at):
                yield f"{project.id} was made for {_who(evidence, certificate.uid)} while {earlier.id} stood"


def _stands_ownerless(evidence: Evidence, earlier: Project, certificate: Certificate, moment: float) -> bool:
    """Whether this is a living project of the same place whose resource is gone."""
    other, then = earlier.certificate, earlier.at(moment)
    if other is None or then is None or not then.lives or other.uid == certificate.uid:
        return False
    same = (other.cluster, other.namespace, other.name) == (
        certificate.cluster,
        certificate.namespace,
        certificate.name,
    )
    life = evidence.tenants.get(owner(evidence, earlier, then.name) or "")
    return same and (life is None or not _lives(life, moment))


def _lives(life: Life, moment: float) -> bool:
    return life.gone is None or moment <= life.gone[1]
