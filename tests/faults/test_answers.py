"""Neon refuses, is busy, slow or silent, and its lists and operations are not as they should be."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from cluster import Object, condition
from end_state import neon_writes
from fault import Request
from neon_sandbox.emulator.emulator import Emulator
from neon_sandbox.emulator.scripts import Script
from neon_tenants.neon.budget import Budget
from neon_tenants.neon.client import NeonClient
from neon_tenants.neon.errors import NeonError
from neon_tenants.neon.http import Http
from neon_tenants.neon.inventory import Inventory
from neon_tenants.neon.key import ApiKey
from neon_tenants.neon.limits import Rates
from scene import SWEEPING, Scene, served
from waiting import until
from wired import wired

POST = {"method": "POST", "route": "/projects"}
LIST = {"method": "GET", "route": "/projects"}
PATCH = {"method": "PATCH", "route": "/projects/{project_id}"}
DELETE = {"method": "DELETE", "route": "/projects/{project_id}"}
REFUSAL = {"code": "", "message": "not now"}


def statuses(scene: Scene) -> int:
    """How often the tenant's status was written."""
    return sum(w.resource == "tenantdatabases" and w.subresource == "status" for w in scene.writes())


async def until_projects(scene: Scene, count: int) -> None:
    async def so_many() -> bool:
        return len(scene.projects()) == count

    await until(so_many, f"Neon has {count} projects")


# --- the create ----------------------------------------------------------------------------------------


@pytest.mark.proves("F06", "I1")
@pytest.mark.parametrize("grace", ["5", "0"])
async def test_an_operator_that_is_told_to_end_in_the_middle_of_a_create_makes_one_project(
    unconnected: Scene, grace: str
) -> None:
    """With grace it waits for the answer; without, nobody hears it. The next one finds the project."""
    operator = await unconnected.start_operator(grace=grace)
    unconnected.neon.answers.add(Script(**POST, delay_after=1.5))
    await unconnected.create()
    await until_projects(unconnected, 1)
    operator.send(signal.SIGTERM)
    assert await operator.wait() == 0
    await unconnected.start_operator()
    tenant = await unconnected.cluster.until_ready()
    assert tenant["status"]["projectId"] == unconnected.project()["id"]
    assert unconnected.projects(deleted=True) == []

    async def answered() -> bool:
        return unconnected.requests("POST", "/projects") == 1

    await until(answered, "the one POST is answered or dropped")


class Held:
    """The first POST of a project stays on its way until it is let go, however long ago its client left."""

    def __init__(self) -> None:
        self.let_go = asyncio.Event()
        self.arrived = 0

    async def __call__(self, request: Request) -> None:
        if request.kind == "POST projects":
            self.arrived += 1
            if self.arrived == 1:
                await self.let_go.wait()


LATE = {**SWEEPING, "intent_lifetime": "4", "request_timeout": "1"}


@pytest.mark.proves("F13", "I1", "I3")
async def test_a_project_that_lands_after_its_intent_is_removed_and_the_recorded_one_stays(
    unconnected: Scene,
) -> None:
    async with wired(unconnected) as traffic:
        traffic.before = held = Held()
        await unconnected.start_operator(**LATE)
        await unconnected.create()
        tenant = await unconnected.cluster.until_ready()
        assert held.arrived == 2
        held.let_go.set()

        async def removed() -> bool:
            return len(unconnected.projects(deleted=True)) == 1

        await until(removed, "the late one is removed")
        assert unconnected.project()["id"] == tenant["status"]["projectId"]
        await unconnected.cluster.until_event("DuplicateProject")
        assert (await unconnected.cluster.until_ready())["status"]["projectId"] == unconnected.project()["id"]


