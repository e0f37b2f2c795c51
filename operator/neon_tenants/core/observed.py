"""One tenant's world, as far as it was read: the only input of the plan.

Reads are steps of the plan as well: a part that is None was not read yet, and the plan asks for it
when a decision hangs on it. So a settled tenant costs no request, and the decision table is complete.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from neon_tenants.api import names
from neon_tenants.api.conditions import ConditionStatus, ConditionType, Reason
from neon_tenants.api.database_tier import DeletionPolicy
from neon_tenants.api.tenant_database import (
    DEFAULT_DATABASE,
    AppliedTier,
    ConnectionSecret,
    State,
    TenantDatabaseSpec,
    TenantDatabaseStatus,
)
from neon_tenants.core.connection import Connection
from neon_tenants.core.entitlement import Tier
from neon_tenants.core.intent import IntentState, decode, intent_state
from neon_tenants.core.key import Key
from neon_tenants.core.knowledge import Knowledge
from neon_tenants.core.marker import Certificate, Marker
from neon_tenants.core.note import Note
from neon_tenants.core.project import Endpoint, Project
from neon_tenants.core.secret import SecretState


@dataclass(frozen=True, slots=True)
class Tenant:
    """A TenantDatabase as it was read."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    generation: int
    created: float
    """Seconds of the epoch, by the API server's clock."""
    deleting: bool
    finalizers: tuple[str, ...]
    annotations: Mapping[str, str]
    spec: TenantDatabaseSpec
    status: TenantDatabaseStatus
    marked: float | None = None
    """When it was marked for deletion, in seconds of the epoch by the API server's clock."""
    unread: frozenset[str] = frozenset()
    """Parts of the spec that another version's schema let through, and that `spec` leaves out."""
    vanished: bool = False
    """Whether it is gone although our finalizer stood (docs/protocol.md, rule 15)."""

    @property
    def key(self) -> Key:
        """Its place, which another resource may take after it."""
        return Key(self.namespace, self.name)

    @property
    def version(self) -> int:
        """The resourceVersion as a number, so that versions can be ordered; 0 if it is none."""
        return int(self.resource_version) if self.resource_version.isdigit() else 0

    @property
    def has_finalizer(self) -> bool:
        """Whether our finalizer stands."""
        return names.FINALIZER in self.finalizers

    @property
    def paused(self) -> bool:
        """Whether a person said hands off."""
        return self.annotations.get(names.PAUSED) == "true"

    @property
    def requested_at(self) -> str | None:
        """The value of the annotation that asks for a thorough look."""
        value = self.annotations.get(names.RECONCILE_REQUESTED_AT)
        return None if value is None else value[:1024]

    @property
    def thorough(self) -> bool:
        """Whether a thorough look was asked for and not answered yet."""
        return self.requested_at is not None and self.requested_at != self.status.last_handled_reconcile_at

    @property
    def secret_wishes(self) -> ConnectionSecret:
        """What the tenant wishes for its Secret."""
        return self.spec.connection_secret or ConnectionSecret()

    @property
    def secret_name(self) -> str:
        """Name of the connection Secret."""
        told = self.status.binding if "connectionSecret" in self.unread else None
        return self.secret_wishes.name or (told.name if told else f"{self.name}-database")

    @property
    def database(self) -> str:
        """Name of the database."""
        return self.spec.database or DEFAULT_DATABASE

    @property
    def role(self) -> str:
        """The database's owner; Neon's own default (docs/neon.md, Projects)."""
        return f"{self.database}_owner"

    @property
    def suspended(self) -> bool:
        """Whether a person wants it suspended."""
        return self.spec.state is State.SUSPENDED

    def deletion_policy(self, tier: Tier | None) -> DeletionPolicy:
        """What becomes of the project: the tenant's word, else the tier's, else it is kept.

        A word that is not understood is taken for the careful one.
        """
        if "deletionPolicy" in self.unread:
            return DeletionPolicy.RETAIN
        from_tier = tier.spec.deletion_policy if tier else None
        return self.spec.deletion_policy or from_tier or DeletionPolicy.RETAIN


