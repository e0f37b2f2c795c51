"""TenantDatabase: one tenant's Postgres, which is one Neon project."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field

from neon_tenants.api.conditions import Condition, ConditionStatus, ConditionType, Reason
from neon_tenants.api.database_tier import DeletionPolicy, Overrides
from neon_tenants.api.names import RESERVED_PREFIX
from neon_tenants.api.schema import (
    VALIDATIONS,
    DnsName,
    Model,
    PostgresVersion,
    RegionId,
    rule,
)

DEFAULT_DATABASE: Final = "app"
DEFAULT_POSTGRES_VERSION: Final = 17
"""Neon's own default (docs/neon.md, Projects)."""

MAX_NAME: Final = 200
"""`<name>-database`, the default Secret name, and names of later kinds stay within 253 characters."""

PLACEHOLDERS: Final = (
    "uri",
    "pooled_uri",
    "jdbc_uri",
    "pooled_jdbc_uri",
    "host",
    "pooled_host",
    "port",
    "database",
    "username",
    "password",
)
"""What `connectionSecret.extra` may name in braces."""

SECRET_KEYS: Final = (
    "type",
    "provider",
    "host",
    "port",
    "dbname",
    "database",
    "username",
    "password",
    "uri",
    "jdbc-uri",
    "pgpass",
    "pooled-host",
    "pooled-uri",
    "pooled-jdbc-uri",
)
"""The keys of every connection Secret: servicebinding.io's, CloudNativePG's, and the pooled ones."""


class State(StrEnum):
    """A person's decision about the tenant, apart from quotas and from idle computes."""

    ACTIVE = "Active"
    SUSPENDED = "Suspended"


_KEYS_OF: Final = (
    "self.all(k, size(k) <= 253 && k.matches('^([a-z0-9.-]+/)?[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$')"
    f" && !k.startsWith('{RESERVED_PREFIX}'))"
)
_STANDARD: Final = ", ".join(f"'{key}'" for key in SECRET_KEYS)
_EXTRA_VALUE: Final = "^([^{}]|[{](" + "|".join(PLACEHOLDERS) + ")[}])*$"


class ConnectionSecret(Model):
    """The Secret that holds the login. Always in the namespace of the TenantDatabase."""

    name: DnsName | None = Field(
        default=None,
        description="Name of the Secret. It cannot be changed. Left out: the name of this resource followed "
        "by -database. A Secret that exists already and is not ours is never overwritten.",
    )
    labels: dict[str, Annotated[str, Field(max_length=63)]] = Field(
        default_factory=dict,
        max_length=16,
        description="Labels for the Secret.",
        json_schema_extra={
            VALIDATIONS: [
                rule(_KEYS_OF, "keys must be label keys, and the prefix neontenants.io/ is reserved"),
                rule(
                    "self.all(k, self[k].matches('^(([A-Za-z0-9][A-Za-z0-9_.-]*)?[A-Za-z0-9])?$'))",
                    "values must be label values",
                ),
            ]
        },
    )
    annotations: dict[str, Annotated[str, Field(max_length=1024)]] = Field(
        default_factory=dict,
        max_length=16,
        description="Annotations for the Secret.",
        json_schema_extra={
            VALIDATIONS: [
                rule(_KEYS_OF, "keys must be annotation keys, and the prefix neontenants.io/ is reserved")
            ]
        },
    )
    extra: dict[str, Annotated[str, Field(max_length=1024)]] = Field(
        default_factory=dict,
        max_length=16,
        description="More keys for the Secret, such as DATABASE_URL: '{pooled_uri}'. Placeholders: "
        + ", ".join("{" + name + "}" for name in PLACEHOLDERS)
        + ".",
        json_schema_extra={
            VALIDATIONS: [
                rule(
                    "self.all(k, k.matches('^[A-Za-z0-9_.-]{1,253}$'))",
                    "keys must be at most 253 letters, digits, '-', '_' or '.'",
                ),
                rule(
                    f"self.all(k, !(k in [{_STANDARD}]))",
                    "these keys are written already: " + ", ".join(SECRET_KEYS),
                ),
                rule(
                    f"self.all(k, self[k].matches('{_EXTRA_VALUE}'))",
                    "values may name only these placeholders in braces: " + ", ".join(PLACEHOLDERS),
                ),
            ]
        },
    )