@pytest.mark.proves("F13", "I2", "I7")
async def test_a_project_that_lands_when_its_resource_is_gone_is_reported_and_left(
    unconnected: Scene,
) -> None:
    async with wired(unconnected) as traffic:
        traffic.before = held = Held()
        await unconnected.start_operator(**LATE)
        await unconnected.create()
        await unconnected.cluster.until_ready()
        await unconnected.cluster.delete("TenantDatabase", "acme")
        await unconnected.cluster.until_gone("TenantDatabase", "acme")
        held.let_go.set()
        await until_projects(unconnected, 1)
        late = unconnected.project()["id"]
        next(p for p in unconnected.neon.store if p.id == late).created_at -= 2 * 3600

        async def reported() -> bool:
            address = await served(unconnected.operators[-1])
            async with httpx.AsyncClient(trust_env=False) as http:
                answer = (await http.get(f"{address}/v1/orphans")).json()
            return [(o["project_id"], o["kind"]) for o in answer["orphans"]] == [(late, "Orphan")]

        await until(reported, "it is reported as an orphan")
        assert unconnected.project()["id"] == late


# --- busy, unavailable, throttled ------------------------------------------------------------------------


@pytest.mark.proves("F14")
@pytest.mark.parametrize("status", [423, 429, 503])
async def test_a_refusal_again_and_again_is_told_once_and_survived(unconnected: Scene, status: int) -> None:
    await unconnected.start_operator()
    unconnected.neon.answers.add(Script(**LIST, times=4, status=status, body=REFUSAL))
    await unconnected.create()
    await unconnected.cluster.until_ready()
    assert unconnected.neon.requests.count("GET", "/projects", status) == 4
    assert unconnected.requests("POST", "/projects") == 1
    assert statuses(unconnected) <= 3  # that Neon refuses, that the project is being made, and that it is


@pytest.mark.proves("F14", "I12")
async def test_nothing_of_that_kind_is_asked_before_the_time_that_neon_named(unconnected: Scene) -> None:
    await unconnected.start_operator()
    patience = {"Retry-After": "3"}
    unconnected.neon.answers.add(Script(**LIST, status=429, body=REFUSAL, headers=patience))
    await unconnected.create("one")

    async def refused() -> bool:
        return unconnected.neon.requests.count(status=429) == 1

    await until(refused, "Neon asked for patience")
    for name in ("two", "three"):
        await unconnected.create(name)
    for name in ("one", "two", "three"):
        await unconnected.cluster.until_ready(name)
    lists = [
        entry for entry in unconnected.neon.requests if entry.route == "/projects" and entry.method == "GET"
    ]
    number = next(number for number, entry in enumerate(lists) if entry.status == 429)
    assert lists[number + 1].at - lists[number].at >= 2.9


@pytest.mark.proves("F16")
async def test_a_create_that_the_plan_refused_leaves_nothing_and_can_be_deleted_at_once(
    unconnected: Scene,
) -> None:
    unconnected.neon.knobs.projects_limit = 0
    await unconnected.start_operator(intent_lifetime="300", request_timeout="5")
    await unconnected.create()
    await unconnected.cluster.until_reason("PlanLimitReached")
    await unconnected.cluster.delete("TenantDatabase", "acme")
    await unconnected.cluster.until_gone("TenantDatabase", "acme")  # no intent of 300 seconds is alive
    assert unconnected.projects() == []


# --- lists -----------------------------------------------------------------------------------------------


@pytest.mark.proves("F17")
async def test_a_list_whose_second_page_fails_or_lacks_projects_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("napi_test")
    clock = time.monotonic
    async with Emulator.start(api_key="napi_test") as neon:
        neon.knobs.requests_per_minute = neon.knobs.requests_per_second_per_route = 0
        neon.knobs.operation_seconds = 0
        headers = {"Authorization": "Bearer napi_test"}
        async with httpx.AsyncClient(base_url=neon.url, headers=headers, trust_env=False) as http:
            for number in range(401):
                made = await http.post("/projects", json={"project": {"name": f"other-{number}"}})
                assert made.status_code == 201
        key, budget = ApiKey(tmp_path / "key", clock), Budget(Rates(100_000, 10_000), clock)
        async with Http.connect(neon.url, key=key, budget=budget, clock=clock, timeout=30) as connected:
            inventory = Inventory(NeonClient(connected, org_id=None), clock, lookers=24, at_work=lambda *_: 0)
            neon.answers.add(Script(**LIST, nth=2, status=500, body=REFUSAL))
            with pytest.raises(NeonError):
                await inventory.whole()
            neon.knobs.unavailable_project_ids = [neon.projects()[-1]["id"]]
            with pytest.raises(NeonError):
                await inventory.whole()
            neon.knobs.unavailable_project_ids = []
            assert len((await inventory.whole()).by_id) == 401


