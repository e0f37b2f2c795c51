"""The wires between the operator and its two servers, where a test sees every request and can spoil it.

What runs behind them is the operator that ships: nothing in it knows of this.
"""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import aiohttp
from aiohttp import web

from fault import DONE, REFUSALS, REFUSED, Mode, Request, Script, no_faults

HOP_BY_HOP: Final = frozenset(
    {"host", "connection", "transfer-encoding", "content-length", "accept-encoding"}
)
LATE: Final = 2.5
"""Seconds that are late: beyond the time-out for Neon that the tests with faults set, which is 2 at most."""
PAGE: Final = "<html><body><h1>A timeout occurred</h1><p>Error code 524</p></body></html>"


@dataclass(frozen=True)
class Exchange:
    """A request and its answer, whole."""

    method: str
    path: str
    query: dict[str, str]
    request: bytes
    status: int
    response: bytes


async def _nobody_ends(_by: signal.Signals) -> bool:
    raise AssertionError("No operator stands behind this wire.")


@dataclass
class Traffic:
    """What both wires of one operator have in common: one numbering, one script."""

    end: Callable[[signal.Signals], Awaitable[bool]] = _nobody_ends
    """Ends the operator by a signal; whether one was there. A request may outlive the one that sent it."""
    journal: Path | None = None
    """Where each fault is written down as a line of JSON, for the verdict."""
    script: Script = no_faults
    requests: list[Request] = field(default_factory=list)
    """All that arrived, in order."""
    injected: list[tuple[Request, Mode]] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    watching: set[asyncio.Task[Any]] = field(default_factory=set)
    """The watches that are passed on now."""
    before: Callable[[Request], Awaitable[None]] | None = None
    """Called for each request before anything happens to it: a test may act at that moment."""

    def begin(self, script: Script = no_faults) -> None:
        """Starts the numbering again, with another script."""
        self.requests.clear()
        self.script = script

    def arrives(self, wire: str, method: str, path: str, *, watches: bool) -> tuple[Request, Mode | None]:
        """Numbers a request and says what becomes of it."""
        request = Request(wire, method, path, len(self.requests) + 1, watches)
        self.requests.append(request)
        mode = self.script(request)
        if mode is not None:
            self.injected.append((request, mode))
            if self.journal is not None:
                line = {
                    "at": time.time(),
                    "wire": wire,
                    "number": request.number,
                    "request": request.kind,
                    "mode": mode.value,
                }
                with self.journal.open("a") as file:
                    file.write(json.dumps(line) + "\n")
        return request, mode

    async def kill(self) -> bool:
        """Kills the operator; whether one was there."""
        return await self._ended_by(signal.SIGKILL)

    async def ask_to_end(self) -> bool:
        """Lets the operator end by itself, as in an update; whether one was there."""
        return await self._ended_by(signal.SIGTERM)

    async def _ended_by(self, sign: signal.Signals) -> bool:
        if ended := await self.end(sign):
            self.ended.set()
        return ended

    async def kill_at_rest(self) -> bool:
        """Likewise, at no request at all."""
        if died := await self.kill():
            nothing = Request("", "", "", len(self.requests))
            self.injected.append((nothing, Mode.CRASH_BEFORE))
        return died

    def cut_watches(self) -> int:
        """Closes the connection of every watch that is open now; how many."""
        open_now = list(self.watching)
        for watch in open_now:
            watch.cancel()
        return len(open_now)

    async def spoiled(self) -> bool:
        """Whether a fault has happened."""
        return bool(self.injected)

    def writes(self) -> list[str]:
        """The kinds of the writes so far, in order."""
        return [request.kind for request in self.requests if request.is_write]


