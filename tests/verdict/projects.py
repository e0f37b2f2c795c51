"""The projects' lives, from the emulator's journal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from verdict import names


@dataclass(frozen=True)
class Certificate:
    """The birth certificate: for whom a project was made."""

    cluster: str
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True)
class Moment:
    """A project from one effect on."""

    at: float
    name: str
    lives: bool
    named_by_operator: bool
    """Whether the name that it bears now was given by the operator."""


@dataclass
class Project:
    """Everything that one project was."""

    id: str
    certificate: Certificate | None
    moments: list[Moment] = field(default_factory=list)

    def at(self, moment: float) -> Moment | None:
        """As it was just after what took effect at this moment; None before its birth."""
        return next((found for found in reversed(self.moments) if found.at <= moment), None)

    def before(self, moment: float) -> Moment | None:
        """As it was just before what took effect at this moment."""
        return next((found for found in reversed(self.moments) if found.at < moment), None)

    @property
    def last(self) -> Moment:
        return self.moments[-1]


def by_operator(effect: Mapping[str, Any]) -> bool:
    """Whether the operator caused it."""
    return bool(effect["by"].startswith(names.AGENT))


def replay(effects: Iterable[Mapping[str, Any]]) -> dict[str, Project]:
    """The projects by id."""
    projects: dict[str, Project] = {}
    for effect in effects:
        kind, at = effect["event"], effect["at"]
        if kind == "project_created":
            project = Project(effect["project"], _certificate(effect["annotations"]))
            projects[project.id] = project
            project.moments.append(
                Moment(at, effect["name"], lives=True, named_by_operator=by_operator(effect))
            )
        elif kind in ("project_renamed", "project_deleted", "project_recovered", "project_purged"):
            project = projects[effect["project"]]
            renamed = kind == "project_renamed"
            lives = project.last.lives if renamed else kind == "project_recovered"
            named = by_operator(effect) if renamed else project.last.named_by_operator
            project.moments.append(Moment(at, effect["name"], lives=lives, named_by_operator=named))
    return projects


def _certificate(annotations: Mapping[str, str]) -> Certificate | None:
    values = [annotations.get(f"{names.GROUP}/{key}") for key in ("cluster", "namespace", "name", "uid")]
    return None if None in values else Certificate(*(value or "" for value in values))
