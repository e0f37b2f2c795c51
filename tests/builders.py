"""Worlds for tests: everything has a default, so that a test names only what it is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from neon_tenants.api import names
from neon_tenants.api.conditions import Condition, ConditionStatus
from neon_tenants.api.database_tier import DatabaseTierSpec
from neon_tenants.api.tenant_database import (
    AppliedTier,
    Binding,
    TenantDatabaseSpec,
    TenantDatabaseStatus,
)
from neon_tenants.core import plan
from neon_tenants.core.connection import Connection
from neon_tenants.core.entitlement import Tier
from neon_tenants.core.intent import Attempt, Intent, Sent, Sighting
from neon_tenants.core.knowledge import Knowledge
from neon_tenants.core.marker import Certificate, Marker
from neon_tenants.core.observed import Lookup, Observed, Tenant
from neon_tenants.core.project import ComputeSettings, Endpoint, Limits, Project
from neon_tenants.core.quota import Quota
from neon_tenants.core.secret import Absent, Ours, SecretObject, SecretState, render, state_of
from neon_tenants.core.steps import Rest

UID = "8c1f5f0e-1d2c-4b3a-9a4e-0123456789ab"
OTHER_UID = "11111111-2222-4333-8444-555555555555"
CLUSTER = "prod"
NOW = 1000.0
LIFETIME = 300.0
MARKER = Marker(CLUSTER, "tenants", "acme", UID)
PREDECESSOR = Marker(CLUSTER, "tenants", "acme", OTHER_UID)

LIMITS = Limits(
    quota=Quota(
        compute_time_seconds=360_000,
        active_time_seconds=0,
        logical_size_bytes=512 * 1024**2,
        written_data_bytes=1024**3,
        data_transfer_bytes=5 * 1024**3,
    ),
    compute=ComputeSettings(0.25, 0.25, 300),
    retention_seconds=21_600,
)

CONNECTION = Connection(
    host="ep-cool-1.us-east-2.aws.neon.tech",
    pooled_host="ep-cool-1-pooler.us-east-2.aws.neon.tech",
    port=5432,
    database="app",
    username="app_owner",
    password="npg_Secret123",
    parameters=(("sslmode", "require"), ("channel_binding", "require")),
)


def tier_spec(**changes: Any) -> DatabaseTierSpec:
    """The guide's Free plan."""
    spec: dict[str, Any] = {
        "compute": {"minCU": 0.25, "maxCU": 0.25, "suspendAfter": "5m"},
        "quota": {
            "computeTime": "100h",
            "activeTime": "Unlimited",
            "storagePerBranch": "512Mi",
            "writtenData": "1Gi",
            "dataTransfer": "5Gi",
        },
        "historyRetention": "6h",
        "regions": ["aws-us-east-2", "aws-eu-central-1"],
        "postgresVersions": [17, 18],
    }
    return DatabaseTierSpec.model_validate(spec | changes)


def tier(name: str = "free", generation: int = 1, **changes: Any) -> Tier:
    return Tier(name, generation, tier_spec(**changes))


def status(**changes: Any) -> TenantDatabaseStatus:
    """A status that says: all of it is applied."""
    settled: dict[str, Any] = {
        "observed_generation": 1,
        "conditions": [condition("Ready", "True"), condition("Available", "True")],
        "project_id": "cool-project-1",
        "tier": AppliedTier(name="free", generation=1),
        "binding": Binding(name="acme-database"),
        "suspended": False,
        "database": "app",
    }
    return TenantDatabaseStatus(**settled | changes)


def condition(kind: str, value: str, reason: str = "Provisioned", **changes: Any) -> Condition:
    return Condition(
        type=kind,
        status=ConditionStatus(value),
        reason=reason,
        message=changes.pop(
            "message", "The project stands within tier free; the Secret acme-database logs in."
        ),
        last_transition_time=changes.pop("since", "2026-01-01T00:00:00Z"),
        observed_generation=changes.pop("generation", 1),
    )


