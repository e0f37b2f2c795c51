"""The API without PostgreSQL: what is left beside lists, operations and rules."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from neon_sandbox.emulator.views import stamp
from sandbox.emulator_world import Neon, open_neon


@pytest.fixture
async def neon() -> AsyncIterator[Neon]:
    async with open_neon() as opened:
        yield opened


QUOTA = {
    "active_time_seconds": 1,
    "compute_time_seconds": 2,
    "written_data_bytes": 3,
    "data_transfer_bytes": 4,
    "logical_size_bytes": 5,
}


async def test_annotations_are_given_at_creation_and_listed_with_the_branches(neon: Neon) -> None:
    tenant = await neon.create(branch={"annotations": {"uid": "42"}})
    made = await neon.ask("POST", f"{tenant.path}/branches", {"annotation_value": {"uid": "43"}})
    await neon.ask("POST", f"{tenant.path}/branches")
    listed = await neon.ask("GET", f"{tenant.path}/branches")
    assert {id_: annotation["value"] for id_, annotation in listed["annotations"].items()} == {
        tenant.branch_id: {"uid": "42"},
        made["branch"]["id"]: {"uid": "43"},
    }
    change = {"branch": {"name": "trunk"}, "annotation_value": {"uid": "0"}}
    await neon.ask("PATCH", tenant.branch_path, change, status=400)
    assert neon.emulator.projects()[0]["annotations"] == {"uid": "42"}


async def test_without_postgresql_addresses_are_in_neons_form_and_lead_nowhere(neon: Neon) -> None:
    tenant = await neon.create(region_id="aws-us-east-2")
    host = f"{tenant.endpoint_id}.aws-us-east-2.neon.invalid"
    assert f"@{host}/app?sslmode=require&channel_binding=require" in tenant.uri
    params = {"database_name": "app", "role_name": "app_owner", "pooled": "true"}
    pooled = (await neon.ask("GET", f"{tenant.path}/connection_uri", params=params))["uri"]
    assert f"@{tenant.endpoint_id}-pooler.aws-us-east-2.neon.invalid/app" in pooled
    assert tenant.password in pooled
    assert (await neon.endpoint(tenant))["host"] == host


async def test_the_request_id_comes_back(neon: Neon) -> None:
    refused = await neon.ask("GET", "/projects/nobody", status=404, headers={"x-request-id": "mine"})
    assert refused == {"request_id": "mine", "code": "", "message": "project not found"}
    generated = await neon.ask("GET", "/projects/nobody", status=404)
    assert len(generated["request_id"]) == 36


async def test_what_is_not_there_is_refused_in_neons_form(neon: Neon) -> None:
    await neon.ask("GET", "/nothing", status=404)
    await neon.ask("PUT", "/projects", status=405)
    refused = await neon.ask("GET", "/auth", status=401, headers={"authorization": "Bearer wrong"})
    assert refused["message"] == "supplied credentials do not pass authentication"
    await neon.ask("GET", "/auth", status=401, headers={"authorization": f"Basic {neon.emulator.api_key}"})


async def test_keys_can_be_rotated(neon: Neon) -> None:
    old = neon.emulator.api_key
    new = neon.emulator.keys.issue()
    for key in (old, new):
        await neon.ask("GET", "/auth", headers={"authorization": f"Bearer {key}"})
    neon.emulator.keys.revoke(old)
    await neon.ask("GET", "/auth", status=401, headers={"authorization": f"Bearer {old}"})
    assert neon.emulator.api_key == new
    await neon.ask("GET", "/auth")


async def test_usage_is_shown_and_starts_again_with_the_month(neon: Neon) -> None:
    tenant = await neon.create(settings={"quota": {"active_time_seconds": 5}})
    usage = {key: number for number, key in enumerate(QUOTA, start=5)}
    described = await neon.control("PUT", f"/projects/{tenant.id}/usage", usage)
    assert described["project"]["exceeded"] == "active_time_seconds"
    project = (await neon.ask("GET", tenant.path))["project"]
    meters = (
        "active_time_seconds",
        "compute_time_seconds",
        "written_data_bytes",
        "data_transfer_bytes",
    )
    assert [project[meter] for meter in meters] == [5, 6, 7, 8]
    (listed,) = (await neon.page())["projects"]
    assert (listed["active_time"], listed["synthetic_storage_size"]) == (5, 9)
    neon.emulator.clock.advance(32 * 86_400)
    project = (await neon.ask("GET", tenant.path))["project"]
    assert [project[meter] for meter in meters] == [0, 0, 0, 0]
    assert project["synthetic_storage_size"] == 9
    await neon.ask("POST", f"{tenant.endpoint_path}/start")


async def test_consumption_is_cut_as_asked_and_paged(neon: Neon) -> None:
    neon.emulator.clock.advance(5400 - neon.emulator.clock.now() % 3600)  # half past an hour
    now = neon.emulator.clock.now()
    tenants = [await neon.create(f"p{number}") for number in range(3)]
    neon.emulator.clock.advance(3 * 3600)
    hours = [
        {"start": stamp(now + 3600), "metrics": {"compute_unit_seconds": 5, "active_time_seconds": 7}},
        {"start": stamp(now + 7200), "metrics": {"compute_unit_seconds": 6}},
    ]
    await neon.control("PUT", f"/projects/{tenants[0].id}/consumption", {"hours": hours})
    query = {
        "from": stamp(now),
        "to": stamp(now + 3 * 3600),
        "granularity": "hourly",
        "org_id": neon.emulator.organization_id,
        "metrics": "compute_unit_seconds",
    }

    async def ask(version: str = "v2/", **more: Any) -> Any:
        return await neon.ask("GET", f"/consumption_history/{version}projects", params={**query, **more})

    one = (await ask(project_ids=tenants[0].id))["projects"]
    (period,) = one[0]["periods"]
    values = [frame["metrics"][0]["value"] for frame in period["consumption"]]
    assert values == [0, 5, 6]
    neon.emulator.clock.advance(2 * 86_400)
    (days,) = (await ask(granularity="daily", project_ids=tenants[0].id, to=stamp(now + 2 * 86_400)))[
        "projects"
    ]
    frames = days["periods"][0]["consumption"]
    assert sum(frame["metrics"][0]["value"] for frame in frames) == 11
    first = await ask(limit=2)
    assert [project["project_id"] for project in first["projects"]] == [tenants[2].id, tenants[1].id]
    rest = await ask(limit=2, cursor=first["pagination"]["cursor"])
    assert [project["project_id"] for project in rest["projects"]] == [tenants[0].id]
    older = (await ask("", metrics="active_time_seconds", project_ids=tenants[0].id))["projects"]
    frames = older[0]["periods"][0]["consumption"]
    assert [frame["active_time_seconds"] for frame in frames] == [0, 7, 0]


async def test_a_new_knob_value_is_checked_and_nothing_is_half_taken(neon: Neon) -> None:
    await neon.control("PATCH", "/knobs", {"latency": 0.5, "plan": "enterprise"}, status=400)
    await neon.control("PATCH", "/knobs", {"no_such_knob": 1}, status=400)
    assert neon.emulator.knobs.latency == 0
    knobs = await neon.control("PATCH", "/knobs", {"plan": "launch", "quota_patch": "merge"})
    assert (knobs["plan"], knobs["quota_patch"]) == ("launch", "merge")
    assert await neon.control("GET", "/knobs") == knobs


async def test_latency_and_jitter_delay_the_answer(neon: Neon) -> None:
    await neon.control("PATCH", "/knobs", {"latency": 100, "jitter": {"GET /auth": 100}, "jitter_seed": 7})
    asking = asyncio.ensure_future(neon.ask("GET", "/auth"))
    await asyncio.wait({asking}, timeout=0.1)
    assert not asking.done()
    neon.emulator.clock.advance(200)
    await asking
