"""The status: what a reader is told, made from what was observed and what the plan said."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Self

from neon_tenants.api import names
from neon_tenants.api.conditions import Condition, ConditionType, Reason
from neon_tenants.api.tenant_database import AppliedTier, Binding, TenantDatabaseStatus, Usage
from neon_tenants.core import usage as core_usage
from neon_tenants.core.failure import Failure
from neon_tenants.core.identity import Bound, identify
from neon_tenants.core.intent import Attempt, IntentState, Sent, decode
from neon_tenants.core.observed import Observed, Tenant
from neon_tenants.core.obstacle import entitled
from neon_tenants.core.project import Endpoint, Limits
from neon_tenants.core.resize import waiting
from neon_tenants.core.secret import Ours
from neon_tenants.core.sequel import Sequel
from neon_tenants.core.steps import Rest, Wait

GRACE: Final = 3.0
"""Seconds that work may take before the status speaks of it: a smooth create costs no write for that."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a pass ended with, as conditions tell it. None keeps a condition as it stands."""

    reason: Reason
    message: str
    ready: bool | None = False
    available: bool | None = None
    working: bool = False
    stalled: bool = False
    applied: bool = False

    @classmethod
    def of(cls, pause: Rest | Wait) -> Self:
        """The verdict of a plan's last step."""
        if isinstance(pause, Wait):
            return cls(pause.reason, pause.message, working=True)
        return cls(
            pause.reason,
            pause.message,
            pause.ready,
            pause.available,
            stalled=pause.stalled,
            applied=pause.applied,
        )

    @classmethod
    def failed(cls, failure: Failure) -> Self:
        """The verdict of a request that failed."""
        return cls(failure.reason, failure.message, working=not failure.stalled, stalled=failure.stalled)


def is_due(observed: Observed, verdict: Verdict) -> bool:
    """Whether the verdict is worth a write: what passes by itself within seconds is not.

    | verdict | due |
    |---|---|
    | rest | yes |
    | work on a settled tenant (a look in passing failed) | no |
    | work that began less than `GRACE` ago | no |
    | work that takes longer | yes |
    """
    if not verdict.working:
        return True
    since = observed.knowledge.waiting_since
    return not observed.settled and since is not None and observed.now - since >= GRACE


def updated(observed: Observed, verdict: Verdict, wall_time: str) -> TenantDatabaseStatus:
    """The new status. `wall_time` is RFC 3339; it stands only where a condition changed.

    A paused tenant keeps its observed generation: nobody looked at the new spec.
    """
    tenant, old = observed.tenant, observed.tenant.status
    paused = verdict.reason is Reason.PAUSED
    changes: dict[str, object] = {
        "conditions": _conditions(
            old.conditions,
            replace(verdict, available=_available(observed, verdict)),
            tenant.generation,
            wall_time,
        ),
        "observed_generation": old.observed_generation if paused else tenant.generation,
        "shard": observed.shard,
    }
    if not paused and not verdict.working:
        changes["last_handled_reconcile_at"] = tenant.requested_at
    changes |= _facts(observed)
    if verdict.applied:
        changes |= _applied(observed)
    new = old.model_copy(update=changes)
    quotas = _quota_conditions(observed, new.usage, wall_time)
    return new.model_copy(update={"conditions": [*new.conditions, *quotas]})


def _available(observed: Observed, verdict: Verdict) -> bool | None:
    """What is said of the login; None keeps what was said.

    A status of a spec that asks for suspension never says that it works: the request that disables the
    compute may have been carried out, and its answer lost. A paused tenant's status is not of that spec.
    """
    if observed.tenant.suspended and verdict.reason is not Reason.PAUSED:
        return False
    return verdict.available


def rebound(old: TenantDatabaseStatus, project_id: str, *, own: str | None) -> TenantDatabaseStatus:
    """The status that records another project. The one that it had is noted, so that it is never a duplicate.

    `own` is the project that bears the tenant's name: a wiped status does not record it.
    """
    released = [id_ for id_ in old.released_projects if id_ != project_id]
    given_up = dict.fromkeys(id_ for id_ in (old.project_id, own) if id_ is not None and id_ != project_id)
    return old.model_copy(
        update={
            "project_id": project_id,
            "released_projects": [*released, *(id_ for id_ in given_up if id_ not in released)],
            # All that was told of the other project.
            "branch_id": None,
            "endpoint_id": None,
            "host": None,
            "region": None,
            "postgres_version": None,
            "tier": None,
            "binding": None,
            "suspended": None,
        }
    )


