"""A turn in the budget that is taken before its request is made: it counts once, never for two requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from answering import Server, answering
from neon_tenants.core.lane import Lane
from neon_tenants.neon import models
from neon_tenants.neon.budget import Budget
from neon_tenants.neon.errors import NeonError
from neon_tenants.neon.http import THROTTLED_ATTEMPTS, TURN_HOLDS, Http, Request
from neon_tenants.neon.key import ApiKey
from neon_tenants.neon.limits import Rates
from neon_tenants.neon.turn import Turn, taking_turns
from waiting import until

READ = Request("read the project", "GET", "/projects/{}", ("p",))
ROUTE = READ.budgeted_as


@dataclass
class Site:
    """A Neon that says what it is told to, and who asks it."""

    neon: Server
    budget: Budget
    http: Http
    now: float = 0.0
    """What the clock of the requests shows; the budget has its own."""

    async def read(self, turn: float | None) -> None:
        """One request on a turn that came then."""
        with taking_turns(Turn(Lane.CREATE)):
            await self.http.call(replace(READ, turn=turn), models.Wire)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    (tmp_path / "key").write_text("napi_canary")
    clock = asyncio.get_running_loop().time
    budget, key = Budget(Rates(600_000, 10_000), clock), ApiKey(tmp_path / "key", clock)
    async with (
        answering() as neon,
        Http.connect(neon.url, key=key, budget=budget, clock=lambda: found.now, timeout=30) as http,
    ):
        neon.says(b"{}")
        found = Site(neon, budget, http)
        yield found


async def test_the_request_leaves_on_it_and_waits_for_no_other(site: Site) -> None:
    async with site.http.turn_of(READ) as turn:
        assert site.neon.asked == []
    site.budget.pause(ROUTE, 3600)
    site.now += TURN_HOLDS
    await site.read(turn)
    assert len(site.neon.asked) == site.budget.granted == 1


async def test_one_that_came_long_ago_is_given_back_and_another_waited_for(site: Site) -> None:
    async with site.http.turn_of(READ) as turn:
        pass
    site.budget.pause(ROUTE, 3600)
    site.now += TURN_HOLDS + 0.01
    reading = asyncio.create_task(site.read(turn))

    async def waits() -> bool:
        return site.budget.waiting()[Lane.CREATE].depth == 1

    await until(waits, "it waits for another turn")
    assert site.budget.granted == 0
    assert site.neon.asked == []
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)


async def test_where_the_request_does_not_follow_it_is_given_back(site: Site) -> None:
    async def fail() -> None:
        async with site.http.turn_of(READ):
            assert site.budget.granted == 1
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert site.budget.granted == 0


async def test_it_serves_the_first_of_requests_that_are_repeated(site: Site) -> None:
    async with site.http.turn_of(READ) as turn:
        pass
    refusal = {"request_id": "r-1", "code": "", "message": "slow down"}
    site.neon.says(json.dumps(refusal).encode(), "429 Too Many Requests", "Retry-After: 0")
    with pytest.raises(NeonError):
        await site.read(turn)
    assert len(site.neon.asked) == site.budget.granted == THROTTLED_ATTEMPTS
