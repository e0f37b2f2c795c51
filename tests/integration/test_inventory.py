"""The shared look-up: who shares whose list, in which lane, and who waits for whom. By real sockets."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from builders import MARKER
from neon_tenants.core.crowd import GATHER, MAX_GATHER
from neon_tenants.core.lane import Lane
from neon_tenants.neon.budget import Budget
from neon_tenants.neon.client import NeonClient
from neon_tenants.neon.errors import NeonError
from neon_tenants.neon.http import Http
from neon_tenants.neon.inventory import Inventory, _Round
from neon_tenants.neon.key import ApiKey
from neon_tenants.neon.limits import Rates
from neon_tenants.neon.turn import Turn, taking_turns
from waiting import until

LOOKERS = 24
"""Of a crowd that can look at the same time."""


class Neon:
    """Answers lists, each when its turn comes: the first is held."""

    def __init__(self) -> None:
        self.asked: list[str | None] = []
        """What was searched for."""
        self.lanes: list[Lane] = []
        self.first = asyncio.Event()
        self.projects: list[dict[str, Any]] = []
        self.budget: Budget
        self.at_work = dict.fromkeys(Lane, 1000)
        """How many passes run, of this lane and some below: so many that more may come."""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.query.get("search"))
        if len(self.asked) == 1:
            await self.first.wait()
        body: dict[str, Any] = {"projects": self.projects, "pagination": {}}
        return web.Response(text=json.dumps(body), content_type="application/json")

    def observe(self, _route: str, _method: str, _status: int | None, lane: Lane) -> None:
        self.lanes.append(lane)


@pytest.fixture
async def neon() -> Neon:
    return Neon()


@pytest.fixture
async def inventory(neon: Neon, tmp_path: Path) -> AsyncIterator[Inventory]:
    (tmp_path / "key").write_text("napi_test")
    async with serving(neon) as url:
        clock = time.monotonic
        key, budget = ApiKey(tmp_path / "key", clock), Budget(Rates(100_000, 10_000), clock)
        async with Http.connect(
            url, key=key, budget=budget, clock=clock, timeout=30, observe=neon.observe
        ) as http:
            neon.budget = budget
            client = NeonClient(http, org_id=None)
            yield Inventory(client, clock, lookers=LOOKERS, at_work=lambda first, _: neon.at_work[first])
            neon.first.set()


@asynccontextmanager
async def serving(neon: Neon) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/projects", neon.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def look(inventory: Inventory, lane: Lane, *, whole: bool = False, crowd: bool = True) -> asyncio.Task[Any]:
    with taking_turns(Turn(lane, "tenants", crowd=crowd)):
        return asyncio.create_task(inventory.in_place(MARKER, newer_than=time.monotonic(), whole=whole))


async def asked(neon: Neon, count: int) -> None:
    async def often() -> bool:
        return len(neon.asked) >= count

    await until(often, f"Neon was asked {count} times")


async def joined(inventory: Inventory, count: int) -> _Round:
    """The next list of the urgent, once so many wait for it."""

    async def all_wait() -> bool:
        return inventory._urgent.next is not None and inventory._urgent.next.waiting == count

    await until(all_wait, f"{count} wait for the next list")
    assert inventory._urgent.next is not None
    return inventory._urgent.next


async def test_a_create_does_not_wait_for_the_list_of_a_sweep(neon: Neon, inventory: Inventory) -> None:
    sweep = look(inventory, Lane.SWEEP, whole=True)
    await asked(neon, 1)
    assert await look(inventory, Lane.CREATE) == ()
    assert not sweep.done()
    neon.first.set()
    await sweep
    assert neon.lanes == [Lane.CREATE, Lane.ROLLOUT]


async def test_a_crowd_shares_a_list_in_the_lane_of_creates_whoever_came_first(
    neon: Neon, inventory: Inventory
) -> None:
    under_way = look(inventory, Lane.DELETE)
    await asked(neon, 1)
    crowd = [look(inventory, lane) for lane in (Lane.REPAIR, Lane.CREATE, Lane.CHANGE, Lane.SWEEP) * 10]
    await joined(inventory, len(crowd))
    neon.first.set()
    await asyncio.gather(under_way, *crowd)
    assert neon.asked == [MARKER.search_text, None]
    assert neon.lanes == [Lane.CREATE, Lane.CREATE]


@pytest.mark.parametrize(
    ("takes", "wait_for", "seconds"), [(3.0, 300, 3.0), (60.0, 300, 8.0), (60.0, 40, 4.0), (60.0, 4, 1.0)]
)
async def test_a_list_waits_no_longer_than_who_waits_for_it_can(
    inventory: Inventory, takes: float, wait_for: float, seconds: float
) -> None:
    inventory = Inventory(
        inventory._neon,
        time.monotonic,
        lookers=LOOKERS,
        at_work=inventory._at_work,
        takes=lambda _: takes,
        wait_for=wait_for,
    )
    crowd = _Round(asyncio.ensure_future(asyncio.sleep(0, None)))
    crowd.join(None, alone=False)
    assert inventory._patience(inventory._urgent, crowd) == seconds
    crowd.join(None, alone=True)
    assert inventory._patience(inventory._urgent, crowd) == GATHER
    await crowd.task


@pytest.mark.parametrize(("pages", "crowd"), [(1, 16), (6, 24)])
async def test_the_longer_the_list_the_more_of_a_crowd_share_it(
    neon: Neon, inventory: Inventory, pages: int, crowd: int
) -> None:
    under_way = look(inventory, Lane.CREATE)
    await asked(neon, 1)
    inventory._pages = pages
    looks = [look(inventory, Lane.CREATE) for _ in range(crowd - 1)]
    following = await joined(inventory, crowd - 1)
    assert inventory._patience(inventory._urgent, following) == GATHER
    looks.append(look(inventory, Lane.CREATE))
    assert await joined(inventory, crowd) is following
    assert inventory._patience(inventory._urgent, following) == 0
    neon.first.set()
    assert await asyncio.gather(under_way, *looks) == [()] * (crowd + 1)


async def three_of_a_crowd(neon: Neon, inventory: Inventory) -> tuple[list[asyncio.Task[Any]], _Round]:
    """Who looks, and the list that three of them wait for, and for more of a crowd to come."""
    looks = [look(inventory, Lane.CREATE)]
    await asked(neon, 1)
    inventory._urgent.served = 16
    looks += [look(inventory, Lane.CREATE) for _ in range(3)]
    following = await joined(inventory, 3)
    assert inventory._patience(inventory._urgent, following) == MAX_GATHER
    return looks, following


async def test_who_is_of_no_crowd_waits_for_none(neon: Neon, inventory: Inventory) -> None:
    looks, following = await three_of_a_crowd(neon, inventory)
    looks.append(look(inventory, Lane.CREATE, crowd=False))
    await joined(inventory, 4)
    assert inventory._patience(inventory._urgent, following) == GATHER
    neon.first.set()
    await asyncio.gather(*looks)
    assert neon.asked == [MARKER.search_text, None]


async def test_a_list_waits_for_nobody_where_all_who_are_at_work_wait_for_it(
    neon: Neon, inventory: Inventory
) -> None:
    looks, following = await three_of_a_crowd(neon, inventory)
    neon.at_work[Lane.ROLLOUT] = 3
    assert inventory._patience(inventory._urgent, following) == MAX_GATHER
    neon.at_work[Lane.CREATE] = 3
    assert inventory._patience(inventory._urgent, following) == GATHER
    neon.first.set()
    await asyncio.gather(*looks)


async def test_what_makes_a_list_longer_does_not_join_that_of_a_create(
    neon: Neon, inventory: Inventory
) -> None:
    under_way = look(inventory, Lane.CREATE)
    await asked(neon, 1)
    create, sweep = look(inventory, Lane.CREATE), look(inventory, Lane.SWEEP, whole=True)
    await sweep
    assert not create.done()
    neon.first.set()
    await asyncio.gather(under_way, create)
    assert sorted(neon.lanes) == [Lane.CREATE, Lane.CREATE, Lane.ROLLOUT]


async def test_who_comes_while_a_list_waits_for_the_budget_shares_it(
    neon: Neon, inventory: Inventory
) -> None:
    neon.first.set()
    neon.budget.pause("GET /projects", 3.0)
    looks = [look(inventory, Lane.CREATE)]

    async def waits() -> bool:
        return neon.budget.waiting()[Lane.CREATE].depth == 1

    await until(waits, "the list waits for the budget")
    looks += [look(inventory, Lane.CREATE) for _ in range(10)]
    await asyncio.gather(*looks)
    assert neon.asked == [None]


OURS = {
    "id": "cool-project-1",
    "name": MARKER.project_name,
    "region_id": "aws-us-east-2",
    "pg_version": 17,
    "created_at": "2026-01-01T00:00:00Z",
}


async def test_of_projects_that_nobody_looks_for_only_id_and_name_need_be_understood(
    neon: Neon, inventory: Inventory
) -> None:
    neon.first.set()
    neon.projects = [{"id": "other-project-1", "name": "somebody's"}, OURS]
    found, _ = await asyncio.gather(*(look(inventory, Lane.CREATE) for _ in range(2)))
    assert [project.id for project in found] == [OURS["id"]]
    with pytest.raises(NeonError):
        await inventory.whole()
    neon.projects = [{"id": "other-project-1", "name": 7}, OURS]
    with pytest.raises(NeonError):
        await look(inventory, Lane.CREATE)


async def test_who_looks_alone_asks_for_no_others(neon: Neon, inventory: Inventory) -> None:
    neon.first.set()
    for _ in range(2):
        await look(inventory, Lane.CREATE)
    await look(inventory, Lane.CREATE, whole=True)
    assert neon.asked == [MARKER.search_text, MARKER.search_text, None]


async def test_a_list_for_a_few_serves_nobody_later(neon: Neon, inventory: Inventory) -> None:
    neon.first.set()
    await asyncio.gather(look(inventory, Lane.CREATE), look(inventory, Lane.CREATE))
    neon.projects = [OURS]
    assert len(await inventory.in_place(MARKER, newer_than=0.0, whole=True)) == 1
    neon.projects = []
    assert len(await inventory.in_place(MARKER, newer_than=0.0)) == 1
    assert neon.asked == [None, None]
