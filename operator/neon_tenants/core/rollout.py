"""A changed tier on its way to its tenants: whom it may reach now, and what stops it.

All of it is derived from the tier, its status and the tenants' records: a restart loses nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from neon_tenants.api import names
from neon_tenants.api.conditions import ConditionStatus, Reason
from neon_tenants.api.database_tier import RolloutPhase, RolloutStatus
from neon_tenants.core.census import Census, Standing, standing
from neon_tenants.core.entitlement import Tier
from neon_tenants.core.key import Key
from neon_tenants.core.record import Record
from neon_tenants.core.timestamp import next_second

CANARY_PERCENT: Final = 1
"""Where the tier does not say."""
MAX_FAILURES: Final = 5
"""Where the tier does not say."""
_CONFIRMATION: Final = re.compile(r"(\d{1,18})(?:-(\d{1,18}))?")


@dataclass(frozen=True, slots=True)
class Decision:
    """Whom the rollout may reach now."""

    status: RolloutStatus
    everyone: bool
    """Whether every tenant of the tier may have the new generation."""
    admitted: frozenset[Key] = frozenset()
    """Those who may have it already, where not everyone may."""
    to_do: tuple[Key, ...] = ()
    """The first of those who are admitted and without it, in the order in which it shall reach them."""
    waiting: tuple[Key, ...] = ()
    """Admitted, and their compute is to be looked at when it may be idle."""
    is_blind: bool = False
    """Whether nothing can be said before somebody has looked whom the change harms."""
    is_early: bool = False
    """Whether it begins only in the next second."""

    def admits(self, key: Key) -> bool:
        """Whether this tenant may have the new generation."""
        return self.everyone or key in self.admitted


def begun(tier: Tier, records: Iterable[Record], wall_time: str) -> RolloutStatus:
    """The rollout of the tier as it is: the one that its status tells of, or a new one that replaces it.

    It begins in the next second where a tenant stopped being Ready in this one, which is not its doing:
    moments are in whole seconds, and who stopped in the second in which it began counts as failed.
    """
    told = tier.status.rollout
    if told is not None and told.generation == tier.generation:
        return told
    counted = (Standing.FAILED, Standing.TO_COME)
    just_now = any(
        record.ready is not ConditionStatus.TRUE and standing(record, tier, wall_time) in counted
        for record in records
    )
    return RolloutStatus(
        generation=tier.generation,
        phase=RolloutPhase.CANARY,
        started=next_second(wall_time) if just_now else wall_time,
        updated=0,
        total=0,
        failed=0,
    )


def let_go(status: RolloutStatus, failures: int) -> RolloutStatus:
    """The rollout after a person has said that it shall go on, with so many failures."""
    was_rolling = status.paused_reason == Reason.TOO_MANY_FAILURES
    return status.model_copy(
        update={
            "phase": RolloutPhase.ROLLING if was_rolling else RolloutPhase.CANARY,
            "paused_reason": None,
            "confirmed": status.generation,
            "forgiven": max(failures, status.forgiven),
        }
    )


def heard(status: RolloutStatus, tier: Tier) -> RolloutStatus:
    """The rollout after the annotation on the tier was read: `<generation>`, or `<generation>-<failures>`.

    | # | annotation | result |
    |---|---|---|
    | 1 | none, unreadable, or of another generation | as it was |
    | 2 | this generation for the first time | let go, with the failures that are named, or all so far |
    | 3 | more failures than were forgiven | let go, with these |
    | 4 | else | as it was |
    """
    said = _CONFIRMATION.fullmatch(tier.annotations.get(names.ROLLOUT_CONFIRMED, ""))
    if said is None or int(said[1]) != status.generation:
        return status
    failures = status.failed if said[2] is None else int(said[2])
    if status.confirmed != status.generation:
        return let_go(status, failures)
    if said[2] is not None and failures > status.forgiven:
        return let_go(status, failures)
    return status


def has_canaries(status: RolloutStatus) -> bool:
    """Whether it has yet to get past its canaries. Once it has, it never comes back to them."""
    was_rolling = status.phase is RolloutPhase.ROLLING or status.paused_reason == Reason.TOO_MANY_FAILURES
    return status.phase is not RolloutPhase.DONE and not was_rolling


def is_survey_needed(status: RolloutStatus) -> bool:
    """Whether it must be known first what the change would destroy: nobody has confirmed it."""
    return status.confirmed != status.generation and status.phase is not RolloutPhase.DONE


def _everybody(_key: Key) -> bool:
    return True


def decide(
    tier: Tier,
    census: Census,
    status: RolloutStatus,
    *,
    harmed: int | None,
    wall_time: str,
    most: int | None = None,
    mine: Callable[[Key], bool] = _everybody,
) -> Decision:
    """Whom a rollout may reach now. `harmed` counts the tenants for whom it destroys something or whom it
    shuts out; None where nobody has looked. Where everyone may have it, `most` of `mine` are named.

    The first row that applies decides. A canary is over when it is updated, or waits to be idle, or its
    failure was forgiven; nobody waits for one that is sick, paused or gone.

    | # | observed | phase | admitted |
    |---|---|---|---|
    | 1 | over before, or all are updated | Done | everyone |
    | 2 | not confirmed, nobody looked whom it harms | as it was | nobody |
    | 3 | not confirmed, and it harms somebody | Paused ConfirmationNeeded | nobody |
    | 4 | it begins in the next second | as it was | nobody |
    | 5 | before the canaries are over: one failed that was not forgiven | Paused CanaryFailed | failed ones |
    | 6 | ... or it paused for that and was not let go | Paused CanaryFailed | the failed ones |
    | 7 | ... else | Canary | the canaries |
    | 8 | more failed than `maxFailures` beyond the forgiven | Paused TooManyFailures | the failed ones |
    | 9 | it paused for that and was not let go | Paused TooManyFailures | the failed ones |
    | 10 | else | Rolling | everyone |
    """
    status = census.counted(status)
    left = any(census.count(kind) for kind in (Standing.TO_COME, Standing.FAILED, Standing.WAITING))
    if status.phase is RolloutPhase.DONE or status.updated == status.total:
        return _open(status, RolloutPhase.DONE, census, most, mine)
    if is_survey_needed(status) and harmed is None:
        return Decision(status, everyone=False, is_blind=True)
    if is_survey_needed(status) and harmed:
        return _paused(status, Reason.CONFIRMATION_NEEDED, census)
    if status.started == next_second(wall_time):
        return Decision(status, everyone=False, is_early=True)
    if has_canaries(status):
        if status.failed > status.forgiven or status.paused_reason == Reason.CANARY_FAILED:
            return _paused(status, Reason.CANARY_FAILED, census)
        canaries = census.canaries(_canary_percent(tier))
        to_do = tuple(key for key in canaries if census.has(key, Standing.TO_COME))
        if to_do:
            return Decision(
                _in_phase(status, RolloutPhase.CANARY),
                everyone=False,
                admitted=frozenset(canaries),
                to_do=to_do,
                waiting=tuple(census.keys(Standing.WAITING)),
            )
    if (
        status.failed > status.forgiven + _max_failures(tier)
        or status.paused_reason == Reason.TOO_MANY_FAILURES
    ):
        return _paused(status, Reason.TOO_MANY_FAILURES, census)
    return _open(status, RolloutPhase.ROLLING if left else RolloutPhase.DONE, census, most, mine)


def followed(
    status: RolloutStatus,
    census: Census,
    *,
    most: int | None = None,
    mine: Callable[[Key], bool] = _everybody,
) -> Decision:
    """Whom a rollout may reach now of a part of the tenants, by what is told of all of them.

    | told | admitted |
    |---|---|
    | Done, Rolling | everyone |
    | Canary, as one that is yet to be told of | nobody: who conducts works on the canaries |
    | Paused ConfirmationNeeded | nobody |
    | Paused for failures | the failed ones |
    """
    if status.phase is RolloutPhase.CANARY:
        return Decision(status, everyone=False)
    if status.phase is not RolloutPhase.PAUSED:
        return replace(_open(status, status.phase, census, most, mine), waiting=())
    return _paused(status, Reason(status.paused_reason or Reason.CONFIRMATION_NEEDED), census)


def _in_phase(status: RolloutStatus, phase: RolloutPhase, reason: Reason | None = None) -> RolloutStatus:
    return status.model_copy(update={"phase": phase, "paused_reason": reason.value if reason else None})


def _paused(status: RolloutStatus, reason: Reason, census: Census) -> Decision:
    # Who has failed is half changed: it goes on trying, unless nobody has let the change begin.
    failed = frozenset[Key]() if reason is Reason.CONFIRMATION_NEEDED else census.keys(Standing.FAILED)
    return Decision(_in_phase(status, RolloutPhase.PAUSED, reason), everyone=False, admitted=failed)


def _open(
    status: RolloutStatus,
    phase: RolloutPhase,
    census: Census,
    most: int | None,
    mine: Callable[[Key], bool],
) -> Decision:
    return Decision(
        _in_phase(status, phase),
        everyone=True,
        to_do=census.to_do(most, mine),
        waiting=tuple(census.keys(Standing.WAITING)),
    )


def _canary_percent(tier: Tier) -> int:
    percent = tier.spec.rollout.canary_percent if tier.spec.rollout else None
    return CANARY_PERCENT if percent is None else percent


def _max_failures(tier: Tier) -> int:
    most = tier.spec.rollout.max_failures if tier.spec.rollout else None
    return MAX_FAILURES if most is None else most
