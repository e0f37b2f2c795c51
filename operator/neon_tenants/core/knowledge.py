"""What this process remembers of a tenant between passes. Losing it costs time, never safety."""

from __future__ import annotations

from dataclasses import dataclass, field

from neon_tenants.core.connection import Connection
from neon_tenants.core.difference import Difference
from neon_tenants.core.intent import Attempt, Sighting
from neon_tenants.core.project import Endpoint, Operation, Project


@dataclass(frozen=True, slots=True)
class Knowledge:
    """One tenant's share of the memory."""

    sighting: Sighting | None = None
    attempt: Attempt | None = None
    project_id: str | None = None
    """The project that all of the following is about; None where it can be only the one that is recorded."""
    created: Project | None = None
    """The project that our own POST made, as its answer said, until the status records it."""
    doubted: bool = False
    """Whether a part of it was gone when it was looked at, or a change of it has left: the answer is not as
    good as a list any more."""
    connection: Connection | None = field(default=None, repr=False)
    """The login of the POST's answer, until the Secret holds it."""
    endpoints: tuple[Endpoint, ...] | None = None
    """The endpoints of the POST's answer, until they are changed or the status is written."""
    operations: tuple[str, ...] | None = None
    """Ids of Neon's operations that must finish first; None where this process started none and saw none."""
    operations_since: float = 0.0
    """When the last of them was started, on this process's clock."""
    polls: int = 0
    """How often they were looked at since they began."""
    poll_at: float = 0.0
    """When to look at them next."""
    failed: Operation | None = None
    """One of them, when it failed."""
    not_taken: frozenset[str] = frozenset()
    """Settings that Neon accepted and stored otherwise."""
    waiting_since: float | None = None
    """Since when the tenant has not been as it should be."""
    reported: frozenset[Difference] = frozenset()
    """Drift that an event told of, and that stands since the tier only reports it."""

    @property
    def wrote(self) -> bool:
        """Whether this process wrote to Neon since a status said last that all was applied."""
        return self.operations is not None

    @property
    def created_id(self) -> str | None:
        """The id of that project."""
        return None if self.created is None else self.created.id

    def about(self, recorded: str | None) -> Knowledge:
        """What still counts where the status records this project.

        A rebind makes void what is known of the project before: its operations would be awaited for ever,
        and its login would go into the Secret of the other.
        """
        if recorded is None or self.project_id in {None, recorded}:
            return self
        return Knowledge(self.sighting, self.attempt, waiting_since=self.waiting_since)