def withdrawn(tenant: Tenant, attempt: Attempt | None) -> TenantDatabaseStatus | None:
    """The status that withdraws the create which stands declared on the tenant.

    | the attempt of this process | status |
    |---|---|
    | none, or not the one that stands there | None |
    | sent, whatever became of it | None |
    | not sent, or certainly not carried out | notes its nonce as resolved |
    """
    intent = decode(tenant.annotations.get(names.INTENT), tenant.uid)
    if attempt is None or intent is None or intent.nonce != attempt.nonce:
        return None
    if attempt.sent is not Sent.NOT_YET:
        return None
    return tenant.status.model_copy(update={"resolved_intent": intent.nonce})


def as_json(status: TenantDatabaseStatus) -> dict[str, object]:
    """As the API server stores it."""
    return status.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)


def _facts(observed: Observed) -> dict[str, object]:
    """What is known of the project, once it is known to be ours."""
    if observed.lookup is None or observed.tenant.deleting:
        return {}
    identity = identify(observed, observed.lookup)
    if not isinstance(identity, Bound):
        return {}
    project = identity.project
    facts: dict[str, object] = {
        "project_id": project.id,
        "usage": core_usage.of_project(observed, project),
        "region": project.region,
        "postgres_version": project.postgres_version,
        "database": observed.tenant.status.database or observed.tenant.database,
    }
    intent = decode(observed.tenant.annotations.get(names.INTENT), observed.tenant.uid)
    if intent is not None and observed.intent_state is IntentState.FREE:
        facts["resolved_intent"] = intent.nonce[:64]
    if endpoint := _main_endpoint(observed):
        facts |= {"branch_id": endpoint.branch_id, "endpoint_id": endpoint.id, "host": endpoint.host}
    if isinstance(observed.secret, Ours):
        facts["binding"] = Binding(name=observed.tenant.secret_name)
    return facts


def _main_endpoint(observed: Observed) -> Endpoint | None:
    """The tenant's own compute: the one told before, and not that of a branch made since."""
    computes = [endpoint for endpoint in observed.endpoints or () if endpoint.read_write]
    told = observed.tenant.status.endpoint_id
    return next((endpoint for endpoint in computes if endpoint.id == told), computes[0] if computes else None)


def _applied(observed: Observed) -> dict[str, object]:
    applied: dict[str, object] = {"suspended": observed.tenant.suspended}
    if not observed.admitted:
        return applied  # the tier of the generation before stays
    tier = observed.tier
    limits = entitled(observed)
    if tier is not None and isinstance(limits, Limits):
        not_taken = observed.not_taken
        applied["tier"] = AppliedTier(
            name=tier.name,
            generation=tier.generation,
            not_taken=sorted(not_taken),
            waiting=sorted(waiting(observed, limits) - not_taken),
        )
    return applied


def _quota_conditions(observed: Observed, usage: Usage | None, wall_time: str) -> list[Condition]:
    """QuotaNear and QuotaExceeded, each present while it is True."""
    if usage is None:
        return []
    standing = core_usage.standing(usage, core_usage.warning_percent(observed.tier))
    sequel = Sequel.to(
        observed.tenant.status.conditions, generation=observed.tenant.generation, wall_time=wall_time
    )
    true: list[tuple[ConditionType, Reason, str]] = []
    if standing.near:
        message = core_usage.near_message(usage, standing)
        true.append((ConditionType.QUOTA_NEAR, Reason.QUOTA_NEAR, message))
    if standing.exceeded:
        message = core_usage.exceeded_message(usage, standing)
        true.append((ConditionType.QUOTA_EXCEEDED, Reason.QUOTA_EXCEEDED, message))
    return [sequel.tell(kind, True, reason.value, message) for kind, reason, message in true]


def _conditions(old: list[Condition], verdict: Verdict, generation: int, wall_time: str) -> list[Condition]:
    """Exactly one of Ready, Reconciling and Stalled tells the story."""
    sequel = Sequel.to(old, generation=generation, wall_time=wall_time)

    def condition(kind: ConditionType, value: bool) -> Condition:
        return sequel.tell(kind, value, verdict.reason.value, verdict.message)

    new: list[Condition] = []
    for kind, value in ((ConditionType.READY, verdict.ready), (ConditionType.AVAILABLE, verdict.available)):
        if value is None and kind in sequel.before:
            new.append(sequel.before[kind])
        else:
            new.append(condition(kind, bool(value)))
    if verdict.working:
        new.append(condition(ConditionType.RECONCILING, True))
    if verdict.reason is Reason.PAUSED:
        new.append(condition(ConditionType.RECONCILING, False))
    if verdict.stalled:
        new.append(condition(ConditionType.STALLED, True))
    return new
