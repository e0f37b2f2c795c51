"""The request budget: who goes first, by a clock that is told, and that no turn is lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neon_sandbox.bench.figures import busiest
from neon_tenants.core.lane import Lane
from neon_tenants.core.turns import GUARANTEE, Waiting
from neon_tenants.neon.budget import Budget, Schedule, Waiter
from neon_tenants.neon.errors import GivenUpError
from neon_tenants.neon.limits import Rates
from neon_tenants.neon.turn import Turn, current_turn, taking_turns

LIST = "GET /projects"
POST = "POST /projects"
READ = "GET /projects/{}"
USAGE = "GET /consumption_history/v2/projects"
RATES = Rates(60, 5, 6)
CREATE = Turn(Lane.CREATE, "a")
ROLLOUT = Turn(Lane.ROLLOUT, "a")
SWEEP = Turn(Lane.SWEEP)


class Time:
    """A schedule whose time passes when it says that nothing can be done."""

    def __init__(self, rates: Rates = RATES) -> None:
        self.now = 0.0
        self.schedule = Schedule(rates, self.now)
        self.sent: list[tuple[float, Waiter]] = []

    def join(self, turn: Turn, route: str = READ, count: int = 1) -> Waiter:
        for _ in range(count):
            waiter = self.schedule.join(turn, route, self.now)
        return waiter

    def send(self, count: int = 1_000_000, *, until: float = 1e9) -> list[Waiter]:
        """Sends so many, or all that wait, or what may leave in time."""
        sent: list[Waiter] = []
        while len(sent) < count:
            found = self.schedule.next(self.now)
            if isinstance(found, Waiter):
                sent.append(found)
                self.sent.append((self.now, found))
            elif found is None or self.now + found > until:
                break
            else:
                self.now += found
        return sent


def lanes(waiters: list[Waiter]) -> Counter[Lane]:
    return Counter(waiter.turn.lane for waiter in waiters)


def test_a_create_goes_before_a_thousand_of_a_rollout() -> None:
    time = Time()
    time.join(ROLLOUT, count=1000)
    time.send(500)
    create = time.join(CREATE)
    assert time.send(1) == [create]


def test_a_create_waits_for_at_most_one_that_is_guaranteed_to_a_lower_lane() -> None:
    time = Time()
    time.join(ROLLOUT, count=1000)
    for _ in range(100):
        create = time.join(CREATE)
        assert create in time.send(2)


def test_a_low_lane_is_served_while_creates_never_end() -> None:
    time = Time()
    time.join(CREATE, count=1000)
    time.join(ROLLOUT, count=1000)
    time.join(SWEEP, count=1000)
    assert lanes(time.send(10 * GUARANTEE)) == {
        Lane.CREATE: 9 * GUARANTEE,
        Lane.ROLLOUT: GUARANTEE / 2,
        Lane.SWEEP: GUARANTEE / 2,
    }


def test_namespaces_take_turns_over_all_routes() -> None:
    time = Time()
    for route in (LIST, POST, READ):
        time.join(CREATE, route, count=100)
    time.send(7)
    alone = time.join(Turn(Lane.CREATE, "quiet"), LIST)
    assert alone in time.send(2)


def test_what_neon_paused_holds_up_nothing_else_and_is_first_afterwards() -> None:
    time = Time(Rates(600, 50, 6))
    time.schedule.pause(POST, 30.0, time.now)
    time.join(CREATE, POST, count=1000)
    time.join(ROLLOUT, READ, count=1000)
    assert {waiter.route for waiter in time.send(until=29.9)} == {READ}
    assert len(time.sent) >= 0.95 * 10 * 29.9
    time.send(until=32.0)
    assert {waiter.route for at, waiter in time.sent if at > 30.2} == {POST, READ}
    assert lanes([waiter for at, waiter in time.sent if at > 30.2])[Lane.CREATE] >= 15


def test_where_all_wait_for_pauses_the_first_to_end_is_waited_for() -> None:
    time = Time()
    time.schedule.pause(POST, 30.0, time.now)
    time.join(CREATE, POST)
    time.now = 10.0
    assert time.schedule.next(time.now) == 20.0


def test_the_consumption_history_keeps_to_its_own_share_and_leaves_the_rest_to_others() -> None:
    time = Time()
    time.join(SWEEP, USAGE, count=100)
    time.join(SWEEP, READ, count=1000)
    sent = Counter(waiter.route for waiter in time.send(until=600))
    assert 0.95 * 60 <= sent[USAGE] <= 61
    assert sent[USAGE] + sent[READ] >= 0.95 * 600


def test_who_leaves_loses_nobody_a_place_and_no_request() -> None:
    time = Time()
    waiters = [time.join(CREATE) for _ in range(10)]
    for waiter in waiters[::2]:
        time.schedule.leave(waiter)
    assert time.schedule.waiting(0.0)[Lane.CREATE].depth == 5
    assert time.send() == waiters[1::2]
    left = time.schedule.left(time.now)
    time.schedule.leave(waiters[1])
    assert time.schedule.left(time.now) == left + 1


def test_it_tells_who_waits_and_how_long() -> None:
    time = Time()
    time.schedule.pause(READ, 3600, time.now)
    first = time.join(CREATE)
    time.now = 5.0
    time.join(CREATE, count=2)
    time.join(SWEEP)
    time.now = 7.0
    found = {lane: (lane_.depth, lane_.oldest) for lane, lane_ in time.schedule.waiting(7.0).items()}
    assert found == {**dict.fromkeys(Lane, (0, 0.0)), Lane.CREATE: (3, 7.0), Lane.SWEEP: (1, 2.0)}
    time.schedule.leave(first)
    assert time.schedule.waiting(7.0)[Lane.CREATE] == Waiting(2, 2.0)


@dataclass(frozen=True)
class Event:
    pause: float
    lane: Lane
    namespace: str
    route: str
    count: int
    leaves: bool
    throttled: bool


EVENTS = st.builds(
    Event,
    pause=st.floats(0, 20),
    lane=st.sampled_from(Lane),
    namespace=st.sampled_from("ab"),
    route=st.sampled_from([LIST, POST, USAGE]),
    count=st.integers(1, 20),
    leaves=st.booleans(),
    throttled=st.booleans(),
)


@given(st.lists(EVENTS, max_size=25))
def test_whatever_happens_every_limit_holds_and_everybody_is_served_once(events: list[Event]) -> None:
    time = Time()
    joined: list[Waiter] = []
    left: list[Waiter] = []
    for event in events:
        start = time.now
        time.send(until=start + event.pause)
        time.now = start + event.pause
        turn = Turn(event.lane, event.namespace)
        joined += [time.join(turn, event.route) for _ in range(event.count)]
        if event.leaves:
            left.append(joined[-1])
            time.schedule.leave(joined[-1])
        if event.throttled:
            time.schedule.pause(event.route, event.pause, time.now)
    time.send()
    sent = [waiter for _, waiter in time.sent]
    assert len(sent) == len(set(sent))
    assert set(sent) | set(left) == set(joined)
    assert busiest([at for at, _ in time.sent], 60.0) <= 60
    assert busiest([at for at, waiter in time.sent if waiter.route == USAGE], 60.0) <= 6
    for route in (LIST, POST):
        assert busiest([at for at, waiter in time.sent if waiter.route == route], 1.0 - 1e-5) <= 5
    for key in {(waiter.turn, waiter.route) for waiter in sent}:
        assert [w for w in joined if (w.turn, w.route) == key and w not in left] == [
            w for w in sent if (w.turn, w.route) == key
        ]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def full() -> tuple[Budget, Clock]:
    """A budget with a burst of 12 requests saved up."""
    clock = Clock()
    budget = Budget(Rates(600, 100, 6), clock)
    clock.now = 3600.0
    return budget, clock


def waiting(budget: Budget) -> int:
    return sum(lane.depth for lane in budget.waiting().values())


async def waits(budget: Budget, count: int) -> None:
    """Until so many wait."""
    async with asyncio.timeout(20):
        while waiting(budget) < count:
            await asyncio.sleep(0)


async def test_what_is_there_is_granted_at_once_and_no_more() -> None:
    budget, _ = full()
    tasks = [asyncio.create_task(budget.acquire(READ)) for _ in range(14)]
    await waits(budget, 2)
    assert sum(task.done() for task in tasks) == 12
    assert budget.left() == 0
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert waiting(budget) == 0


async def test_a_request_that_waits_goes_when_its_time_has_come() -> None:
    budget = Budget(Rates(60_000, 10_000, 6), asyncio.get_running_loop().time)
    async with asyncio.timeout(20):
        await asyncio.gather(*(budget.acquire(READ) for _ in range(100)))
    budget.pause(READ, 0.01)
    async with asyncio.timeout(20):
        await budget.acquire(READ)


async def test_one_that_is_cancelled_in_the_moment_of_its_grant_hands_it_on() -> None:
    budget, clock = full()
    for _ in range(budget.left()):
        await budget.acquire(READ)
    first = asyncio.create_task(budget.acquire(READ))
    second = asyncio.create_task(budget.acquire(READ))
    await waits(budget, 2)
    clock.now += 0.11
    budget._grant()  # as its timer would
    assert waiting(budget) == 1
    first.cancel()
    async with asyncio.timeout(20):
        await second
    assert first.cancelled()


async def test_one_that_is_cancelled_before_its_grant_takes_nothing() -> None:
    budget, clock = full()
    for _ in range(budget.left()):
        await budget.acquire(READ)
    first = asyncio.create_task(budget.acquire(READ))
    second = asyncio.create_task(budget.acquire(READ))
    await waits(budget, 2)
    first.cancel()
    clock.now += 0.11
    budget._grant()  # between the cancellation and its arrival
    async with asyncio.timeout(20):
        await second
    assert first.cancelled()


async def test_one_that_is_given_up_takes_nothing() -> None:
    budget, clock = full()
    for _ in range(budget.left()):
        await budget.acquire(READ)
    ends = Turn(Lane.CREATE)
    with taking_turns(ends):
        first = asyncio.create_task(budget.acquire(READ))
    second = asyncio.create_task(budget.acquire(READ))
    await waits(budget, 2)
    ends.give_up()
    clock.now += 0.11
    budget._grant()  # before it learns of that
    async with asyncio.timeout(20):
        await second
    with pytest.raises(GivenUpError):
        await first
    with taking_turns(ends), pytest.raises(GivenUpError):
        await budget.acquire(READ)
    assert waiting(budget) == 0
    assert budget.granted == 13


async def test_requests_go_on_the_account_of_the_block_and_its_tasks() -> None:
    async def account() -> Turn:
        return current_turn()

    with taking_turns(CREATE):
        inside = asyncio.create_task(account())
    outside = asyncio.create_task(account())
    assert await inside is CREATE
    assert (await outside).lane is Lane.SWEEP


async def test_the_waiting_are_counted_on_the_account_of_their_task() -> None:
    budget, _ = full()
    budget.pause(READ, 3600)
    with taking_turns(CREATE):
        task = asyncio.create_task(budget.acquire(READ))
    await waits(budget, 1)
    assert budget.waiting()[Lane.CREATE] == Waiting(1, 0.0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_other_rates_count_at_once_for_who_waits() -> None:
    """With the old ones it would wait for a minute."""
    budget = Budget(Rates(per_minute=1, per_second_of_route=100), asyncio.get_running_loop().time)
    assert budget.rates.per_minute == 1
    waiting = asyncio.create_task(budget.acquire(READ))
    await waits(budget, 1)
    budget.change(Rates(per_minute=60_000, per_second_of_route=100))
    async with asyncio.timeout(20):
        await waiting
        await budget.acquire(READ)
    assert budget.granted == 2
    assert budget.whole.per_minute == 1
    assert budget.rates.per_minute == 60_000


async def test_it_tells_how_long_requests_take_where_some_wait() -> None:
    budget, _ = full()
    assert budget.takes(8) == 0.0
    budget.pause(READ, 3600)
    waiting = asyncio.create_task(budget.acquire(READ))
    await waits(budget, 1)
    assert budget.takes(8) == 0.8
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert budget.takes(8) == 0.0
