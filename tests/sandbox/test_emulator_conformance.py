"""The conformance program, on the emulator: the defaults are what it expects, and it finds what is turned."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from neon_sandbox.conformance.__main__ import examine, report
from neon_sandbox.conformance.account import NAME_PREFIX, Account, NoAnswerError
from neon_sandbox.conformance.checks import CHECKS
from neon_sandbox.emulator import Emulator, Script


@asynccontextmanager
async def account(emulator: Emulator) -> AsyncIterator[Account]:
    async with httpx.AsyncClient(timeout=60) as client:
        yield Account(client, emulator.url, emulator.api_key, None)


async def test_the_emulator_does_as_the_program_expects_and_is_left_clean() -> None:
    async with Emulator.start() as emulator, account(emulator) as asked:
        results = await examine(asked)
        assert [result for result in results if not result.same] == []
        projects = emulator.projects()
        assert all(project["deleted_at"] is not None for project in projects)
        assert all(project["name"].startswith(NAME_PREFIX) for project in projects)


async def test_what_differs_is_found_and_told() -> None:
    async with Emulator.start() as emulator, account(emulator) as asked:
        emulator.knobs.quota_patch = "merge"
        emulator.knobs.plan = "launch"
        emulator.knobs.list_lag = 3600
        emulator.clock.advance(3600)
        results = await examine(asked)
    differing = {result.question: result.found for result in results if not result.same}
    assert differing == {
        "PATCH with one quota leaves the others": "merged",
        "A suspend timeout of 600 is": "stored 0",
        "A new project is in the list": "later",
        "Search for the middle of a name has": "not found",
        "A page that is not full has": "no cursor",
        "A deleted project answers": "GET 404, DELETE 404, not listed",
    }
    told = report(results, "here")
    assert "DIFFERS    PATCH with one quota leaves the others: expected 'replaced', found 'merged'" in told
    assert f"{len(CHECKS) - 6} of {len(CHECKS)} answers" in told


async def test_everything_is_removed_after_a_failure_too() -> None:
    async with Emulator.start() as emulator, account(emulator) as asked:
        # The answer is lost, so the program does not know the project's id.
        emulator.answers.add(Script(method="POST", route="/projects", drop=True))
        with pytest.raises(NoAnswerError):
            await examine(asked)
        (project,) = emulator.projects()
        assert project["deleted_at"] is not None


async def test_an_answer_in_another_form_is_undecided_and_no_crash() -> None:
    async with Emulator.start() as emulator, account(emulator) as asked:
        emulator.answers.add(
            Script(method="GET", path="/reveal_password$", status=200, body="<html></html>", times=2)
        )
        results = await examine(asked)
    (undecided,) = [result for result in results if result.found is None]
    assert undecided.question == "reveal_password gives"
    assert "UNDECIDED" in report(results, "here")


async def program(**environment: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "neon_sandbox.conformance",
        env={**{k: v for k, v in os.environ.items() if not k.startswith("NEON_")}, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 120)
    return process.returncode, said.decode()


async def test_the_program_asks_the_account_of_the_key_file_and_never_prints_the_key(tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    async with Emulator.start() as emulator:
        key_file.write_text(emulator.api_key + "\n")
        environment = {"NEON_API_KEY_FILE": str(key_file), "NEON_API_URL": emulator.url}
        status, said = await program(**environment, NEON_ORG_ID=emulator.organization_id)
        assert status == 0, said
        assert f"Asked: {emulator.url}" in said
        assert emulator.requests.count("POST", "/projects", 201) > 0
        emulator.knobs.quota_patch = "merge"
        assert (await program(**environment))[0] == 1
        key_file.write_text("napi_wrong_key")
        status, refused = await program(**environment)
    assert status == 2
    assert "401" in refused
    assert emulator.api_key not in said + refused
    assert "napi_wrong_key" not in refused


async def test_without_a_key_the_program_asks_the_emulator() -> None:
    status, said = await program()
    assert status == 0, said
    assert "the emulator" in said
