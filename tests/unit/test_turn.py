"""Whose account a request goes on, and how those are given up that wait on it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from neon_tenants.core.failure import Done
from neon_tenants.core.lane import Lane
from neon_tenants.neon.errors import GivenUpError
from neon_tenants.neon.turn import Turn


def future() -> asyncio.Future[Any]:
    return asyncio.get_running_loop().create_future()


def begun(turn: Turn, waits_for: asyncio.Future[Any]) -> asyncio.Task[Any]:
    async def wait() -> Any:
        return await turn.wait(waits_for)

    return asyncio.create_task(wait())


async def test_a_wait_comes_to_what_it_waits_for() -> None:
    turn, one, other = Turn(Lane.CREATE), future(), future()
    waiting = begun(turn, one)
    await asyncio.sleep(0)
    one.set_result("its turn")
    assert await waiting == "its turn"
    other.set_exception(LookupError())
    with pytest.raises(LookupError):
        await turn.wait(other)


async def test_who_waits_when_it_is_given_up_is_told_that_nothing_was_sent() -> None:
    turn, one = Turn(Lane.CREATE), future()
    waiting = begun(turn, one)
    await asyncio.sleep(0)
    turn.give_up()
    with pytest.raises(GivenUpError) as raised:
        await waiting
    assert raised.value.failure.done is Done.NO
    assert one.cancelled()


async def test_nothing_waits_afterwards() -> None:
    turn, one = Turn(Lane.CREATE), future()
    turn.give_up()
    with pytest.raises(GivenUpError):
        await turn.wait(one)
    assert one.cancelled()


@pytest.mark.parametrize("late", [False, True])
async def test_what_nobody_else_could_do_is_not_given_up(late: bool) -> None:
    turn, one = Turn(Lane.DELETE), future()
    steps = [turn.insist, turn.give_up]
    for step in reversed(steps) if late else steps:
        step()
    waiting = begun(turn, one)
    await asyncio.sleep(0)
    turn.give_up()
    one.set_result("its turn")
    assert await waiting == "its turn"


async def test_what_has_come_by_then_is_not_lost() -> None:
    """A granted request is sent, and its answer is waited for."""
    turn, one = Turn(Lane.CREATE), future()
    waiting = begun(turn, one)
    await asyncio.sleep(0)
    one.set_result("its turn")
    turn.give_up()
    assert await waiting == "its turn"


async def test_a_task_that_is_cancelled_meanwhile_ends_as_such() -> None:
    turn, one = Turn(Lane.CREATE), future()
    waiting = begun(turn, one)
    await asyncio.sleep(0)
    waiting.cancel()
    turn.give_up()
    await asyncio.gather(waiting, return_exceptions=True)
    assert waiting.cancelled()


async def test_a_wait_that_is_cut_off_by_others_says_so() -> None:
    turn, one = Turn(Lane.CREATE), future()
    waiting = begun(turn, one)
    await asyncio.sleep(0)
    one.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert waiting.cancelled()
    again = future()
    again.set_result(1)
    assert await turn.wait(again) == 1