# --- operations ------------------------------------------------------------------------------------------


@pytest.mark.proves("F20", "I1")
async def test_a_cancelled_operation_is_told_with_its_id_and_nothing_is_made_again(
    unconnected: Scene,
) -> None:
    unconnected.neon.knobs.operation_outcome = "cancelled"
    await unconnected.start_operator()
    await unconnected.create()
    tenant = await unconnected.cluster.until_reason("OperationFailed")
    operations = [o.id for p in unconnected.neon.store for o in p.operations]
    assert any(id_ in condition(tenant, "Ready")["message"] for id_ in operations)
    assert condition(tenant, "Stalled")["status"] == "True"
    assert unconnected.requests("POST", "/projects") == 1


@pytest.mark.proves("F20", "I1")
async def test_an_operation_that_does_not_end_is_told_as_work_and_nothing_is_made_again(
    unconnected: Scene,
) -> None:
    unconnected.neon.knobs.operation_outcome = "stuck"
    await unconnected.start_operator()
    await unconnected.create()
    tenant = await unconnected.cluster.until_reason("Provisioning")
    assert condition(tenant, "Reconciling")["status"] == "True"

    async def looked_often() -> bool:
        return unconnected.requests("GET", "/projects/{project_id}/operations") >= 3

    await until(looked_often, "its operations were looked at three times")
    assert await unconnected.cluster.get("Secret", "acme-database") is None
    async with httpx.AsyncClient(trust_env=False) as http:
        url = f"{unconnected.neon.sandbox_url}/knobs"
        assert (await http.patch(url, json={"operation_outcome": "finished"})).is_success
    await unconnected.cluster.until_ready()
    assert unconnected.requests("POST", "/projects") == 1


@pytest.mark.proves("F20")
async def test_a_failed_operation_of_a_change_is_told_and_the_change_is_not_sent_again(
    unconnected: Scene,
) -> None:
    await unconnected.start_operator()
    await unconnected.create()
    await unconnected.cluster.until_ready()
    await unconnected.until_idle()
    unconnected.neon.knobs.operation_outcome = "failed"
    await unconnected.change(state="Suspended")
    await unconnected.cluster.until_reason("OperationFailed")
    before = unconnected.patches()
    await unconnected.annotate(reconcile_requested_at="again")
    await unconnected.cluster.until_tenant(
        "acme",
        lambda found: found["status"].get("lastHandledReconcileAt") == "again",
        "it is looked at again",
    )
    assert unconnected.patches() == before


# --- the deletion ----------------------------------------------------------------------------------------

REMOVALS: dict[str, dict[str, Any]] = {
    "busy": {"times": 2, "status": 423, "body": REFUSAL},
    "refused": {"times": 2, "status": 422, "body": REFUSAL},
    "an answer that was lost": {"execute": True, "drop": True},
    "an error after it was done": {"execute": True, "status": 500, "body": REFUSAL},
    "a page of a proxy": {"execute": True, "status": 524, "body": "<html>A timeout occurred</html>"},
    "an answer after our deadline": {"delay_after": 3},
    "done after our deadline": {"delay_before": 3},
}


async def deleted(scene: Scene) -> Object:
    await scene.start_operator()
    await scene.create()
    tenant = await scene.cluster.until_ready()
    await scene.until_idle()
    return tenant