@dataclass(frozen=True, slots=True)
class Lookup:
    """A complete answer to: which projects are of our place, or recorded?"""

    projects: tuple[Project, ...]
    """Alive, oldest first."""
    fresh: bool
    """Whether it began after the resource was read; an older one only says that nothing is to do."""
    recoverable: tuple[Project, ...] | None = None
    """Deleted within the last 7 days; None where nobody looked."""

    def find(self, project_id: str | None) -> Project | None:
        """The living project with this id."""
        return next((project for project in self.projects if project.id == project_id), None)

    def with_project(self, changed: Project) -> Lookup:
        """The same, with what an answer of Neon said about one project since."""
        kept = (project for project in self.projects if project.id != changed.id)
        return replace(self, projects=(changed, *kept))


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that the plan may know."""

    cluster: str
    now: float
    """This process's monotonic clock."""
    intent_lifetime: float
    age: float
    """Seconds since the resource was made, by the wall clock. Only ever asks for a further look."""
    tenant: Tenant
    tier: Tier | None
    namespace_labels: Mapping[str, str] | None
    older_tenants: int | None
    """How many of its namespace come before it in the tier; None where that has no limit, or it is in."""
    secret: SecretState | None = None
    knowledge: Knowledge = field(default_factory=Knowledge)
    note: Note = field(default_factory=Note)
    lookup: Lookup | None = None
    pause: str | None = None
    """Why nothing may be changed, where the namespace, a setting or the API server says so."""
    brake: str | None = None
    """Why the deletion of the project is held back, where too many were marked at once."""
    certificates: Mapping[str, Certificate | None] = field(default_factory=dict)
    """Birth certificates that were read, by project id; None for a project that has none."""
    endpoints: tuple[Endpoint, ...] | None = None
    connection: Connection | None = field(default=None, repr=False)
    admitted: bool = True
    """Whether the tier, as it is now, may be applied; false until a rollout reaches the tenant."""
    shard: str | None = None
    """What the status is to tell of the tenant's shard; None where the fleet is not split."""
    secret_refused: bool = False
    """Whether this pass was forbidden to create the Secret, as in a namespace that is being deleted."""
    let_go: Mapping[str, str] = field(default_factory=dict)
    """Projects that this pass has deleted or released, by id, with the names that they bore. A list that lags
    behind may still show them."""

    @property
    def not_taken(self) -> frozenset[str]:
        """Settings that Neon did not take when this tier was applied: asking again would never end."""
        applied, tier = self.tenant.status.tier, self.tier
        if (
            applied is None
            or tier is None
            or (applied.name, applied.generation) != (tier.name, tier.generation)
        ):
            return self.knowledge.not_taken
        return self.knowledge.not_taken | frozenset(applied.not_taken)

    @property
    def marker(self) -> Marker:
        """The name that makes a project ours."""
        return Marker(self.cluster, self.tenant.namespace, self.tenant.name, self.tenant.uid)

    @property
    def intent_state(self) -> IntentState:
        """What the create intent allows this process to do now."""
        return intent_state(
            seen=decode(self.tenant.annotations.get(names.INTENT), self.tenant.uid),
            sighting=self.knowledge.sighting,
            attempt=self.knowledge.attempt,
            resolved=self.tenant.status.resolved_intent,
            now=self.now,
        )

    @property
    def owed(self) -> frozenset[str]:
        """Settings of the tier as it is that wait until the tenant's compute is idle."""
        applied, tier = self.tenant.status.tier, self.tier
        if applied is None or tier is None:
            return frozenset()
        same = (applied.name, applied.generation) == (tier.name, tier.generation)
        return frozenset(applied.waiting if same else ())

    @property
    def applied(self) -> bool:
        """Whether the status says that all of this was applied already."""
        return is_settled(self.tenant, self.tier, admitted=self.admitted)

    @property
    def settled(self) -> bool:
        """Whether all of this was applied already, so that nothing need be read.

        Not where a pass wrote to Neon and then lost against a newer spec: that one's status does not speak of
        what it did.
        """
        return self.applied and not self.knowledge.wrote

    @property
    def only_follows(self) -> bool:
        """Whether all that is to be done is to follow the tier: the Secret says nothing about that.

        It stands as it did when spec and tier were applied last; looks in passing go on reading it.
        """
        tenant, status = self.tenant, self.tenant.status
        return (
            self.admitted
            and is_pending(status.tier, self.tier)
            and is_settled(tenant, self.tier, admitted=False)
            and status.project_id is not None
            and status.binding is not None
        )

    @property
    def held(self) -> bool:
        """Whether the status says that spec and tier were applied before: what differs now is drift.

        Also of a deletion that is held: where deletionProtection holds it, its database is kept up.
        """
        tenant = self.tenant
        kept_up = tenant.deleting and _is_told_held(tenant.status) and _is_applied(tenant, self.tier)
        return kept_up or is_held(tenant, self.tier)


