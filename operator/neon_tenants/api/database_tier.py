"""DatabaseTier: a pricing plan as the platform defines it, like a StorageClass."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from neon_tenants.api.conditions import Condition
from neon_tenants.api.schema import (
    VALIDATIONS,
    ByteQuota,
    ComputeSize,
    HistoryRetention,
    Model,
    PostgresVersion,
    RegionId,
    SuspendAfter,
    TimeQuota,
    rule,
)


class DeletionPolicy(StrEnum):
    """What becomes of the Neon project when its TenantDatabase is deleted."""

    DELETE = "Delete"
    RETAIN = "Retain"


class DriftPolicy(StrEnum):
    """What becomes of a setting that somebody changed on Neon past this operator."""

    REPAIR = "Repair"
    REPORT = "Report"


class ComputeRollout(StrEnum):
    """When a changed compute size reaches a tenant: it restarts the compute and ends its connections."""

    WHEN_IDLE = "WhenIdle"
    IMMEDIATELY = "Immediately"


class Compute(Model):
    """The computes of a tenant."""

    model_config = ConfigDict(
        json_schema_extra={
            VALIDATIONS: [
                rule("self.minCU <= self.maxCU", "minCU must not be above maxCU"),
                rule(
                    "self.maxCU - self.minCU <= 8.0",
                    "Neon scales over at most 8 CU: bring minCU and maxCU closer together",
                ),
                rule(
                    "self.maxCU <= 16.0 || self.minCU == self.maxCU",
                    "above 16 CU a compute cannot scale: minCU must equal maxCU",
                ),
            ]
        }
    )

    min_cu: ComputeSize = Field(
        alias="minCU", description="The smallest size in CU. 1 CU is about 4 GB of memory."
    )
    max_cu: ComputeSize = Field(
        alias="maxCU", description="The largest size in CU; Neon scales in between by load."
    )
    suspend_after: SuspendAfter = Field(
        description="Idle time after which the compute is suspended, from 1m to 168h, or Never. "
        "The next connection wakes it."
    )


class Quota(Model):
    """What a tenant may use. All five are required: a forgotten one must not mean unlimited."""

    compute_time: TimeQuota = Field(
        description="Compute time (CU seconds) per billing period, such as 100h, or Unlimited. "
        "When it is used up, the computes are suspended until the period ends or the quota is raised."
    )
    active_time: TimeQuota = Field(
        description="Wall-clock time with an active compute per billing period, such as 300h, or Unlimited. "
        "When it is used up, the computes are suspended until the period ends or the quota is raised."
    )
    storage_per_branch: ByteQuota = Field(
        description="Logical size of each branch, such as 512Mi, or Unlimited. It never resets; past it "
        "writes fail, reads and deletes go on."
    )
    written_data: ByteQuota = Field(
        description="Data written per billing period over all branches, such as 1Gi, or Unlimited. "
        "When it is used up, the computes are suspended."
    )
    data_transfer: ByteQuota = Field(
        description="Data sent out per billing period, such as 5Gi, or Unlimited. When it is used up, "
        "the computes are suspended."
    )


class QuotaOverrides(Model):
    """Quotas that replace those of the tier, each of them optional."""

    compute_time: TimeQuota | None = Field(default=None, description="Compute time per billing period.")
    active_time: TimeQuota | None = Field(default=None, description="Active time per billing period.")
    storage_per_branch: ByteQuota | None = Field(default=None, description="Logical size of each branch.")
    written_data: ByteQuota | None = Field(default=None, description="Data written per billing period.")
    data_transfer: ByteQuota | None = Field(default=None, description="Data sent out per billing period.")


class ComputeOverrides(Model):
    """Compute settings that replace those of the tier."""

    max_cu: ComputeSize | None = Field(default=None, alias="maxCU", description="The largest size in CU.")


class Overrides(Model):
    """Deviations from the tier. On a tier: the most that a tenant may ask for."""

    quota: QuotaOverrides | None = Field(default=None, description="Quotas.")
    compute: ComputeOverrides | None = Field(default=None, description="Compute sizes.")


LabelValue = Annotated[str, Field(max_length=63, pattern=r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")]


class NamespaceSelector(Model):
    """Which namespaces may use the tier, by labels that tenants cannot edit."""

    match_labels: dict[str, LabelValue] = Field(
        min_length=1,
        max_length=16,
        description="Labels that the Namespace must carry, all of them.",
    )


class Rollout(Model):
    """How a change of the tier reaches its tenants."""

    compute: ComputeRollout | None = Field(
        default=None,
        description="When a changed compute size reaches a tenant: WhenIdle (the default) waits until its "
        "compute is suspended, since another size restarts it and ends its connections. Or Immediately.",
    )
    canary_percent: int | None = Field(
        default=None,
        ge=0,
        le=100,
        description="Share of the tenants that a change reaches first, at least one. The rest follow when "
        "all of these are ready. Left out: 1.",
    )
    max_failures: int | None = Field(
        default=None,
        ge=0,
        le=100_000,
        description="A rollout with more failed tenants than this stops until a person lets it go on. "
        "Left out: 5.",
    )


class DatabaseTierSpec(Model):
    """A pricing plan: what its tenants get, and how far they may deviate."""

    compute: Compute = Field(description="Sizes and suspension of the computes.")
    quota: Quota = Field(
        description="What a tenant may use, as quotas of its Neon project. All five are required."
    )
    history_retention: HistoryRetention = Field(
        description="How far back a point-in-time restore can go, at most 720h. "
        "Making it shorter destroys restore points."
    )
    regions: list[RegionId] = Field(
        default_factory=list,
        max_length=32,
        description="Neon regions for new tenants, such as aws-us-east-2. The first is the default. "
        "Left out or empty: any region, with Neon's default.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    postgres_versions: list[PostgresVersion] = Field(
        default_factory=list,
        max_length=8,
        description="PostgreSQL versions for new tenants. The first is the default. "
        "Left out or empty: any version, with 17 as the default.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    deletion_policy: DeletionPolicy | None = Field(
        default=None,
        description="What becomes of the Neon project when a tenant is deleted, where the tenant does not "
        "say: Retain releases it with its data (the default), Delete deletes it (Neon keeps it recoverable "
        "for 7 days).",
    )
    overrides: Overrides | None = Field(
        default=None, description="The most that a tenant may ask for in its own overrides. Left out: none."
    )
    namespace_selector: NamespaceSelector | None = Field(
        default=None, description="Which namespaces may use this tier. Left out: all."
    )
    max_tenants_per_namespace: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="How many tenants of one namespace may use this tier; the oldest come first. "
        "Left out: no limit.",
    )
    quota_warning_percent: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="From which share of a quota on a tenant's condition QuotaNear is true. Left out: 80.",
    )
    drift_policy: DriftPolicy | None = Field(
        default=None,
        description="What becomes of a setting that somebody changed on Neon past this operator: Repair "
        "(the default) puts it back, Report only says so in an event. What the spec asks for is always done.",
    )
    rollout: Rollout | None = Field(
        default=None, description="How a change of this tier reaches its tenants."
    )


class RolloutPhase(StrEnum):
    """How far a rollout is."""

    CANARY = "Canary"
    ROLLING = "Rolling"
    PAUSED = "Paused"
    DONE = "Done"


class RolloutStatus(Model):
    """The tier's latest change on its way to the tenants."""

    generation: int = Field(ge=0, description="Generation of the tier that is rolled out.")
    phase: RolloutPhase = Field(description="Canary, Rolling, Paused or Done.")
    started: str = Field(
        description="When it began.",
        json_schema_extra={"format": "date-time"},
    )
    updated: int = Field(ge=0, description="Tenants that have it.")
    total: int = Field(ge=0, description="Tenants of the tier.")
    waiting: int = Field(
        default=0,
        ge=0,
        description="Tenants that have all of it but the size of their compute, which waits for idle.",
    )
    failed: int = Field(ge=0, description="Tenants that it stalled: a person must look at them.")
    paused_reason: str | None = Field(
        default=None, max_length=64, description="Why it is paused, in one word."
    )
    confirmed: int | None = Field(
        default=None,
        ge=0,
        description="The generation that a person has let go on after a pause.",
    )
    forgiven: int = Field(
        default=0, ge=0, description="Failures that a person has accepted: only further ones pause it again."
    )


class DatabaseTierStatus(Model):
    """What the operator found and did."""

    observed_generation: int | None = Field(
        default=None, ge=0, description="The generation of the spec that this status speaks of."
    )
    tenants: int | None = Field(default=None, ge=0, description="Tenants that ask for this tier.")
    rollout: RolloutStatus | None = Field(default=None, description="The latest change on its way.")
    conditions: list[Condition] = Field(
        default_factory=list,
        max_length=16,
        description="Ready, and while they are true Reconciling and Stalled.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )


class DatabaseTier(Model):
    """A pricing plan for TenantDatabases, defined by the platform."""

    model_config = ConfigDict(
        json_schema_extra={
            VALIDATIONS: [
                rule("size(self.metadata.name) <= 63", "the name of a tier must be at most 63 characters")
            ]
        }
    )

    metadata: dict[str, Any]
    spec: DatabaseTierSpec = Field(description="What the tenants of this tier get.")
    status: DatabaseTierStatus = Field(
        default_factory=DatabaseTierStatus, description="What the operator found and did."
    )
