"""FleetOperation: what an administrator does once, for up to a thousand targets.

The operator carries it out with its own key and within its budget, so that nobody needs Neon's key on
a laptop, and Kubernetes' RBAC and audit log cover it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field

from neon_tenants.api.conditions import Condition
from neon_tenants.api.schema import VALIDATIONS, Model, rule

MAX_TARGETS: Final = 1000
MAX_MESSAGE: Final = 256
"""Characters. A thousand results stay well below etcd's 1.5 MiB."""

Target = Annotated[
    str, Field(min_length=1, max_length=330, pattern=r"^[A-Za-z0-9]([-A-Za-z0-9._/=@]*[A-Za-z0-9])?$")
]
"""What one step of an operation is about; its form is the operation's."""


class Operation(StrEnum):
    """What is to be done."""

    REBIND = "Rebind"
    UNDELETE = "Undelete"
    DELETE_ORPHANS = "DeleteOrphans"
    RELEASE_DELETIONS = "ReleaseDeletions"
    RESUME_ROLLOUT = "ResumeRollout"
    CONFIRM_API_SERVER = "ConfirmApiServer"


class Phase(StrEnum):
    """How far an operation is."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class Outcome(StrEnum):
    """What became of one target."""

    DONE = "Done"
    SKIPPED = "Skipped"
    FAILED = "Failed"


class FleetOperationSpec(Model):
    """What is to be done, and to what. It cannot be changed: create another operation."""

    model_config = ConfigDict(
        json_schema_extra={
            VALIDATIONS: [
                rule("self == oldSelf", "a FleetOperation cannot be changed: create another one"),
                rule(
                    "(self.operation == 'ReleaseDeletions') == (!has(self.targets) || self.targets == [])",
                    "ReleaseDeletions takes no targets, every other operation needs at least one",
                ),
            ]
        }
    )

    operation: Operation = Field(
        description="Rebind: a resource held by PreviousProjectFound gets its own earlier project back. "
        "Undelete: a project that was deleted within the last 7 days is recovered and bound. "
        "DeleteOrphans: projects of this cluster without a resource are deleted. "
        "ReleaseDeletions: the deletions that the brake holds go on. "
        "ResumeRollout: a paused rollout of a tier goes on. "
        "ConfirmApiServer: the operator works on the API server on which it found itself."
    )
    targets: list[Target] = Field(
        default_factory=list,
        max_length=MAX_TARGETS,
        description="Rebind and Undelete: namespace/name, or namespace/name=project-id where several "
        "projects come into question or the resource has one already. DeleteOrphans: project-id, or "
        "project-id=released for one that a resource released with its data. "
        "ResumeRollout: tier@generation. ConfirmApiServer: the code of the operator's message.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    dry_run: bool | None = Field(
        default=None, description="When true, everything is checked and nothing is changed."
    )
    cluster: str | None = Field(
        default=None,
        max_length=12,
        description="The cluster id of the operator that is to do it. Left out: any operator that watches.",
    )


class Counts(Model):
    """The results, counted."""

    total: int = Field(ge=0, description="Targets.")
    done: int = Field(default=0, ge=0, description="Done, or to be done in a dry run.")
    failed: int = Field(default=0, ge=0, description="Refused or failed; the result says why.")
    skipped: int = Field(default=0, ge=0, description="Nothing was to be done.")


class Result(Model):
    """What became of one target."""

    target: str = Field(max_length=330, description="The target.")
    outcome: Outcome = Field(description="Done, Skipped or Failed.")
    message: str = Field(max_length=MAX_MESSAGE, description="A sentence: what was done, or why not.")


class FleetOperationStatus(Model):
    """How far the operator is."""

    phase: Phase | None = Field(default=None, description="Pending, Running, Succeeded or Failed.")
    message: str | None = Field(
        default=None, max_length=MAX_MESSAGE, description="What it waits for, or why it failed as a whole."
    )
    started_at: str | None = Field(
        default=None, description="When it began.", json_schema_extra={"format": "date-time"}
    )
    finished_at: str | None = Field(
        default=None, description="When it ended.", json_schema_extra={"format": "date-time"}
    )
    counts: Counts | None = Field(default=None, description="The results, counted.")
    results: list[Result] = Field(
        default_factory=list,
        max_length=MAX_TARGETS,
        description="What became of each target so far.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["target"]},
    )
    observed_generation: int | None = Field(
        default=None, ge=-1, description="The generation of the spec that this status speaks of."
    )
    conditions: list[Condition] = Field(
        default_factory=list,
        max_length=16,
        description="Ready: it has succeeded. Reconciling: it is to be done. Stalled: it has failed. The "
        "reason is the phase.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )


INITIAL_STATUS: Final[dict[str, Any]] = {"observedGeneration": -1}
"""The status before the operator has looked: kstatus takes one without it for done."""


class FleetOperation(Model):
    """What an administrator does once, carried out by the operator."""

    model_config = ConfigDict(
        json_schema_extra={
            VALIDATIONS: [
                rule(
                    "size(self.metadata.name) <= 63",
                    "the name of a FleetOperation must be at most 63 characters",
                )
            ]
        }
    )

    metadata: dict[str, Any]
    spec: FleetOperationSpec = Field(description="What is to be done, and to what.")
    status: FleetOperationStatus = Field(
        default_factory=FleetOperationStatus,
        description="How far the operator is.",
        json_schema_extra={"default": INITIAL_STATUS},
    )
