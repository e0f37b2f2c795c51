"""The first messages of PostgreSQL's protocol: https://www.postgresql.org/docs/current/protocol-message-formats.html."""

from __future__ import annotations

import struct
from dataclasses import dataclass

SSL_REQUEST = 80_877_103
GSSENC_REQUEST = 80_877_104
CANCEL_REQUEST = 80_877_102
MAX_STARTUP_BYTES = 10_000
"""PostgreSQL's own limit for a startup packet."""
_MAJOR_VERSION = 3
_HEADER = struct.Struct("!ii")
_LENGTH = struct.Struct("!i")
_MAX_GREETING_BYTES = 1 << 16
_TYPE_AND_LENGTH = 5


class ProtocolError(Exception):
    """The other side does not speak PostgreSQL's protocol."""


@dataclass(frozen=True, slots=True)
class Startup:
    """A startup packet."""

    version: int
    parameters: dict[str, str]

    def encode(self) -> bytes:
        """The packet's bytes."""
        fields = b"".join(
            name.encode() + b"\0" + value.encode() + b"\0" for name, value in self.parameters.items()
        )
        body = fields + b"\0"
        return _HEADER.pack(_HEADER.size + len(body), self.version) + body


def header(data: bytes) -> tuple[int, int]:
    """The bytes that follow the first eight, and the code of a first packet. Raises ProtocolError."""
    length, code = _HEADER.unpack(data)
    if not _HEADER.size <= length <= MAX_STARTUP_BYTES:
        raise ProtocolError("invalid length of startup packet")
    return length - _HEADER.size, code


def startup(code: int, body: bytes) -> Startup:
    """Reads a startup packet. Raises ProtocolError."""
    if code >> 16 != _MAJOR_VERSION:
        raise ProtocolError("unsupported frontend protocol")
    try:
        fields = body.decode().split("\0")
    except UnicodeDecodeError as error:
        raise ProtocolError("invalid startup packet") from error
    # The list of pairs ends with an empty name; then comes the end of the packet.
    if len(fields) < 2 or fields[-2:] != ["", ""] or len(fields) % 2:
        raise ProtocolError("invalid startup packet")
    pairs = fields[:-2]
    return Startup(code, dict(zip(pairs[::2], pairs[1::2], strict=True)))


def ssl_request() -> bytes:
    """Asks the server for TLS."""
    return _HEADER.pack(_HEADER.size, SSL_REQUEST)


def cancel_request(body: bytes) -> bytes:
    """A cancel request with this process id and key."""
    return _HEADER.pack(_HEADER.size + len(body), CANCEL_REQUEST) + body


def error(sqlstate: str, message: str) -> bytes:
    """ErrorResponse. Neon's proxy says ERROR where PostgreSQL would say FATAL."""
    fields = (("S", "ERROR"), ("V", "ERROR"), ("C", sqlstate), ("M", message))
    body = b"".join(kind.encode() + value.encode() + b"\0" for kind, value in fields) + b"\0"
    return b"E" + _LENGTH.pack(_LENGTH.size + len(body)) + body


class Greeting:
    """Passes on what the server says until the session is ready, and keeps the process id in it.

    Errors that come before (a wrong password, say) are told with the tenant's names.
    """

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names
        self._buffer = bytearray()
        self.process_id: int | None = None
        self.over = False
        """Whether there is nothing more to listen for."""
        self.ready = False
        """Whether the login was accepted."""
        self.sqlstate = ""
        """Why it was not, if the server said so."""

    def feed(self, data: bytes) -> bytes:
        """Takes the next bytes from the server; returns those for the client."""
        if self.over:
            return data
        self._buffer += data
        passed = bytearray()
        while not self.over and len(self._buffer) >= _TYPE_AND_LENGTH:
            kind = bytes(self._buffer[:1])
            (length,) = _LENGTH.unpack_from(self._buffer, 1)
            if len(self._buffer) < 1 + length:
                break
            message = bytes(self._buffer[: 1 + length])
            del self._buffer[: 1 + length]
            if kind == b"K":
                (self.process_id,) = _LENGTH.unpack_from(message, _TYPE_AND_LENGTH)
            if kind == b"E":
                self.sqlstate = _sqlstate(message)
                message = self._rename(message)
            passed += message
            self.ready = kind == b"Z"
            self.over = kind in (b"Z", b"E")
        if self.over or len(self._buffer) > _MAX_GREETING_BYTES:
            self.over = True
            passed += self._buffer
            self._buffer.clear()
        return bytes(passed)

    def _rename(self, message: bytes) -> bytes:
        body = message[_TYPE_AND_LENGTH:]
        for physical, name in self._names.items():
            body = body.replace(f'"{physical}"'.encode(), f'"{name}"'.encode())
        return b"E" + _LENGTH.pack(_LENGTH.size + len(body)) + body


def _sqlstate(message: bytes) -> str:
    """The code in an ErrorResponse."""
    fields = message[_TYPE_AND_LENGTH:].split(b"\0")
    return next((field[1:].decode() for field in fields if field.startswith(b"C")), "")
