"""All that is, as the model of the protocol knows it. Zero stands for none, so that states compare.

A project's name is its owner: a uid, `RELEASED`, or `NEIGHBOR`, the living resource of another place. Its
birth certificate names the uid for which it was made, likewise.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple, TypeAlias

RELEASED = 0
NEIGHBOR = 9
THEIRS = 90
"""The neighbor's project."""


class Project(NamedTuple):
    """A Neon project."""

    id: int
    """The older has the lower one."""
    name: int
    born: int
    """The birth certificate."""
    published: bool = False
    """Whether a Secret ever named it: it may hold data."""
    listed: bool = True
    """Whether Neon's list shows it yet."""

    @property
    def in_place(self) -> bool:
        """Whether its name is of our place, in any life."""
        return self.name != NEIGHBOR


class Resource(NamedTuple):
    """The TenantDatabase, in one of its lives."""

    uid: int
    finalizer: bool = False
    deleting: bool = False
    nonce: int = 0
    """Of the intent that stands on it."""
    recorded: int = 0
    resolved: int = 0
    """The nonce whose outcome the status notes as known."""
    given_up: tuple[int, ...] = ()
    """`status.releasedProjects`."""


class Secret(NamedTuple):
    """The connection Secret."""

    owner: int
    project: int


class Sent(IntEnum):
    """What a process knows of the POST of its own attempt."""

    NOT_YET = 0
    CLOSED = 1
    """Not sent, and the send gate is closed."""
    UNKNOWN = 2
    OVER = 3
    """Nobody knows what became of it, but its lifetime is over."""
    DONE = 4


class Memory(NamedTuple):
    """What a process remembers of one resource."""

    uid: int = 0
    nonce: int = 0
    """Of its own attempt."""
    sent: Sent = Sent.NOT_YET
    seen: int = 0
    """The nonce that it saw on the resource."""
    over: bool = False
    """Whether it has seen that for a whole lifetime."""
    created: int = 0
    """The project that its own POST's answer named."""


class Action(NamedTuple):
    """One write, or none."""

    name: str
    project: int = 0
    value: int = 0
    """The new name, or the nonce to be noted as resolved."""


class Doing(NamedTuple):
    """What a process is at: it has read, or it has decided on what it read; else it is between passes."""

    read: Resource
    secret: Secret | None
    action: Action | None


class Process(NamedTuple):
    """A replica of the operator."""

    doing: Doing | None = None
    memory: Memory = Memory()


class View(NamedTuple):
    """What a process knows when it decides."""

    resource: Resource
    secret: Secret | None
    memory: Memory
    found: tuple[Project, ...]
    """A complete list of our place and, by its id, the recorded one; the oldest first."""
    aside: tuple[int, ...]
    """The projects whose token stands in `neontenants.io/start-empty`."""


Processes: TypeAlias = tuple[Process, ...]


class State(NamedTuple):
    """All that is."""

    resource: Resource | None
    secret: Secret | None = None
    projects: tuple[Project, ...] = ()
    in_flight: tuple[tuple[int, int], ...] = ()
    """Nonce and uid of each POST that is sent and has not landed."""
    processes: Processes = (Process(),)
    nonces: int = 0
    """How many there have been; likewise uids."""
    uids: int = 1
    ended: tuple[int, ...] = ()
    """The uids of resources that the operator let go."""
    aside: tuple[int, ...] = ()
    """It stands in the manifest, which may outlive the resource."""
    wrong: str = ""
    """The property that the last step violated."""

    def find(self, project: int) -> Project | None:
        """The project with this id."""
        return next((p for p in self.projects if p.id == project), None)
