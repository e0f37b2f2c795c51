"""What can happen on the wire to Neon, and whether the request was carried out: by real sockets."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from neon_tenants.api.conditions import Reason
from neon_tenants.core.failure import Done
from neon_tenants.neon import models
from neon_tenants.neon.budget import Budget
from neon_tenants.neon.errors import NeonError
from neon_tenants.neon.http import Http, Request
from neon_tenants.neon.key import ApiKey
from neon_tenants.neon.limits import Rates
from neon_tenants.neon.transport import MAX_BODY

POST = Request("create a project", "POST", "/projects", json={"project": {"name": "canary"}})
KEY = "napi_canary"

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Reads whole requests and then does what the test says."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.url = ""


@asynccontextmanager
async def serving(answer: Handler) -> AsyncIterator[Server]:
    server = Server()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (int(h[15:]) for h in head.lower().split(b"\r\n") if h.startswith(b"content-length:")), 0
            )
            server.requests.append(head + await reader.readexactly(length))
            await answer(reader, writer)
        except asyncio.IncompleteReadError:
            pass  # the client closed an idle connection
        finally:
            writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/api/v2"
    try:
        yield server
    finally:
        listening.close()


def says(status: str, body: bytes, *headers: str) -> Handler:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await writer.drain()

    return answer


async def closes(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def is_silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()  # until the client gives up


async def stops_halfway(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()


async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Never silent for long, and never done: only a total deadline ends it."""
    writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 100000\r\n\r\n")
    while not reader.at_eof() and not writer.is_closing():
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


async def floods(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    block = b" " * 65536
    for _ in range(MAX_BODY // len(block) + 2):
        if writer.is_closing():
            return
        writer.write(block)
        await writer.drain()


def form(code: str, message: str) -> bytes:
    return json.dumps({"request_id": "r-1", "code": code, "message": message}).encode()


MAYBE: dict[str, Handler] = {
    "the connection is reset after the request": closes,
    "no answer": is_silent,
    "half an answer": stops_halfway,
    "an answer that never ends": drips,
    "an answer that is too large": floods,
    "no HTTP at all": says("what?", b""),
    "a page of a proxy": says("502 Bad Gateway", b"<html>", "Content-Type: text/html"),
    "a proxy's own 503": says("503 Service Unavailable", b"upstream connect error"),
    "an internal error": says("500 Internal Server Error", form("", "oops")),
    "a success that is none": says("201 Created", b'{"project": 7}'),
    "an answer that is nested without end": says("201 Created", b'{"project":' + b"[" * 100_000),
    "a success that is no JSON": says("201 Created", b"ok"),
    "a redirect": says("307 Temporary Redirect", b"", "Location: https://example.com/"),
}


@asynccontextmanager
async def client(url: str, folder: Path, *, timeout: float = 0.5) -> AsyncIterator[Http]:  # noqa: ASYNC109
    path = folder / "key"
    path.write_text(KEY)
    clock = time.monotonic
    key, budget = ApiKey(path, clock), Budget(Rates(100_000, 10_000), clock)
    async with Http.connect(url, key=key, budget=budget, clock=clock, timeout=timeout) as http:
        yield http


async def failure(http: Http, request: Request = POST) -> NeonError:
    with pytest.raises(NeonError) as caught:
        await http.call(request, models.ProjectAnswer)
    error = caught.value
    assert KEY not in str(error)
    assert error.__suppress_context__ or error.__context__ is None
    return error


@pytest.mark.proves("T15", "T7")
@pytest.mark.parametrize("handler", MAYBE.values(), ids=MAYBE.keys())
async def test_a_request_that_may_have_been_carried_out_is_sent_once(
    tmp_path: Path, handler: Handler
) -> None:
    async with serving(handler) as server, client(server.url, tmp_path) as http:
        error = await failure(http)
        assert (error.failure.done, error.failure.reason) == (Done.MAYBE, Reason.NEON_UNREACHABLE)
        assert len(server.requests) == 1


async def test_a_request_that_never_left_was_not_carried_out(tmp_path: Path) -> None:
    async with client("http://127.0.0.1:1/api/v2", tmp_path) as http:
        error = await failure(http)
        assert (error.failure.done, error.failure.reason) == (Done.NO, Reason.NEON_UNREACHABLE)


async def test_the_send_gate_is_looked_at_right_before_sending(tmp_path: Path) -> None:
    async with serving(closes) as server, client(server.url, tmp_path) as http:
        late = Request("create a project", "POST", "/projects", json={}, send_before=time.monotonic())
        error = await failure(http, late)
        assert error.failure.done is Done.NO
        assert server.requests == []


async def test_a_rejected_key_is_not_sent_again_until_it_changes(tmp_path: Path) -> None:
    refuses = says("401 Unauthorized", form("", "authorization failed"))
    async with serving(refuses) as server, client(server.url, tmp_path) as http:
        for _ in range(3):
            error = await failure(http)
            assert error.failure.reason is Reason.CREDENTIALS_REJECTED
        assert len(server.requests) == 1
        (tmp_path / "key").write_text(KEY + "2")
        await failure(http)
        assert len(server.requests) == 2


@pytest.mark.parametrize("text", [None, "", "  \n", "ключ"], ids=["none", "empty", "blank", "not ASCII"])
async def test_without_a_key_nothing_is_sent(tmp_path: Path, text: str | None) -> None:
    async with serving(closes) as server, client(server.url, tmp_path) as http:
        (tmp_path / "key").unlink()
        if text is not None:
            (tmp_path / "key").write_text(text)
        error = await failure(http)
        assert error.failure.reason is Reason.CREDENTIALS_REJECTED
        assert server.requests == []


async def test_a_throttled_request_is_repeated_as_neon_asks_and_then_given_up(tmp_path: Path) -> None:
    throttles = says("429 Too Many Requests", form("", "slow down"), "Retry-After: 0")
    async with serving(throttles) as server, client(server.url, tmp_path) as http:
        error = await failure(http)
        assert (error.failure.done, error.failure.reason) == (Done.NO, Reason.THROTTLED)
        assert len(server.requests) == 4


@pytest.mark.proves("T6")
@pytest.mark.parametrize("id_", ["", "..", "a/b", "a?b", "a b", "x" * 300])
async def test_what_would_name_another_resource_is_never_sent(tmp_path: Path, id_: str) -> None:
    async with serving(closes) as server, client(server.url, tmp_path) as http:
        with pytest.raises(ValueError, match="not an id"):
            await http.call(Request("read", "GET", "/projects/{}", (id_,)), models.ProjectAnswer)
        assert server.requests == []
