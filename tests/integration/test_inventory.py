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
from neon_tenants.core.lane import Lane
from neon_tenants.neon.budget import Budget
from neon_tenants.neon.client import NeonClient
from neon_tenants.neon.errors import NeonError
from neon_tenants.neon.http import Http
from neon_tenants.neon.inventory import GATHER, Inventory, _Round, _Rounds, crowd_of, patience
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
            yield Inventory(NeonClient(http, org_id=None), clock, lookers=LOOKERS)
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


PATIENCE = {
    "one, and nothing waits for the budget": (1, 5, 0.0, 0.0),
    "several after one": (2, 1, 0.0, 0.25),
    "several after several": (2, 2, 0.0, 1.0),
    "one, and a crowd leaves soon": (1, 1, 0.5, 1.0),
    "one, and a crowd takes its time": (1, 1, 3.4, 3.4),
    "several, and a crowd takes its time": (3, 2, 8.0, 8.0),
}


@pytest.mark.parametrize(("waiting", "served", "busy", "seconds"), PATIENCE.values(), ids=PATIENCE.keys())
def test_how_long_a_list_waits_for_more(waiting: int, served: int, busy: float, seconds: float) -> None:
    assert patience(waiting=waiting, served=served, busy=busy) == seconds


@pytest.mark.parametrize(
    ("takes", "wait_for", "seconds"), [(3.0, 300, 3.0), (60.0, 300, 8.0), (60.0, 40, 4.0), (60.0, 4, 1.0)]
)
async def test_a_list_waits_no_longer_than_who_waits_for_it_can(
    inventory: Inventory, takes: float, wait_for: float, seconds: float
) -> None:
    inventory = Inventory(
        inventory._neon, time.monotonic, lookers=LOOKERS, takes=lambda _: takes, wait_for=wait_for
    )
    crowd = _Round(asyncio.ensure_future(asyncio.sleep(0, None)))
    crowd.join(None, alone=False, crowd=8)
    rounds = _Rounds(Lane.CREATE)
    assert inventory._patience(rounds, crowd) == seconds
    crowd.join(None, alone=True, crowd=8)
    assert inventory._patience(rounds, crowd) == GATHER
    await crowd.task


CROWDS = {
    "a short list": (1, 32, 16),
    "still a quarter of a request each": (4, 32, 16),
    "a longer one": (5, 32, 20),
    "all who can look": (9, 32, 32),
    "as long as they are many": (32, 32, 32),
    "too long to be worth it": (33, 32, 16),
    "many who look": (1, 192, 64),
    "many who look, at a longer one": (9, 96, 36),
    "many more who look": (9, 128, 42),
    "many who look, at one that is too long": (193, 192, 64),
    "few who look": (1, 9, 6),
    "one who looks": (1, 1, 1),
}


@pytest.mark.parametrize(("pages", "lookers", "crowd"), CROWDS.values(), ids=CROWDS.keys())
def test_how_many_are_a_crowd(pages: int, lookers: int, crowd: int) -> None:
    assert crowd_of(pages=pages, lookers=lookers) == crowd


@pytest.mark.parametrize(("pages", "crowd"), [(1, 16), (6, 24)])
async def test_the_longer_the_list_the_more_of_a_crowd_share_it(
    neon: Neon, inventory: Inventory, pages: int, crowd: int
) -> None:
    under_way = look(inventory, Lane.CREATE)
    await asked(neon, 1)
    inventory._pages = pages
    looks = [look(inventory, Lane.CREATE) for _ in range(crowd - 1)]
    following = await joined(inventory, crowd - 1)
    assert not following.due.is_set()
    looks.append(look(inventory, Lane.CREATE))
    assert await joined(inventory, crowd) is following
    assert following.due.is_set()
    neon.first.set()
    assert await asyncio.gather(under_way, *looks) == [()] * (crowd + 1)


async def test_who_is_of_no_crowd_waits_for_none(neon: Neon, inventory: Inventory) -> None:
    under_way = look(inventory, Lane.CREATE)
    await asked(neon, 1)
    crowd = [look(inventory, Lane.CREATE) for _ in range(3)]
    due = (await joined(inventory, 3)).due
    assert not due.is_set()
    alone = look(inventory, Lane.CREATE, crowd=False)
    await asyncio.wait_for(due.wait(), 20)
    neon.first.set()
    await asyncio.gather(under_way, *crowd, alone)
    assert neon.asked == [MARKER.search_text, None]


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