async def until_nothing_is_left(scene: Scene) -> None:
    await scene.cluster.until_gone("TenantDatabase", "acme")
    assert scene.projects() == []
    assert len(scene.projects(deleted=True)) == 1
    await scene.cluster.until_gone("Secret", "acme-database")


@pytest.mark.proves("F24", "I1", "I7")
@pytest.mark.parametrize("script", REMOVALS.values(), ids=REMOVALS.keys())
async def test_a_deletion_that_neon_refuses_or_does_not_answer_is_done_before_the_resource_goes(
    unconnected: Scene, script: dict[str, Any]
) -> None:
    await deleted(unconnected)
    unconnected.neon.answers.add(Script(**DELETE, **script))
    await unconnected.cluster.delete("TenantDatabase", "acme")
    await until_nothing_is_left(unconnected)


@pytest.mark.proves("F24", "I1")
async def test_a_project_that_somebody_deleted_before_lets_its_resource_go(unconnected: Scene) -> None:
    await deleted(unconnected)
    await unconnected.console("DELETE", f"/projects/{unconnected.project()['id']}")
    await unconnected.cluster.delete("TenantDatabase", "acme")
    await until_nothing_is_left(unconnected)


@pytest.mark.proves("F24", "I1")
async def test_a_deleted_project_that_is_still_listed_holds_its_resource(unconnected: Scene) -> None:
    await deleted(unconnected)
    unconnected.neon.clock.advance(60)  # older than the lag: else no list shows it at all
    unconnected.neon.knobs.list_lag = 3
    await unconnected.cluster.delete("TenantDatabase", "acme")
    await until_nothing_is_left(unconnected)
    # It waits between its looks, and does not delete what is deleted again and again.
    assert unconnected.requests("DELETE", "/projects/{project_id}") <= 6


@pytest.mark.proves("F24", "I7")
async def test_a_deletion_that_neon_always_refuses_is_held_with_neons_words(unconnected: Scene) -> None:
    await deleted(unconnected)
    words = {"code": "", "message": "the project is protected"}
    unconnected.neon.answers.add(Script(**DELETE, times=1000, status=422, body=words))
    await unconnected.cluster.delete("TenantDatabase", "acme")
    held = await unconnected.cluster.until_reason("OperationFailed")
    assert "the project is protected" in condition(held, "Ready")["message"]
    assert condition(held, "Stalled")["status"] == "True"
    assert len(unconnected.projects()) == 1
    unconnected.neon.answers.clear()
    await until_nothing_is_left(unconnected)


# --- slow and silent -------------------------------------------------------------------------------------


@pytest.mark.proves("F25", "F65", "I6")
async def test_a_project_for_which_neon_is_slow_and_then_silent_holds_up_no_other(unconnected: Scene) -> None:
    """With few workers; the others are changed meanwhile, and the one is when Neon answers again."""
    await unconnected.start_operator(workers="4")
    names = [f"t{number}" for number in range(8)]
    for name in names:
        await unconnected.create(name)
    poisoned = (await unconnected.cluster.until_ready("t0"))["status"]["projectId"]
    for name in names:
        await unconnected.cluster.until_ready(name)
    await unconnected.until_idle()
    slow = {"path": poisoned, "execute": False, "drop": True, "times": 1000}
    unconnected.neon.answers.add(Script(delay_before=1, **slow | {"times": 1}))
    unconnected.neon.answers.add(Script(delay_before=3, **slow))
    for name in names:
        await unconnected.change(name, tier=unconnected.tiers["pro"])
    for name in names[1:]:
        await unconnected.cluster.until_ready(name)
    told = await unconnected.cluster.until_reason("NeonUnreachable", "t0")
    assert condition(told, "Ready")["observedGeneration"] == 2
    assert condition(told, "Available")["status"] == "True"  # its database works
    unconnected.neon.answers.clear()
    await unconnected.cluster.until_ready("t0")
    assert neon_writes(unconnected)["POST /projects"] == len(names)
