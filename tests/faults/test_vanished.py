"""A resource that is gone although our finalizer stood: the API server lets a DELETE race with it.

A DELETE that has read the resource before the finalizer was written removes it afterwards all the same
(kubernetes/kubernetes#77988). Then nobody is left to ask for the end of its project.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable

import pytest

from crowd import judged, not_now, until_deleted
from fault import At, Mode, Request
from neon_sandbox.emulator.scripts import Script
from scene import Scene
from stories import HOUR
from waiting import until
from watch_wire import Deed, tenants_only, watched
from wire import Traffic
from wired import wired
from work_counted import ENDED, PASS

SETTINGS = {"request_timeout": "2", "intent_lifetime": "8", "retry_max": "1"}
POST = "POST projects"


async def _nothing() -> None:
    return


def vanishes(scene: Scene, traffic: Traffic, then: Callable[[], Awaitable[object]] = _nothing) -> None:
    """The next resource for which a POST leaves is gone at that moment, without a mark, like in the race.

    `then` is done right after that.
    """

    async def at_the_post(request: Request) -> None:
        if request.kind == POST:
            traffic.before = None
            await scene.cluster.strip_and_delete()
            await then()

    traffic.before = at_the_post


@pytest.mark.proves("F36", "F39", "I1")
@pytest.mark.parametrize("mode", [None, Mode.ANSWER_LOST, Mode.LANDS_LATE])
async def test_what_was_made_for_a_resource_that_vanished_goes_after_it(
    unconnected: Scene, mode: Mode | None
) -> None:
    async with wired(unconnected) as traffic:
        await unconnected.start_operator(**SETTINGS)
        if mode is not None:
            traffic.begin(At(POST, 1, mode))
        vanishes(unconnected, traffic)
        # Protection holds a resource with its database. Here neither was there yet.
        await unconnected.create(deletionPolicy="Delete", deletionProtection=True)
        await until_deleted(unconnected, 1)
    assert unconnected.projects() == []
    assert await unconnected.cluster.get("TenantDatabase", "acme") is None
    await judged(unconnected, [])


@pytest.mark.proves("F06", "F36", "I1")
async def test_an_operator_that_is_asked_to_end_finishes_what_nobody_else_could(unconnected: Scene) -> None:
    """The deletion waits for its turn, as much else does that is left to the next one."""
    unconnected.neon.answers.add(not_now("DELETE", "/projects/{project_id}", seconds=3))
    async with wired(unconnected) as traffic:
        operator = await unconnected.start_operator(**SETTINGS)
        vanishes(unconnected, traffic)
        await unconnected.create(deletionPolicy="Delete")
        await unconnected.until_scripts_met()
        assert await operator.stop(grace=60)
    assert len(unconnected.projects(deleted=True)) == 1
    assert unconnected.projects() == []


@pytest.mark.proves("F06", "F36", "I1")
async def test_an_operator_that_is_asked_to_end_while_it_makes_such_a_project_deletes_it(
    unconnected: Scene,
) -> None:
    async with wired(unconnected) as traffic:
        operator = await unconnected.start_operator(**SETTINGS)

        async def ask_to_end() -> None:
            operator.send(signal.SIGTERM)

        vanishes(unconnected, traffic, ask_to_end)
        await unconnected.create(deletionPolicy="Delete")
        await until_deleted(unconnected, 1)
        assert await operator.stop(grace=60)
    assert unconnected.projects() == []
    await judged(unconnected, [])


@pytest.mark.proves("F06", "F36", "I1")
async def test_an_operator_that_ends_gives_no_wait_up_without_a_look_whether_the_resource_vanished(
    unconnected: Scene,
) -> None:
    """Whatever waits for a turn is given up: what was made meanwhile is known to nobody else."""
    unconnected.neon.knobs.operation_seconds = 1
    unconnected.neon.answers.add(not_now("GET", "/projects/{project_id}/operations", seconds=300))
    operator = await unconnected.start_operator(request_timeout="2", intent_lifetime="8")
    await unconnected.create(deletionPolicy="Delete")
    await unconnected.until_scripts_met()
    await unconnected.cluster.strip_and_delete()
    assert await operator.stop(grace=60)
    assert len(unconnected.projects(deleted=True)) == 1
    assert unconnected.projects() == []
    await judged(unconnected, [])


@pytest.mark.proves("F36", "F39", "I3")
async def test_with_retain_it_is_released(unconnected: Scene) -> None:
    async with wired(unconnected) as traffic:
        await unconnected.start_operator(**SETTINGS)
        vanishes(unconnected, traffic)
        await unconnected.create(deletionPolicy="Retain")

        async def released() -> bool:
            return [project["name"].endswith("-released") for project in unconnected.projects()] == [True]

        await until(released, "the project is released")
    await judged(unconnected, [])


@pytest.mark.proves("F36", "F39", "I1", "I2")
async def test_a_name_that_comes_back_at_once_gets_a_project_of_its_own(unconnected: Scene) -> None:
    async with wired(unconnected) as traffic:
        await unconnected.start_operator(**SETTINGS)
        vanishes(unconnected, traffic, lambda: unconnected.create(deletionPolicy="Delete"))
        await unconnected.create(deletionPolicy="Delete")
        await until_deleted(unconnected, 1)
        ready = await unconnected.cluster.until_ready()
    assert unconnected.project()["id"] == ready["status"]["projectId"]
    secret = await unconnected.cluster.get("Secret", "acme-database")
    assert secret is not None
    assert secret["metadata"]["annotations"]["neontenants.io/owner-uid"] == ready["metadata"]["uid"]
    await judged(unconnected, [])


@pytest.mark.proves("F36")
async def test_whoever_paused_has_it_left_for_the_orphan_report(unconnected: Scene) -> None:
    scene = unconnected
    scene.neon.answers.add(Script(method="POST", route="/projects", delay_before=HOUR))
    async with wired(scene) as traffic:
        await scene.start_operator(**SETTINGS)
        vanishes(scene, traffic)
        await scene.create(deletionPolicy="Delete")
        await scene.cluster.until_gone("TenantDatabase", "acme")
        pause = {"metadata": {"annotations": {"neontenants.io/paused": "true"}}}
        await scene.cluster.patch("Namespace", scene.namespace, pause)

        async def told() -> bool:
            said = "A resource vanished while its project was made. The project is left."
            return said in [line["message"] for line in scene.log_lines()]

        await until(told, "it says that the project is left")
        scene.neon.clock.advance(HOUR)

        async def landed() -> bool:
            return len(scene.projects()) == 1

        await until(landed, "the project is made")
    await judged(unconnected, [])


@pytest.mark.proves("F33", "F36", "I1")
async def test_what_a_new_list_does_not_show_any_more_is_no_reason_to_forget_its_project(
    unconnected: Scene,
) -> None:
    scene = unconnected
    scene.neon.answers.add(Script(method="POST", route="/projects", delay_before=HOUR))
    async with watched(scene) as wire:
        await scene.start_operator(request_timeout="60", intent_lifetime="300")
        await scene.create(deletionPolicy="Delete")
        await scene.until_scripts_met()
        # The watch breaks before it tells of what comes now.
        wire.events = tenants_only(Deed.FAIL)
        await scene.cluster.strip_and_delete()
        await scene.until_watching(2)
        scene.neon.clock.advance(HOUR)
        await until_deleted(scene, 1)
    assert scene.projects() == []
    await judged(scene, [])


@pytest.mark.proves("F36", "F42", "I3")
async def test_where_somebody_bound_the_next_of_its_name_nothing_is_deleted(unconnected: Scene) -> None:
    """Perhaps to the very project that was made. Here its status names another one."""
    scene = unconnected
    scene.neon.answers.add(Script(method="POST", route="/projects", delay_before=HOUR))
    async with wired(scene) as traffic:
        await scene.start_operator(**SETTINGS)

        async def bind_the_next() -> None:
            await scene.create(deletionPolicy="Delete")
            bound = {"status": {"projectId": "bound-by-hand"}}
            await scene.cluster.patch("TenantDatabase", "acme", bound, subresource="/status")

        vanishes(scene, traffic, bind_the_next)
        await scene.create(deletionPolicy="Delete")
        await scene.until_scripts_met()
        scene.neon.clock.advance(HOUR)
        await scene.cluster.until_reason("ProjectMissing")
        await scene.annotate(reconcile_requested_at="it is there")
        await scene.cluster.until_tenant(
            "acme",
            lambda found: found["status"].get("lastHandledReconcileAt") == "it is there",
            "it was looked at",
        )
    assert len(scene.projects()) == 1
    assert scene.projects(deleted=True) == []


@pytest.mark.proves("F36", "F39", "I1")
async def test_deletes_that_race_with_the_finalizer_leave_nothing(unconnected: Scene) -> None:
    """The API server's own race: each DELETE leaves in the moment in which the finalizer is written."""
    names = [f"t{number}" for number in range(40)]
    deletes: dict[str, asyncio.Task[object]] = {}
    async with wired(unconnected) as traffic:

        async def at_the_declaration(request: Request) -> None:
            name = request.path.rpartition("/")[2]
            if request.kind == "PATCH tenantdatabases" and name not in deletes:
                deletes[name] = asyncio.create_task(unconnected.cluster.delete("TenantDatabase", name))
                for _ in range(int(name[1:])):
                    await asyncio.sleep(0)  # a turn of the loop: the head start that the DELETE gets

        traffic.before = at_the_declaration
        await unconnected.start_operator(before="work_counted", deletions_per_window="0", **SETTINGS)
        await asyncio.gather(*(unconnected.create(name, deletionPolicy="Delete") for name in names))

        async def gone() -> bool:
            told = [line["message"] for line in unconnected.log_lines()]
            if told.count(PASS) != told.count(ENDED):
                return False  # a POST may be still to come, for a resource that is gone
            left = await unconnected.cluster.list("TenantDatabase")
            return len(deletes) == len(names) and not left and not unconnected.projects()

        await until(gone, "nothing is left")
    await asyncio.gather(*deletes.values())
    await judged(unconnected, [])
