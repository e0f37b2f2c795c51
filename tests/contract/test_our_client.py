"""Every request that the operator can send stands in Neon's published document, and so does its answer."""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import builders as a
from contract.referee import Referee
from neon_sandbox.emulator import Emulator
from neon_tenants.core.consumption import V1, V2
from neon_tenants.core.project import ComputeSettings, Progress
from neon_tenants.neon.budget import Budget
from neon_tenants.neon.client import NeonClient, NewProject
from neon_tenants.neon.consumption import Consumption, Window
from neon_tenants.neon.http import Http
from neon_tenants.neon.key import ApiKey
from neon_tenants.neon.limits import Rates
from waiting import until
from wire import Exchange, Traffic, Wire

NEW = NewProject(
    name=a.MARKER.project_name,
    region="aws-eu-central-1",
    postgres_version=17,
    database="app",
    role="app_owner",
    certificate=a.certificate(),
    limits=a.LIMITS,
)
BIGGER = ComputeSettings(0.5, 2, 600)
# Neon's 300 seconds come back as 0.
COMPUTE = ComputeSettings(0.25, 0.25, 0)


async def play(client: NeonClient) -> None:
    """Uses every method of the client, in the ways that the operator does."""
    created = await client.create_project(NEW, send_before=time.monotonic() + 60)
    project = created.project
    assert (project.name, project.region, project.quota) == (NEW.name, NEW.region, a.LIMITS.quota)
    assert project.defaults == COMPUTE
    assert created.connection is not None
    assert [e.compute for e in created.endpoints] == [COMPUTE]

    async def finished() -> bool:
        found = await client.operations(project.id)
        return {o.id for o in created.operations} <= {o.id for o in found if o.progress is Progress.FINISHED}

    await until(finished, "the project is made")
    assert [p.id for p in (await client.list_projects()).projects] == [project.id]
    assert (await client.list_projects(search=lambda: a.MARKER.search_text)).projects[0].id == project.id
    assert (await client.list_projects(recoverable=True)).projects == ()
    assert (await client.get_project(project.id)) is not None
    assert await client.get_project("no-such-project-1") is None
    assert await client.certificate(project.id) == a.certificate()
    assert await client.largest_branch(project.id) == 0
    assert await client.connection(project.id, database="app", role="app_owner") == created.connection
    assert await client.largest_branch(project.id) is not None
    (endpoint,) = await client.endpoints(project.id)
    changed, _ = await client.update_endpoint(
        project.id, endpoint.id, compute=BIGGER, differing=frozenset({"maxCU", "suspendAfter"}), disabled=True
    )
    assert (changed.compute, changed.disabled) == (ComputeSettings(0.25, 2, 600), True)
    await until(finished_all(client, project.id), "the endpoint is changed")
    updated, _ = await client.update_project(project.id, a.LIMITS)
    assert updated.quota == a.LIMITS.quota
    await until(finished_all(client, project.id), "the project is changed")
    renamed, _ = await client.rename_project(project.id, a.MARKER.released_name)
    assert renamed.name == a.MARKER.released_name
    await client.delete_project(project.id)
    await client.delete_project("no-such-project-1")
    assert (await client.list_projects(recoverable=True)).projects[0].id == project.id
    assert (await client.recover_project(project.id)).id == project.id


def finished_all(client: NeonClient, project_id: str) -> Callable[[], Awaitable[bool]]:
    async def finished() -> bool:
        return all(o.progress is Progress.FINISHED for o in await client.operations(project_id))

    return finished


def checked(referee: Referee, exchange: Exchange) -> None:
    path = exchange.path.removeprefix("/api/v2")
    request = json.loads(exchange.request) if exchange.request else None
    referee.check_exchange(
        exchange.method, path, exchange.query, request, exchange.status, json.loads(exchange.response)
    )


@pytest.mark.parametrize("named", [False, True], ids=["organization key", "named organization"])
async def test_every_request_of_the_client_stands_in_the_document(
    referee: Referee, tmp_path: Path, named: bool
) -> None:
    async with Emulator.start() as emulator:
        parts = urlsplit(emulator.url)
        async with Wire.to(f"{parts.scheme}://{parts.netloc}", traffic=Traffic()) as wire:
            wire.record = []
            async with connected(wire.url + parts.path, emulator.api_key, tmp_path) as http:
                org_id = emulator.organization_id if named else None
                await play(NeonClient(http, org_id=org_id))
        for exchange in wire.record:
            checked(referee, exchange)
        routes = {
            (e.method, referee.find(e.method, e.path.removeprefix("/api/v2")).template) for e in wire.record
        }
        assert len(routes) == 12


async def test_the_consumption_history_is_read_as_the_document_says(referee: Referee, tmp_path: Path) -> None:
    async with Emulator.start() as emulator:
        parts = urlsplit(emulator.url)
        async with (
            Wire.to(f"{parts.scheme}://{parts.netloc}", traffic=Traffic()) as wire,
            connected(wire.url + parts.path, emulator.api_key, tmp_path) as http,
        ):
            client = NeonClient(http, org_id=None)
            created = await client.create_project(NEW, send_before=time.monotonic() + 60)
            emulator.clock.advance(7200)
            now = datetime.fromtimestamp(emulator.clock.now(), UTC)
            window = Window((now - timedelta(hours=3)).isoformat(), now.isoformat(), "hourly")
            wire.record = []
            for version in (V1, V2):
                found = await Consumption(http).history(version, emulator.organization_id, window)
                metrics = {metric for parts in version.metrics.values() for metric in parts}
                frames = found.projects[created.project.id]
                assert frames
                assert all(metrics <= frame.amounts.keys() for frame in frames)
        assert len(wire.record) == 4  # a page each, and the one that says that there is no other
        for exchange in wire.record:
            checked(referee, exchange)


def test_the_play_above_uses_every_method_of_the_client() -> None:
    """A request that is added tomorrow must be played, too."""
    played = inspect.getsource(play)
    for name, _ in inspect.getmembers(NeonClient, inspect.iscoroutinefunction):
        if not name.startswith("_"):
            assert f"client.{name}(" in played, name


def connected(url: str, key: str, folder: Path) -> AbstractAsyncContextManager[Http]:
    path = folder / "key"
    path.write_text(key)
    clock = time.monotonic
    budget = Budget(Rates(100_000, 10_000), clock)
    return Http.connect(url, key=ApiKey(path, clock), budget=budget, clock=clock, timeout=5.0)
