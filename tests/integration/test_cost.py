"""What a tenant costs the API server and Neon, counted at both; and that no login is mixed up in a crowd."""

from __future__ import annotations

import asyncio
from collections import Counter

import psycopg
import pytest

from neon_sandbox import installation
from neon_sandbox.controlplane import Request
from neon_tenants.api.conditions import Reason
from scene import OPERATOR_USER, Scene, query
from waiting import until

LIST = ("GET", "/projects")
START = ("GET", "/auth")
"""Whose the key is: one request a start, however many tenants there are."""


def kinds(writes: list[Request]) -> Counter[tuple[str, str, str]]:
    return Counter((w.verb, w.resource, w.subresource) for w in writes)


async def created(scene: Scene, count: int) -> list[str]:
    names = [f"t{number}" for number in range(count)]
    await asyncio.gather(*(scene.create(name) for name in names))
    return names


async def until_all_ready(scene: Scene, names: list[str]) -> None:
    for name in names:
        await scene.cluster.until_ready(name)


async def crowd(scene: Scene, count: int) -> list[str]:
    names = await created(scene, count)
    await until_all_ready(scene, names)
    return names


async def test_a_create_takes_three_writes_and_three_requests(unconnected: Scene) -> None:
    await unconnected.start_operator()
    await unconnected.create()
    await unconnected.cluster.until_ready()
    assert kinds(unconnected.writes()) == {
        ("patch", "tenantdatabases", ""): 1,
        ("create", "secrets", ""): 1,
        ("patch", "tenantdatabases", "status"): 1,
    }
    assert unconnected.neon.requests.counters == {
        (*START, 200): 1,
        (*LIST, 200): 1,
        ("POST", "/projects", 201): 1,
        ("GET", "/projects/{project_id}/operations", 200): 1,
    }


@pytest.mark.proves("I12")
async def test_two_hundred_creates_at_once_take_three_writes_and_little_more_than_two_requests_each(
    unconnected: Scene,
) -> None:
    names = await created(unconnected, 200)
    # With long times: a request that is given up on a busy machine costs further ones.
    await unconnected.start_operator(intent_lifetime="300", request_timeout="60")
    await until_all_ready(unconnected, names)
    assert kinds(unconnected.writes()) == {
        ("patch", "tenantdatabases", ""): 200,
        ("create", "secrets", ""): 200,
        ("patch", "tenantdatabases", "status"): 200,
    }
    assert unconnected.requests("POST", "/projects") == 200
    assert unconnected.neon.requests.count() <= 420, unconnected.neon.requests.counters


async def test_a_tier_change_takes_one_write_and_a_delete_two(unconnected: Scene) -> None:
    await unconnected.start_operator()
    await unconnected.create()
    await unconnected.cluster.until_ready()
    before = kinds(unconnected.writes())
    await unconnected.change(tier=unconnected.tiers["pro"])
    await unconnected.cluster.until_ready()
    await unconnected.cluster.until_event(Reason.PROVISIONED)
    changed = kinds(unconnected.writes())
    # The event tells a person; a tier that changes under all its tenants posts none.
    assert changed - before == {("patch", "tenantdatabases", "status"): 1, ("create", "events", ""): 1}
    asked = Counter(unconnected.neon.requests.counters)
    await unconnected.cluster.delete("TenantDatabase", "acme")
    await unconnected.cluster.until_gone("TenantDatabase", "acme")
    assert kinds(unconnected.writes()) - changed == {
        ("update", "secrets", ""): 1,
        ("patch", "tenantdatabases", ""): 1,
        ("create", "events", ""): 1,
    }
    assert Counter(unconnected.neon.requests.counters) - asked == {
        ("GET", "/projects", 200): 2,
        ("DELETE", "/projects/{project_id}", 200): 1,
    }


@pytest.mark.proves("I10")
async def test_at_rest_nothing_is_written_and_neon_is_asked_for_nothing_by_tenant(unconnected: Scene) -> None:
    await unconnected.start_operator(resync_interval="1")
    names = await crowd(unconnected, 5)

    async def looks() -> int:
        return sum(
            r.verb == "get" and r.resource == "secrets" and r.namespace == unconnected.namespace
            for r in unconnected.plane.requests(unconnected.audited_from)
        )

    written, looked = len(unconnected.writes()), await looks()
    unconnected.neon.requests.clear()

    async def passed_often() -> bool:
        return await looks() >= looked + 4 * len(names)

    await until(passed_often, "every tenant was looked at four times in passing")
    assert len(unconnected.writes()) == written
    assert set(unconnected.neon.requests.counters) <= {(*LIST, 200)}
    assert unconnected.requests(*LIST) <= 2  # the last from before the crowd, and one for all of it


