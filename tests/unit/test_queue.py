"""The queue: order, fairness, back-off. By counts and order, never by times."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import AbstractAsyncContextManager

import pytest

from neon_tenants.core.again import Again
from neon_tenants.core.key import Key
from neon_tenants.core.lane import Lane
from neon_tenants.queue import FEW, Queue, Reconcile

DONE = Again()


def queue(**options: float) -> Queue:
    return Queue(dice=lambda: 1.0, **options)


def key(name: str, namespace: str = "a") -> Key:
    return Key(namespace, name)


class Passes:
    """Records the passes; answers as told, else that all is done."""

    def __init__(self) -> None:
        self.order: list[Key] = []
        self.lanes: list[Lane] = []
        self.crowds: list[bool] = []
        self.answers: dict[Key, list[Again | Exception]] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        self.changed = asyncio.Condition()

    async def __call__(self, key: Key, lane: Lane, *, crowd: bool) -> Again:
        async with self.changed:
            self.order.append(key)
            self.lanes.append(lane)
            self.crowds.append(crowd)
            self.changed.notify_all()
        await self.gate.wait()
        answers = self.answers.get(key)
        answer = answers.pop(0) if answers else DONE
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def until(self, count: int) -> None:
        async with asyncio.timeout(20), self.changed:
            await self.changed.wait_for(lambda: len(self.order) >= count)


def working(queue: Queue, passes: Reconcile, workers: int = 1) -> AbstractAsyncContextManager[None]:
    return queue.working(passes, workers=workers, grace=20)


async def test_a_key_that_waits_is_worked_on_once() -> None:
    q, passes = queue(), Passes()
    for _ in range(5):
        q.add(key("x"), Lane.CREATE)
    q.add(key("y"), Lane.CREATE)
    async with working(q, passes):
        await passes.until(2)
    assert passes.order == [key("x"), key("y")]
    assert len(q) == 0


async def test_a_key_is_busy_while_a_pass_is_due_or_runs_and_not_while_it_waits_for_its_time() -> None:
    q, passes = queue(), Passes()
    assert not q.busy(key("x"))
    q.add(key("x"), Lane.CREATE)
    assert q.busy(key("x"))
    passes.gate.clear()
    passes.answers[key("x")] = [Again(after=3600)]
    async with working(q, passes):
        await passes.until(1)
        assert q.busy(key("x"))
        passes.gate.set()
    assert len(q) == 1
    assert not q.busy(key("x"))


async def test_a_person_goes_before_a_look_in_passing() -> None:
    q, passes = queue(), Passes()
    q.add(key("late"), Lane.SWEEP)
    q.add(key("tier"), Lane.ROLLOUT)
    q.add(key("person"), Lane.CREATE)
    q.add(key("late"), Lane.CREATE)
    async with working(q, passes):
        await passes.until(3)
    assert passes.order == [key("person"), key("late"), key("tier")]


async def test_a_retried_key_keeps_its_lane_and_may_rise_but_not_sink() -> None:
    q, passes = queue(first_delay=0.01, max_delay=0.01), Passes()
    passes.answers[key("x")] = [Again(backoff=True)] * 2
    q.add(key("x"), Lane.ROLLOUT)
    async with working(q, passes):
        await passes.until(3)
        passes.answers[key("x")] = [Again(backoff=True), Again(after=3600)]
        q.add(key("x"), Lane.CREATE)
        await passes.until(5)
        q.add(key("x"), Lane.SWEEP)
        await passes.until(6)
    assert passes.lanes == [Lane.ROLLOUT] * 3 + [Lane.CREATE] * 3


async def test_a_pass_is_told_whether_many_of_its_namespace_are_ready_or_at_work() -> None:
    q, passes = queue(), Passes()
    keys = [Key("many", f"{number}") for number in range(FEW + 2)]
    for one in (*keys, Key("few", "a"), Key("few", "b")):
        q.add(one, Lane.CREATE)
    async with working(q, passes):
        await passes.until(FEW + 4)
    told = dict(zip(passes.order, passes.crowds, strict=True))
    assert [told[one] for one in keys] == [True, True, *[False] * FEW]
    assert not told[Key("few", "a")]
    assert not told[Key("few", "b")]


async def test_what_is_asked_for_while_a_pass_runs_has_its_own_lane() -> None:
    q, passes = queue(), Passes()
    passes.gate.clear()
    q.add(key("x"), Lane.CREATE)
    async with working(q, passes):
        await passes.until(1)
        q.add(key("x"), Lane.ROLLOUT)
        q.add(key("x"), Lane.SWEEP)
        passes.gate.set()
        await passes.until(2)
    assert passes.lanes == [Lane.CREATE, Lane.ROLLOUT]


async def test_an_echo_does_not_make_a_pass_more_urgent() -> None:
    q, passes = queue(first_delay=0.01), Passes()
    passes.gate.clear()
    passes.answers[key("x")] = [Again(backoff=True, version=7)]
    q.add(key("x"), Lane.ROLLOUT)
    async with working(q, passes):
        await passes.until(1)
        q.add(key("x"), Lane.CHANGE, version=7)
        passes.gate.set()
        await passes.until(2)
    assert passes.lanes == [Lane.ROLLOUT] * 2


async def test_namespaces_take_turns() -> None:
    q, passes = queue(), Passes()
    for number in range(100):
        q.add(key(f"x{number}", "crowd"), Lane.CREATE)
    q.add(key("alone", "quiet"), Lane.CREATE)
    async with working(q, passes):
        await passes.until(101)
    assert passes.order.index(key("alone", "quiet")) == 1


class Held(Passes):
    """Passes that go on only when they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.gate.clear()


