"""How commands ask the operator, over a real server and a real port."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from neon_tenants import serve
from neon_tenants.cli.output import as_csv, as_table
from neon_tenants.cli.reading import ReadError, Source
from neon_tenants.core.failure import Done
from neon_tenants.neon.errors import unreachable
from neon_tenants.question import BadQuestionError, Question, StandbyError


async def echo(question: Question) -> Any:
    return dict(question)


async def refuse(_question: Question) -> Any:
    raise BadQuestionError("Ask for a tier.")


async def neon_is_away(_question: Question) -> Any:
    raise unreachable("Neon could not be reached to list projects.", Done.NO)


async def stand_by(_question: Question) -> Any:
    raise StandbyError("pod-1_5f")


READS = {"echo": echo, "refuse": refuse, "away": neon_is_away, "standby": stand_by}


async def ask(read: str, question: Question | None = None, *, post: bool = False) -> Any:
    async with serve.serving("127.0.0.1:0", reads=READS, probes={}, metrics=lambda: b"") as address:
        source = Source(address, "ns", "service:http", None, None)
        return await asyncio.to_thread(source.ask, read, question, post=post)


async def test_a_question_goes_as_a_query_or_as_json() -> None:
    assert await ask("echo", {"since": "now", "until": None}) == {"since": "now"}
    assert await ask("echo", {"spec": {"a": [1]}}, post=True) == {"spec": {"a": [1]}}


async def test_what_the_operator_says_reaches_the_person() -> None:
    with pytest.raises(ReadError, match="Ask for a tier"):
        await ask("refuse")
    with pytest.raises(ReadError, match="Neon could not be reached"):
        await ask("away")
    with pytest.raises(ReadError, match="leads: pod-1_5f"):
        await ask("standby")
    with pytest.raises(ReadError, match="does not know the question 'no-such'"):
        await ask("no-such")


async def test_a_post_that_is_no_object_is_refused() -> None:
    with pytest.raises(ReadError, match="must be a JSON object"):
        await ask_with_a_list()


async def ask_with_a_list() -> Any:
    import aiohttp

    from neon_tenants.cli import reading

    async with (
        serve.serving("127.0.0.1:0", reads=READS, probes={}, metrics=lambda: b"") as address,
        aiohttp.ClientSession() as session,
        session.post(f"{address}/v1/echo", json=["no", "object"]) as response,
    ):
        return reading._content(response.status, await response.read(), "echo")


def test_nobody_at_the_address_is_said() -> None:
    with pytest.raises(ReadError, match="Nobody answers at"):
        Source("http://127.0.0.1:1", "ns", "service:http", None, None).ask("echo")
    with pytest.raises(ReadError, match="no address"):
        Source("8080", "ns", "service:http", None, None).ask("echo")


def test_a_table_aligns_and_shows_what_is_missing_as_a_dash() -> None:
    table = as_table(["tier", "tenants"], [["free", 12], ["enterprise", None], ["", 3]])
    assert table.splitlines() == [
        "TIER        TENANTS",
        "free             12",
        "enterprise        -",
        "-                 3",
    ]


def test_csv_leaves_empty_what_is_missing_and_gives_a_spreadsheet_no_formula() -> None:
    rows: list[dict[str, Any]] = [{"a": "x,y", "b": None}, {"a": "=1+1", "b": -1}]
    assert as_csv(["a", "b"], rows).splitlines() == ["a,b", '"x,y",', "'=1+1,-1"]
