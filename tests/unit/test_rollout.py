"""The decision tables of a rollout, row by row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

import builders as a
from neon_tenants.api import names
from neon_tenants.api.database_tier import DatabaseTierStatus, RolloutPhase, RolloutStatus
from neon_tenants.api.tenant_database import AppliedTier
from neon_tenants.core import rollout
from neon_tenants.core.census import Census, Order, Standing, standing
from neon_tenants.core.entitlement import Tier
from neon_tenants.core.key import Key
from neon_tenants.core.record import Record
from neon_tenants.core.rollout import Decision
from neon_tenants.core.timestamp import seconds

STARTED = "2026-01-01T12:00:00Z"
BEFORE = "2026-01-01T11:00:00Z"
AFTER = "2026-01-01T13:00:00Z"


def tier(generation: int = 2, annotation: str | None = None, **settings: Any) -> Tier:
    annotations = {} if annotation is None else {names.ROLLOUT_CONFIRMED: annotation}
    found = a.tier(generation=generation, rollout={"canaryPercent": 10, "maxFailures": 2} | settings)
    return Tier("free", generation, found.spec, annotations=annotations)


def record(name: str = "t0", generation: int | None = 1, **changes: Any) -> Record:
    applied = (
        None
        if generation is None
        else AppliedTier(name=changes.pop("applied_tier", "free"), generation=generation)
    )
    if waiting := changes.pop("waiting", None):
        assert applied is not None
        applied = applied.model_copy(update={"waiting": waiting})
    sick_since = changes.pop("sick_since", None)
    stalled = changes.pop("stalled", sick_since is not None)
    ready = a.condition("Ready", "False" if sick_since else "True", since=sick_since or BEFORE)
    conditions = [ready, *([a.condition("Stalled", "True")] if stalled else [])]
    spec = {"tier": changes.pop("tier", "free")}
    tenant = a.tenant(
        spec, name=name, uid=f"uid-{name}", status=a.status(tier=applied, conditions=conditions), **changes
    )
    return Record.of(tenant)


FAILED: dict[str, Any] = {"sick_since": AFTER}
STANDINGS: dict[str, tuple[Record, Standing]] = {
    "1 deleted": (record(deleting=True), Standing.APART),
    "1 nothing applied yet": (record(generation=None), Standing.APART),
    "1 another tier applied": (record(applied_tier="pro"), Standing.APART),
    "1 another tier asked for": (record(tier="pro"), Standing.APART),
    "2 the size of its compute waits": (record(generation=2, waiting=["maxCU"]), Standing.WAITING),
    "3 has it": (record(generation=2), Standing.UPDATED),
    "4 paused": (record(annotations={names.PAUSED: "true"}), Standing.HELD),
    "5 not Ready before": (record(sick_since=BEFORE), Standing.SICK),
    "6 stalled since": (record(**FAILED), Standing.FAILED),
    "7 works on it": (record(sick_since=AFTER, stalled=False), Standing.TO_COME),
    "7 not Ready since the moment it began": (record(sick_since=STARTED, stalled=False), Standing.TO_COME),
    "7 has the generation before": (record(), Standing.TO_COME),
    "7 has one of a tier that was made again": (record(generation=9), Standing.TO_COME),
}


@pytest.mark.parametrize(("found", "expected"), STANDINGS.values(), ids=STANDINGS.keys())
def test_how_far_a_tenant_is(found: Record, expected: Standing) -> None:
    assert standing(found, tier(), STARTED) is expected


def status(phase: RolloutPhase = RolloutPhase.CANARY, **changes: Any) -> RolloutStatus:
    fields: dict[str, Any] = {"generation": 2, "started": STARTED, "updated": 0, "total": 0, "failed": 0}
    return RolloutStatus(phase=phase, **fields | changes)


def decide(
    records: Iterable[Record],
    told: RolloutStatus,
    *,
    harmed: int | None = 0,
    wall_time: str = STARTED,
    **settings: Any,
) -> Decision:
    its = tier(**settings)
    census = Census(its, records, told.started)
    return rollout.decide(its, census, told, harmed=harmed, wall_time=wall_time)


def crowd(
    count: int = 20, *, but: dict[int, dict[str, Any]] | None = None, generation: int = 1
) -> list[Record]:
    """Tenants in the order in which a rollout of generation 2 takes them; `but` some of them differ."""
    there = [record(f"t{number}", generation) for number in range(count)]
    return [
        record(key.name, **{"generation": generation} | (but or {}).get(n, {}))
        for n, key in enumerate(Order(2, there))
    ]


def keys(records: Iterable[Record]) -> frozenset[Key]:
    return frozenset(r.key for r in records)


def keys_in_order(records: Iterable[Record]) -> tuple[Key, ...]:
    return tuple(r.key for r in records)


DONE = {"generation": 2}
PAUSED = RolloutPhase.PAUSED


def test_1_done_where_all_have_it() -> None:
    decision = decide(crowd(3, generation=2), status())
    assert (decision.status.phase, decision.everyone, decision.to_do) == (RolloutPhase.DONE, True, ())
    assert (decision.status.updated, decision.status.total) == (3, 3)


def test_1_done_without_a_look_at_harm_where_all_have_it_who_are_not_on_their_way_out() -> None:
    decision = decide([*crowd(3, generation=2), record("bye", deleting=True)], status(), harmed=None)
    assert (decision.status.phase, decision.status.total) == (RolloutPhase.DONE, 3)


def test_1_done_once_is_done_and_late_ones_get_it_at_once() -> None:
    tenants = crowd(3)
    decision = decide(tenants, status(RolloutPhase.DONE), harmed=None)
    assert (decision.status.phase, decision.everyone) == (RolloutPhase.DONE, True)
    assert frozenset(decision.to_do) == keys(tenants)


@pytest.mark.parametrize("before", [status(), status(PAUSED, paused_reason="TooManyFailures")])
def test_2_nobody_gets_it_before_somebody_looked_whom_it_harms(before: RolloutStatus) -> None:
    decision = decide(crowd(), before, harmed=None)
    assert decision.is_blind
    assert decision.status.phase is before.phase
    assert not any(decision.admits(r.key) for r in crowd())


def test_2_what_was_confirmed_or_is_done_needs_no_look_at_harm() -> None:
    confirmed = decide(crowd(), status(confirmed=2), harmed=None)
    assert not confirmed.is_blind
    assert len(confirmed.to_do) == 2
    needed = [rollout.is_survey_needed(s) for s in (status(), status(confirmed=2), status(RolloutPhase.DONE))]
    assert needed == [True, False, False]


def test_3_nobody_gets_what_harms_somebody_before_it_is_confirmed() -> None:
    tenants = crowd(but={0: FAILED})
    decision = decide(tenants, status(), harmed=1)
    assert (decision.status.phase, decision.status.paused_reason) == (PAUSED, "ConfirmationNeeded")
    assert not any(decision.admits(r.key) for r in tenants)
    confirmed = decide(tenants, status(confirmed=2, forgiven=1), harmed=1)
    assert confirmed.status.phase is RolloutPhase.CANARY


@pytest.mark.parametrize(
    ("wall_time", "early"),
    {
        "the second before it begins": ("2026-01-01T11:59:59Z", True),
        "it has begun": (STARTED, False),
        "by the clock of another machine it begins later": ("2026-01-01T11:59:58Z", False),
    }.values(),
)
def test_4_nobody_gets_it_before_it_begins(wall_time: str, early: bool) -> None:
    tenants = crowd(but={0: {"sick_since": "2026-01-01T11:59:59Z"}})
    decision = decide(tenants, status(), wall_time=wall_time)
    assert decision.is_early is early
    assert (decision.status.phase, decision.status.failed) == (RolloutPhase.CANARY, 0)
    assert any(decision.admits(r.key) for r in tenants) is not early


def test_5_a_failed_canary_stops_it_below_the_threshold() -> None:
    tenants = crowd(but={0: FAILED})
    decision = decide(tenants, status(), maxFailures=5)
    assert (decision.status.phase, decision.status.paused_reason) == (PAUSED, "CanaryFailed")
    assert (decision.admitted, decision.to_do) == (keys(tenants[:1]), ())


def test_6_a_canary_that_heals_does_not_let_it_go_on() -> None:
    decision = decide(crowd(but={0: DONE, 1: DONE}), status(PAUSED, paused_reason="CanaryFailed"))
    assert decision.status.paused_reason == "CanaryFailed"


def test_7_the_canaries_come_first() -> None:
    tenants = crowd(but={0: DONE})
    decision = decide(tenants, status())
    assert decision.status.phase is RolloutPhase.CANARY
    assert (decision.admitted, decision.to_do) == (keys(tenants[:2]), (tenants[1].key,))
    assert [decision.admits(r.key) for r in tenants[:3]] == [True, True, False]


@pytest.mark.parametrize(
    ("percent", "count", "canaries"), [(0, 20, 1), (1, 20, 1), (1, 101, 2), (10, 11, 2), (100, 5, 5)]
)
def test_7_at_least_one_canary_and_a_share_rounded_up(percent: int, count: int, canaries: int) -> None:
    assert len(decide(crowd(count), status(), canaryPercent=percent).to_do) == canaries


def test_7_without_a_word_of_the_tier_it_is_one_percent_and_five_failures() -> None:
    silent = Tier("free", 2, a.tier_spec())
    told = rollout.decide(silent, Census(silent, crowd(), STARTED), status(), harmed=0, wall_time=STARTED)
    assert len(told.to_do) == 1
    rolling = status(RolloutPhase.ROLLING)
    for failures, phase in ((5, RolloutPhase.ROLLING), (6, PAUSED)):
        tenants = crowd(but=dict.fromkeys(range(failures), FAILED))
        census = Census(silent, tenants, STARTED)
        told = rollout.decide(silent, census, rolling, harmed=0, wall_time=STARTED)
        assert told.status.phase is phase


def test_7_tenants_made_since_are_no_canaries() -> None:
    tenants = crowd(but={0: {**DONE, "created": 4e9}, 1: {**DONE, "created": 4e9}})
    assert decide(tenants, status()).to_do == (tenants[2].key, tenants[3].key)


def test_7_a_tenant_made_when_it_began_is_a_canary() -> None:
    tenants = crowd(but={0: {"created": seconds(STARTED)}})
    assert decide(tenants, status()).to_do == keys_in_order(tenants[:2])


def test_7_a_canary_that_waits_is_looked_at_while_others_are_to_come() -> None:
    tenants = crowd(but={0: {**DONE, "waiting": ["maxCU"]}})
    decision = decide(tenants, status())
    assert (decision.to_do, decision.waiting) == (keys_in_order(tenants[1:2]), (tenants[0].key,))


def test_7_nobody_waits_for_a_canary_that_waits_or_is_sick_or_paused_or_forgiven() -> None:
    over: dict[int, dict[str, Any]] = {
        0: {**DONE, "waiting": ["maxCU"]},
        1: {"sick_since": BEFORE},
        2: {"annotations": {names.PAUSED: "true"}},
        3: FAILED,
    }
    decision = decide(crowd(but=over), status(forgiven=1))
    assert decision.status.phase is RolloutPhase.ROLLING


def test_8_too_many_failures_stop_it() -> None:
    tenants = crowd(but={3: FAILED, 4: FAILED, 5: FAILED})
    decision = decide(tenants, status(RolloutPhase.ROLLING))
    assert (decision.status.phase, decision.status.paused_reason) == (PAUSED, "TooManyFailures")
    assert (decision.admitted, decision.status.failed) == (keys(tenants[3:6]), 3)
    assert decide(tenants, status(RolloutPhase.ROLLING, forgiven=1)).status.phase is RolloutPhase.ROLLING


def test_9_failures_that_heal_do_not_let_it_go_on() -> None:
    decision = decide(crowd(), status(PAUSED, paused_reason="TooManyFailures"))
    assert (decision.status.phase, decision.status.paused_reason) == (PAUSED, "TooManyFailures")


def test_10_then_everyone_gets_it_the_sick_ones_too() -> None:
    tenants = crowd(but={0: DONE, 1: DONE, 2: {"sick_since": BEFORE}, 3: {**DONE, "waiting": ["maxCU"]}})
    decision = decide(tenants, status())
    assert (decision.status.phase, decision.everyone) == (RolloutPhase.ROLLING, True)
    assert decision.to_do == keys_in_order([tenants[2], *tenants[4:]])
    assert all(decision.admits(r.key) for r in tenants)
    assert decision.waiting == (tenants[3].key,)
    assert (decision.status.updated, decision.status.waiting, decision.status.total) == (2, 1, 20)


@pytest.mark.parametrize("left", [{}, FAILED, {**DONE, "waiting": ["maxCU"]}])
def test_10_it_is_not_done_while_one_lacks_it_or_failed_or_waits(left: dict[str, Any]) -> None:
    tenants = crowd(3, but={0: DONE, 1: DONE, 2: left})
    assert decide(tenants, status(RolloutPhase.ROLLING)).status.phase is RolloutPhase.ROLLING


def test_10_it_is_done_when_only_sick_and_paused_ones_lack_it() -> None:
    tenants = crowd(3, but={0: DONE, 1: {"sick_since": BEFORE}, 2: {"annotations": {names.PAUSED: "true"}}})
    assert decide(tenants, status()).status.phase is RolloutPhase.DONE


def test_the_order_is_the_same_after_a_restart_and_another_for_another_generation() -> None:
    order = {number: tuple(Order(number, reversed(crowd()))) for number in (2, 3)}
    assert order[2] == keys_in_order(crowd()) != order[3]


def test_no_more_are_named_than_asked_for_and_only_those_of_this_part() -> None:
    tenants = crowd(6, but={0: {"sick_since": BEFORE}, 2: DONE})
    theirs = {tenants[1].key, tenants[3].key}
    its = tier()
    census = Census(its, tenants, STARTED)

    def named(most: int | None) -> list[Key]:
        asked: dict[str, Any] = {"most": most, "mine": lambda key: key not in theirs}
        decided = [
            decision.to_do
            for told in (status(RolloutPhase.ROLLING), status(RolloutPhase.DONE))
            for decision in (
                rollout.decide(its, census, told, harmed=0, wall_time=STARTED, **asked),
                rollout.followed(told, census, **asked),
            )
        ]
        assert len(set(decided)) == 1
        return list(decided[0])

    assert named(None) == list(keys_in_order([tenants[0], *tenants[4:]]))
    assert named(2) == list(keys_in_order([tenants[0], tenants[4]]))
    assert named(0) == []


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (status(), True),
        (status(PAUSED, paused_reason="ConfirmationNeeded"), True),
        (status(PAUSED, paused_reason="CanaryFailed"), True),
        (status(RolloutPhase.ROLLING), False),
        (status(PAUSED, paused_reason="TooManyFailures"), False),
        (status(RolloutPhase.DONE), False),
    ],
)
def test_it_has_canaries_until_it_is_past_them(told: RolloutStatus, expected: bool) -> None:
    assert rollout.has_canaries(told) is expected


# --- its begin, and a person's word --------------------------------------------------------------


def test_a_rollout_goes_on_after_a_restart_and_is_replaced_by_the_next_change() -> None:
    its = tier()
    begun = rollout.begun(its, crowd(), AFTER)
    assert begun == status(RolloutPhase.CANARY, started=AFTER)
    told = Tier(its.name, 2, its.spec, DatabaseTierStatus(rollout=status(RolloutPhase.ROLLING, confirmed=2)))
    assert rollout.begun(told, [record(sick_since=AFTER)], AFTER) == told.status.rollout
    next_one = Tier(its.name, 3, its.spec, told.status)
    assert rollout.begun(next_one, crowd(), AFTER) == begun.model_copy(update={"generation": 3})


BEGINS: dict[str, tuple[Record, str]] = {
    "one stalled in this second": (record(sick_since=STARTED), "2026-01-01T12:00:01Z"),
    "one is in trouble since this second": (
        record(sick_since=STARTED, stalled=False),
        "2026-01-01T12:00:01Z",
    ),
    "one stalled before": (record(sick_since=BEFORE), STARTED),
    "one that stalled in this second is on its way out": (record(sick_since=STARTED, deleting=True), STARTED),
    "all are Ready": (record(), STARTED),
}


@pytest.mark.parametrize(("found", "begin"), BEGINS.values(), ids=BEGINS.keys())
def test_it_begins_after_what_is_not_its_doing(found: Record, begin: str) -> None:
    begun = rollout.begun(tier(), [record("t1"), found], STARTED)
    assert begun.started == begin
    assert standing(found, tier(), begun.started) is not Standing.FAILED


@pytest.mark.parametrize(
    ("said", "before", "confirmed", "forgiven"),
    [
        (None, status(failed=3), None, 0),
        ("yes", status(failed=3), None, 0),
        ("1", status(failed=3), None, 0),
        ("2", status(failed=3), 2, 3),
        ("2-2", status(failed=3), 2, 2),
        ("2-6", status(failed=6, confirmed=2, forgiven=3), 2, 6),
        ("2-3", status(failed=6, confirmed=2, forgiven=3), 2, 3),
        ("2", status(failed=6, confirmed=2, forgiven=3), 2, 3),
    ],
)
def test_a_person_lets_it_go_on(
    said: str | None, before: RolloutStatus, confirmed: int | None, forgiven: int
) -> None:
    after = rollout.heard(before, tier(annotation=said))
    assert (after.confirmed, after.forgiven) == (confirmed, forgiven)


@pytest.mark.parametrize("said", ["2", "2-2", "2-3"])
def test_a_word_that_was_heard_before_does_not_let_it_go_on_again(said: str) -> None:
    before = status(PAUSED, paused_reason="TooManyFailures", failed=6, confirmed=2, forgiven=3)
    assert rollout.heard(before, tier(annotation=said)) == before


@pytest.mark.parametrize(
    ("reason", "phase"),
    [
        ("ConfirmationNeeded", RolloutPhase.CANARY),
        ("CanaryFailed", RolloutPhase.CANARY),
        ("TooManyFailures", RolloutPhase.ROLLING),
    ],
)
def test_it_goes_on_where_it_stopped(reason: str, phase: RolloutPhase) -> None:
    after = rollout.let_go(status(PAUSED, paused_reason=reason), 3)
    assert (after.phase, after.paused_reason, after.confirmed, after.forgiven) == (phase, None, 2, 3)


def told(phase: RolloutPhase, generation: int = 2, reason: str | None = None) -> Tier:
    found = tier()
    status = RolloutStatus(
        generation=generation,
        phase=phase,
        paused_reason=reason,
        started=STARTED,
        updated=1,
        total=9,
        failed=0,
    )
    return Tier("free", 2, found.spec, status=DatabaseTierStatus(rollout=status))


PART = [
    record("t0"),
    record("t1", generation=2, waiting=["maxCU"]),
    record("t2", **FAILED),
    record("t3", sick_since=BEFORE),
]
ALL = {Key("tenants", f"t{number}") for number in range(4)}
FOLLOWED: dict[str, tuple[Tier, set[Key]]] = {
    "nothing is told": (tier(), set()),
    "another generation is told": (told(RolloutPhase.ROLLING, generation=1), set()),
    "Done": (told(RolloutPhase.DONE), ALL),
    "Rolling": (told(RolloutPhase.ROLLING), ALL),
    "Canary": (told(RolloutPhase.CANARY), set()),
    "Paused, to be confirmed": (told(RolloutPhase.PAUSED, reason="ConfirmationNeeded"), set()),
    "Paused, nobody knows why": (told(RolloutPhase.PAUSED), set()),
    "Paused for canaries": (told(RolloutPhase.PAUSED, reason="CanaryFailed"), {Key("tenants", "t2")}),
    "Paused for failures": (told(RolloutPhase.PAUSED, reason="TooManyFailures"), {Key("tenants", "t2")}),
}


@pytest.mark.parametrize(("found", "admitted"), FOLLOWED.values(), ids=FOLLOWED.keys())
def test_a_part_of_the_fleet_follows_what_is_told(found: Tier, admitted: set[Key]) -> None:
    decision = rollout.followed(rollout.begun(found, PART, STARTED), Census(found, PART, STARTED))
    assert {key for key in ALL if decision.admits(key)} == admitted
    open_ = admitted == ALL
    assert decision.to_do == ((Key("tenants", "t0"), Key("tenants", "t3")) if open_ else ())
    assert decision.waiting == ()
    assert decision.is_blind is False
    assert decision.everyone is open_


def test_a_part_that_follows_keeps_what_is_told() -> None:
    census = Census(told(RolloutPhase.ROLLING), PART, STARTED)
    for phase in (RolloutPhase.ROLLING, RolloutPhase.DONE):
        found = told(phase)
        assert rollout.followed(rollout.begun(found, PART, STARTED), census).status == found.status.rollout
    new = rollout.begun(tier(), PART, STARTED)
    assert rollout.followed(new, census) == Decision(new, everyone=False)