def _immutable(path: str, message: str) -> dict[str, Any]:
    """A rule on the whole spec: one on the optional field itself is skipped when it appears or goes."""
    parts = path.split(".")
    parents = [".".join(parts[: depth + 1]) for depth in range(len(parts))]
    present = {who: " && ".join(f"has({who}.{part})" for part in parents) for who in ("self", "oldSelf")}
    expression = (
        f"({present['self']}) == ({present['oldSelf']})"
        f" && (!({present['self']}) || self.{path} == oldSelf.{path})"
    )
    return rule(expression, message, fieldPath="." + path)


class TenantDatabaseSpec(Model):
    """What the tenant gets. The operator never writes here."""

    model_config = ConfigDict(
        json_schema_extra={
            VALIDATIONS: [
                _immutable("region", "the region of a database cannot be changed"),
                _immutable("postgresVersion", "the PostgreSQL version of a database cannot be changed"),
                _immutable("database", "the name of the database cannot be changed"),
                _immutable("connectionSecret.name", "the name of the connection Secret cannot be changed"),
                rule(
                    "!has(self.database) || !(self.database in ['postgres', 'template0', 'template1'])",
                    "postgres, template0 and template1 are PostgreSQL's own",
                    fieldPath=".database",
                ),
            ]
        }
    )

    tier: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")] = (
        Field(description="Name of the DatabaseTier: the pricing plan. Changing it moves the tenant.")
    )
    region: RegionId | None = Field(
        default=None,
        description="Neon region, such as aws-us-east-2. It cannot be changed. Left out: the tier's first.",
    )
    postgres_version: PostgresVersion | None = Field(
        default=None,
        description="PostgreSQL major version. It cannot be changed. Left out: the tier's first, or 17.",
    )
    database: Annotated[str, Field(max_length=57, pattern=r"^[a-z_][a-z0-9_]*$")] | None = Field(
        default=None,
        description="Name of the database. It cannot be changed. Left out: app. Its owner is the role "
        "<database>_owner.",
    )
    state: State | None = Field(
        default=None,
        description="Active (the default), or Suspended: every compute is disabled and logins are refused, "
        "with the data kept. For non-payment or abuse.",
    )
    connection_secret: ConnectionSecret | None = Field(
        default=None, description="The Secret that holds the login."
    )
    overrides: Overrides | None = Field(
        default=None, description="Deviations from the tier, only as far as the tier allows."
    )
    deletion_policy: DeletionPolicy | None = Field(
        default=None,
        description="What becomes of the Neon project when this resource is deleted: Delete, or Retain. "
        "Left out: what the tier says; Retain when the tier is gone.",
    )
    deletion_protection: bool | None = Field(
        default=None,
        description="When true, a deletion of this resource is held, and its database kept, until this is "
        "set to false.",
    )


