"""Answers that are lost, late or wrong, and outages: on the wire, as a client meets them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from neon_sandbox.emulator import Emulator, Entry, Journal, Outage, Script
from sandbox.emulator_world import Neon, open_neon
from waiting import until

CREATE = {"project": {"name": "tenant"}}


@pytest.fixture
async def neon() -> AsyncIterator[Neon]:
    async with open_neon() as opened:
        yield opened


def script(**fields: object) -> Script:
    return Script.model_validate({"method": "POST", "route": "/projects", **fields})


def count(neon: Neon) -> int:
    return len(neon.emulator.projects())


async def test_an_answer_can_be_lost_after_the_request_was_executed(neon: Neon) -> None:
    neon.emulator.answers.add(script(drop=True))
    with pytest.raises(httpx.RemoteProtocolError):
        await neon.ask("POST", "/projects", CREATE)
    assert count(neon) == 1
    assert neon.emulator.requests.count("POST", "/projects", 0) == 1


async def test_a_request_can_be_lost_before_it_was_executed(neon: Neon) -> None:
    neon.emulator.answers.add(script(drop=True, execute=False))
    with pytest.raises(httpx.RemoteProtocolError):
        await neon.ask("POST", "/projects", CREATE)
    assert count(neon) == 0
    await neon.ask("POST", "/projects", CREATE)
    assert count(neon) == 1


async def test_a_dropped_connection_takes_no_other_with_it(neon: Neon) -> None:
    neon.emulator.answers.add(script(drop=True, delay_after=50))
    async with httpx.AsyncClient(timeout=60) as other:
        slow = asyncio.ensure_future(
            other.post(
                f"{neon.emulator.url}/projects",
                json=CREATE,
                headers={"authorization": f"Bearer {neon.emulator.api_key}"},
            )
        )

        async def executed() -> bool:
            return count(neon) == 1

        await until(executed, "the other request is executed")
        asking = asyncio.ensure_future(neon.ask("GET", "/auth"))
        neon.emulator.clock.advance(50)
        with pytest.raises(httpx.RemoteProtocolError):
            await slow
        await asking


async def test_an_answer_can_be_replaced_with_and_without_the_execution(neon: Neon) -> None:
    neon.emulator.answers.add(script(status=502, body="<html>Bad gateway</html>"))
    answer = await neon.request("POST", "/projects", CREATE)
    assert (answer.status_code, answer.text) == (502, "<html>Bad gateway</html>")
    assert answer.headers["content-type"].startswith("text/html")
    assert count(neon) == 0
    neon.emulator.answers.add(script(status=500, execute=True, body={"code": "", "message": "oops"}))
    assert (await neon.ask("POST", "/projects", CREATE, status=500))["message"] == "oops"
    assert count(neon) == 1
    neon.emulator.answers.add(script(status=429, headers={"retry-after": "7"}))
    answer = await neon.request("POST", "/projects", CREATE)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")


async def test_a_request_can_land_after_its_client_has_given_up(neon: Neon) -> None:
    neon.emulator.answers.add(script(delay_before=100))
    async with httpx.AsyncClient(timeout=0.2) as impatient:
        with pytest.raises(httpx.ReadTimeout):
            await impatient.post(
                f"{neon.emulator.url}/projects",
                json=CREATE,
                headers={"authorization": f"Bearer {neon.emulator.api_key}"},
            )
    assert count(neon) == 0
    neon.emulator.clock.advance(100)

    async def landed() -> bool:
        return count(neon) == 1

    await until(landed, "the request lands")


async def test_a_script_is_for_the_nth_matching_request_and_those_after_it(neon: Neon) -> None:
    neon.emulator.answers.add(script(status=503, nth=2, times=2))
    await neon.ask("GET", "/projects")
    answers = [(await neon.request("POST", "/projects", CREATE)).status_code for _ in range(4)]
    assert answers == [201, 503, 503, 201]
    assert neon.emulator.answers.pending == []


async def test_a_script_can_be_for_one_path_of_a_route(neon: Neon) -> None:
    one, other = await neon.create("one"), await neon.create("other")
    neon.emulator.answers.add(Script(method="DELETE", path=f"/{other.id}$", status=423))
    await neon.ask("DELETE", one.path)
    await neon.ask("DELETE", other.path, status=423)
    await neon.ask("DELETE", other.path)


async def test_scripts_can_be_given_over_http(neon: Neon) -> None:
    await neon.control("POST", "/answers", {"route": "/auth", "status": 403, "body": {"message": "no"}})
    listed = await neon.control("GET", "/answers")
    assert [(answer["route"], answer["status"]) for answer in listed["answers"]] == [("/auth", 403)]
    assert await neon.ask("GET", "/auth", status=403) == {"message": "no"}
    await neon.control("POST", "/answers", {"route": "/auth", "drop": True})
    await neon.control("DELETE", "/answers")
    await neon.ask("GET", "/auth")
    await neon.control("POST", "/answers", {"execute": False}, status=400)
    await neon.control("POST", "/answers", {"statuss": 500}, status=400)


async def test_an_outage_answers_503_in_neons_form_and_executes_nothing(neon: Neon) -> None:
    neon.emulator.outage.begin(Outage(kind="503", requests=2))
    for _ in range(2):
        refused = await neon.ask("POST", "/projects", CREATE, status=503)
        assert set(refused) == {"request_id", "code", "message"}
    assert count(neon) == 0
    await neon.ask("POST", "/projects", CREATE)


async def test_an_outage_can_be_the_page_of_a_cdn_for_some_routes_and_for_some_time(neon: Neon) -> None:
    outage = {"kind": "524", "seconds": 60, "route": "^POST /projects$"}
    knobs = await neon.control("PATCH", "/knobs", {"outage": outage})
    assert knobs["outage"]["kind"] == "524"
    await neon.ask("GET", "/projects")
    answer = await neon.request("POST", "/projects", CREATE)
    assert (answer.status_code, answer.headers["content-type"]) == (524, "text/html; charset=utf-8")
    neon.emulator.clock.advance(60)
    await neon.ask("POST", "/projects", CREATE)
    assert (await neon.control("GET", "/knobs"))["outage"] is None


async def test_an_outage_can_be_ended(neon: Neon) -> None:
    await neon.control("PATCH", "/knobs", {"outage": {"kind": "503"}})
    await neon.ask("GET", "/auth", status=503)
    await neon.control("PATCH", "/knobs", {"outage": None})
    await neon.ask("GET", "/auth")
    await neon.control("PATCH", "/knobs", {"outage": {"kind": "503", "route": "("}}, status=400)


async def test_a_hanging_request_ends_with_the_emulator(neon: Neon) -> None:
    async with httpx.AsyncClient(timeout=60) as client:
        async with Emulator.start() as other:
            other.outage.begin(Outage(kind="hang"))
            hanging = asyncio.ensure_future(
                client.get(f"{other.url}/auth", headers={"authorization": f"Bearer {other.api_key}"})
            )
            await asyncio.wait({hanging}, timeout=0.1)
            assert not hanging.done()
        with pytest.raises(httpx.RemoteProtocolError):
            await hanging


async def test_requests_are_counted_by_route_and_status_and_hold_no_secret(neon: Neon) -> None:
    tenant = await neon.create()
    await neon.ask("GET", "/projects/nobody", status=404)
    await neon.ask("GET", f"{tenant.role_path}/reveal_password")
    requests = neon.emulator.requests
    assert requests.count("POST", "/projects") == 1
    assert requests.count(route="/projects/{project_id}", status=404) == 1
    assert requests.count() == len(requests) == 3
    told = await neon.control("GET", "/requests")
    assert {(c["method"], c["route"], c["status"], c["count"]) for c in told["counters"]} == {
        ("POST", "/projects", 201, 1),
        ("GET", "/projects/{project_id}", 404, 1),
        ("GET", "/projects/{project_id}/branches/{branch_id}/roles/{role_name}/reveal_password", 200, 1),
    }
    assert [entry["path"] for entry in told["requests"]][1] == "/api/v2/projects/nobody"
    everything = str(told) + str(await neon.control("GET", "/projects"))
    assert tenant.password not in everything
    assert neon.emulator.api_key not in everything
    await neon.control("DELETE", "/requests")
    assert requests.count() == len(requests) == 0


async def test_the_log_keeps_the_last_ten_thousand(neon: Neon) -> None:
    journal = Journal()
    for number in range(10_001):
        journal.add(Entry(float(number), "GET", "/auth", "/api/v2/auth", "", 200, 0))
    assert (journal.count(), len(journal)) == (10_001, 10_000)
    assert next(iter(journal)).at == 1


@pytest.mark.parametrize("delays", [{"delay_before": 3600}, {"delay_after": 3600}])
async def test_a_clock_that_is_moved_once_a_script_was_met_ends_its_delay(
    neon: Neon, delays: dict[str, float]
) -> None:
    neon.emulator.answers.add(script(**delays))
    asking = asyncio.create_task(neon.ask("POST", "/projects", CREATE))
    while neon.emulator.answers.pending:
        await asyncio.sleep(0)  # it is met in one of these turns, and the next one is too late
    neon.emulator.clock.advance(3600)
    await asking
    assert count(neon) == 1


async def test_the_controls_take_no_form_that_a_web_page_could_send(neon: Neon) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.post(
            f"{neon.emulator.sandbox_url}/answers",
            content=b'{"drop": true}',
            headers={"content-type": "text/plain"},
        )
    assert answer.status_code == 415
    assert neon.emulator.answers.pending == []


async def test_the_clock_can_be_moved_over_http(neon: Neon) -> None:
    before = neon.emulator.clock.now()
    told = await neon.control("POST", "/clock", {"seconds": 3600})
    assert told["now"] >= before + 3600
    await neon.control("POST", "/clock", {"seconds": -1}, status=400)
