"""Conditions and reasons: the words in which the operator tells people how a tenant is doing."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from neon_tenants.api.schema import Model


class ConditionType(StrEnum):
    """The condition types of a TenantDatabase, readable by kstatus, Argo CD, Flux and `kubectl wait`."""

    READY = "Ready"
    """Everything is as the spec says: project, limits, Secret. A suspended tenant can be Ready."""
    AVAILABLE = "Available"
    """The Secret's URI can log in."""
    RECONCILING = "Reconciling"
    """The operator is working on it. Present only while True; or False, with the reason Paused."""
    STALLED = "Stalled"
    """A person must act. Present only while True."""
    QUOTA_NEAR = "QuotaNear"
    """A quota is used to the tier's warning percentage or beyond. Present only while True."""
    QUOTA_EXCEEDED = "QuotaExceeded"
    """A quota is used up. Present only while True."""


class ConditionStatus(StrEnum):
    """Kubernetes' three values of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Reason(StrEnum):
    """Why a condition is as it is. No other word is ever written."""

    PENDING = "Pending"
    """The operator has not looked yet. Stands in the CRD's default status."""
    PROVISIONING = "Provisioning"
    """The project is being created."""
    PROVISIONED = "Provisioned"
    """The project stands within its tier's limits and the Secret holds its login."""
    UPDATING = "Updating"
    """A changed tier, override or state is being applied."""
    SUSPENDED = "Suspended"
    """`spec.state` is Suspended: every endpoint is disabled."""
    RESUMING = "Resuming"
    """`spec.state` is Active again and the endpoints are being enabled."""
    DELETING = "Deleting"
    """The resource was deleted and its project is being deleted or released."""
    DELETION_HELD = "DeletionHeld"
    """The resource was deleted, but `deletionProtection` or the brake on mass deletions holds it."""
    PAUSED = "Paused"
    """Somebody said hands off: for this resource, for its namespace or for all."""

    ROLLED_OUT = "RolledOut"
    """On a tier: all its tenants have it as it is."""
    ROLLING_OUT = "RollingOut"
    """On a tier: a change is on its way to its tenants."""
    CONFIRMATION_NEEDED = "ConfirmationNeeded"
    """On a tier: the change would destroy restore points or shut tenants out. Nothing of it is done yet."""
    CANARY_FAILED = "CanaryFailed"
    """On a tier: one of the tenants that got a change first stalled. The others keep what they have."""
    TOO_MANY_FAILURES = "TooManyFailures"
    """On a tier: more tenants stalled than `rollout.maxFailures`. The others keep what they have."""

    TIER_NOT_FOUND = "TierNotFound"
    """`spec.tier` names no DatabaseTier. What is applied stays."""
    TIER_NOT_ALLOWED = "TierNotAllowed"
    """The tier is not for this namespace, or does not offer the PostgreSQL version."""
    TIER_FULL = "TierFull"
    """The tier's `maxTenantsPerNamespace` is used up by older tenants of this namespace."""
    REGION_NOT_ALLOWED = "RegionNotAllowed"
    """`spec.region` is not among the tier's regions."""
    OVERRIDE_NOT_ALLOWED = "OverrideNotAllowed"
    """`spec.overrides` asks for something that the tier does not allow, or for too much of it."""
    IMMUTABLE_FIELD_CHANGED = "ImmutableFieldChanged"
    """Region, PostgreSQL version or database differ from those of the project. Nothing is replaced."""
    SPEC_NOT_UNDERSTOOD = "SpecNotUnderstood"
    """A part of the spec was stored under another version's schema. Nothing is changed meanwhile."""
    SECRET_NOT_OURS = "SecretNotOurs"  # noqa: S105 - a reason, not a password
    """A Secret of that name exists that this operator did not write. It is never overwritten."""
    SECRET_CONFLICT = "SecretConflict"  # noqa: S105 - likewise
    """Another TenantDatabase of the namespace uses this Secret name."""
    PASSWORD_UNAVAILABLE = "PasswordUnavailable"  # noqa: S105 - likewise
    """Neon does not give the password back (not stored, or the role was dropped). A person must decide."""
    PROJECT_MISSING = "ProjectMissing"
    """The recorded project is gone. It is never replaced silently by an empty one."""
    PREVIOUS_PROJECT_FOUND = "PreviousProjectFound"
    """A project of an earlier resource of this name still stands, with its data."""
    NOT_OURS = "NotOurs"
    """The recorded project carries neither our name nor our birth certificate. It is not touched."""
    DUPLICATE_PROJECT = "DuplicateProject"
    """A second project bears our name but was not proven to be ours. It is reported, not deleted."""
    OPERATION_FAILED = "OperationFailed"
    """Neon refused the request, or one of its operations failed."""
    OUTCOME_UNKNOWN = "OutcomeUnknown"
    """A create was sent and its answer was lost. The operator looks and waits; it does not repeat."""
    PLAN_LIMIT_REACHED = "PlanLimitReached"
    """Neon's plan allows no more projects or no such value."""
    NEON_UNREACHABLE = "NeonUnreachable"
    """Neon did not answer, or is out of order. Retried with back-off."""
    CREDENTIALS_REJECTED = "CredentialsRejected"
    """Neon rejected the API key, it is a person's, or its file is missing. Recovers without a restart."""
    THROTTLED = "Throttled"
    """Neon's request limit is used up."""

    QUOTA_NEAR = "QuotaNear"
    """A quota of the tenant is used to the tier's `quotaWarningPercent` or beyond."""
    QUOTA_EXCEEDED = "QuotaExceeded"
    """A quota of the tenant is used up: its computes are suspended or, for storage, its writes fail."""
    DRIFT_REPAIRED = "DriftRepaired"
    """Somebody changed the project on Neon past this operator, and it was put back. An event only."""
    DRIFT_FOUND = "DriftFound"
    """Likewise, and it is left so, since the tier's `driftPolicy` is Report. An event only."""


class Condition(Model):
    """metav1.Condition."""

    type: str = Field(
        max_length=316,
        pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
        r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
        description="Ready, Available, Reconciling, Stalled, QuotaNear or QuotaExceeded.",
    )
    status: ConditionStatus = Field(description="True, False or Unknown.")
    reason: str = Field(
        min_length=1,
        max_length=1024,
        pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
        description="One word that says why.",
    )
    message: str = Field(max_length=32768, description="A sentence that says what to do.")
    last_transition_time: str = Field(
        description="When the status last changed.", json_schema_extra={"format": "date-time"}
    )
    observed_generation: int | None = Field(
        default=None, ge=0, description="The generation of the spec that this condition speaks of."
    )
