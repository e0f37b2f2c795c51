"""What a tier's readers are told of its rollout."""

from __future__ import annotations

from typing import Any

import pytest

import builders as a
from neon_tenants.api.conditions import Reason
from neon_tenants.api.database_tier import DatabaseTierStatus, RolloutPhase, RolloutStatus
from neon_tenants.core import tier_status
from neon_tenants.core.entitlement import Tier

SINCE = "2026-01-01T12:00:00Z"
NOW = "2026-01-01T13:00:00Z"
PAUSED = RolloutPhase.PAUSED


def rollout(phase: RolloutPhase = RolloutPhase.ROLLING, **changes: Any) -> RolloutStatus:
    fields: dict[str, Any] = {"generation": 2, "started": SINCE, "updated": 5, "total": 9, "failed": 3}
    return RolloutStatus(phase=phase, **fields | changes)


def tell(now: RolloutStatus, before: DatabaseTierStatus | None = None, /, **harms: int) -> DatabaseTierStatus:
    tier = Tier("pro", 2, a.tier_spec(), before or DatabaseTierStatus())
    return tier_status.told(tier, now, tenants=10, harms=harms, wall_time=NOW)


def conditions(status: DatabaseTierStatus) -> dict[str, tuple[str, str]]:
    return {c.type: (c.status.value, c.reason) for c in status.conditions}


STORIES: dict[str, tuple[RolloutStatus, dict[str, tuple[str, str]], str]] = {
    "done": (
        rollout(RolloutPhase.DONE, updated=9),
        {"Ready": ("True", "RolledOut")},
        "9 of 9 tenants have generation 2.",
    ),
    "done, but for some": (
        rollout(RolloutPhase.DONE),
        {"Ready": ("True", "RolledOut")},
        "5 of 9 tenants have generation 2. The other 4 are paused or not Ready, and get it later.",
    ),
    "canary": (
        rollout(RolloutPhase.CANARY),
        {"Ready": ("False", "RollingOut"), "Reconciling": ("True", "RollingOut")},
        "Generation 2 is on its way, to a few tenants at first.",
    ),
    "rolling": (
        rollout(waiting=2),
        {"Ready": ("False", "RollingOut"), "Reconciling": ("True", "RollingOut")},
        "Generation 2 is on its way to the tenants. 2 get another size of compute when theirs is idle.",
    ),
    "not confirmed": (
        rollout(PAUSED, paused_reason="ConfirmationNeeded"),
        {"Ready": ("False", "ConfirmationNeeded"), "Stalled": ("True", "ConfirmationNeeded")},
        "rollout-confirmed=2",
    ),
    "a canary failed": (
        rollout(PAUSED, paused_reason="CanaryFailed"),
        {"Ready": ("False", "CanaryFailed"), "Stalled": ("True", "CanaryFailed")},
        "rollout-confirmed=2-3",
    ),
    "too many failed": (
        rollout(PAUSED, paused_reason="TooManyFailures"),
        {"Ready": ("False", "TooManyFailures"), "Stalled": ("True", "TooManyFailures")},
        "rollout-confirmed=2-3",
    ),
}


@pytest.mark.parametrize(("now", "expected", "words"), STORIES.values(), ids=STORIES.keys())
def test_a_rollout_is_told(now: RolloutStatus, expected: dict[str, tuple[str, str]], words: str) -> None:
    told = tell(now, historyRetention=4, writtenData=1)
    assert conditions(told) == expected
    assert told.conditions[0].message.endswith(words)
    assert {c.observed_generation for c in told.conditions} == {2}
    assert (told.observed_generation, told.tenants, told.rollout) == (2, 10, now)


def test_a_confirmation_is_asked_for_with_what_it_takes_from_how_many() -> None:
    now = rollout(PAUSED, paused_reason="ConfirmationNeeded")
    told = tell(now, historyRetention=4, writtenData=1, either=5)
    assert told.conditions[0].message.startswith(
        "Generation 2 shortens the history of 4 tenant(s) and lowers writtenData of 1 tenant(s) below what "
        "they use. Nothing of it is done yet. "
    )


def test_a_condition_keeps_its_time_while_its_status_stands() -> None:
    first = tell(rollout(RolloutPhase.CANARY))
    kept = first.model_copy(
        update={
            "conditions": [c.model_copy(update={"last_transition_time": SINCE}) for c in first.conditions]
        }
    )
    again = tell(rollout(), kept)
    assert {c.last_transition_time for c in again.conditions} == {SINCE}
    done = tell(rollout(RolloutPhase.DONE), kept)
    assert [c.last_transition_time for c in done.conditions] == [NOW]


EVENTS: dict[str, tuple[RolloutStatus | None, RolloutStatus, Reason | None]] = {
    "the first tenants": (None, rollout(RolloutPhase.DONE), None),
    "begun": (rollout(RolloutPhase.DONE), rollout(RolloutPhase.CANARY), None),
    "going on": (rollout(updated=1), rollout(updated=2), None),
    "paused": (rollout(), rollout(PAUSED, paused_reason="TooManyFailures"), Reason.TOO_MANY_FAILURES),
    "paused for another reason": (
        rollout(PAUSED, paused_reason="CanaryFailed"),
        rollout(PAUSED, paused_reason="ConfirmationNeeded"),
        Reason.CONFIRMATION_NEEDED,
    ),
    "still paused": (
        rollout(PAUSED, paused_reason="CanaryFailed"),
        rollout(PAUSED, paused_reason="CanaryFailed", updated=7),
        None,
    ),
    "done": (rollout(), rollout(RolloutPhase.DONE), Reason.ROLLED_OUT),
    "done within a second": (
        rollout(RolloutPhase.DONE, generation=1),
        rollout(RolloutPhase.DONE),
        Reason.ROLLED_OUT,
    ),
}


@pytest.mark.parametrize(("before", "now", "reason"), EVENTS.values(), ids=EVENTS.keys())
def test_a_status_is_worth_an_event(
    before: RolloutStatus | None, now: RolloutStatus, reason: Reason | None
) -> None:
    tier = Tier("pro", 2, a.tier_spec(), DatabaseTierStatus(rollout=before))
    told = tell(now)
    event = tier_status.event(tier, told)
    assert (event.reason if event else None) is reason
    if event is not None:
        assert (event.warning, event.message) == (now.phase is PAUSED, told.conditions[0].message)


@pytest.mark.parametrize(
    ("then", "now", "numbers_alone"),
    [
        (rollout(), rollout(updated=6), True),
        (rollout(), rollout(total=10, waiting=1), True),
        (rollout(RolloutPhase.DONE), rollout(RolloutPhase.DONE, updated=6), True),
        (rollout(), rollout(failed=4), False),
        (rollout(), rollout(RolloutPhase.DONE), False),
        (rollout(), rollout(PAUSED, paused_reason="TooManyFailures"), False),
        (rollout(), rollout(generation=3), False),
        (rollout(), rollout(confirmed=2), False),
    ],
)
def test_numbers_alone_may_wait_for_a_moment(
    then: RolloutStatus, now: RolloutStatus, *, numbers_alone: bool
) -> None:
    assert tier_status.tells_numbers_alone(tell(then), tell(now)) is numbers_alone


def test_the_first_word_about_a_tier_does_not_wait() -> None:
    assert not tier_status.tells_numbers_alone(DatabaseTierStatus(), tell(rollout()))
