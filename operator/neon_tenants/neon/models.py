"""Neon's wire models: only the fields that are used, tolerant of all others.

What the core decides about is made from them by `.core()`. A field that Neon leaves out, and that a
decision needs, is a parse error, which the client turns into "not understood".
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, Final, Self

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from neon_tenants.core import project as core
from neon_tenants.core.connection import Connection
from neon_tenants.core.quota import Quota
from neon_tenants.neon.errors import tidy

MAX_SHORT: Final = 64
"""Characters of what only informs, such as a moment."""


class Wire(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Auth(Wire):
    """Who is asking, as Neon sees it."""

    auth_method: str


class WireQuota(Wire):
    """ProjectQuota; a key that is left out is unlimited, as 0 is."""

    active_time_seconds: int = 0
    compute_time_seconds: int = 0
    written_data_bytes: int = 0
    data_transfer_bytes: int = 0
    logical_size_bytes: int = 0

    def core(self) -> Quota:
        """As we decide about it."""
        return _quota(
            self.compute_time_seconds,
            self.active_time_seconds,
            self.logical_size_bytes,
            self.written_data_bytes,
            self.data_transfer_bytes,
        )


# Nearly all projects of a list have those of a few tiers.
_quota = lru_cache(maxsize=256)(Quota)
_compute = lru_cache(maxsize=256)(core.ComputeSettings)


class WireSettings(Wire):
    """ProjectSettingsData."""

    quota: WireQuota = WireQuota()


class WireDefaults(Wire):
    """DefaultEndpointSettings."""

    autoscaling_limit_min_cu: float | None = None
    autoscaling_limit_max_cu: float | None = None
    suspend_timeout_seconds: int = 0

    def core(self) -> core.ComputeSettings | None:
        """None where Neon left out the sizes."""
        if self.autoscaling_limit_min_cu is None or self.autoscaling_limit_max_cu is None:
            return None
        return _compute(
            self.autoscaling_limit_min_cu, self.autoscaling_limit_max_cu, self.suspend_timeout_seconds
        )


def _number(value: Any) -> Any:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: Any) -> Any:
    known = isinstance(value, str) and value.isprintable() and len(value) <= MAX_SHORT
    return value if known else ""


Meter = Annotated[int | None, BeforeValidator(_number)]
"""A number that only informs: what is none of Neon's numbers must not make a whole list unreadable."""
Moment = Annotated[str, BeforeValidator(_text)]
"""Likewise."""


class _Named(Wire):
    """What every project has."""

    id: str = Field(pattern=r"^[a-z0-9-]{1,60}$")
    name: str


class _Names(Wire):
    projects: tuple[_Named, ...]


class WireProject(_Named):
    """Project and ProjectListItem."""

    region_id: str
    pg_version: int
    created_at: str
    settings: WireSettings | None = None
    default_endpoint_settings: WireDefaults | None = None
    history_retention_seconds: int | None = None
    updated_at: Moment = ""
    compute_last_active_at: Moment = ""
    recoverable_until: Moment = ""
    consumption_period_end: Moment = ""
    org_id: Moment = ""
    active_time: Meter = None
    """Only in a list; the five below only in a project that was read by itself, but for the last."""
    active_time_seconds: Meter = None
    compute_time_seconds: Meter = None
    written_data_bytes: Meter = None
    data_transfer_bytes: Meter = None
    synthetic_storage_size: Meter = None

    def _consumption(self) -> core.Consumption:
        return core.Consumption(
            period_end=self.consumption_period_end or None,
            compute_time_seconds=self.compute_time_seconds,
            active_time_seconds=self.active_time_seconds,
            written_data_bytes=self.written_data_bytes,
            data_transfer_bytes=self.data_transfer_bytes,
        )

    def core(self, *, complete: bool) -> core.Project:
        """As we decide about it. `complete`: read by itself, where settings left out are none."""
        settings = self.settings or (WireSettings() if complete else None)
        return core.Project(
            id=self.id,
            name=self.name,
            created_at=self.created_at,
            region=self.region_id,
            postgres_version=self.pg_version,
            quota=settings.quota.core() if settings else None,
            defaults=self.default_endpoint_settings.core() if self.default_endpoint_settings else None,
            retention_seconds=self.history_retention_seconds,
            complete=complete,
            signs=core.Signs(
                updated_at=self.updated_at,
                active_at=self.compute_last_active_at,
                active_seconds=self.active_time_seconds if complete else self.active_time,
                storage_bytes=self.synthetic_storage_size,
            ),
            consumption=self._consumption() if complete else None,
            recoverable_until=self.recoverable_until or None,
            organization=self.org_id or None,
        )


