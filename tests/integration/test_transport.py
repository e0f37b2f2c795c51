"""What can go wrong between us and Neon, by real sockets: was the request sent, and how often?"""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trustme

from neon_tenants.neon.transport import MAX_BODY, LostError, NotSentError, Transport

Act = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
METHODS = ("POST", "GET", "PUT", "DELETE", "PATCH")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    def __init__(self) -> None:
        self.url = ""
        self.requests: list[bytes] = []
        self.connections = 0


@asynccontextmanager
async def serving(act: Act, context: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """Counts connections and reads nothing by itself."""
    server = Server()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        try:
            await act(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    scheme = "http" if context is None else "https"
    server.url = f"{scheme}://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listening.close()


async def read(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [int(h[15:]) for h in head.lower().split(b"\r\n") if h.startswith(b"content-length:")]
    return head + await reader.readexactly(sum(lengths))


def answers(*texts: bytes, keep: bool = False) -> Act:
    """One answer after the other, and then a closed connection; or, to keep it, silence."""

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for text in texts:
            await read(reader)
            writer.write(text)
            await writer.drain()
        if keep:
            await reader.read()

    return act


@asynccontextmanager
async def client(url: str, *, ca_file: Path | None = None) -> AsyncIterator[httpx.AsyncClient]:
    opened = Transport.open(
        secure=url.startswith("https:"),
        connect_timeout=0.5,
        ca_file=None if ca_file is None else str(ca_file),
    )
    async with (
        opened as transport,
        httpx.AsyncClient(base_url=url, transport=transport, trust_env=False) as http,
    ):
        yield http


async def ask(
    url: str, method: str = "POST", *, ca_file: Path | None = None, times: int = 1
) -> list[httpx.Response]:
    body = b"{}" if method in ("POST", "PUT", "PATCH") else None
    async with client(url, ca_file=ca_file) as http:
        return [await http.request(method, "/projects", content=body) for _ in range(times)]


# --- never sent ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
async def test_a_connection_that_is_refused_sends_nothing(method: str) -> None:
    with pytest.raises(NotSentError):
        await ask("http://127.0.0.1:1", method)


async def test_a_name_that_nobody_has_sends_nothing() -> None:
    with pytest.raises(NotSentError):
        await ask("http://neon.invalid")


async def test_a_connection_that_takes_too_long_sends_nothing() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        # The kernel keeps one more than it was told, and lets the next ones wait.
        with socket.create_connection(address), socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(address)
            with pytest.raises(NotSentError):
                await ask(f"http://127.0.0.1:{address[1]}")


def serving_context(authority: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def written(authority: trustme.CA, folder: Path) -> Path:
    path = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


async def test_a_certificate_of_a_known_authority_is_trusted(tmp_path: Path) -> None:
    authority = trustme.CA()
    async with serving(answers(OK), serving_context(authority)) as server:
        assert [r.content for r in await ask(server.url, ca_file=written(authority, tmp_path))] == [b"ok"]


@pytest.mark.parametrize("known", [True, False], ids=["of another name", "of an unknown authority"])
async def test_a_certificate_that_is_not_trusted_is_sent_nothing(tmp_path: Path, *, known: bool) -> None:
    authority = trustme.CA()
    context = serving_context(authority, "neon.example" if known else "127.0.0.1")
    requests: list[bytes] = []

    async def act(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.read())

    async with serving(act, context) as server:
        with pytest.raises(NotSentError):
            await ask(server.url, ca_file=written(authority, tmp_path) if known else None)
    assert not any(requests)


async def test_a_server_without_tls_is_sent_nothing() -> None:
    seen: list[bytes] = []

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.read(4096))
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(act) as server:
        with pytest.raises(NotSentError):
            await ask(server.url.replace("http:", "https:"))
    assert not any(b"/projects" in text for text in seen)


# --- perhaps carried out --------------------------------------------------------------------------------


async def resets_unread(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def resets_once_read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read(reader)
    writer.transport.abort()


LOST: dict[str, Act] = {
    "reset before the request is read": resets_unread,
    "reset after it was read": resets_once_read,
    "closed after it was read": answers(b""),
    "no HTTP": answers(b"what?\r\n\r\n"),
    "no end of the head": answers(b"HTTP/1.1 200 OK\r\n"),
    "a head without end": answers(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 100_000 + b"\r\n\r\n"),
    "half a body": answers(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"),
    "half a chunk": answers(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nok"),
    "a length that is none": answers(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nok"),
    "two lengths": answers(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"),
    "packed garbage": answers(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 7\r\n\r\ngarbage"
    ),
    "a body that is too large": answers(
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1) + b" " * (MAX_BODY + 1)
    ),
    "a body that is too large once unpacked": answers(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b" " * (MAX_BODY + 1))
    ),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("act", LOST.values(), ids=LOST.keys())
async def test_what_may_have_been_carried_out_is_sent_once(act: Act, method: str) -> None:
    async with serving(act) as server:
        with pytest.raises(LostError):
            await ask(server.url, method)
        assert server.connections == 1


@pytest.mark.parametrize("method", METHODS)
async def test_a_request_on_a_connection_that_is_closed_meanwhile_is_not_sent_again(method: str) -> None:
    """Here aiohttp would send idempotent ones a second time, past the budget."""

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read(reader)
        writer.write(OK)
        await read(reader)
        writer.transport.abort()

    async with serving(act) as server:
        with pytest.raises(LostError):
            await ask(server.url, method, times=2)
        assert server.connections == 1


async def test_a_request_that_is_given_up_takes_its_connection_with_it() -> None:
    arrived = asyncio.Event()

    async def act(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await read(reader)
        arrived.set()
        await reader.read()

    async with (
        serving(act) as server,
        client(server.url) as http,
    ):
        for count in (1, 2):
            task = asyncio.create_task(http.get("/"))
            await arrived.wait()
            arrived.clear()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert server.connections == count


# --- answered -------------------------------------------------------------------------------------------


async def test_a_redirect_is_an_answer_and_not_followed() -> None:
    async with serving(answers(b"HTTP/1.1 307 Off\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n")) as server:
        (reply,) = await ask(server.url)
        assert (reply.status_code, reply.headers["location"]) == (307, "/b")
        assert server.connections == 1


async def test_a_cookie_is_not_kept() -> None:
    heads: list[bytes] = []

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            heads.append(await read(reader))
            writer.write(b"HTTP/1.1 200 OK\r\nSet-Cookie: \xc3\xa4=1\r\nContent-Length: 2\r\n\r\nok")
            await writer.drain()

    async with serving(act) as server:
        await ask(server.url, times=2)
    assert len(heads) == 2
    assert not any(b"cookie" in head.lower() for head in heads)


async def test_a_packed_answer_is_unpacked_and_connections_are_used_again() -> None:
    packed = gzip.compress(b'{"a": 1}')
    text = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed
    async with serving(answers(text, text, text)) as server:
        assert {reply.content for reply in await ask(server.url, times=3)} == {b'{"a": 1}'}
        assert server.connections == 1


async def test_parameters_are_quoted() -> None:
    heads: list[bytes] = []

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await read(reader))
        writer.write(OK)
        await writer.drain()

    async with (
        serving(act) as server,
        client(f"{server.url}/api/v2") as http,
    ):
        headers = {"X": "y", "User-Agent": "us"}
        await http.get("/projects", headers=headers, params={"cursor": "a+b/c=&d é"})
    assert heads[0].startswith(b"GET /api/v2/projects?cursor=a%2Bb%2Fc%3D%26d+%C3%A9 HTTP/1.1\r\n")
    assert b"\r\nuser-agent: us\r\n" in heads[0].lower()
    assert b"\r\nx: y\r\n" in heads[0].lower()
