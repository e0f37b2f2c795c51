"""Whose the API key is: asked once of each key, before anything else is sent with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from neon_sandbox.emulator import Emulator, Script
from neon_tenants.api.conditions import Reason
from neon_tenants.core.failure import Done
from neon_tenants.neon.budget import Budget
from neon_tenants.neon.client import NeonClient
from neon_tenants.neon.errors import NeonError
from neon_tenants.neon.http import Http
from neon_tenants.neon.key import ApiKey
from neon_tenants.neon.limits import Rates
from waiting import until_scripts_met

NOWHERE = "quiet-sky-12345678"


@dataclass
class Side:
    """The operator's side of an emulator, which takes no person's key."""

    emulator: Emulator
    client: NeonClient
    key: ApiKey
    key_file: Path

    def mount(self, key: str) -> None:
        self.key_file.write_text(key)

    def asked(self) -> list[str]:
        return [f"{entry.method} {entry.route} {entry.status}" for entry in self.emulator.requests]

    def answer(self, **script: Any) -> None:
        body = {"code": "", "message": "no", "request_id": "r"}
        self.emulator.answers.add(Script(method="GET", route="/auth", **({"body": body} | script)))


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[Side]:
    clock, key_file = time.monotonic, tmp_path / "key"
    async with Emulator.start() as emulator:
        key_file.write_text(emulator.api_key)
        key, budget = ApiKey(key_file, clock, personal=False), Budget(Rates(100_000, 10_000), clock)
        async with Http.connect(emulator.url, key=key, budget=budget, clock=clock, timeout=5) as http:
            yield Side(emulator, NeonClient(http, org_id=emulator.organization_id), key, key_file)


LISTED = "GET /projects 200"
WHO = "GET /auth 200"


async def refused(side: Side) -> NeonError:
    with pytest.raises(NeonError) as caught:
        await side.client.list_projects()
    return caught.value


async def test_it_is_asked_once_however_many_wait(side: Side) -> None:
    await asyncio.gather(*(side.client.list_projects() for _ in range(20)))
    await side.client.list_projects()
    assert side.asked() == [WHO, *[LISTED] * 21]


@pytest.mark.proves("T17")
async def test_a_persons_key_is_not_used_and_is_not_asked_about_again(side: Side) -> None:
    side.emulator.knobs.key_scope = "personal"
    for _ in range(3):
        error = await refused(side)
        assert (error.failure.reason, error.failure.stalled) == (Reason.CREDENTIALS_REJECTED, True)
        assert "a person's" in error.failure.message
    assert side.asked() == [WHO]
    assert not side.key.usable


@pytest.mark.proves("T17")
async def test_each_key_that_is_mounted_later_is_asked_about_before_it_is_used(side: Side) -> None:
    await side.client.list_projects()
    side.mount(side.emulator.keys.issue())
    await side.client.list_projects()
    side.emulator.knobs.key_scope = "personal"
    await side.client.list_projects()  # nobody asks twice
    side.mount(side.emulator.keys.issue())
    await refused(side)
    await refused(side)
    assert side.asked() == [WHO, LISTED, WHO, LISTED, LISTED, WHO]
    side.emulator.knobs.key_scope = "organization"
    side.mount(side.emulator.keys.issue())
    await side.client.list_projects()
    assert side.key.usable


FAILURES: dict[str, tuple[dict[str, Any], Reason]] = {
    "a proxy answers in its place": ({"status": 503, "body": "<html>"}, Reason.NEON_UNREACHABLE),
    "the connection breaks": ({"drop": True}, Reason.NEON_UNREACHABLE),
    "Neon is out of order": ({"status": 500}, Reason.NEON_UNREACHABLE),
    "it is not for this key": ({"status": 403}, Reason.CREDENTIALS_REJECTED),
    "an answer that says nothing": ({"status": 200, "body": {}}, Reason.NEON_UNREACHABLE),
}


@pytest.mark.parametrize(("script", "reason"), FAILURES.values(), ids=FAILURES.keys())
async def test_without_an_answer_nothing_was_sent_and_the_next_one_asks_again(
    side: Side, script: dict[str, Any], reason: Reason
) -> None:
    side.answer(**script)
    with pytest.raises(NeonError) as caught:
        # A 403 to this very request would say that the project is hidden, and a 404 that it is gone.
        await side.client.get_project(NOWHERE)
    error = caught.value
    assert (error.failure.reason, error.failure.done, error.status) == (reason, Done.NO, None)
    await side.client.list_projects()
    assert side.asked()[1:] == [WHO, LISTED]


async def test_a_throttled_question_is_asked_again(side: Side) -> None:
    side.answer(status=429, headers={"Retry-After": "0"})
    async with asyncio.timeout(20):
        await side.client.list_projects()
    assert side.asked() == ["GET /auth 429", WHO, LISTED]


async def test_who_waits_shares_a_failure(side: Side) -> None:
    side.answer(status=500)
    results = await asyncio.gather(*(side.client.list_projects() for _ in range(5)), return_exceptions=True)
    assert all(isinstance(result, NeonError) for result in results)
    assert side.asked() == ["GET /auth 500"]


async def test_a_neon_that_does_not_know_the_question_is_used(side: Side) -> None:
    side.answer(status=404)
    await side.client.list_projects()
    await side.client.list_projects()
    assert side.asked() == ["GET /auth 404", LISTED, LISTED]


async def test_a_key_that_is_replaced_while_it_is_asked_about_vouches_for_no_other(side: Side) -> None:
    side.answer(delay_before=0.5, body=None)
    waiting = asyncio.create_task(side.client.list_projects())
    await until_scripts_met(side.emulator)
    side.mount(side.emulator.keys.issue())
    await waiting
    assert side.asked() == [WHO, WHO, LISTED]


async def test_who_gives_up_takes_nothing_from_the_others(side: Side) -> None:
    side.answer(delay_before=0.5, body=None)
    first = asyncio.create_task(side.client.list_projects())
    await until_scripts_met(side.emulator)
    second = asyncio.create_task(side.client.list_projects())
    first.cancel()
    await second
    assert side.asked() == [WHO, LISTED]


async def test_where_a_persons_key_will_do_nobody_is_asked(tmp_path: Path) -> None:
    clock, key_file = time.monotonic, tmp_path / "key"
    async with Emulator.start() as emulator:
        emulator.knobs.key_scope = "personal"
        key_file.write_text(emulator.api_key)
        budget = Budget(Rates(100_000, 10_000), clock)
        async with Http.connect(
            emulator.url, key=ApiKey(key_file, clock), budget=budget, clock=clock, timeout=5
        ) as http:
            await NeonClient(http, org_id=emulator.organization_id).list_projects()
        assert emulator.requests.count() == emulator.requests.count("GET", "/projects") == 1
