"""The proxy: one listening port for each endpoint, in the role of Neon's own proxy.

Neon routes by host name. On loopback there is no name server for that, so the port says which
endpoint is meant.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from functools import partial

from psycopg import sql

from neon_sandbox.emulator.background import Background
from neon_sandbox.emulator.postgres import wire
from neon_sandbox.emulator.postgres.pipe import Pipe
from neon_sandbox.emulator.postgres.server import PostgresServer
from neon_sandbox.emulator.postgres.session import Backend, Gate, Session
from neon_sandbox.emulator.state import Endpoint

_BACKLOG = 128
_TERMINATION_SECONDS = 5.0
"""How long a session may take to end by itself after PostgreSQL was told to end it."""


class _Listener:
    """One endpoint's port and the sessions that came in by it."""

    def __init__(self, listening: socket.socket) -> None:
        self.socket = listening
        self.server: asyncio.Server | None = None
        self.closed = False
        self.sessions: set[Session] = set()

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""
        port: int = self.socket.getsockname()[1]
        return port


class Proxy:
    """The listeners of one emulator."""

    def __init__(self, server: PostgresServer, gate: Gate, background: Background, backend: Backend) -> None:
        self._server = server
        self._gate = gate
        self._background = background
        self._backend = backend
        self._listeners: dict[str, _Listener] = {}
        self._ports: dict[str, int] = {}

    def open(self, endpoint: Endpoint) -> None:
        """Binds a free port for the endpoint; connections wait in its queue until it is served.

        Raises OSError if there are no more ports or file descriptors.
        """
        # With the protocol named, asyncio sets TCP_NODELAY; without, every answer waits 40 ms for an ACK.
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setblocking(False)
        listening.bind(("127.0.0.1", 0))
        listening.listen(_BACKLOG)
        listener = _Listener(listening)
        self._listeners[endpoint.id] = listener
        self._ports[endpoint.id] = listener.port
        self._background.start(self._serve(endpoint, listener))

    def port(self, endpoint: Endpoint) -> int:
        """The endpoint's port, even after it was closed."""
        return self._ports[endpoint.id]

    def close(self, endpoint: Endpoint) -> None:
        """Gives the port back and ends the sessions."""
        listener = self._listeners.pop(endpoint.id, None)
        if listener is not None:
            _close(listener)

    async def drop(self, endpoints: Iterable[Endpoint]) -> None:
        """Ends all sessions of these endpoints, as a compute does that shuts down: FATAL 57P01."""
        sessions = [
            session
            for endpoint in endpoints
            if (listener := self._listeners.get(endpoint.id)) is not None
            for session in listener.sessions
            if session.active
        ]
        if not sessions:
            return
        pids = [session.process_id for session in sessions if session.process_id is not None]
        for session in sessions:
            if session.process_id is None:  # it has not got as far as to be told
                session.abort()
        if pids:
            await self._server.fetch(
                sql.SQL("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) AS pid"), [pids]
            )
        try:
            async with asyncio.timeout(_TERMINATION_SECONDS):
                await asyncio.gather(*(session.wait_ended() for session in sessions))
        except TimeoutError:
            for session in sessions:
                session.abort()
            await asyncio.gather(*(session.wait_ended() for session in sessions))

    def stop(self) -> None:
        """Closes all listeners; their sessions end in the background."""
        for listener in self._listeners.values():
            _close(listener)
        self._listeners.clear()

    async def _serve(self, endpoint: Endpoint, listener: _Listener) -> None:
        if listener.closed:
            return
        # In two steps, so that there is no moment at which nobody could close it.
        listener.server = await asyncio.get_running_loop().create_server(
            partial(Pipe, partial(self._accept, endpoint, listener)),
            sock=listener.socket,
            start_serving=False,
        )
        await listener.server.start_serving()

    def _accept(self, endpoint: Endpoint, listener: _Listener, client: Pipe) -> None:
        if listener.closed:  # it was accepted just before
            client.abort()
            return
        session = Session(endpoint, client, self._gate, self._backend)
        listener.sessions.add(session)
        self._background.start(self._run(listener, session))

    async def _run(self, listener: _Listener, session: Session) -> None:
        try:
            await session.run()
        finally:
            listener.sessions.discard(session)


def _close(listener: _Listener) -> None:
    listener.closed = True
    if listener.server is not None:
        listener.server.close()
    else:
        listener.socket.close()
    for session in listener.sessions:
        session.abort()


async def dial(server: PostgresServer) -> Pipe:
    """Connects to PostgreSQL: in TLS where it has TLS, otherwise over its Unix socket. Raises OSError."""
    if server.tls is None:
        return await dial_plain(server)
    loop = asyncio.get_running_loop()
    _, pipe = await loop.create_connection(Pipe, "127.0.0.1", server.port)
    try:
        pipe.write(wire.ssl_request())
        # Always S: it listens on TCP only where it has TLS.
        await pipe.read(1)
        await pipe.secure(server.tls.client, server_side=False)
    except BaseException:
        pipe.abort()
        raise
    return pipe


async def dial_plain(server: PostgresServer) -> Pipe:
    """Connects to PostgreSQL over its Unix socket. Raises OSError."""
    _, pipe = await asyncio.get_running_loop().create_unix_connection(Pipe, str(server.socket_path))
    return pipe
