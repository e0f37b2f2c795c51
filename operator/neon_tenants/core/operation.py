"""What an administrator's operation comes down to, target by target: pure checks and counts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from neon_tenants.api.conditions import Condition
from neon_tenants.api.fleet_operation import (
    MAX_MESSAGE,
    Counts,
    FleetOperationSpec,
    FleetOperationStatus,
    Operation,
    Outcome,
    Phase,
    Result,
)
from neon_tenants.core.key import Key
from neon_tenants.core.orphans import Kind, Survey
from neon_tenants.core.project import Project
from neon_tenants.core.sequel import Sequel

ALL: Final = "all"
"""The one target of an operation that takes none."""
_PLACE: Final = re.compile(r"([a-z0-9][-a-z0-9]{0,62})/([a-z0-9][-.a-z0-9]{0,252})(?:=([a-z0-9-]{1,64}))?")
_TIER: Final = re.compile(r"([a-z0-9][-.a-z0-9]{0,62})@([0-9]{1,9})")
_ORPHAN: Final = re.compile(r"([a-z0-9-]{1,64})(=released)?")


@dataclass(frozen=True, slots=True)
class Asked:
    """A FleetOperation as it was read."""

    name: str
    uid: str
    created: float
    """Seconds of the epoch, by the API server's clock."""
    generation: int
    spec: FleetOperationSpec
    status: FleetOperationStatus

    @property
    def targets(self) -> tuple[str, ...]:
        """What is to be done, one by one."""
        return (ALL,) if self.spec.operation is Operation.RELEASE_DELETIONS else tuple(self.spec.targets)

    @property
    def left(self) -> tuple[str, ...]:
        """The targets without a result: where a restarted process goes on."""
        told = {result.target for result in self.status.results}
        return tuple(target for target in self.targets if target not in told)


@dataclass(frozen=True, slots=True)
class End:
    """What became of one target."""

    outcome: Outcome
    message: str

    def of(self, target: str) -> Result:
        """As the status tells it."""
        return Result(target=target, outcome=self.outcome, message=self.message[:MAX_MESSAGE])


def done(message: str) -> End:
    """It was done, or would be in a dry run."""
    return End(Outcome.DONE, message)


def skipped(message: str) -> End:
    """Nothing was to be done."""
    return End(Outcome.SKIPPED, message)


def failed(message: str) -> End:
    """It was refused, or failed."""
    return End(Outcome.FAILED, message)


def counts(total: int, results: Iterable[Result]) -> Counts:
    """The results, counted."""
    outcomes = [result.outcome for result in results]
    return Counts(
        total=total,
        done=outcomes.count(Outcome.DONE),
        failed=outcomes.count(Outcome.FAILED),
        skipped=outcomes.count(Outcome.SKIPPED),
    )


def conditions(
    old: Iterable[Condition], phase: Phase, message: str, *, generation: int, wall_time: str
) -> list[Condition]:
    """The phase as tools read it: kstatus, Flux, Argo CD, `kubectl wait`. The reason is the phase.

    | phase | Ready | also |
    |---|---|---|
    | Pending, Running | False | Reconciling |
    | Succeeded | True | |
    | Failed | False | Stalled |
    """
    return Sequel.to(old, generation=generation, wall_time=wall_time).story(
        phase.value,
        message,
        ready=phase is Phase.SUCCEEDED,
        working=phase in (Phase.PENDING, Phase.RUNNING),
        stalled=phase is Phase.FAILED,
    )


def told(found: Counts) -> str:
    """The results in a sentence."""
    if found.failed:
        return f"{found.failed} of {found.total} targets failed: status.results says why."
    return f"{found.done + found.skipped} of {found.total} targets are done."


@dataclass(frozen=True, slots=True)
class PlaceTarget:
    """A resource, and the project that it is to get where one was named."""

    key: Key
    project_id: str | None


def place_of(target: str) -> PlaceTarget | End:
    """`namespace/name` or `namespace/name=project-id`."""
    if match := _PLACE.fullmatch(target):
        return PlaceTarget(Key(match[1], match[2]), match[3])
    return failed("Not understood. Write namespace/name, or namespace/name=project-id.")


@dataclass(frozen=True, slots=True)
class OrphanTarget:
    """A project, and whether it was said that it is a released one."""

    project_id: str
    released: bool


def orphan_of(target: str) -> OrphanTarget | End:
    """`project-id` or `project-id=released`."""
    if match := _ORPHAN.fullmatch(target):
        return OrphanTarget(match[1], match[2] is not None)
    return failed("Not understood. Write project-id, or project-id=released.")


def tier_of(target: str) -> tuple[str, int] | End:
    """`tier@generation`."""
    if match := _TIER.fullmatch(target):
        return match[1], int(match[2])
    return failed("Not understood. Write tier@generation.")


Choice: TypeAlias = Project | End


def choose(
    candidates: Sequence[Project], *, own: str | None, named: str | None, returned: bool, what: str
) -> Choice:
    """The project that a resource is to get.

    `own` is the project that it has; `returned`, whether that one was made for an earlier resource of its
    name. `candidates` are proven to be of its place. `what` is "earlier" or "deleted".

    | own | named | candidates | choice |
    |---|---|---|---|
    | some | the same | any | skipped: it has it |
    | returned | none | any | skipped: it has it |
    | some | none | any | failed: the project must be named |
    | any | some, among them | any | that one |
    | any | some, not among them | any | failed |
    | none | none | one | that one |
    | none | none | none, several | failed |
    """
    if own is not None and (named == own or (named is None and returned)):
        return skipped(f"It has the project {own} already.")
    if own is not None and named is None:
        return failed(f"It has a project of its own ({own}). Name the one that it is to get: =project-id.")
    if named is not None:
        found = next((project for project in candidates if project.id == named), None)
        return found or failed(f"The project {named} is none of its {what} ones.")
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        return failed(f"There is no {what} project of this resource.")
    ids = ", ".join(project.id for project in candidates)
    return failed(f"Several {what} projects come into question. Name one with =project-id: {ids}")


def refused_orphan(survey: Survey, target: OrphanTarget, *, ours: bool) -> End | None:
    """Why a project is not deleted as an orphan; None where it may be. `survey` is of this project alone.

    `ours`: whether its name and birth certificate are of this cluster.

    | project | result |
    |---|---|
    | not ours | refused |
    | owned, or too young to judge | refused |
    | a resource of its name stands | refused |
    | released, and not named as such | refused |
    | else | None |
    """
    if not ours:
        return failed("Its name and birth certificate do not prove that it is of this cluster. Not deleted.")
    orphan = next(iter(survey.orphans), None)
    if orphan is None:
        return failed("It has an owner, or is younger than an hour. Not deleted.")
    if orphan.kind is Kind.CLAIMABLE:
        return failed(
            f"The resource {orphan.namespace}/{orphan.name} stands and could have it back. Not deleted."
        )
    if orphan.kind is Kind.RELEASED and not target.released:
        return failed(f"It was released with its data. If it is meant, name {target.project_id}=released.")
    return None
