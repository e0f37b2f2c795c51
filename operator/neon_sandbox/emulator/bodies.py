"""What may be asked: the request bodies of Neon's document, with its names and limits.

Neon's document allows unknown fields; these models refuse them, because that is how a typo of ours
shows. A field left out keeps its default here and is not in `given()`; null is refused, save where
the document allows it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Id = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,60}$")]
Name = Annotated[str, Field(min_length=1, max_length=256)]
ComputeUnit = Annotated[float, Field(ge=0.25)]
SuspendTimeout = Annotated[int, Field(ge=-1, le=604_800)]
Amount = Annotated[int, Field(ge=0, le=2**63 - 1)]
Retention = Annotated[int, Field(ge=0, le=2_592_000)]
Annotations = Annotated[dict[str, str], Field(max_length=50)]
EndpointType = Literal["read_write", "read_only"]
Provisioner = Literal["k8s-pod", "k8s-neonvm", "serverless-platform"]


# Stand where the document has no default; a field that was not given is never read.
_NO_TIME = datetime(1, 1, 1, tzinfo=UTC)


class Body(BaseModel):
    """A part of a request."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    def given(self) -> dict[str, Any]:
        """The fields that the request has, as plain values."""
        return self.model_dump(exclude_unset=True)


class Quota(Body):
    """ProjectQuota: 0 is unlimited, and nothing is below it."""

    active_time_seconds: Amount = 0
    compute_time_seconds: Amount = 0
    written_data_bytes: Amount = 0
    data_transfer_bytes: Amount = 0
    logical_size_bytes: Amount = 0


class AllowedIps(Body):
    """AllowedIps. Stored, not enforced: every client of the sandbox is on loopback."""

    ips: list[str] = []
    protected_branches_only: bool = False


class MaintenanceWindow(Body):
    """MaintenanceWindow, in UTC."""

    weekdays: list[Annotated[int, Field(ge=1, le=7)]]
    start_time: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
    end_time: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class PreloadLibraries(Body):
    """PreloadLibraries. Stored only."""

    use_defaults: bool = False
    enabled_libraries: list[str] = []


class Settings(Body):
    """ProjectSettingsData."""

    quota: Quota = Quota()
    allowed_ips: AllowedIps = AllowedIps()
    enable_logical_replication: bool = False
    maintenance_window: MaintenanceWindow = MaintenanceWindow(
        weekdays=[7], start_time="00:00", end_time="01:00"
    )
    block_public_connections: bool = False
    block_vpc_connections: bool = False
    audit_log_level: Literal["base", "extended", "full"] = "base"
    hipaa: bool = False
    preload_libraries: PreloadLibraries = PreloadLibraries()


class DefaultEndpointSettings(Body):
    """DefaultEndpointSettings."""

    pg_settings: dict[str, str] = {}
    pgbouncer_settings: dict[str, str] = {}
    autoscaling_limit_min_cu: ComputeUnit = 0.25
    autoscaling_limit_max_cu: ComputeUnit = 0.25
    suspend_timeout_seconds: SuspendTimeout = 0


class FirstBranch(Body):
    """The branch that a project begins with."""

    name: Name = "main"
    role_name: str = ""
    database_name: str = ""
    annotations: Annotations = {}


class NewProject(Body):
    """The content of ProjectCreateRequest."""

    settings: Settings = Settings()
    name: Name = ""
    branch: FirstBranch = FirstBranch()
    autoscaling_limit_min_cu: ComputeUnit = 0.25
    autoscaling_limit_max_cu: ComputeUnit = 0.25
    provisioner: Provisioner = "k8s-neonvm"
    region_id: str = ""
    default_endpoint_settings: DefaultEndpointSettings = DefaultEndpointSettings()
    pg_version: Annotated[int, Field(ge=14, le=18)] = 17
    store_passwords: bool = True
    history_retention_seconds: Retention = 0
    org_id: Id = ""


class ProjectCreate(Body):
    """ProjectCreateRequest."""

    project: NewProject


class ChangedProject(Body):
    """The content of ProjectUpdateRequest."""

    settings: Settings = Settings()
    name: Name = ""
    default_endpoint_settings: DefaultEndpointSettings = DefaultEndpointSettings()
    history_retention_seconds: Retention = 0


class ProjectUpdate(Body):
    """ProjectUpdateRequest."""

    project: ChangedProject


class EndpointSettings(Body):
    """EndpointSettingsData."""

    pg_settings: dict[str, str] = {}
    pgbouncer_settings: dict[str, str] = {}
    preload_libraries: PreloadLibraries = PreloadLibraries()


class BranchEndpoint(Body):
    """BranchCreateRequestEndpointOptions."""

    type: EndpointType
    settings: EndpointSettings = EndpointSettings()
    autoscaling_limit_min_cu: ComputeUnit = 0.25
    autoscaling_limit_max_cu: ComputeUnit = 0.25
    provisioner: Provisioner = "k8s-neonvm"
    suspend_timeout_seconds: SuspendTimeout = 0


class NewBranch(Body):
    """The branch part of BranchCreateRequest."""

    parent_id: Id = ""
    name: Name = ""
    parent_lsn: str = ""
    parent_timestamp: AwareDatetime = _NO_TIME
    protected: bool = False
    archived: bool = False
    init_source: Literal["schema-only", "parent-data"] = "parent-data"
    expires_at: AwareDatetime = _NO_TIME


class BranchCreate(Body):
    """BranchCreateRequest with AnnotationCreateValueRequest; all of it may be left out."""

    endpoints: list[BranchEndpoint] = []
    branch: NewBranch = NewBranch()
    annotation_value: Annotations = {}


class ChangedBranch(Body):
    """The content of BranchUpdateRequest; null takes the expiry away."""

    name: Name = ""
    protected: bool = False
    expires_at: AwareDatetime | None = None


class BranchUpdate(Body):
    """BranchUpdateRequest."""

    branch: ChangedBranch


class NewEndpoint(BranchEndpoint):
    """The content of EndpointCreateRequest."""

    branch_id: Id
    region_id: str = ""
    pooler_enabled: bool = False
    pooler_mode: Literal["transaction"] = "transaction"
    disabled: bool = False
    passwordless_access: bool = False
    name: Annotated[str, Field(min_length=1, max_length=64)] = ""


class EndpointCreate(Body):
    """EndpointCreateRequest."""

    endpoint: NewEndpoint


class ChangedEndpoint(Body):
    """The content of EndpointUpdateRequest, without branch_id: it is deprecated, and nobody needs it."""

    autoscaling_limit_min_cu: ComputeUnit = 0.25
    autoscaling_limit_max_cu: ComputeUnit = 0.25
    provisioner: Provisioner = "k8s-neonvm"
    settings: EndpointSettings = EndpointSettings()
    pooler_enabled: bool = False
    pooler_mode: Literal["transaction"] = "transaction"
    disabled: bool = False
    passwordless_access: bool = False
    suspend_timeout_seconds: SuspendTimeout = 0
    name: Annotated[str, Field(min_length=1, max_length=64)] = ""


class EndpointUpdate(Body):
    """EndpointUpdateRequest."""

    endpoint: ChangedEndpoint


class NewDatabase(Body):
    """The content of DatabaseCreateRequest."""

    name: Annotated[str, Field(min_length=1)]
    owner_name: Annotated[str, Field(min_length=1)]


class DatabaseCreate(Body):
    """DatabaseCreateRequest."""

    database: NewDatabase
