"""One end of a proxied connection: bytes wait for a reader first, and then flow to the other end."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import cast

_MAX_WAITING_BYTES = 1 << 16
_SHUTDOWN_SECONDS = 0.2
"""How long the end of TLS may take: a client that does not read just now does not answer it."""


class Pipe(asyncio.Protocol):
    """Before `join`, what comes in is read with `read`. After it, everything goes to the peer."""

    def __init__(self, connected: Callable[[Pipe], None] | None = None) -> None:
        self._connected = connected
        self._transport: asyncio.Transport | None = None
        self._plain: asyncio.Transport | None = None
        """The same without TLS; below it, if there is TLS."""
        self._waiting = bytearray()
        self._arrived = asyncio.Event()
        self._peer: Pipe | None = None
        self._filter: Callable[[bytes], bytes] | None = None
        self._lost = asyncio.Event()
        self._closing = False

    @property
    def buffered(self) -> bool:
        """Whether bytes have come that nobody has read."""
        return bool(self._waiting)

    @property
    def lost(self) -> bool:
        """Whether the connection is closed."""
        return self._lost.is_set()

    async def read(self, size: int) -> bytes:
        """Exactly `size` bytes. Raises ConnectionError if the connection ends before."""
        while len(self._waiting) < size:
            if self.lost:
                raise ConnectionResetError("the connection was closed")
            self._arrived.clear()
            await self._arrived.wait()
        data = bytes(self._waiting[:size])
        del self._waiting[:size]
        return data

    def write(self, data: bytes) -> None:
        """Sends `data`."""
        if self._transport is not None and not self._closing:
            self._transport.write(data)

    async def secure(self, context: ssl.SSLContext, *, server_side: bool) -> None:
        """Goes on in TLS. Raises OSError (ssl.SSLError is one) if the other side cannot."""
        assert self._transport is not None
        plain = self._transport
        try:
            upgraded = await asyncio.get_running_loop().start_tls(
                plain,
                self,
                context,
                server_side=server_side,
                server_hostname=None if server_side else "127.0.0.1",
                ssl_shutdown_timeout=_SHUTDOWN_SECONDS,
            )
        except BaseException:
            # In the middle of a handshake asyncio does not tell the protocol that all is over.
            plain.abort()
            self._lost.set()
            raise
        if upgraded is None:
            raise ConnectionResetError("the connection was closed during the TLS handshake")
        self._transport = upgraded

    def join(self, peer: Pipe, through: Callable[[bytes], bytes] | None = None) -> None:
        """From now on everything goes to `peer`, first what waits; as `through` returns it, if given."""
        self._peer = peer
        self._filter = through
        waiting = bytes(self._waiting)
        self._waiting.clear()
        self.resume()
        if waiting:
            self.data_received(waiting)
        if self.lost:
            peer.close()

    def pause(self) -> None:
        """Reads no more for now."""
        if self._transport is not None and not self._closing:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Reads again."""
        if self._transport is not None and not self._closing:
            self._transport.resume_reading()

    def close(self) -> None:
        """Sends what is written and then closes."""
        if self._transport is not None and not self._closing:
            self._closing = True
            self._transport.close()

    def abort(self) -> None:
        """Closes at once."""
        self.close()
        if self._plain is not None:
            # Not the TLS transport: in early releases of Python 3.11 that fails once it is closed.
            self._plain.abort()

    async def wait_lost(self) -> None:
        """Returns when the connection is closed."""
        await self._lost.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the connection is there."""
        self._transport = self._plain = cast("asyncio.Transport", transport)
        if self._connected is not None:
            self._connected(self)

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes have come."""
        if self._peer is not None:
            self._peer.write(data if self._filter is None else self._filter(data))
            return
        self._waiting += data
        if len(self._waiting) > _MAX_WAITING_BYTES:
            self.pause()
        self._arrived.set()

    def connection_lost(self, _exc: Exception | None) -> None:
        """asyncio: the connection is closed."""
        self.close()  # a TLS transport wants to be told, or warns when it is collected
        self._lost.set()
        self._arrived.set()
        if self._peer is not None:
            self._peer.close()

    def pause_writing(self) -> None:
        """asyncio: too much is waiting to be sent; the peer stops reading."""
        if self._peer is not None:
            self._peer.pause()

    def resume_writing(self) -> None:
        """asyncio: there is room again."""
        if self._peer is not None:
            self._peer.resume()
