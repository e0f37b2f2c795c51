"""A tier's status: what its readers are told of its rollout, as conditions, numbers and events."""

from __future__ import annotations

from collections.abc import Mapping

from neon_tenants.api import names
from neon_tenants.api.conditions import ConditionType, Reason
from neon_tenants.api.database_tier import DatabaseTierStatus, RolloutPhase, RolloutStatus
from neon_tenants.core.entitlement import Tier
from neon_tenants.core.event import Event
from neon_tenants.core.harm import EITHER
from neon_tenants.core.project import RETENTION
from neon_tenants.core.sequel import Sequel


def told(
    tier: Tier, rollout: RolloutStatus, *, tenants: int, harms: Mapping[str, int], wall_time: str
) -> DatabaseTierStatus:
    """The new status. `harms` counts tenants by what the change takes from them (`harm.survey`).

    `wall_time` stands only where a condition changed.

    | phase | Ready | also |
    |---|---|---|
    | Done | True, RolledOut | |
    | Canary, Rolling | False, RollingOut | Reconciling |
    | Paused | False, with the reason | Stalled |
    """
    reason, message = _story(tier, rollout, harms)
    sequel = Sequel.to(tier.status.conditions, generation=tier.generation, wall_time=wall_time)
    conditions = sequel.story(
        reason.value,
        message,
        ready=rollout.phase is RolloutPhase.DONE,
        working=rollout.phase in (RolloutPhase.CANARY, RolloutPhase.ROLLING),
        stalled=rollout.phase is RolloutPhase.PAUSED,
    )
    return DatabaseTierStatus(
        observed_generation=tier.generation, tenants=tenants, rollout=rollout, conditions=conditions
    )


def tells_numbers_alone(old: DatabaseTierStatus, new: DatabaseTierStatus) -> bool:
    """Whether the news is how many tenants there are and how far they are: it may wait for a moment."""
    return _milestone(old) == _milestone(new)


def _milestone(status: DatabaseTierStatus) -> tuple[object, ...]:
    numbers = {"updated": 0, "total": 0, "waiting": 0}
    return (
        status.observed_generation,
        [(condition.type, condition.status, condition.reason) for condition in status.conditions],
        status.rollout and status.rollout.model_copy(update=numbers),
    )


def event(tier: Tier, new: DatabaseTierStatus) -> Event | None:
    """The event that a new status is worth.

    | change | event |
    |---|---|
    | paused, or paused for another reason than before | Warning |
    | done, and it was not before | Normal |
    | else, and a tier's first tenants | none |
    """
    old, rollout = tier.status.rollout, new.rollout
    ready = next(condition for condition in new.conditions if condition.type == ConditionType.READY)
    if old is None or rollout is None:
        return None
    before = (old.generation, old.phase, old.paused_reason)
    if before == (rollout.generation, rollout.phase, rollout.paused_reason):
        return None
    if rollout.phase is RolloutPhase.PAUSED:
        return Event(Reason(ready.reason), ready.message, warning=True)
    if rollout.phase is RolloutPhase.DONE:
        return Event(Reason(ready.reason), ready.message, warning=False)
    return None


def _story(tier: Tier, rollout: RolloutStatus, harms: Mapping[str, int]) -> tuple[Reason, str]:
    number = f"Generation {rollout.generation}"
    match rollout.paused_reason:
        case Reason.CONFIRMATION_NEEDED:
            message = f"{number} {_harm(harms)}. Nothing of it is done yet. {_way_on(tier, rollout)}"
            return Reason.CONFIRMATION_NEEDED, message
        case Reason.CANARY_FAILED:
            message = (
                f"{number} stalled {rollout.failed} of the tenants that got it first; the others keep what "
                f"they have. Look at the stalled tenants. {_way_on(tier, rollout)}"
            )
            return Reason.CANARY_FAILED, message
        case Reason.TOO_MANY_FAILURES:
            message = (
                f"{number} stalled {rollout.failed} tenants; {rollout.updated} of {rollout.total} have it, "
                f"and the others keep what they have. Look at the stalled tenants. {_way_on(tier, rollout)}"
            )
            return Reason.TOO_MANY_FAILURES, message
    if rollout.phase is RolloutPhase.DONE:
        left = rollout.total - rollout.updated
        late = f" The other {left} are paused or not Ready, and get it later." if left else ""
        message = f"{rollout.updated} of {rollout.total} tenants have generation {rollout.generation}.{late}"
        return Reason.ROLLED_OUT, message
    whom = ", to a few tenants at first." if rollout.phase is RolloutPhase.CANARY else " to the tenants."
    idle = f" {rollout.waiting} get another size of compute when theirs is idle." if rollout.waiting else ""
    return Reason.ROLLING_OUT, f"{number} is on its way{whom}{idle}"


def _harm(harms: Mapping[str, int]) -> str:
    parts = [
        f"shortens the history of {count} tenant(s)"
        if name == RETENTION
        else f"lowers {name} of {count} tenant(s) below what they use"
        for name, count in sorted(harms.items())
        if name != EITHER
    ]
    return " and ".join(parts)


def _way_on(tier: Tier, rollout: RolloutStatus) -> str:
    failures = "" if rollout.paused_reason == Reason.CONFIRMATION_NEEDED else f"-{rollout.failed}"
    return (
        f"To let it go on: kubectl annotate dbtier {tier.name} --overwrite "
        f"{names.ROLLOUT_CONFIRMED}={rollout.generation}{failures}"
    )
