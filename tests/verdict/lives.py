"""The lives of the resources, replayed from the API server's audit log."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

RACE: Final = 5.0
"""Seconds. Whoever acts has read before: what stood so long ago still excuses an act."""
_TIERLESS: Final = "Retain"
"""The policy where neither the resource nor its tier names one (docs/api.md)."""


@dataclass(frozen=True)
class Version:
    """A resource from one write on."""

    received: float
    answered: float
    """It took effect between the two. Seconds since 1970."""
    user: str
    number: int
    """Its resourceVersion."""
    object: Mapping[str, Any]

    @property
    def metadata(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.object["metadata"]
        return found

    @property
    def status(self) -> Mapping[str, Any]:
        return self.object.get("status") or {}

    @property
    def spec(self) -> Mapping[str, Any]:
        return self.object.get("spec") or {}

    @property
    def marked(self) -> bool:
        """Whether it is being deleted."""
        return "deletionTimestamp" in self.metadata

    @property
    def finalizers(self) -> list[str]:
        return self.metadata.get("finalizers") or []

    @property
    def annotations(self) -> Mapping[str, str]:
        return self.metadata.get("annotations") or {}

    def condition(self, kind: str) -> Mapping[str, Any]:
        """A condition; an empty one where there is none."""
        conditions = self.status.get("conditions") or []
        return next((c for c in conditions if c["type"] == kind), {})


@dataclass
class Life:
    """Everything that one resource was."""

    uid: str
    namespace: str
    name: str
    versions: list[Version] = field(default_factory=list)
    """In the order of their resourceVersions."""
    gone: tuple[float, float] | None = None
    """When its last write was received and answered; None while it lives."""

    def in_effect(self, begin: float, end: float) -> list[Version]:
        """Every version that can have been in effect at some moment from `begin` to `end`."""
        if self.gone is not None and self.gone[1] < begin:
            return []
        begun = [version for version in self.versions if version.received <= end]
        settled = [index for index, version in enumerate(begun) if version.answered <= begin]
        return begun[settled[-1] :] if settled else begun

    def at(self, moment: float) -> list[Version]:
        """What can have stood at this moment, or be what somebody had read who acted then."""
        return self.in_effect(moment - RACE, moment)

    def lived(self, moment: float) -> bool:
        """Whether it may have been there."""
        return self.versions[0].received <= moment and (self.gone is None or moment <= self.gone[1])

    @property
    def last(self) -> Version:
        return self.versions[-1]

    def stripped_by_others(self, finalizer: str, operator: str) -> bool:
        """Whether somebody else took the finalizer away."""
        pairs = zip(self.versions, self.versions[1:], strict=False)
        return any(
            finalizer in before.finalizers and finalizer not in after.finalizers and after.user != operator
            for before, after in pairs
        )


def seconds(stamp: str) -> float:
    """Seconds since 1970 of an RFC 3339 time."""
    return datetime.fromisoformat(stamp).timestamp()


def replay(events: Iterable[Mapping[str, Any]]) -> dict[str, Life]:
    """The lives by uid, from successful writes to one kind of resource."""
    lives: dict[str, Life] = {}
    for event in events:
        received, answered = seconds(event["requestReceivedTimestamp"]), seconds(event["stageTimestamp"])
        body = event.get("responseObject") or {}
        if body.get("kind") == "Status":
            uid = (body.get("details") or {}).get("uid")
            if event["verb"] == "delete" and uid in lives:
                lives[uid].gone = (received, answered)
            continue
        many = event["verb"] == "deletecollection"
        for item in body.get("items") or [] if many else [body]:
            _add(lives, _marked(item) if many else item, event["user"]["username"], received, answered)
    for life in lives.values():
        life.versions.sort(key=lambda version: (version.number, version.answered))
    return lives


def _marked(item: Mapping[str, Any]) -> dict[str, Any]:
    """What a deletion of all lists is as it was before."""
    found: dict[str, Any] = copy.deepcopy(dict(item))
    found["metadata"].setdefault("deletionTimestamp", "1970-01-01T00:00:00Z")
    return found


def _add(
    lives: dict[str, Life], body: Mapping[str, Any], user: str, received: float, answered: float
) -> None:
    metadata = body.get("metadata") or {}
    if "uid" not in metadata:
        return
    new = Life(metadata["uid"], metadata.get("namespace", ""), metadata["name"])
    life = lives.setdefault(metadata["uid"], new)
    version = Version(received, answered, user, int(metadata["resourceVersion"]), body)
    life.versions.append(version)
    if version.marked and not version.finalizers:
        life.gone = (received, answered)


def policies(version: Version, tiers: Mapping[str, list[Life]], begin: float, end: float) -> set[str]:
    """Every deletion policy that this version of a resource can have had in a time, by itself or its tier."""
    own = version.spec.get("deletionPolicy")
    if own:
        return {own}
    named = tiers.get(version.spec.get("tier", ""), [])
    standing = [tier for life in named for tier in life.in_effect(begin, end)]
    return {tier.spec.get("deletionPolicy") or _TIERLESS for tier in standing} or {_TIERLESS}
