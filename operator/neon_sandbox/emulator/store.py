"""All projects, in the order of their creation."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator

from neon_sandbox.emulator import errors
from neon_sandbox.emulator.clock import Clock
from neon_sandbox.emulator.plans import RECOVERY_SECONDS
from neon_sandbox.emulator.state import SUSPENDING_QUOTAS, Branch, Database, Endpoint, Project, Role


class Store:
    """Holds projects until they can no longer be recovered."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._projects: dict[str, Project] = {}
        # Lists page through this by position of the last one seen; a dict could not start in the middle.
        self._order: list[int] = []
        self._by_seq: dict[int, Project] = {}
        self._next_seq = 1
        self._deleted: deque[tuple[float, Project]] = deque()
        self.live = 0

    def next_seq(self) -> int:
        """The place of the next project in the order of creation."""
        seq, self._next_seq = self._next_seq, self._next_seq + 1
        return seq

    def add(self, project: Project) -> None:
        """Adds a new project; its seq comes from `next_seq`."""
        self._projects[project.id] = project
        self._by_seq[project.seq] = project
        self._order.append(project.seq)
        self.live += 1

    def has(self, project_id: str) -> bool:
        """Whether this id is taken, be it by a deleted project."""
        return project_id in self._projects

    def project(self, project_id: str) -> Project:
        """A live project. Raises ApiError 404."""
        project = self._projects.get(project_id)
        if project is None or project.deleted_at is not None:
            raise errors.not_found("project")
        _roll_over(project, self._period())
        return project

    def recoverable(self, project_id: str) -> Project:
        """A deleted project within its recovery window. Raises ApiError 404, or 422 for a live one."""
        project = self._projects.get(project_id)
        if project is None:
            raise errors.not_found("project")
        if project.deleted_at is None:
            raise errors.conflict("project is not deleted")
        if self._clock.now() >= project.deleted_at + RECOVERY_SECONDS:
            raise errors.not_found("project")
        return project

    def delete(self, project: Project) -> None:
        """Marks it as deleted now."""
        project.deleted_at = self._clock.now()
        self._deleted.append((project.deleted_at, project))
        self.live -= 1

    def recover(self, project: Project) -> None:
        """Takes the mark away."""
        project.deleted_at = None
        self.live += 1

    def purge(self) -> list[Project]:
        """Forgets the projects that can no longer be recovered, and returns them."""
        end = self._clock.now() - RECOVERY_SECONDS
        gone: list[Project] = []
        while self._deleted and self._deleted[0][0] <= end:
            deleted_at, project = self._deleted.popleft()
            if project.deleted_at != deleted_at:  # recovered since
                continue
            del self._projects[project.id]
            del self._by_seq[project.seq]
            del self._order[bisect_left(self._order, project.seq)]
            gone.append(project)
        return gone

    def newest_first(self, before: int | None = None) -> Iterator[Project]:
        """All projects, deleted ones too, from the newest, or from the one made just before seq `before`."""
        position = len(self._order) if before is None else bisect_left(self._order, before)
        period = self._period()
        for index in range(position - 1, -1, -1):
            project = self._by_seq[self._order[index]]
            _roll_over(project, period)
            yield project

    def __iter__(self) -> Iterator[Project]:
        return iter(list(self._projects.values()))

    def __len__(self) -> int:
        return len(self._projects)

    def _period(self) -> tuple[int, int]:
        now = time.gmtime(self._clock.now())
        return now.tm_year, now.tm_mon


def _roll_over(project: Project, period: tuple[int, int]) -> None:
    """Meters start again with each month, all but the logical size."""
    if project.usage_period == period:
        return
    if project.usage_period != (0, 0):
        for key in SUSPENDING_QUOTAS:
            project.usage[key] = 0
    project.usage_period = period


def branch(project: Project, branch_id: str) -> Branch:
    """Raises ApiError 404."""
    found = project.branches.get(branch_id)
    if found is None:
        raise errors.not_found("branch")
    return found


def endpoint(project: Project, endpoint_id: str) -> Endpoint:
    """Raises ApiError 404."""
    found = project.endpoints.get(endpoint_id)
    if found is None:
        raise errors.not_found("endpoint")
    return found


def role(branch: Branch, name: str) -> Role:
    """Raises ApiError 404."""
    found = branch.roles.get(name)
    if found is None:
        raise errors.role_not_found(name, branch.id)
    return found


def database(branch: Branch, name: str) -> Database:
    """Raises ApiError 404."""
    found = branch.databases.get(name)
    if found is None:
        raise errors.not_found("database")
    return found


def endpoints_of(project: Project, branch_id: str) -> list[Endpoint]:
    """The endpoints of one branch."""
    return [endpoint for endpoint in project.endpoints.values() if endpoint.branch_id == branch_id]


def read_write_endpoint(project: Project, branch_id: str) -> Endpoint | None:
    """The branch's endpoint that writes, if it has one."""
    for found in endpoints_of(project, branch_id):
        if found.type == "read_write":
            return found
    return None