class Wire:
    """A reverse proxy on loopback."""

    def __init__(self, name: str, target: str, session: aiohttp.ClientSession, traffic: Traffic) -> None:
        self._name = name
        self._target = target
        self._session = session
        self._traffic = traffic
        self._passing: set[asyncio.Task[Any]] = set()
        self.record: list[Exchange] | None = None
        """Every exchange, where somebody wants to read them."""
        self.url = ""

    @classmethod
    @asynccontextmanager
    async def to(
        cls, target: str, *, traffic: Traffic, name: str = "neon", ca_file: Path | None = None
    ) -> AsyncIterator[Self]:
        """A wire to the server at `target`."""
        context = ssl.create_default_context(cafile=ca_file) if ca_file else False
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context, limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
        ) as session:
            wire = cls(name, target.rstrip("/"), session, traffic)
            app = web.Application(client_max_size=16 * 1024 * 1024)
            app.router.add_route("*", "/{path:.*}", wire._pass)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            assert site._server is not None
            port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
            wire.url = f"http://127.0.0.1:{port}"
            try:
                yield wire
            finally:
                # A watch would be passed on for ever.
                for task in wire._passing:
                    task.cancel()
                await asyncio.gather(*wire._passing, return_exceptions=True)
                await runner.cleanup()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)
        if request.query.get("watch") in ("true", "1"):
            self._traffic.watching.add(task)
            task.add_done_callback(self._traffic.watching.discard)
        return await self._meet(request)

    async def _meet(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        watches = request.query.get("watch") in ("true", "1")
        told, mode = self._traffic.arrives(self._name, request.method, request.path, watches=watches)
        if self._traffic.before is not None:
            await self._traffic.before(told)
        if mode is None:
            return await self._forward(request, body)
        if mode in REFUSED:
            return self._refusal(mode)
        if mode in (Mode.CRASH_ANSWERED, Mode.ANSWER_LATE):
            return await self._answered(request, body, mode, watches=watches)
        await self._undone(request, mode)
        if mode in DONE:
            if not watches:  # a watch has no end that could be waited for
                await self._read(request, body)
            return await self._unanswered(request, mode)
        return _cut(request)

    async def _answered(
        self, request: web.Request, body: bytes, mode: Mode, *, watches: bool
    ) -> web.StreamResponse:
        """It is done, and the answer goes out; of a watch, its beginning."""
        if watches and mode is Mode.CRASH_ANSWERED:
            return await self._forward(request, body, begun=self._traffic.kill)
        if watches:
            await asyncio.sleep(LATE)
            return await self._forward(request, body)
        if mode is Mode.CRASH_ANSWERED:
            answer = await self._forward(request, body)
            await self._traffic.kill()
            return answer
        held = await self._read(request, body)
        await asyncio.sleep(LATE)
        return held

    async def _undone(self, request: web.Request, mode: Mode) -> None:
        """What happens before it is done, or instead."""
        if mode is Mode.CRASH_BEFORE:
            await self._traffic.kill()
        elif mode is Mode.HANGS:
            await _until_given_up(request)
        elif mode is Mode.LANDS_LATE:
            await asyncio.sleep(LATE)

    async def _unanswered(self, request: web.Request, mode: Mode) -> web.StreamResponse:
        """It was done, and the answer does not say so."""
        if mode is Mode.ERROR_DONE:
            return self._refusal(mode)
        if mode is Mode.PROXY_DONE:
            return web.Response(status=524, text=PAGE, content_type="text/html")
        if mode is Mode.CRASH_SENT:
            await self._traffic.kill()
        return _cut(request)

    async def _read(self, request: web.Request, body: bytes) -> web.Response:
        """The whole answer of the server."""
        async with self._asked(request, body) as answer:
            headers = {key: value for key, value in answer.headers.items() if key.lower() not in HOP_BY_HOP}
            return web.Response(status=answer.status, headers=headers, body=await answer.read())

    async def _forward(
        self, request: web.Request, body: bytes, *, begun: Callable[[], Awaitable[bool]] | None = None
    ) -> web.StreamResponse:
        """Passes the request and its answer on, a watch as it comes; `begun` is called after the headers."""
        if self.record is not None:
            answer = await self._read(request, body)
            assert isinstance(answer.body, bytes)
            query = dict(request.query)
            self.record.append(
                Exchange(request.method, request.path, query, body, answer.status, answer.body)
            )
            return answer
        async with self._asked(request, body) as upstream:
            headers = {key: value for key, value in upstream.headers.items() if key.lower() not in HOP_BY_HOP}
            response = web.StreamResponse(status=upstream.status, headers=headers)
            try:
                await response.prepare(request)
                if begun is not None:
                    await begun()
                async for chunk in upstream.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
            except ConnectionResetError:
                pass  # who asked is gone: killed, or done with its watch
            return response

    def _asked(self, request: web.Request, body: bytes) -> aiohttp.client._RequestContextManager:
        headers = {key: value for key, value in request.headers.items() if key.lower() not in HOP_BY_HOP}
        # A long list would come compressed, and what becomes of bodies here is done to their text.
        headers["Accept-Encoding"] = "identity"
        return self._session.request(
            request.method,
            self._target + request.path_qs,
            headers=headers,
            data=body or None,
            skip_auto_headers=("Content-Type",),
        )

    def _refusal(self, mode: Mode) -> web.Response:
        """A refusal in the server's own form: what proves that it was not done, or proves nothing (500)."""
        status, reason = REFUSALS[mode]
        headers = {"Retry-After": "1"} if mode is Mode.THROTTLED else {}
        if self._name == "kube":
            body = {
                "kind": "Status",
                "apiVersion": "v1",
                "status": "Failure",
                "reason": reason,
                "message": "a fault of the test",
                "code": status,
            }
        else:
            body = {"request_id": "fault", "code": "", "message": "a fault of the test"}
        return web.json_response(body, status=status, headers=headers)


def _cut(request: web.Request) -> web.Response:
    """Closes the connection; the answer that is returned reaches nobody."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _until_given_up(request: web.Request) -> None:
    while request.transport is not None and not request.transport.is_closing():
        await asyncio.sleep(0.05)
