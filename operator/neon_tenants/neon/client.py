"""Neon's API v2, as far as the operator needs it: typed requests in, core values out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Final

from neon_tenants.core.connection import Connection, ConnectionUriError
from neon_tenants.core.failure import Done
from neon_tenants.core.marker import Certificate
from neon_tenants.core.project import (
    MAX_CU,
    MIN_CU,
    SUSPEND,
    ComputeSettings,
    Endpoint,
    Limits,
    Operation,
    Project,
)
from neon_tenants.neon import models
from neon_tenants.neon.errors import NeonError, NotFoundError, password_unavailable, unreachable
from neon_tenants.neon.http import Http, Request

PAGE: Final = 400
"""The most projects on a list page (docs/neon.md, Lists)."""
MAX_BRANCHES: Final = 10_000
"""The most branches on a list page; a project has 5,000 at most (docs/neon.md, Limits)."""

_CREATE: Final = Request("create a project", "POST", "/projects")
_FIELDS: Final = {
    MIN_CU: "autoscaling_limit_min_cu",
    MAX_CU: "autoscaling_limit_max_cu",
    SUSPEND: "suspend_timeout_seconds",
}


@dataclass(frozen=True, slots=True)
class NewProject:
    """What a create asks for."""

    name: str
    region: str | None
    postgres_version: int
    database: str
    role: str
    certificate: Certificate
    limits: Limits


@dataclass(frozen=True, slots=True)
class Created:
    """What a create answered."""

    project: Project
    endpoints: tuple[Endpoint, ...]
    operations: tuple[Operation, ...]
    connection: Connection | None


@dataclass(frozen=True, slots=True)
class ProjectPage:
    """A page of the list; `cursor` is None on the last."""

    projects: tuple[Project, ...]
    cursor: str | None
    complete: bool
    """False where Neon could not fetch all of the projects that belong here."""


class NeonClient:
    """The requests that the operator makes. All methods raise NeonError."""

    def __init__(self, http: Http, *, org_id: str | None) -> None:
        self._http = http
        self._org_id = org_id

    # --- projects ------------------------------------------------------------------------------

    async def list_projects(
        self,
        *,
        cursor: str | None = None,
        search: Callable[[], str | None] | None = None,
        recoverable: bool = False,
        wanted: Callable[[str], bool] | None = None,
    ) -> ProjectPage:
        """One page of projects; `recoverable` lists deleted ones.

        `search` is called right before the request leaves: what is true then is seen, and the part of a name
        or id that it returns is searched for. Projects whose names are not `wanted` are left out.
        """
        asked = {
            "limit": str(PAGE),
            "org_id": self._org_id,
            "cursor": cursor,
            "recoverable": "true" if recoverable else None,
        }
        params = {name: value for name, value in asked.items() if value is not None}

        def leaving() -> dict[str, str]:
            text = search() if search else None
            return {} if text is None else {"search": text}

        request = Request("list projects", "GET", "/projects", params=params, leaving=leaving)
        answer, listed = await self._http.read(request, partial(models.ProjectList.read, wanted=wanted))
        return ProjectPage(
            projects=tuple(project.core(complete=False) for project in answer.projects),
            # Neon gives a cursor on the last page, too. Its own CLI stops at a page that is not full; an
            # incomplete page is no page at all to us (docs/decisions/0005-short-page.md).
            cursor=answer.pagination.cursor or None if listed == PAGE else None,
            complete=not answer.unavailable_project_ids,
        )

    async def get_project(self, project_id: str) -> Project | None:
        """The project; None where Neon knows none with this id, not even a deleted one, or hides it from us.

        A key that Neon rejects gets 401. A 403 for one project is the answer to a key of an organization
        that the project was moved out of.
        """
        request = Request("read the project", "GET", "/projects/{}", (project_id,))
        try:
            answer = await self._http.call(request, models.ProjectAnswer)
        except NotFoundError:
            return None
        except NeonError as error:
            if error.status == 403:
                return None
            raise
        return answer.project.core(complete=True)

    async def largest_branch(self, project_id: str) -> int | None:
        """The logical size of the largest branch, in bytes; None where Neon knows it of none."""
        request = Request(
            "read the sizes of the project's branches",
            "GET",
            "/projects/{}/branches",
            (project_id,),
            params={"limit": str(MAX_BRANCHES)},
        )
        answer = await self._http.call(request, models.BranchList)
        return max((b.logical_size for b in answer.branches if b.logical_size is not None), default=None)

    def turn_to_create(self) -> AbstractAsyncContextManager[float]:
        """Waits for the turn of a `create_project` that follows the block; gives when that came."""
        return self._http.turn_of(_CREATE)

    async def create_project(
        self, new: NewProject, *, send_before: float, turn: float | None = None
    ) -> Created:
        """The POST that is not idempotent. It leaves before `send_before` on the clock, or never."""
        request = replace(
            _CREATE, json={"project": self._new_project(new)}, send_before=send_before, turn=turn
        )
        answer = await self._http.call(request, models.CreatedProject)
        try:
            connection = answer.connection_uris[0].core() if answer.connection_uris else None
        except ConnectionUriError:
            connection = None  # the project is there; its login is read later
        return Created(
            project=answer.project.core(complete=True),
            endpoints=tuple(endpoint.core() for endpoint in answer.endpoints),
            operations=_operations(answer),
            connection=connection,
        )

    def _new_project(self, new: NewProject) -> dict[str, Any]:
        project: dict[str, Any] = {
            "name": new.name,
            "pg_version": new.postgres_version,
            "store_passwords": True,
            "history_retention_seconds": new.limits.retention_seconds,
            "branch": {
                "name": "main",
                "database_name": new.database,
                "role_name": new.role,
                "annotations": new.certificate.annotations(),
            },
            "default_endpoint_settings": _settings(new.limits.compute),
            "settings": {"quota": asdict(new.limits.quota)},
        }
        if new.region:
            project["region_id"] = new.region
        if self._org_id:
            project["org_id"] = self._org_id
        return project

    async def update_project(self, project_id: str, limits: Limits) -> tuple[Project, tuple[Operation, ...]]:
        """Holds a project to its limits. All quotas are sent: whether Neon merges them is not documented."""
        changes = {
            "settings": {"quota": asdict(limits.quota)},
            "default_endpoint_settings": _settings(limits.compute),
            "history_retention_seconds": limits.retention_seconds,
        }
        return await self._patch_project("change the project's limits", project_id, changes)

    async def rename_project(self, project_id: str, name: str) -> tuple[Project, tuple[Operation, ...]]:
        """Gives the project another name, which is to say another owner."""
        return await self._patch_project("rename the project", project_id, {"name": name})

    async def _patch_project(
        self, what: str, project_id: str, changes: Mapping[str, Any]
    ) -> tuple[Project, tuple[Operation, ...]]:
        request = Request(what, "PATCH", "/projects/{}", (project_id,), json={"project": changes})
        answer = await self._http.call(request, models.ProjectAnswer)
        return answer.project.core(complete=True), _operations(answer)

    async def delete_project(self, project_id: str) -> None:
        """Deletes the project, recoverably; one that is gone already is as good."""
        request = Request("delete the project", "DELETE", "/projects/{}", (project_id,))
        try:
            await self._http.call(request, models.ProjectAnswer)
        except NotFoundError:
            return

    async def recover_project(self, project_id: str) -> Project:
        """Brings back a project that was deleted within the last 7 days, with its data and password."""
        request = Request("recover the project", "POST", "/projects/{}/recover", (project_id,))
        answer = await self._http.call(request, models.ProjectAnswer)
        return answer.project.core(complete=True)

    # --- what is in a project ------------------------------------------------------------------

    async def certificate(self, project_id: str) -> Certificate | None:
        """The birth certificate of a project, from its branches' annotations."""
        branches = await self._branches(project_id)
        found = (Certificate.read(annotation.value) for annotation in branches.annotations.values())
        return next((certificate for certificate in found if certificate), None)

    async def _branches(self, project_id: str) -> models.BranchList:
        # The branch that the project was made with is among the oldest.
        params = {"sort_by": "created_at", "sort_order": "asc", "limit": "100"}
        request = Request(
            "read the project's branches", "GET", "/projects/{}/branches", (project_id,), params=params
        )
        return await self._http.call(request, models.BranchList)

    async def endpoints(self, project_id: str) -> tuple[Endpoint, ...]:
        """All computes of a project; Neon does not page them."""
        request = Request("read the project's endpoints", "GET", "/projects/{}/endpoints", (project_id,))
        answer = await self._http.call(request, models.EndpointList)
        return tuple(endpoint.core() for endpoint in answer.endpoints)

    async def update_endpoint(
        self,
        project_id: str,
        endpoint_id: str,
        *,
        compute: ComputeSettings,
        differing: frozenset[str],
        disabled: bool | None,
    ) -> tuple[Endpoint, tuple[Operation, ...]]:
        """Changes the differing settings. A PATCH wakes an idle compute, and another size restarts it."""
        changes: dict[str, Any] = {
            _FIELDS[name]: value for name, value in _named(compute).items() if name in differing
        }
        if disabled is not None:
            changes["disabled"] = disabled
        request = Request(
            "change the endpoint",
            "PATCH",
            "/projects/{}/endpoints/{}",
            (project_id, endpoint_id),
            json={"endpoint": changes},
        )
        answer = await self._http.call(request, models.EndpointAnswer)
        return answer.endpoint.core(), _operations(answer)

    async def operations(self, project_id: str) -> tuple[Operation, ...]:
        """The project's latest operations, newest first."""
        params = {"limit": "100"}
        request = Request(
            "read the project's operations", "GET", "/projects/{}/operations", (project_id,), params=params
        )
        return _operations(await self._http.call(request, models.OperationList))

    # --- the login -----------------------------------------------------------------------------

    async def connection(self, project_id: str, *, database: str, role: str) -> Connection:
        """The login of the default branch, as it is: reads only, it never resets the password.

        Raises:
            NeonError: with PasswordUnavailable where Neon does not store passwords, or the role or the
                database is gone.
        """
        branches = await self._branches(project_id)
        branch_id = next((branch.id for branch in branches.branches if branch.default), None)
        if branch_id is None:
            raise unreachable("Neon names no default branch of the project.", Done.NO)
        reveal = Request(
            "reveal the password",
            "GET",
            "/projects/{}/branches/{}/roles/{}/reveal_password",
            (project_id, branch_id, role),
        )
        try:
            revealed = await self._http.call(reveal, models.PasswordAnswer)
            direct = await self._uri(project_id, database=database, role=role, pooled=False)
            pooled = await self._uri(project_id, database=database, role=role, pooled=True)
        except NeonError as error:
            if error.status not in (404, 412):
                raise
            raise password_unavailable(role, database, stored=error.status != 412) from None
        return replace(direct, pooled_host=pooled.host, password=revealed.password)

    async def _uri(self, project_id: str, *, database: str, role: str, pooled: bool) -> Connection:
        params = {"database_name": database, "role_name": role, "pooled": "true" if pooled else "false"}
        request = Request(
            "read the connection URI", "GET", "/projects/{}/connection_uri", (project_id,), params=params
        )
        answer = await self._http.call(request, models.UriAnswer)
        try:
            return Connection.parse(answer.uri, pooled_host="")
        except ConnectionUriError:
            raise unreachable("Neon's connection URI could not be understood.", Done.NO) from None


def _named(compute: ComputeSettings) -> dict[str, float]:
    return {MIN_CU: compute.min_cu, MAX_CU: compute.max_cu, SUSPEND: compute.suspend_seconds}


def _settings(compute: ComputeSettings) -> dict[str, float]:
    return {_FIELDS[name]: value for name, value in _named(compute).items()}


def _operations(answer: models.OperationList) -> tuple[Operation, ...]:
    return tuple(operation.core() for operation in answer.operations)
