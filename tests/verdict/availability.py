"""Whether Available=True was true: what the prober met, held against the statuses and the journal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from verdict.evidence import Evidence
from verdict.lives import Version
from verdict.projects import by_operator


def claims(version: Version) -> bool:
    """Whether it says that the login works, of the spec as it is, and of a resource that stays."""
    observed = version.status.get("observedGeneration") == version.metadata["generation"]
    return version.condition("Available").get("status") == "True" and observed and not version.marked


def telling(evidence: Evidence) -> int:
    """How many probes were made while the claim stood all the time."""
    return sum(1 for _ in _of_claims(evidence))


def untrue(evidence: Evidence) -> list[str]:
    """The probes that prove a claim wrong."""
    return [
        f"{probe['namespace']}/{probe['name']} said Available=True at {probe['began']:.3f}, and {what}"
        for probe, version in _of_claims(evidence)
        if (what := _wrong(evidence, probe, version)) and not _others_did(evidence, probe)
    ]


def _of_claims(evidence: Evidence) -> Iterator[tuple[Mapping[str, Any], Version]]:
    for probe in evidence.probes:
        life = evidence.tenants.get(probe["uid"])
        standing = [] if life is None else life.in_effect(probe["began"], probe["ended"])
        if standing and all(claims(version) for version in standing):
            yield probe, standing[-1]


def _wrong(evidence: Evidence, probe: Mapping[str, Any], version: Version) -> str | None:
    """What was wrong with a login; None where nothing was, or where nobody answered in time."""
    told = next(
        (
            effect
            for effect in evidence.effects
            if effect["event"] == "login" and effect["application"] == probe["application"]
        ),
        None,
    )
    project = version.status.get("projectId")
    if probe["outcome"] == "accepted":
        if told is None or not told["accepted"]:
            return "the login led to no project at all"
        return None if told["project"] == project else f"the login led to {told['project']}, not to {project}"
    if told is not None and not told["accepted"]:
        return f"the login was refused ({told['sqlstate'] or 'the connection was closed'})"
    return "the login was refused" if probe["outcome"] == "refused" else None


def _others_did(evidence: Evidence, probe: Mapping[str, Any]) -> bool:
    """Whether somebody else wrote the Secret last, or deleted the project or reset its password."""
    before = [w for w in evidence.secrets if w.name == probe["secret"] and w.answered <= probe["began"]]
    during = [
        w
        for w in evidence.secrets
        if w.name == probe["secret"] and w.answered > probe["began"] and w.received <= probe["ended"]
    ]
    last = max(before, key=lambda write: write.answered, default=None)
    written = any(w.user != evidence.operator for w in (*during, *([last] if last else [])))
    life = evidence.tenants[probe["uid"]]
    mine = {version.status.get("projectId") for version in life.versions}
    touched = any(
        effect["event"] in ("project_deleted", "password_reset")
        and not by_operator(effect)
        and effect["project"] in mine
        and effect["at"] <= probe["ended"]
        for effect in evidence.effects
    )
    return written or touched
