"""Events: what a person should notice. A smooth create has none, since each is a write to the API server."""

from __future__ import annotations

from dataclasses import dataclass

from neon_tenants.api.conditions import ConditionStatus, ConditionType, Reason
from neon_tenants.api.tenant_database import TenantDatabaseStatus
from neon_tenants.core.difference import sentence
from neon_tenants.core.marker import RELEASED
from neon_tenants.core.observed import Observed
from neon_tenants.core.status import Verdict
from neon_tenants.core.steps import DeleteProject, RenameProject, Rest, Step, UpdateEndpoint, UpdateProject


@dataclass(frozen=True, slots=True)
class Event:
    """One event on a TenantDatabase."""

    reason: Reason
    message: str
    warning: bool


def of_verdict(observed: Observed, verdict: Verdict) -> Event | None:
    """The event that a new status is worth.

    | change | event |
    |---|---|
    | stalled, or stalled for another reason than before | Warning |
    | held or paused in its deletion | Warning |
    | ready with another tier or state than the last time, or no longer stalled | Normal |
    | else, and the first time it is ready | none |
    """
    old = {condition.type: condition for condition in observed.tenant.status.conditions}
    stalled = old.get(ConditionType.STALLED)
    if verdict.stalled:
        news = stalled is None or stalled.reason != verdict.reason
        return Event(verdict.reason, verdict.message, warning=True) if news else None
    if verdict.reason is Reason.PAUSED and observed.tenant.deleting:
        told = old.get(ConditionType.RECONCILING)
        # It may have been paused before it was deleted, and then said so in other words.
        news = told is None or (told.reason, told.message) != (Reason.PAUSED, verdict.message)
        return Event(verdict.reason, verdict.message, warning=True) if news else None
    applied = observed.tenant.status.tier
    if not verdict.ready or applied is None or observed.tier is None:
        return None
    changed = (
        applied.name != observed.tier.name
        or observed.tenant.status.suspended != observed.tenant.suspended
        or stalled is not None
    )
    return Event(verdict.reason, verdict.message, warning=False) if changed else None


def of_step(step: Step) -> Event | None:
    """The event that a performed step is worth: a project went, or was let go."""
    match step:
        case DeleteProject(project_id, duplicate=True):
            message = f"Deleted the Neon project {project_id}, a second one that a lost answer had left."
            return Event(Reason.DUPLICATE_PROJECT, message, warning=True)
        case DeleteProject(project_id):
            message = f"Deleted the Neon project {project_id}. Neon keeps it recoverable for 7 days."
            return Event(Reason.DELETING, message, warning=False)
        case RenameProject(drift=drift) | UpdateProject(drift=drift) | UpdateEndpoint(drift=drift) if drift:
            message = f"Put back what was changed on Neon past this operator: {sentence(drift)}."
            return Event(Reason.DRIFT_REPAIRED, message, warning=False)
        case RenameProject(project_id, name) if name.endswith(f"-{RELEASED}"):
            message = f"Released the Neon project {project_id} with its data. Its name is now {name}."
            return Event(Reason.DELETING, message, warning=False)
        case _:
            return None


def of_drift(observed: Observed, rest: Rest) -> Event | None:
    """The event for drift that stays, since the tier says to report it only: once for each finding."""
    news = set(rest.drift) - observed.knowledge.reported
    if not news:
        return None
    message = (
        f"Changed on Neon past this operator: {sentence(news)}. It is left so, since the tier's driftPolicy "
        "is Report. Change it back on Neon, or set driftPolicy to Repair."
    )
    return Event(Reason.DRIFT_FOUND, message, warning=True)


def of_usage(old: TenantDatabaseStatus, new: TenantDatabaseStatus) -> list[Event]:
    """The events for quotas.

    | condition | event |
    |---|---|
    | QuotaNear or QuotaExceeded is new | Warning with its message |
    | QuotaExceeded is gone | Normal |
    | else | none |
    """
    before = {c.type for c in old.conditions if c.status is ConditionStatus.TRUE}
    told = {c.type: c for c in new.conditions if c.status is ConditionStatus.TRUE}
    quotas = {
        ConditionType.QUOTA_NEAR: Reason.QUOTA_NEAR,
        ConditionType.QUOTA_EXCEEDED: Reason.QUOTA_EXCEEDED,
    }
    events = [
        Event(reason, told[kind].message, warning=True)
        for kind, reason in quotas.items()
        if kind in told and kind not in before
    ]
    if ConditionType.QUOTA_EXCEEDED in before and ConditionType.QUOTA_EXCEEDED not in told:
        message = "No quota is used up any more: logins and writes work again."
        events.append(Event(Reason.PROVISIONED, message, warning=False))
    return events