async def test_a_create_finds_a_worker_while_a_rollout_waits_for_its_requests() -> None:
    q, passes = queue(), Held()
    for number in range(100):
        q.add(key(f"x{number}"), Lane.ROLLOUT)
    async with working(q, passes, workers=8):
        await passes.until(3)
        q.add(key("alone", "quiet"), Lane.CREATE)
        await passes.until(4)
        assert passes.order[3] == key("alone", "quiet")
        passes.gate.set()
        await passes.until(101)
    assert len(q) == 0


async def test_a_rollout_finds_a_worker_while_creates_wait_for_their_requests() -> None:
    q, passes = queue(), Held()
    for number in range(100):
        q.add(key(f"x{number}"), Lane.CREATE)
    async with working(q, passes, workers=16):
        await passes.until(13)
        q.add(key("alone", "quiet"), Lane.ROLLOUT)
        await passes.until(14)
        assert passes.order[13] == key("alone", "quiet")
        passes.gate.set()
        await passes.until(101)
    assert len(q) == 0


async def test_a_namespace_alone_finds_a_worker_while_a_crowd_waits_for_its_requests() -> None:
    q, passes = queue(), Held()
    for number in range(100):
        q.add(key(f"x{number}", "crowd"), Lane.CREATE)
    async with working(q, passes, workers=16):
        await passes.until(13)
        q.add(key("alone", "quiet"), Lane.CREATE)
        q.add(key("second", "quiet"), Lane.CREATE)
        await passes.until(14)
        assert passes.order[13] == key("alone", "quiet")
        passes.gate.set()
        await passes.until(102)
    assert len(q) == 0
    assert not q._active


async def test_a_worker_that_may_not_take_a_lane_takes_it_as_soon_as_it_may() -> None:
    q, passes = queue(), Held()
    async with working(q, passes, workers=8):
        for number in range(8):
            q.add(key(f"x{number}"), Lane.CHANGE)
        await passes.until(7)
        q.add(key("create"), Lane.CREATE)
        q.add(key("sweep"), Lane.SWEEP)
        passes.gate.set()
        await passes.until(10)
    assert len(q) == 0


async def test_a_thousand_creates_of_one_namespace_do_not_hold_up_another() -> None:
    q, passes = queue(), Passes()
    for number in range(1000):
        q.add(key(f"x{number}", "crowd"), Lane.CREATE)
    async with working(q, passes, workers=4):
        await passes.until(100)
        seen = len(passes.order)
        q.add(key("alone", "quiet"), Lane.CREATE)
        await passes.until(1001)
    assert passes.order.index(key("alone", "quiet")) <= seen + 1


async def test_who_becomes_more_urgent_waits_in_one_lane_only() -> None:
    q = queue()
    q.add(key("x"), Lane.SWEEP)
    q.add(key("y"), Lane.SWEEP)
    q.add(key("x"), Lane.CREATE)
    assert {lane: found.depth for lane, found in q.waiting().items() if found.depth} == {
        Lane.CREATE: 1,
        Lane.SWEEP: 1,
    }