class WirePagination(Wire):
    """The cursor of the next page; empty or left out on the last."""

    cursor: str = ""


class ProjectList(Wire):
    """GET /projects."""

    projects: tuple[WireProject, ...]
    unavailable_project_ids: tuple[str, ...] = ()
    pagination: WirePagination = WirePagination()

    @classmethod
    def read(cls, body: bytes, wanted: Callable[[str], bool] | None) -> tuple[Self, int]:
        """The list with those projects alone whose names are wanted (None: all), and how many it names.

        Of the others nothing is read but id and name, which takes a quarter of the time.

        Raises:
            ValueError: it is not understood.
        """
        if wanted is None:
            whole = cls.model_validate_json(body)
            return whole, len(whole.projects)
        content = orjson.loads(body)
        names = _Names.model_validate(content).projects
        kept = [
            project for project, named in zip(content["projects"], names, strict=True) if wanted(named.name)
        ]
        return cls.model_validate({**content, "projects": kept}), len(names)


class WireEndpoint(Wire):
    """Endpoint."""

    id: str = Field(pattern=r"^[a-z0-9-]{1,60}$")
    branch_id: str
    host: str
    type: str
    autoscaling_limit_min_cu: float
    autoscaling_limit_max_cu: float
    suspend_timeout_seconds: int
    disabled: bool
    current_state: str = ""

    def core(self) -> core.Endpoint:
        """As we decide about it."""
        return core.Endpoint(
            id=self.id,
            branch_id=self.branch_id,
            host=self.host,
            read_write=self.type == "read_write",
            compute=core.ComputeSettings(
                self.autoscaling_limit_min_cu, self.autoscaling_limit_max_cu, self.suspend_timeout_seconds
            ),
            disabled=self.disabled,
            idle=self.current_state == "idle",
        )


_PROGRESS = {
    "finished": core.Progress.FINISHED,
    "skipped": core.Progress.FINISHED,
    "failed": core.Progress.FAILED,
    "error": core.Progress.FAILED,
    "cancelled": core.Progress.FAILED,
}


class WireOperation(Wire):
    """Operation. Its action and status are open sets: new ones count as running."""

    id: str = Field(pattern=r"^[A-Za-z0-9-]{1,64}$")
    action: str
    status: str

    def core(self) -> core.Operation:
        """As we decide about it."""
        # The action is told to people; the id is compared as well, so it stays as it is.
        return core.Operation(self.id, tidy(self.action), _PROGRESS.get(self.status, core.Progress.RUNNING))


class OperationList(Wire):
    """GET /projects/{id}/operations, and what most writes answer."""

    operations: tuple[WireOperation, ...] = ()


class ProjectAnswer(OperationList):
    """GET, PATCH and DELETE /projects/{id}."""

    project: WireProject


class EndpointAnswer(OperationList):
    """PATCH /projects/{id}/endpoints/{id}."""

    endpoint: WireEndpoint


class EndpointList(Wire):
    """GET /projects/{id}/endpoints."""

    endpoints: tuple[WireEndpoint, ...]


class WireParameters(Wire):
    """ConnectionParameters."""

    pooler_host: str


class WireConnection(Wire):
    """ConnectionDetails: the only answer that gives password and both hosts at once."""

    connection_uri: str = Field(repr=False)
    connection_parameters: WireParameters

    def core(self) -> Connection:
        """The login. Raises ConnectionUriError."""
        return Connection.parse(self.connection_uri, pooled_host=self.connection_parameters.pooler_host)


class CreatedProject(ProjectAnswer):
    """POST /projects."""

    endpoints: tuple[WireEndpoint, ...]
    connection_uris: tuple[WireConnection, ...] = Field(default=(), repr=False)


class WireAnnotation(Wire):
    """AnnotationData."""

    value: dict[str, str]


class WireBranch(Wire):
    """Branch."""

    id: str
    default: bool
    logical_size: Meter = None


class BranchList(Wire):
    """GET /projects/{id}/branches, with the annotations by branch id."""

    branches: tuple[WireBranch, ...]
    annotations: dict[str, WireAnnotation] = {}


class PasswordAnswer(Wire):
    """GET .../reveal_password."""

    password: str = Field(repr=False)


class UriAnswer(Wire):
    """GET /projects/{id}/connection_uri."""

    uri: str = Field(repr=False)


class ErrorAnswer(Wire):
    """GeneralError."""

    message: str
    code: str
    request_id: str | None = None
