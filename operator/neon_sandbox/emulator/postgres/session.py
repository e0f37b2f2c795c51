"""One client's connection through the proxy: from its first packet to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from neon_sandbox.emulator.computes import Admission, Refused
from neon_sandbox.emulator.postgres import wire
from neon_sandbox.emulator.postgres.pipe import Pipe
from neon_sandbox.emulator.postgres.tls import Tls
from neon_sandbox.emulator.state import Endpoint

_LOGIN_SECONDS = 60.0
"""For everything up to the connection to PostgreSQL, which then has a time-out of its own."""
_READ_ONLY = "-c default_transaction_read_only=on"


class Gate(Protocol):
    """Who decides whether a connection may pass."""

    async def admit(self, endpoint: Endpoint) -> Admission:
        """Lets one in; raises Refused."""

    def leave(self, endpoint: Endpoint) -> None:
        """One that was let in has ended."""


@dataclass(frozen=True, slots=True)
class Login:
    """What a tenant's names stand for in PostgreSQL."""

    user: str
    database: str


class Told(Protocol):
    """Who wants to know how logins end."""

    def __call__(
        self, *, project: str, endpoint: str, role: str, application: str, accepted: bool, sqlstate: str
    ) -> None:
        """Told once for each login; `sqlstate` is that of a refusal, empty where the connection was lost."""


@dataclass(frozen=True, slots=True)
class Backend:
    """What a session needs of the proxy."""

    tls: Tls | None
    dial: Callable[[], Awaitable[Pipe]]
    """Connects to PostgreSQL, in TLS if there is TLS. Raises OSError."""
    dial_plain: Callable[[], Awaitable[Pipe]]
    login: Callable[[str, str, str], Login]
    """Branch id, role and database, as the tenant knows them. Raises Refused."""
    told: Told


class _CancelSentError(Exception):
    """The connection was one that carries a cancel request, and that was all."""


class Session:
    """Reads the startup packet, asks the gate, gives the packet PostgreSQL's names, and passes bytes on."""

    def __init__(self, endpoint: Endpoint, client: Pipe, gate: Gate, backend: Backend) -> None:
        self._endpoint = endpoint
        self._client = client
        self._gate = gate
        self._backend = backend
        self._server: Pipe | None = None
        self._greeting: wire.Greeting | None = None
        self._asked: dict[str, str] | None = None
        """The parameters of a login whose end was not told yet."""
        self._ended = asyncio.Event()
        self._admitted = False

    @property
    def process_id(self) -> int | None:
        """The process that serves it in PostgreSQL, once it has said so."""
        return None if self._greeting is None else self._greeting.process_id

    @property
    def active(self) -> bool:
        """Whether it was let in and goes on; one that waits at the gate is nobody's connection yet."""
        return self._admitted and not self._ended.is_set()

    async def run(self) -> None:
        """Serves the client to its end."""
        try:
            try:
                await self._serve()
            except Refused as refusal:
                self._tell(accepted=False, sqlstate=refusal.sqlstate)
                self._client.write(wire.error(refusal.sqlstate, refusal.message))
            except (wire.ProtocolError, OSError, TimeoutError, _CancelSentError):
                pass  # A client that is gone, or that never was one: there is nobody to tell.
            self._ended.set()
            # The end of TLS needs the client, which may not be reading; nobody else waits for that.
            self._client.close()
            await self._client.wait_lost()
        finally:
            self.abort()
            self._ended.set()

    def abort(self) -> None:
        """Closes both ends at once."""
        self._client.abort()
        if self._server is not None:
            self._server.abort()

    async def wait_ended(self) -> None:
        """Returns when the connection to PostgreSQL has ended, and the gate knows."""
        await self._ended.wait()

    async def _serve(self) -> None:
        async with asyncio.timeout(_LOGIN_SECONDS):
            startup = await self._startup()
            self._asked = startup.parameters
            admission = await self._gate.admit(self._endpoint)
        self._admitted = True
        try:
            async with asyncio.timeout(_LOGIN_SECONDS):
                packet = self._rewrite(startup, admission)
                self._server = await self._backend.dial()
            assert self._greeting is not None
            self._server.write(packet.encode())
            self._server.join(self._client, through=self._listen)
            self._client.join(self._server)
            await self._server.wait_lost()
            self._tell(accepted=False, sqlstate="")
        finally:
            if self._server is not None:
                self._server.abort()
            self._gate.leave(self._endpoint)

    def _listen(self, data: bytes) -> bytes:
        """What PostgreSQL says, for the client; and whether that ends the login."""
        assert self._greeting is not None
        passed = self._greeting.feed(data)
        if self._greeting.over:
            self._tell(accepted=self._greeting.ready, sqlstate=self._greeting.sqlstate)
        return passed

    def _tell(self, *, accepted: bool, sqlstate: str) -> None:
        if self._asked is None:
            return  # told already, or nobody asked
        asked, self._asked = self._asked, None
        self._backend.told(
            project=self._endpoint.project_id,
            endpoint=self._endpoint.id,
            role=asked.get("user", ""),
            application=asked.get("application_name", ""),
            accepted=accepted,
            sqlstate=sqlstate,
        )

    async def _startup(self) -> wire.Startup:
        """The startup packet, after TLS where there is TLS. Raises Refused and ProtocolError."""
        tls = self._backend.tls
        secured = False
        while True:
            length, code = wire.header(await self._client.read(8))
            body = await self._client.read(length)
            if code == wire.SSL_REQUEST and tls is not None and not secured:
                if self._client.buffered:
                    # Bytes sent ahead in the clear would be taken for encrypted ones.
                    raise wire.ProtocolError("received unencrypted data after SSL request")
                self._client.write(b"S")
                await self._client.secure(tls.server, server_side=True)
                secured = True
            elif code in (wire.SSL_REQUEST, wire.GSSENC_REQUEST):
                self._client.write(b"N")
            elif code == wire.CANCEL_REQUEST:
                await self._cancel(body)
                raise _CancelSentError
            elif tls is not None and not secured:
                raise Refused("XX000", "connection is insecure (try using `sslmode=require`)")
            else:
                return wire.startup(code, body)

    async def _cancel(self, body: bytes) -> None:
        """Passes a cancel request on; the key in it says whose statement is meant."""
        server = await self._backend.dial_plain()
        server.write(wire.cancel_request(body))
        await server.wait_lost()

    def _rewrite(self, startup: wire.Startup, admission: Admission) -> wire.Startup:
        parameters = dict(startup.parameters)
        user = parameters.get("user", "")
        database = parameters.get("database") or user
        login = self._backend.login(admission.branch_id, user, database)
        self._greeting = wire.Greeting({login.user: user, login.database: database})
        parameters["user"] = login.user
        parameters["database"] = login.database
        if admission.read_only:
            parameters["options"] = f"{parameters.get('options', '')} {_READ_ONLY}".strip()
        return wire.Startup(startup.version, parameters)
