"""Lists: pages, search, lag, and what they cannot show."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from sandbox.emulator_world import Neon, open_neon


@pytest.fixture
async def neon() -> AsyncIterator[Neon]:
    async with open_neon() as opened:
        yield opened


async def test_names_are_not_unique_and_each_post_makes_a_project(neon: Neon) -> None:
    one, other = await neon.create("same"), await neon.create("same")
    assert one.id != other.id
    assert await neon.names() == ["same", "same"]


async def test_a_list_is_paged_newest_first_without_gaps_or_repetitions(neon: Neon) -> None:
    for number in range(25):
        await neon.create(f"p{number}")
    seen: list[str] = []
    sizes: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await neon.page(**cursor)
        sizes.append(len(answer["projects"]))
        seen += [project["name"] for project in answer["projects"]]
        if "pagination" not in answer:
            break
        cursor = {"cursor": answer["pagination"]["cursor"]}
    assert sizes == [10, 10, 5, 0]
    assert seen == [f"p{number}" for number in reversed(range(25))]


async def test_a_cursor_stays_good_while_projects_come_and_go(neon: Neon) -> None:
    tenants = [await neon.create(f"p{number}") for number in range(6)]
    first = await neon.page(limit=3)
    await neon.ask("DELETE", tenants[3].path)  # the cursor's own
    await neon.create("new")
    rest = await neon.names(limit=3, cursor=first["pagination"]["cursor"])
    assert rest == ["p2", "p1", "p0"]


async def test_search_is_for_a_part_of_the_name_or_of_the_id(neon: Neon) -> None:
    tenant = await neon.create("td-acme-copy")
    await neon.create("td-acme")
    assert await neon.names(search="td-acme") == ["td-acme", "td-acme-copy"]
    assert await neon.names(search="e-cop") == ["td-acme-copy"]
    assert await neon.names(search=tenant.id[2:]) == ["td-acme-copy"]
    assert await neon.names(search="nobody") == []


async def test_projects_that_are_unavailable_are_named_and_not_described(neon: Neon) -> None:
    tenant = await neon.create("hidden")
    await neon.create("shown")
    neon.emulator.knobs.unavailable_project_ids = [tenant.id]
    answer = await neon.page()
    assert [project["name"] for project in answer["projects"]] == ["shown"]
    assert answer["unavailable_project_ids"] == [tenant.id]
    assert "unavailable_project_ids" not in await neon.page(search="shown")


async def test_a_lagging_list_shows_what_was(neon: Neon) -> None:
    tenant = await neon.create("before")
    neon.emulator.knobs.list_lag = 10
    neon.emulator.clock.advance(10)
    await neon.change("PATCH", tenant.path, {"project": {"name": "after"}})
    await neon.create("new")
    assert (await neon.ask("GET", tenant.path))["project"]["name"] == "after"
    assert await neon.names() == ["before"]
    assert await neon.names(search="after") == []
    neon.emulator.clock.advance(10)
    assert await neon.names() == ["new", "after"]
    await neon.ask("DELETE", tenant.path)
    assert await neon.names() == ["new", "after"]
    assert await neon.names(recoverable="true") == []
    neon.emulator.clock.advance(10)
    assert await neon.names() == ["new"]
    assert await neon.names(recoverable="true") == ["after"]


async def test_settings_are_in_the_list_too(neon: Neon) -> None:
    tenant = await neon.create(settings={"quota": {"active_time_seconds": 5}})
    (listed,) = (await neon.page())["projects"]
    got = (await neon.ask("GET", tenant.path))["project"]
    for key in ("settings", "default_endpoint_settings", "history_retention_seconds"):
        assert listed[key] == got[key]


async def test_a_deleted_project_is_gone_and_recoverable_for_seven_days(neon: Neon) -> None:
    tenant = await neon.create("gone")
    await neon.create("here")
    await neon.ask("DELETE", tenant.path)
    await neon.ask("GET", tenant.path, status=404)
    await neon.ask("GET", tenant.endpoint_path, status=404)
    await neon.ask("DELETE", tenant.path, status=404)
    assert await neon.names() == ["here"]
    (listed,) = (await neon.page(recoverable="true"))["projects"]
    assert listed["id"] == tenant.id
    assert listed["recoverable_until"] > listed["deleted_at"]
    recovered = await neon.ask("POST", f"{tenant.path}/recover")
    assert [branch["id"] for branch in recovered["branches"]] == [tenant.branch_id]
    assert await neon.names() == ["here", "gone"]
    assert await neon.names(recoverable="true") == []
    await neon.ask("DELETE", tenant.path)
    neon.emulator.clock.advance(7 * 86_400)
    assert await neon.names(recoverable="true") == []
    await neon.ask("POST", f"{tenant.path}/recover", status=404)


async def test_branches_are_sorted_searched_and_paged(neon: Neon) -> None:
    tenant = await neon.create()
    for name in ("beta", "alpha"):
        await neon.ask("POST", f"{tenant.path}/branches", {"branch": {"name": name}})

    async def listed(**params: Any) -> Any:
        return await neon.ask("GET", f"{tenant.path}/branches", params=params)

    first = await listed(sort_by="name", sort_order="asc", limit=2)
    assert [branch["name"] for branch in first["branches"]] == ["alpha", "beta"]
    rest = await listed(sort_by="name", sort_order="asc", limit=2, cursor=first["pagination"]["next"])
    assert [branch["name"] for branch in rest["branches"]] == ["main"]
    assert "next" not in rest["pagination"]
    assert [branch["name"] for branch in (await listed(search="lph"))["branches"]] == ["alpha"]
