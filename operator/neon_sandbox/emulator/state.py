"""What the emulator knows: projects and what is in them. Plain records; rules live elsewhere."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal

QUOTAS = (
    "active_time_seconds",
    "compute_time_seconds",
    "written_data_bytes",
    "data_transfer_bytes",
    "logical_size_bytes",
)
"""Keys of settings.quota, and names of the meters they are compared with."""

SUSPENDING_QUOTAS = QUOTAS[:4]
"""Used up, these stop a project's computes; the fifth is per branch and stops writes only."""

ORGANIZATION_ID = "org-quiet-sandbox-10203040"
ORGANIZATION_NAME = "Sandbox"
USER_ID = "5d1f0f4e-6a3b-4c55-9c4f-2d1a7b1e9c10"

KEPT_OPERATIONS = 1_000
"""Operations remembered of each project; Neon forgets them after six months."""

EndpointState = Literal["init", "active", "idle"]
EndpointType = Literal["read_write", "read_only"]


@dataclass(slots=True)
class Role:
    """A role of one branch."""

    name: str
    password: str | None
    """None if the project does not store passwords."""
    created_at: float
    updated_at: float


@dataclass(slots=True)
class Database:
    """A database of one branch."""

    id: int
    name: str
    owner_name: str
    created_at: float
    updated_at: float


@dataclass(slots=True)
class Branch:
    """A branch with its roles and databases."""

    id: str
    name: str
    created_at: float
    updated_at: float
    parent_id: str | None = None
    parent_timestamp: float | None = None
    ready: bool = False
    state_changed_at: float = 0
    default: bool = False
    protected: bool = False
    init_source: str = "parent-data"
    expires_at: float | None = None
    ttl_seconds: int | None = None
    annotations: dict[str, str] = field(default_factory=dict)
    roles: dict[str, Role] = field(default_factory=dict)
    databases: dict[str, Database] = field(default_factory=dict)


@dataclass(slots=True)
class Endpoint:
    """A compute endpoint. `state` is as of the last look at it: see Computes.settle."""

    id: str
    project_id: str
    branch_id: str
    region_id: str
    type: EndpointType
    min_cu: float
    max_cu: float
    suspend_timeout_seconds: int
    created_at: float
    updated_at: float
    provisioner: str = "k8s-neonvm"
    name: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    disabled: bool = False
    state: EndpointState = "init"
    pending_state: EndpointState | None = "active"
    last_active: float | None = None
    started_at: float | None = None
    suspended_at: float | None = None


@dataclass(slots=True)
class Operation:
    """One step of the work that a request has caused."""

    id: str
    project_id: str
    action: str
    created_at: float
    updated_at: float
    branch_id: str | None = None
    endpoint_id: str | None = None
    status: str = "scheduling"
    started_at: float | None = None
    finished_at: float | None = None
    failures_count: int = 0
    error: str | None = None


@dataclass(slots=True)
class Project:
    """A project, live or deleted but still recoverable."""

    id: str
    seq: int
    """Its place in the order of creation."""
    name: str
    region_id: str
    pg_version: int
    org_id: str
    store_passwords: bool
    history_retention_seconds: int
    provisioner: str
    created_at: float
    updated_at: float
    settings: dict[str, Any] = field(default_factory=dict)
    default_endpoint_settings: dict[str, Any] = field(default_factory=dict)
    deleted_at: float | None = None
    usage: dict[str, int] = field(default_factory=lambda: dict.fromkeys(QUOTAS, 0))
    usage_period: tuple[int, int] = (0, 0)
    """Year and month that the meters belong to."""
    ledger: dict[int, dict[str, int]] = field(default_factory=dict)
    """Consumption by hour: seconds since 1970 of its start, to metric, to value."""
    branches: dict[str, Branch] = field(default_factory=dict)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    operations: deque[Operation] = field(default_factory=lambda: deque(maxlen=KEPT_OPERATIONS))
    running: int = 0
    """Operations not yet at their end; while there are any, the project is locked."""
    past: deque[tuple[float, dict[str, Any]]] = field(default_factory=deque)
    """Earlier list items, each with the time until which it was true; kept while lists lag."""

    @property
    def quota(self) -> dict[str, int]:
        """All five quotas; 0 is unlimited."""
        stored = self.settings.get("quota", {})
        return {key: stored.get(key, 0) for key in QUOTAS}

    @property
    def default_branch(self) -> Branch:
        """The branch that requests mean that name none."""
        return next(branch for branch in self.branches.values() if branch.default)

    def exceeded(self) -> str | None:
        """The first quota that is used up and therefore stops the computes."""
        quota = self.quota
        for key in SUSPENDING_QUOTAS:
            if 0 < quota[key] <= self.usage[key]:
                return key
        return None

    def out_of_space(self) -> bool:
        """Whether the logical size has reached its quota, so that writes fail."""
        return 0 < self.quota["logical_size_bytes"] <= self.usage["logical_size_bytes"]