def is_untouched(tenant: Tenant) -> bool:
    """Whether no operator has ever written to it, so that it may be decided on as the watch told it.

    The first thing that is done to it is a compare-and-swap: whoever was told something old loses that, and
    reads. What was touched is always read: its next step may be one that cannot be taken back.
    """
    return (
        not tenant.deleting
        and not tenant.has_finalizer
        and not tenant.unread
        and names.INTENT not in tenant.annotations
        and tenant.status.project_id is None
        and tenant.status.tier is None
    )


def is_pending(applied: AppliedTier | None, tier: Tier | None) -> bool:
    """Whether only a rollout of its own tier may change the tenant: it has the tier of another generation.

    A new tenant, and one that a person moves to another tier, gets the tier as it is.
    """
    if applied is None or tier is None:
        return False
    return applied.name == tier.name and applied.generation != tier.generation


def is_held(tenant: Tenant, tier: Tier | None, *, admitted: bool = True) -> bool:
    """Whether the spec and the tier, as they are now, were applied once. A requested look changes nothing.

    While a rollout has not reached the tenant (not `admitted`), the generation before is as good.
    """
    ready = any(
        c.type == ConditionType.READY and c.status is ConditionStatus.TRUE for c in tenant.status.conditions
    )
    return not tenant.deleting and ready and _is_applied(tenant, tier, admitted=admitted)


def _is_applied(tenant: Tenant, tier: Tier | None, *, admitted: bool = True) -> bool:
    status = tenant.status
    applied = status.tier
    return (
        status.observed_generation == tenant.generation
        and tier is not None
        and applied is not None
        and applied.name == tier.name
        and not (admitted and is_pending(applied, tier))
        and status.suspended is tenant.suspended
    )


def _is_told_held(status: TenantDatabaseStatus) -> bool:
    return any(c.type == ConditionType.READY and c.reason == Reason.DELETION_HELD for c in status.conditions)


def is_told_paused(status: TenantDatabaseStatus) -> bool:
    """Whether the status says hands off. Reconciling is False for no other reason."""
    return any(
        c.type == ConditionType.RECONCILING and c.status is ConditionStatus.FALSE for c in status.conditions
    )


def is_settled(tenant: Tenant, tier: Tier | None, *, admitted: bool) -> bool:
    """Whether a tenant's status says that its spec and its tier, as they are now, were applied."""
    intent = decode(tenant.annotations.get(names.INTENT), tenant.uid)
    return (
        is_held(tenant, tier, admitted=admitted)
        and not tenant.thorough
        # Hands off is to be said; and what said so may be gone, and the status would go on saying it.
        and not tenant.paused
        and not is_told_paused(tenant.status)
        and (intent is None or intent.nonce == tenant.status.resolved_intent)
    )
