"""The wire between the operator and its two servers, where a test can see every write and cut it.

What runs behind it is the operator that ships: nothing in it knows of this.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Self

import aiohttp
from aiohttp import web

HOP_BY_HOP: Final = frozenset(
    {"host", "connection", "transfer-encoding", "content-length", "content-encoding"}
)
READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Write:
    """A request that changes something."""

    method: str
    path: str

    @property
    def kind(self) -> str:
        """Its name without ids: POST secrets, PATCH tenantdatabases/status, DELETE projects."""
        parts = [part for part in self.path.split("/") if part]
        for resource in ("tenantdatabases", "secrets", "events", "projects", "configmaps", "databasetiers"):
            if resource in parts:
                rest = parts[parts.index(resource) + 1 :]
                return f"{self.method} {resource}" + ("/status" if rest[-1:] == ["status"] else "")
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Exchange:
    """A request and its answer, whole."""

    method: str
    path: str
    query: dict[str, str]
    request: bytes
    status: int
    response: bytes


@dataclass(frozen=True)
class Cut:
    """Where the wire is cut: at the first write of this kind, before or after the server saw it."""

    kind: str
    after: bool
    act: Callable[[], Awaitable[None]]
    """What happens at that moment. The answer is never passed on."""


class Wire:
    """A reverse proxy on loopback."""

    def __init__(self, target: str, session: aiohttp.ClientSession, writes: list[Write]) -> None:
        self._target = target
        self._session = session
        self.writes = writes
        """Writes in the order of their arrival, over all wires that share the list."""
        self.record: list[Exchange] | None = None
        """Every exchange, where somebody wants to read them."""
        self.cut: Cut | None = None
        self.happened = asyncio.Event()
        self.url = ""

    @classmethod
    @asynccontextmanager
    async def to(cls, target: str, *, ca_file: str | None = None, writes: list[Write]) -> AsyncIterator[Self]:
        """A wire to the server at `target`."""
        import ssl

        context = ssl.create_default_context(cafile=ca_file) if ca_file else False
        timeout = aiohttp.ClientTimeout(total=None)
        connector = aiohttp.TCPConnector(ssl=context)
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, auto_decompress=False
        ) as session:
            wire = cls(target.rstrip("/"), session, writes)
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
                await runner.cleanup()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        write = None if request.method in READS else Write(request.method, request.path)
        body = await request.read()
        cut = self.cut
        meant = write is not None and cut is not None and write.kind == cut.kind
        if write is not None:
            self.writes.append(write)
        if meant and cut is not None and not cut.after:
            await self._snip(cut)
            raise web.HTTPBadGateway
        headers = {key: value for key, value in request.headers.items() if key.lower() not in HOP_BY_HOP}
        url = self._target + request.path_qs
        async with self._session.request(
            request.method, url, headers=headers, data=body or None, skip_auto_headers=("Content-Type",)
        ) as answer:
            if meant and cut is not None:
                await answer.read()
                await self._snip(cut)
                raise web.HTTPBadGateway
            if self.record is not None:
                query = dict(request.query)
                data = await answer.read()
                self.record.append(Exchange(request.method, request.path, query, body, answer.status, data))
                return web.Response(status=answer.status, body=data, content_type="application/json")
            return await self._answer(request, answer)

    async def _snip(self, cut: Cut) -> None:
        self.cut = None
        await cut.act()
        self.happened.set()

    @staticmethod
    async def _answer(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        headers = {key: value for key, value in answer.headers.items() if key.lower() not in HOP_BY_HOP}
        response = web.StreamResponse(status=answer.status, headers=headers)
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
        return response
