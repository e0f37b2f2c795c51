"""An operator that is stopped (SIGSTOP) in the middle of a write, past its intent; another does the work."""

from __future__ import annotations

import asyncio
import signal

import pytest

from fault import Request
from neon_sandbox.child import Child
from scene import Scene, query
from waiting import until
from wire import Traffic
from wired import wired

SHORT = {"request_timeout": "1", "intent_lifetime": "4", "retry_max": "1"}


def stop_at(kind: str, traffic: Traffic, operator: Child, *, go_on: asyncio.Event | None) -> asyncio.Event:
    """Stops the operator at its first request of a kind, which goes on when `go_on` says so, or at once."""
    stopped = asyncio.Event()

    async def at(request: Request) -> None:
        if request.kind == kind and not stopped.is_set():
            operator.send(signal.SIGSTOP)
            stopped.set()
            if go_on is not None:
                await go_on.wait()

    traffic.before = at
    return stopped


async def until_awake(operator: Child) -> None:
    """Lets it go on, and waits until it has taken up its work."""
    said = len(operator.log.read_text())
    operator.send(signal.SIGCONT)

    async def works() -> bool:
        return len(operator.log.read_text()) > said

    await until(works, "the stopped operator works again")


async def at_rest(scene: Scene) -> None:
    """All operators have looked at the tenant thoroughly, and its login works."""
    await scene.annotate(reconcile_requested_at="all awake")
    await scene.cluster.until_tenant(
        "acme", lambda found: found["status"].get("lastHandledReconcileAt") == "all awake", "it was looked at"
    )
    await scene.cluster.until_ready()
    assert await query((await scene.cluster.secret())["uri"], "SELECT 1") == 1


@pytest.mark.proves("F51", "I1", "I11")
async def test_a_holder_that_slept_past_its_intent_does_not_send_its_post(scene: Scene) -> None:
    """It won the right to create, and wakes when another has created."""
    async with wired(scene) as traffic:
        holder = await scene.start_operator(**SHORT)
        stopped = stop_at("PATCH tenantdatabases", traffic, holder, go_on=None)
        await scene.create()
        await stopped.wait()
        await scene.start_operator(**SHORT)
        await scene.cluster.until_ready()
        first = scene.project()["id"]
        await until_awake(holder)
        await at_rest(scene)
        assert scene.requests("POST", "/projects") == 1
        assert scene.project()["id"] == first


@pytest.mark.proves("F51", "F13", "I1")
async def test_a_post_that_lands_after_its_intent_leaves_one_project(scene: Scene) -> None:
    """The assumption behind the intent's lifetime is broken: what was sent in time lands too late."""
    async with wired(scene) as traffic:
        holder, go_on = await scene.start_operator(**SHORT), asyncio.Event()
        stopped = stop_at("POST projects", traffic, holder, go_on=go_on)
        await scene.create()
        await stopped.wait()
        await scene.start_operator(**SHORT)
        await scene.cluster.until_ready()
        first = scene.project()["id"]
        go_on.set()

        async def doubled() -> bool:
            return (
                scene.requests(
                    "POST",
                    "/projects",
                )
                == 2
            )

        await until(doubled, "the late POST lands")
        await until_awake(holder)
        await at_rest(scene)

        async def single() -> bool:
            return len(scene.projects()) == 1

        await until(single, "the duplicate is removed")
        assert scene.project()["id"] == first
        assert len(scene.projects(deleted=True)) == 1


@pytest.mark.proves("F51", "F39", "I1", "I3")
async def test_a_delete_that_lands_when_the_name_is_used_again_removes_nothing_of_it(
    scene: Scene,
) -> None:
    async with wired(scene) as traffic:
        holder, go_on = await scene.start_operator(**SHORT), asyncio.Event()
        await scene.create()
        await scene.cluster.until_ready()
        first = scene.project()["id"]
        stopped = stop_at("DELETE projects", traffic, holder, go_on=go_on)
        await scene.cluster.delete("TenantDatabase", "acme")
        await stopped.wait()
        await scene.start_operator(**SHORT)
        await scene.cluster.until_gone("TenantDatabase", "acme")
        await scene.create()
        await scene.cluster.until_ready()
        second = scene.project()["id"]
        go_on.set()
        await until_awake(holder)
        await at_rest(scene)
        assert scene.project()["id"] == second != first
        assert [project["id"] for project in scene.projects(deleted=True)] == [first]
