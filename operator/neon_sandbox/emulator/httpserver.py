"""The HTTP server: uvicorn's protocol in the event loop that is already there.

`uvicorn.Server` would install signal handlers, and needs a few tenths of a second to stop. All that
is wanted of it is a listening socket, so this is one.
"""

from __future__ import annotations

import asyncio
import socket
from functools import partial

import uvicorn
from starlette.types import ASGIApp, Receive
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

_KEEP_ALIVE_SECONDS = 75
"""A load balancer's usual time: shorter ones make clients meet a closing connection."""
_BACKLOG = 1_024


class HttpServer:
    """Serves one application on 127.0.0.1."""

    def __init__(self, app: ASGIApp) -> None:
        self._config = uvicorn.Config(
            app,
            http=H11Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        )
        self._state = ServerState()
        self._server: asyncio.Server | None = None

    async def start(self, port: int) -> int:
        """Listens on `port`, or on a free one for 0; returns it. Raises OSError if it is taken."""
        self._config.load()
        # With the protocol named, asyncio sets TCP_NODELAY; without, every answer waits 40 ms for an ACK.
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(("127.0.0.1", port))
            self._server = await asyncio.get_running_loop().create_server(
                partial(H11Protocol, config=self._config, server_state=self._state, app_state={}),
                sock=listening,
                backlog=_BACKLOG,
            )
        except OSError:
            listening.close()
            raise
        bound: int = listening.getsockname()[1]
        return bound

    async def drop(self, client: tuple[str, int], receive: Receive) -> None:
        """Closes the connection of `client` at once and without an answer, and waits until it is closed."""
        for connection in list(self._state.connections):
            if isinstance(connection, H11Protocol) and connection.client == client:
                connection.transport.abort()
        while (await receive())["type"] != "http.disconnect":
            pass

    async def stop(self) -> None:
        """Closes all connections and waits for the requests under way."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._state.connections):
            if isinstance(connection, H11Protocol):
                connection.transport.abort()
        if self._state.tasks:
            await asyncio.wait(self._state.tasks)
        while self._state.connections:  # noqa: ASYNC110  # each leaves when the loop has told it; no event says so
            await asyncio.sleep(0)
        await self._server.wait_closed()