async def test_no_two_passes_of_a_key_run_at_once_and_one_more_follows() -> None:
    q, passes = queue(), Passes()
    passes.gate.clear()
    q.add(key("x"), Lane.CREATE)
    async with working(q, passes, workers=4):
        await passes.until(1)
        for _ in range(3):
            q.add(key("x"), Lane.CREATE)
        assert passes.order == [key("x")]
        passes.gate.set()
        await passes.until(2)
    assert passes.order == [key("x")] * 2


async def test_what_a_pass_has_written_itself_is_no_news() -> None:
    q, passes = queue(), Passes()
    passes.gate.clear()
    passes.answers[key("x")] = [Again(after=3600, version=12)]
    q.add(key("x"), Lane.CREATE, version=10)
    async with working(q, passes):
        await passes.until(1)
        q.add(key("x"), Lane.CREATE, version=11)
        q.add(key("x"), Lane.CREATE, version=12)
        passes.gate.set()
        q.add(key("y"), Lane.CREATE)
        await passes.until(2)
        q.add(key("x"), Lane.CREATE, version=12)
        q.add(key("z"), Lane.CREATE)
        await passes.until(3)
        q.add(key("x"), Lane.CREATE, version=13)
        await passes.until(4)
    assert [k.name for k in passes.order] == ["x", "y", "z", "x"]


async def test_a_failing_tenant_backs_off_alone_and_comes_again() -> None:
    q, passes = queue(first_delay=0.01, max_delay=0.02), Passes()
    passes.answers[key("bad")] = [Again(backoff=True)] * 5
    q.add(key("bad"), Lane.CREATE)
    for number in range(20):
        q.add(key(f"good{number}"), Lane.CREATE)
    async with working(q, passes):
        await passes.until(26)
    counts = Counter(passes.order)
    assert counts.pop(key("bad")) == 6
    assert set(counts.values()) == {1}
    assert len(q) == 0


async def test_an_exception_backs_off_as_well_and_its_text_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    q, passes = queue(first_delay=0.01), Passes()
    passes.answers[key("x")] = [ValueError("npg_secret")]
    q.add(key("x"), Lane.CREATE)
    with caplog.at_level(logging.DEBUG):
        async with working(q, passes):
            await passes.until(2)
    assert [record.__dict__["error"] for record in caplog.records if record.levelname == "ERROR"] == [
        "ValueError"
    ]
    assert "npg_secret" not in caplog.text + str([record.__dict__ for record in caplog.records])


async def test_an_event_ends_a_back_off() -> None:
    q, passes = queue(first_delay=3600), Passes()
    passes.answers[key("x")] = [Again(backoff=True, version=5)]
    q.add(key("x"), Lane.CREATE, version=5)
    async with working(q, passes):
        await passes.until(1)
        q.add(key("x"), Lane.CREATE, version=6)
        await passes.until(2)
    assert len(q) == 0


async def test_a_new_key_ends_every_back_off() -> None:
    q, passes = queue(first_delay=3600), Passes()
    names = [f"x{number}" for number in range(10)]
    for name in names:
        passes.answers[key(name)] = [Again(backoff=True)]
        q.add(key(name), Lane.CREATE)
    async with working(q, passes, workers=3):
        await passes.until(10)
        q.add(key("last"), Lane.SWEEP)
        await passes.until(11)
        q.expedite()
        await passes.until(21)
    assert Counter(passes.order)[key("x0")] == 2


async def test_after_a_history_that_went_back_lower_versions_are_news() -> None:
    q, passes = queue(), Passes()
    x, running = key("x"), key("running")
    passes.answers[x] = [Again(after=3600, version=12), Again(after=3600, version=3)]
    passes.answers[running] = [Again(after=3600, version=12), Again(after=3600, version=3)]
    q.add(x, Lane.CREATE, version=10)
    async with working(q, passes, workers=2):
        await passes.until(1)
        passes.gate.clear()
        q.add(running, Lane.CREATE, version=11)
        await passes.until(2)
        q.renew()
        passes.gate.set()
        await passes.until(4)  # each is looked at again, without an event
        q.add(key("y"), Lane.CREATE)
        await passes.until(5)
        q.add(x, Lane.CREATE, version=4)
        q.add(running, Lane.CREATE, version=4)
        await passes.until(7)
    assert Counter(passes.order) == {x: 3, running: 3, key("y"): 1}