class AppliedTier(Model):
    """The tier whose limits the project has, which may lag behind the one asked for."""

    name: str = Field(max_length=63, description="Name of the DatabaseTier.")
    generation: int = Field(ge=0, description="Generation of the DatabaseTier.")
    not_taken: list[Annotated[str, Field(max_length=64)]] = Field(
        default_factory=list,
        max_length=8,
        description="Settings that Neon accepted and then stored otherwise, because the plan of the Neon "
        "organization does not have them.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    waiting: list[Annotated[str, Field(max_length=64)]] = Field(
        default_factory=list,
        max_length=8,
        description="Settings of the tier that are applied when the compute is idle, since they restart it.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )


class Binding(Model):
    """servicebinding.io's Provisioned Service: where the login is."""

    name: str = Field(max_length=253, description="Name of the connection Secret.")


class Meter(Model):
    """How much of one quota is used."""

    used: int = Field(ge=0, description="Seconds or bytes, as Neon last told.")
    limit: int | None = Field(default=None, ge=0, description="Seconds or bytes. Left out: unlimited.")
    percent: int | None = Field(
        default=None, ge=0, le=1_000_000, description="Of the limit, rounded down. Left out: unlimited."
    )


class Usage(Model):
    """What the tenant has used of its quotas. Written when it changed by 5 points or crossed a threshold."""

    period_end: str | None = Field(
        default=None,
        description="When Neon's billing period ends and all but the storage begins again at 0.",
        json_schema_extra={"format": "date-time"},
    )
    compute_time: Meter | None = Field(default=None, description="Compute time, in seconds.")
    active_time: Meter | None = Field(default=None, description="Active time, in seconds.")
    storage_per_branch: Meter | None = Field(
        default=None, description="Logical size of the largest branch, in bytes."
    )
    written_data: Meter | None = Field(default=None, description="Data written, in bytes.")
    data_transfer: Meter | None = Field(default=None, description="Data sent out, in bytes.")


class TenantDatabaseStatus(Model):
    """What the operator found and did."""

    observed_generation: int | None = Field(
        default=None, ge=-1, description="The generation of the spec that this status speaks of."
    )
    conditions: list[Condition] = Field(
        default_factory=list,
        max_length=16,
        description="Ready, Available, and while they are true Reconciling, Stalled, QuotaNear and "
        "QuotaExceeded.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    project_id: str | None = Field(default=None, max_length=64, description="The Neon project.")
    branch_id: str | None = Field(default=None, max_length=64, description="Its branch.")
    endpoint_id: str | None = Field(default=None, max_length=64, description="Its compute endpoint.")
    host: str | None = Field(default=None, max_length=253, description="Host name for direct connections.")
    region: str | None = Field(default=None, max_length=64, description="Region of the project.")
    postgres_version: int | None = Field(default=None, description="PostgreSQL version of the project.")
    database: str | None = Field(default=None, max_length=63, description="Name of the database.")
    tier: AppliedTier | None = Field(default=None, description="The tier that is applied.")
    binding: Binding | None = Field(default=None, description="The connection Secret.")
    suspended: bool | None = Field(default=None, description="Whether every compute is disabled.")
    usage: Usage | None = Field(default=None, description="What is used of each quota.")
    released_projects: list[Annotated[str, Field(max_length=64)]] = Field(
        default_factory=list,
        max_length=8,
        description="Projects that this resource gave up when an earlier one was bound in their place. They "
        "are released with their data, and never deleted.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    last_handled_reconcile_at: str | None = Field(
        default=None,
        max_length=1024,
        description="The value of the annotation neontenants.io/reconcile-requested-at last answered.",
    )
    shard: str | None = Field(
        default=None,
        max_length=16,
        description="Internal: the part of the fleet that the resource is in, where replicas share it. It "
        "follows from the uid.",
    )
    resolved_intent: str | None = Field(
        default=None,
        max_length=64,
        description="Internal: the create intent whose outcome is known. A deletion need not wait for it.",
    )


INITIAL_STATUS: Final[dict[str, Any]] = {
    "observedGeneration": -1,
    "conditions": [
        {
            "type": ConditionType.READY.value,
            "status": ConditionStatus.UNKNOWN.value,
            "reason": Reason.PENDING.value,
            "message": "Waiting for the operator.",
            "lastTransitionTime": "1970-01-01T00:00:00Z",
        }
    ],
}
"""The CRD's default status: a fresh resource reads as in progress before anybody wrote to it."""


class TenantDatabase(Model):
    """One tenant's Postgres database on Neon, held to its tier's limits."""

    model_config = ConfigDict(
        json_schema_extra={
            VALIDATIONS: [
                rule(
                    f"size(self.metadata.name) <= {MAX_NAME}",
                    f"the name must be at most {MAX_NAME} characters, so that the names of the Secret and of "
                    "branches that are made from it stay within Kubernetes' 253",
                )
            ]
        }
    )

    metadata: dict[str, Any]
    spec: TenantDatabaseSpec = Field(description="What the tenant gets. The operator never writes here.")
    status: TenantDatabaseStatus = Field(
        default_factory=TenantDatabaseStatus,
        description="What the operator found and did.",
        json_schema_extra={"default": INITIAL_STATUS},
    )
