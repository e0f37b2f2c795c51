"""What may stand behind the question mark of each route."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Id = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,60}$")]


class Query(BaseModel):
    """The query parameters of a route; unknown ones are refused, as unknown fields are."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def read(cls, pairs: Iterable[tuple[str, str]]) -> Self:
        """Reads the pairs of a URL; a list is given by repetition or with commas."""
        values: dict[str, str | list[str]] = {}
        for key, value in pairs:
            if key in _LISTS:
                listed = values.setdefault(key, [])
                if isinstance(listed, list):
                    listed.extend(part for part in value.split(",") if part)
            else:
                values[key] = value
        return cls.model_validate(values)


_LISTS = frozenset({"project_ids", "metrics"})


class Nothing(Query):
    """No parameter at all."""


class ListProjects(Query):
    """GET /projects."""

    cursor: str = ""
    limit: Annotated[int, Field(ge=1, le=400)] = 10
    search: str = ""
    org_id: Id | None = None
    timeout: Annotated[int, Field(ge=100, le=30_000)] = 30_000
    recoverable: bool = False


class ListOperations(Query):
    """GET /projects/{project_id}/operations."""

    cursor: str = ""
    limit: Annotated[int, Field(ge=1, le=1_000)] = 10


class ListBranches(Query):
    """GET /projects/{project_id}/branches."""

    cursor: str = ""
    limit: Annotated[int, Field(ge=1, le=10_000)] = 100
    search: str = ""
    sort_by: Literal["name", "created_at", "updated_at"] = "updated_at"
    sort_order: Literal["asc", "desc"] = "desc"
    include_deleted: bool = False
    """Taken and without effect: branch recovery is a preview that most accounts do not have."""


class DeleteBranch(Query):
    """DELETE /projects/{project_id}/branches/{branch_id}."""

    hard_delete: bool = False
    """Taken and without effect, for the same reason."""


class ConnectionUri(Query):
    """GET /projects/{project_id}/connection_uri."""

    database_name: str
    role_name: str
    branch_id: Id | None = None
    endpoint_id: Id | None = None
    pooled: bool = False


class Regions(Query):
    """GET /regions."""

    org_id: Id | None = None


Granularity = Literal["hourly", "daily", "monthly"]


class ConsumptionV1(Query):
    """GET /consumption_history/projects."""

    begin: AwareDatetime = Field(alias="from")
    end: AwareDatetime = Field(alias="to")
    granularity: Granularity
    cursor: str = ""
    limit: Annotated[int, Field(ge=1, le=100)] = 10
    project_ids: Annotated[list[Id], Field(max_length=100)] = []
    org_id: Id | None = None
    include_v1_metrics: bool = False
    metrics: list[
        Literal[
            "active_time_seconds",
            "compute_time_seconds",
            "written_data_bytes",
            "synthetic_storage_size_bytes",
            "data_storage_bytes_hour",
            "logical_size_bytes",
            "logical_size_bytes_hour",
        ]
    ] = []


class ConsumptionV2(Query):
    """GET /consumption_history/v2/projects."""

    begin: AwareDatetime = Field(alias="from")
    end: AwareDatetime = Field(alias="to")
    granularity: Granularity
    org_id: Id
    cursor: str = ""
    limit: Annotated[int, Field(ge=1, le=100)] = 10
    project_ids: Annotated[list[Id], Field(max_length=100)] = []
    metrics: Annotated[
        list[
            Literal[
                "compute_unit_seconds",
                "root_branch_bytes_month",
                "child_branch_bytes_month",
                "instant_restore_bytes_month",
                "public_network_transfer_bytes",
                "private_network_transfer_bytes",
                "extra_branches_month",
                "snapshot_storage_bytes_month",
            ]
        ],
        Field(min_length=1),
    ]