def tenant(spec: Mapping[str, Any] | None = None, **changes: Any) -> Tenant:
    """A tenant of the Free tier with our finalizer and a fresh status."""
    fresh = Tenant(
        namespace="tenants",
        name="acme",
        uid=UID,
        resource_version="7",
        generation=1,
        created=0.0,
        deleting=False,
        finalizers=(names.FINALIZER,),
        annotations={},
        spec=TenantDatabaseSpec.model_validate({"tier": "free", **(spec or {})}),
        status=TenantDatabaseStatus(),
    )
    return replace(fresh, **changes)


def project(project_id: str = "cool-project-1", **changes: Any) -> Project:
    """A project that is ours and stands within the Free tier's limits."""
    ours = Project(
        id=project_id,
        name=MARKER.project_name,
        created_at="2026-01-01T00:00:00Z",
        region="aws-us-east-2",
        postgres_version=17,
        quota=LIMITS.quota,
        defaults=LIMITS.compute,
        retention_seconds=LIMITS.retention_seconds,
        complete=True,
    )
    return replace(ours, **changes)


def endpoint(endpoint_id: str = "ep-cool-1", **changes: Any) -> Endpoint:
    standing = Endpoint(
        id=endpoint_id,
        branch_id="br-main-1",
        host=CONNECTION.host,
        read_write=True,
        compute=LIMITS.compute,
        disabled=False,
    )
    return replace(standing, **changes)


def lookup(*projects: Project, fresh: bool = True, **changes: Any) -> Lookup:
    return Lookup(projects, fresh=fresh, **changes)


def certificate(marker: Marker = MARKER) -> Certificate:
    return Certificate.of(marker)


def secret_object(
    connection: Connection = CONNECTION,
    *,
    uid: str = UID,
    name: str = "acme",
    project_id: str = "cool-project-1",
    **changes: Any,
) -> SecretObject:
    """A Secret as we write it."""
    content = render(connection, tenant().secret_wishes, uid=uid, name=name, project_id=project_id)
    written = SecretObject(
        type=names.SECRET_TYPE,
        data=content.data,
        labels=content.labels,
        annotations=content.annotations,
        owner_uids=(),
        resource_version="9",
        immutable=False,
    )
    return replace(written, **changes)


def ours(**changes: Any) -> Ours:
    """Our Secret, up to date."""
    state = state_of(secret_object(**changes), uid=UID, name="acme")
    assert isinstance(state, Ours)
    return state


def intent(nonce: str = "nonce-1", *, lifetime: float = LIFETIME, uid: str = UID) -> Intent:
    return Intent(nonce=nonce, holder="somebody", uid=uid, lifetime=lifetime, started="2026-01-01T00:00:00Z")


def attempt(nonce: str = "nonce-1", *, started: float = NOW, sent: Sent = Sent.NOT_YET) -> Attempt:
    return Attempt(nonce, started, LIFETIME, sent)


def sighting(nonce: str = "nonce-1", *, since: float = NOW) -> Sighting:
    return Sighting(nonce, since, LIFETIME)


def observed(**changes: Any) -> Observed:
    """A tenant that is wanted, of a tier that exists, with nothing read from Neon yet."""
    secret: SecretState = Absent()
    world = Observed(
        cluster=CLUSTER,
        now=NOW,
        intent_lifetime=LIFETIME,
        age=10.0,
        tenant=tenant(),
        tier=tier(),
        namespace_labels=None,
        older_tenants=None,
        secret=secret,
        knowledge=Knowledge(),
    )
    return replace(world, **changes)


def bound(**changes: Any) -> Observed:
    """A tenant whose project stands, with its Secret, and whose status is yet to be written."""
    world: dict[str, Any] = {
        "lookup": lookup(project()),
        "endpoints": (endpoint(),),
        "secret": ours(),
    }
    world |= changes
    # A process that made it has seen Neon's work end; of one that was told long ago none knows anything.
    told = world.get("tenant", tenant()).status.binding is not None
    return observed(**{"knowledge": Knowledge(operations=None if told else ())} | world)


def resting(world: Observed) -> Rest:
    """What the plan rests with."""
    step = plan.next_step(world)
    assert isinstance(step, Rest), step
    return step