@pytest.mark.proves("F23", "I10", "I12")
async def test_a_sweep_of_an_idle_fleet_costs_its_list_alone(unconnected: Scene) -> None:
    """The organization has more projects than one page, most of them not ours."""
    unconnected.neon.knobs.operation_seconds = 0
    others = range(400)
    for start in range(0, len(others), 50):
        await asyncio.gather(
            *(
                unconnected.console("POST", "/projects", project={"name": f"other-{number}"})
                for number in others[start : start + 50]
            )
        )
    await unconnected.start_operator(sweep_interval="1", resync_interval="1")
    await crowd(unconnected, 5)
    pages = 2

    def sweeps() -> int:
        return sum(line["message"] == "A sweep ended." for line in unconnected.log_lines())

    async def swept(count: int) -> None:
        async def enough() -> bool:
            return sweeps() >= count

        await until(enough, f"{count} sweeps have ended")

    await swept(sweeps() + 2)
    written, before = len(unconnected.writes()), sweeps()
    unconnected.neon.requests.clear()
    await swept(before + 5)
    listed, ended = unconnected.requests(*LIST), sweeps() - before
    assert set(unconnected.neon.requests.counters) == {(*LIST, 200)}
    # One that was under way at either end.
    assert pages * (ended - 1) <= listed <= pages * (ended + 1)
    assert len(unconnected.writes()) == written
    logged = [line["pages"] for line in unconnected.log_lines() if line["message"] == "A sweep ended."]
    assert set(logged[-5:]) == {pages}


@pytest.mark.proves("I10")
async def test_a_restart_writes_nothing_and_asks_neon_for_nothing(unconnected: Scene) -> None:
    await unconnected.start_operator()
    await crowd(unconnected, 20)
    await unconnected.stop_operators()
    written = len(unconnected.writes())
    unconnected.neon.requests.clear()
    await unconnected.start_operator()
    await unconnected.create("one-more")
    await unconnected.cluster.until_ready("one-more")
    assert len(unconnected.writes()) == written + 3
    assert unconnected.requests(*START) == 1
    assert unconnected.neon.requests.count() == 1 + 3, unconnected.neon.requests.counters


async def seed(scene: Scene) -> None:
    """Writes into each database whose project it is, by what Neon itself knows."""
    for project in scene.neon.store:
        branch = project.default_branch
        described = next(p for p in scene.projects() if p["id"] == project.id)
        async with await psycopg.AsyncConnection.connect(
            host="127.0.0.1",
            port=described["endpoints"][0]["port"],
            dbname="app",
            user="app_owner",
            password=branch.roles["app_owner"].password,
            autocommit=True,
        ) as connection:
            await connection.execute("CREATE TABLE owner (uid text)")
            await connection.execute(
                "INSERT INTO owner VALUES (%s)", (branch.annotations["neontenants.io/uid"],)
            )


@pytest.mark.proves("I4")
async def test_in_a_crowd_with_shuffled_and_delayed_answers_every_secret_opens_its_own_database(
    running: Scene,
) -> None:
    running.neon.knobs.jitter = {
        "POST /projects": 1.0,
        "GET /projects": 0.3,
        "GET /projects/{project_id}/operations": 0.5,
    }
    names = await crowd(running, 100)
    assert running.requests("POST", "/projects") == 100
    await seed(running)
    for name in names:
        uid = (await running.cluster.tenant(name))["metadata"]["uid"]
        assert (
            await query((await running.cluster.secret(f"{name}-database"))["uri"], "SELECT uid FROM owner")
            == uid
        )


@pytest.mark.proves("I9")
async def test_the_operator_writes_nowhere_but_in_its_tenants_namespaces(running: Scene) -> None:
    """By the audit log: other namespaces see no write of this operator's, but for its own state."""
    await running.create()
    await running.cluster.until_ready()
    await running.cluster.delete("TenantDatabase", "acme")
    await running.cluster.until_gone("TenantDatabase", "acme")
    asked = running.plane.requests(running.audited_from)
    writes = [r for r in asked if r.is_write and r.user == OPERATOR_USER and r.code < 400]
    state = [w for w in writes if w.resource == "configmaps"]
    assert {w.namespace for w in state} == {installation.NAMESPACE}
    # A tier and an operation are in no namespace: we write their status, and events about a tier, which
    # stand in `default`.
    fleet = ("databasetiers", "fleetoperations")
    assert {w.subresource for w in writes if w.resource in fleet} <= {"status"}
    others = [w for w in writes if w.resource not in ("configmaps", *fleet)]
    others = [w for w in others if (w.resource, w.namespace) != ("events", "default")]
    assert {w.resource for w in others} <= {"tenantdatabases", "secrets", "events"}
    assert {w.namespace for w in others} == {running.namespace}
