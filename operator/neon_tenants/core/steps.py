"""The steps of the plan. Each is at most one write, or one look; `reconcile` performs it and asks again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from neon_tenants.api.conditions import Reason
from neon_tenants.core.difference import Difference
from neon_tenants.core.project import ComputeSettings, Limits
from neon_tenants.core.secret import SecretContent


@dataclass(frozen=True, slots=True)
class ReadSecret:
    """What stands in the place of the connection Secret?"""


@dataclass(frozen=True, slots=True)
class LookUp:
    """Which projects are of our place? Fresh: from a list that begins after now."""

    fresh: bool


@dataclass(frozen=True, slots=True)
class LookUpDeleted:
    """Which deleted projects of our place can still be recovered?"""


@dataclass(frozen=True, slots=True)
class ReadCertificate:
    """For whom was this project made?"""

    project_id: str


@dataclass(frozen=True, slots=True)
class ReadProject:
    """What are its settings? The list left some out."""

    project_id: str


@dataclass(frozen=True, slots=True)
class ReadEndpoints:
    """Which computes does the project have?"""

    project_id: str


@dataclass(frozen=True, slots=True)
class ReadOperations:
    """Are the operations that we started finished?"""

    project_id: str


@dataclass(frozen=True, slots=True)
class ReadConnection:
    """What is the login? Reveals the password; never resets it."""

    project_id: str


@dataclass(frozen=True, slots=True)
class DeclareIntent:
    """Win the right to create: finalizer and intent in one compare-and-swap."""


@dataclass(frozen=True, slots=True)
class CreateProject:
    """The one POST, through the send gate."""

    limits: Limits
    region: str | None
    postgres_version: int


@dataclass(frozen=True, slots=True)
class RenameProject:
    """Give the project the name that makes it ours, or nobody's."""

    project_id: str
    name: str
    drift: tuple[Difference, ...] = ()
    """What a person changed past us, and this puts back: an event tells of it. Likewise below."""


@dataclass(frozen=True, slots=True)
class UpdateProject:
    """Hold the project to its limits."""

    project_id: str
    limits: Limits
    differing: frozenset[str]
    drift: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class UpdateEndpoint:
    """Hold a compute to its limits, or disable or enable it; only with what differs."""

    project_id: str
    endpoint_id: str
    compute: ComputeSettings
    differing: frozenset[str]
    """Which of the compute settings to send."""
    disabled: bool | None
    drift: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class DeleteProject:
    """Delete a project that is ours."""

    project_id: str
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class CreateSecret:
    """Write the login; the creation records the project's id (protocol, rule 8)."""

    content: SecretContent


@dataclass(frozen=True, slots=True)
class UpdateSecret:
    """Write the login over what stands in our Secret."""

    content: SecretContent


@dataclass(frozen=True, slots=True)
class OwnSecret:
    """Attach the owner reference, so that the Secret goes with its resource. Only at release."""


@dataclass(frozen=True, slots=True)
class AddFinalizer:
    """Hold the resource as long as its project stands, where no create of ours did so."""


@dataclass(frozen=True, slots=True)
class RemoveFinalizer:
    """Let the resource go."""


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing to do until something changes, or until `again`; the status says why.

    `ready`, `available`: None leaves the condition as it stands.
    `stalled`: a person must act.
    `again`: seconds until the next look; None waits for an event.
    `applied`: all that can be applied is applied: tier, suspension, Secret.
    `drift`: what differs and stays so, since the tier says to report it only.
    """

    reason: Reason
    message: str
    ready: bool | None = False
    available: bool | None = None
    stalled: bool = False
    again: float | None = None
    applied: bool = False
    drift: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """Something is under way. Looked at again after `again` seconds; where it is None, with back-off, but
    `within` so many seconds.
    """

    reason: Reason
    message: str
    again: float | None = None
    within: float | None = None


@dataclass(frozen=True, slots=True)
class Leave:
    """Not ours to handle, or gone: nothing is written."""


Read: TypeAlias = (
    ReadSecret
    | LookUp
    | LookUpDeleted
    | ReadCertificate
    | ReadProject
    | ReadEndpoints
    | ReadOperations
    | ReadConnection
)
NeonWrite: TypeAlias = CreateProject | RenameProject | UpdateProject | UpdateEndpoint | DeleteProject
KubeWrite: TypeAlias = (
    DeclareIntent | CreateSecret | UpdateSecret | OwnSecret | AddFinalizer | RemoveFinalizer
)
Pause: TypeAlias = Rest | Wait | Leave
Step: TypeAlias = Read | NeonWrite | KubeWrite | Pause
