"""Operations, the lock that they are, and limits of requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from neon_sandbox.emulator import Clock, Knobs
from sandbox.emulator_world import Neon, open_neon
from waiting import until


@pytest.fixture
async def neon() -> AsyncIterator[Neon]:
    async with open_neon() as opened:
        yield opened


async def test_a_lagging_list_of_operations_is_empty_while_the_project_is_locked(neon: Neon) -> None:
    neon.emulator.knobs.list_lag = 10
    neon.emulator.knobs.operation_seconds = 600
    tenant = await neon.create(wait=False)
    assert (await neon.ask("GET", f"{tenant.path}/operations"))["operations"] == []
    await neon.ask("PATCH", tenant.path, {"project": {"name": "x"}}, status=423)
    await neon.ask("GET", f"{tenant.path}/operations/{tenant.operation_ids[0]}")


async def test_operations_pass_from_scheduling_to_running_to_finished(neon: Neon) -> None:
    neon.emulator.knobs.operation_seconds = 100
    tenant = await neon.create(wait=False)

    async def statuses() -> list[str]:
        listed = await neon.ask("GET", f"{tenant.path}/operations")
        return [operation["status"] for operation in reversed(listed["operations"])]

    async def reach(*wanted: str) -> None:
        async def reached() -> bool:
            return await statuses() == list(wanted)

        await until(reached, f"the operations are {wanted}")

    assert await statuses() == ["scheduling", "scheduling"]
    neon.emulator.clock.advance(25)
    await reach("running", "scheduling")
    neon.emulator.clock.advance(40)
    await reach("finished", "running")
    neon.emulator.clock.advance(40)
    await reach("finished", "finished")
    listed = await neon.ask("GET", f"{tenant.path}/operations", params={"limit": 1})
    assert [operation["action"] for operation in listed["operations"]] == ["start_compute"]
    more = await neon.ask(
        "GET", f"{tenant.path}/operations", params={"cursor": listed["pagination"]["cursor"]}
    )
    assert [operation["action"] for operation in more["operations"]] == ["create_timeline"]
    assert 30_000 < more["operations"][0]["total_duration_ms"] < 70_000


@pytest.mark.parametrize("outcome", ["failed", "cancelled"])
async def test_operations_can_be_made_to_fail(outcome: str, neon: Neon) -> None:
    neon.emulator.knobs.operation_outcome = outcome  # type: ignore[assignment]  # the literals above
    tenant = await neon.create()
    listed = (await neon.ask("GET", f"{tenant.path}/operations"))["operations"]
    assert [operation["status"] for operation in reversed(listed)] == [outcome, "cancelled"]
    assert listed[1]["failures_count"] == 1
    assert (await neon.endpoint(tenant))["current_state"] == "init"
    await neon.ask("GET", tenant.path)


async def test_stuck_operations_hold_the_lock_until_they_are_released(neon: Neon) -> None:
    neon.emulator.knobs.operation_outcome = "stuck"
    tenant = await neon.create(wait=False)
    neon.emulator.clock.advance(86_400)
    await neon.ask("PATCH", tenant.path, {"project": {"name": "x"}}, status=423)
    await neon.control("PATCH", "/knobs", {"operation_outcome": "finished"})
    await neon.settled(tenant.id)
    assert (await neon.endpoint(tenant))["current_state"] == "active"


async def test_while_operations_run_changes_are_locked_and_reads_and_the_delete_are_not(neon: Neon) -> None:
    neon.emulator.knobs.operation_seconds = 600
    tenant = await neon.create(wait=False)
    locked = await neon.ask("PATCH", tenant.path, {"project": {"name": "x"}}, status=423)
    assert locked["message"] == (
        "project already has running conflicting operations, scheduling of new ones is prohibited"
    )
    await neon.ask("POST", f"{tenant.role_path}/reset_password", status=423)
    await neon.ask("POST", f"{tenant.endpoint_path}/suspend", status=423)
    for path in ("", "/operations", "/endpoints", "/branches"):
        await neon.ask("GET", tenant.path + path)
    await neon.ask("GET", f"{tenant.role_path}/reveal_password")
    await neon.ask("DELETE", tenant.path)


async def test_only_the_first_of_concurrent_changes_is_taken(neon: Neon) -> None:
    tenant = await neon.create()
    neon.emulator.knobs.operation_seconds = 600
    answers = await asyncio.gather(
        *(
            neon.request(
                "POST",
                f"{tenant.branch_path}/databases",
                {"database": {"name": f"d{number}", "owner_name": tenant.role}},
            )
            for number in range(10)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [423] * 9


class StillClock(Clock):
    """Moves only when it is moved, however slow the machine is."""

    def now(self) -> float:
        return self._origin


@pytest.fixture
async def still() -> AsyncIterator[Neon]:
    async with open_neon(clock=StillClock()) as opened:
        yield opened


async def test_too_many_requests_are_refused_with_the_time_to_wait(still: Neon) -> None:
    still.emulator.knobs.requests_per_minute = 5
    for _ in range(5):
        await still.ask("GET", "/auth")
    still.emulator.clock.advance(20)
    refused = await still.request("GET", "/auth")
    assert refused.status_code == 429
    wait = int(refused.headers["retry-after"])
    assert wait == 40
    still.emulator.clock.advance(wait)
    await still.ask("GET", "/auth")


async def test_one_route_has_a_limit_of_its_own_in_each_second(still: Neon) -> None:
    still.emulator.knobs.requests_per_second_per_route = 2
    statuses = [(await still.request("GET", "/auth")).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    await still.ask("GET", "/regions")
    still.emulator.clock.advance(1)
    await still.ask("GET", "/auth")


async def test_the_consumption_routes_share_a_limit(neon: Neon) -> None:
    neon.emulator.knobs.consumption_requests_per_minute = 1
    assert (await neon.request("GET", "/consumption_history/projects")).status_code == 400
    refused = await neon.request("GET", "/consumption_history/v2/projects")
    assert refused.status_code == 429
    await neon.ask("GET", "/auth")


def test_the_limits_are_neons_unless_they_are_turned() -> None:
    knobs = Knobs()
    assert (knobs.requests_per_minute, knobs.requests_per_second_per_route) == (700, 40)
    assert knobs.consumption_requests_per_minute == 30