def delays(answers: list[Again], **options: float) -> list[float]:
    q = queue(**options)
    return [q._backoff(count, answer) for count, answer in enumerate(answers, start=1)]


def test_back_off_doubles_up_to_its_bound() -> None:
    assert delays([Again(backoff=True)] * 5, first_delay=1, max_delay=10) == [1, 2, 4, 8, 10]


def test_back_off_waits_at_least_as_long_as_the_other_side_asks() -> None:
    assert delays([Again(backoff=True, after=60)] * 2, first_delay=1) == [60, 60]


def test_back_off_looks_again_in_time() -> None:
    assert delays([Again(backoff=True, within=3), Again(backoff=True, within=-1)], first_delay=10) == [3, 0]


def test_jitter_takes_away_up_to_half() -> None:
    q = Queue(dice=lambda: 0.0, first_delay=8)
    assert q._backoff(1, Again(backoff=True)) == 4


async def test_running_passes_get_their_time_at_the_end() -> None:
    q, passes = queue(), Passes()
    passes.gate.clear()
    finished: list[Key] = []

    async def slow(key: Key, lane: Lane, *, crowd: bool) -> Again:
        again = await passes(key, lane, crowd=crowd)
        finished.append(key)
        return again

    async with working(q, slow, workers=2):
        q.add(key("x"), Lane.CREATE)
        q.add(key("y"), Lane.CREATE)
        await passes.until(2)
        q.add(key("never"), Lane.CREATE)
        asyncio.get_running_loop().call_soon(passes.gate.set)
    assert sorted(finished) == [key("x"), key("y")]


async def test_a_pass_that_takes_too_long_is_cancelled_at_the_end() -> None:
    q, passes = queue(), Passes()
    passes.gate.clear()
    q.add(key("x"), Lane.CREATE)
    async with q.working(passes, workers=1, grace=0):
        await passes.until(1)
    assert passes.order == [key("x")]


async def test_passes_are_cut_off_when_there_is_no_time_to_finish_them() -> None:
    q, passes, cut = queue(), Passes(), asyncio.Event()
    passes.gate.clear()
    q.add(key("x"), Lane.CREATE)
    async with q.working(passes, workers=1, grace=3600, cut=cut):
        await passes.until(1)
        asyncio.get_running_loop().call_soon(cut.set)
    assert passes.order == [key("x")]


async def test_the_queue_tells_what_waits_and_what_backs_off() -> None:
    q, passes = queue(first_delay=1000, max_delay=1000), Passes()
    passes.answers[key("bad")] = [Again(backoff=True)]
    q.add(key("bad"), Lane.CREATE)
    async with working(q, passes):
        await passes.until(1)
        while not q.backing_off():
            await asyncio.sleep(0)
        passes.gate.clear()
        q.add(key("first"), Lane.CREATE)
        await passes.until(2)
        q.add(key("a"), Lane.SWEEP)
        q.add(key("b"), Lane.SWEEP)
        waiting = q.waiting()
        assert {lane: found.depth for lane, found in waiting.items() if found.depth} == {Lane.SWEEP: 2}
        assert waiting[Lane.SWEEP].oldest >= 0 == waiting[Lane.CREATE].oldest
        passes.gate.set()
        await passes.until(4)
    assert q.moved_ago >= 0


async def test_who_waits_for_passes_waits_for_those_that_run_now_and_for_no_other() -> None:
    waited, passes = queue(), Passes()
    passes.gate.clear()
    async with working(waited, passes, workers=2):
        await waited.ended(lambda _: True)
        waited.add(key("ours"), Lane.CREATE)
        waited.add(key("other"), Lane.CREATE)
        await passes.until(2)
        await waited.ended(lambda found: found == key("nobody"))
        both = [asyncio.create_task(waited.ended(lambda found: found == key("ours"))) for _ in range(2)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in both)
        waited.add(key("ours"), Lane.CREATE)  # another pass follows, for which nobody waits
        passes.gate.set()
        await asyncio.gather(*both)
        assert passes.order.count(key("ours")) >= 1
