"""The emulator's journal: what took effect, when, and at whose request."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from neon_sandbox.emulator import Clock, Emulator, PostgresServer, Script
from sandbox.emulator_world import Neon, login, refusal
from waiting import until


@pytest.fixture(scope="module")
async def postgres() -> AsyncIterator[PostgresServer]:
    async with PostgresServer.start() as server:
        yield server


@pytest.fixture
async def neon(postgres: PostgresServer, tmp_path: Path) -> AsyncIterator[Neon]:
    async with (
        Emulator.start(postgres=postgres, clock=Clock(), journal=tmp_path / "neon.jsonl") as emulator,
        httpx.AsyncClient(timeout=60, headers={"user-agent": "somebody/1"}) as client,
    ):
        emulator.knobs.operation_seconds = 0
        yield Neon(emulator, client)


def told(folder: Path, *events: str) -> list[dict[str, Any]]:
    """The lines of the journal about these events, or all."""
    lines = [json.loads(line) for line in (folder / "neon.jsonl").read_text().splitlines()]
    return [line for line in lines if not events or line["event"] in events]


def without_time(line: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in line.items() if key != "at"}


async def test_the_life_of_a_project_is_told_with_its_birth_certificate(neon: Neon, tmp_path: Path) -> None:
    began = time.time()
    mine = {"x/uid": "7"}
    tenant = await neon.create("first", branch={"annotations": mine})
    await neon.change("PATCH", tenant.path, {"project": {"name": "second"}})
    await neon.change("PATCH", tenant.path, {"project": {"name": "second"}})
    await neon.ask("DELETE", tenant.path)
    await neon.ask("POST", f"{tenant.path}/recover")
    await neon.ask("DELETE", tenant.path)
    neon.emulator.clock.advance(8 * 86_400)
    other = await neon.create("other")
    await neon.ask("DELETE", other.path)
    lines = told(tmp_path)
    common = {"by": "somebody/1", "project": tenant.id}
    assert [without_time(line) for line in lines if line["project"] == tenant.id] == [
        {**common, "event": "project_created", "name": "first", "annotations": mine},
        {**common, "event": "project_renamed", "before": "first", "name": "second"},
        {**common, "event": "project_deleted", "name": "second"},
        {**common, "event": "project_recovered", "name": "second"},
        {**common, "event": "project_deleted", "name": "second"},
        {**common, "event": "project_purged", "name": "second"},
    ]
    # The machine's time, to be compared with others' logs, and not the one that the test moved.
    assert began <= lines[0]["at"] <= lines[-1]["at"] <= time.time()


async def test_a_refused_request_and_one_that_was_never_executed_are_no_effects(
    neon: Neon, tmp_path: Path
) -> None:
    neon.emulator.answers.add(Script(method="POST", route="/projects", execute=False, status=503))
    await neon.ask("POST", "/projects", {"project": {"name": "never"}}, status=503)
    neon.emulator.knobs.projects_limit = 0
    await neon.ask("POST", "/projects", {"project": {"name": "never"}}, status=422)
    assert [without_time(line) for line in told(tmp_path)] == [
        {
            "event": "answer_scripted",
            "by": "somebody/1",
            "method": "POST",
            "route": "/projects",
            "mode": "an answer of its own, not executed",
        }
    ]


async def test_a_create_whose_answer_is_lost_is_an_effect(neon: Neon, tmp_path: Path) -> None:
    neon.emulator.answers.add(Script(method="POST", route="/projects", drop=True))
    with pytest.raises(httpx.RemoteProtocolError):
        await neon.create("lost")
    assert [line["event"] for line in told(tmp_path)] == ["answer_scripted", "project_created"]
    assert told(tmp_path)[0]["mode"] == "dropped, executed"


async def test_logins_are_told_as_they_ended(neon: Neon, tmp_path: Path) -> None:
    tenant = await neon.create()
    async with login(tenant.uri, application_name="probe-1"):
        pass
    await refusal(tenant.uri.replace(tenant.password, "npg_wrong"), application_name="probe-2")
    await refusal(tenant.uri.replace("app_owner", "nobody"), application_name="probe-3")
    await neon.change("PATCH", tenant.endpoint_path, {"endpoint": {"disabled": True}})
    await refusal(tenant.uri, application_name="probe-4")

    async def all_told() -> bool:
        return len(told(tmp_path, "login")) == 4

    await until(all_told, "all four logins are told")
    assert [
        (line["application"], line["role"], line["accepted"], line["sqlstate"])
        for line in told(tmp_path, "login")
    ] == [
        ("probe-1", "app_owner", True, ""),
        ("probe-2", "app_owner", False, "28P01"),
        ("probe-3", "nobody", False, "28P01"),
        ("probe-4", "app_owner", False, "XX000"),
    ]
    place = {(line["project"], line["endpoint"]) for line in told(tmp_path, "login")}
    assert place == {(tenant.id, tenant.endpoint_id)}


async def test_a_reset_is_told_when_the_new_password_is_valid(neon: Neon, tmp_path: Path) -> None:
    tenant = await neon.create()
    neon.emulator.knobs.operation_outcome = "stuck"
    answer = await neon.ask("POST", f"{tenant.role_path}/reset_password")
    assert told(tmp_path, "password_reset") == []
    await neon.control("PATCH", "/knobs", {"operation_outcome": "finished"})
    await neon.settled(tenant.id)
    (line,) = told(tmp_path, "password_reset")
    assert (line["by"], line["project"], line["branch"], line["role"]) == (
        "somebody/1",
        tenant.id,
        tenant.branch_id,
        tenant.role,
    )
    async with login(tenant.uri.replace(tenant.password, answer["role"]["password"])):
        pass


async def test_the_journal_holds_no_secret_and_the_emulator_knows_all_of_them(
    neon: Neon, tmp_path: Path
) -> None:
    tenant = await neon.create()
    async with login(tenant.uri):
        pass
    answer = await neon.change("POST", f"{tenant.role_path}/reset_password")
    key = neon.emulator.keys.issue()
    secrets = [neon.emulator.keys.first, tenant.password, answer["role"]["password"], key]
    assert neon.emulator.issued == set(secrets)
    assert not [secret for secret in secrets if secret in (tmp_path / "neon.jsonl").read_text()]
