"""A server that answers every request with the same bytes, whatever they are, and keeps what was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Server:
    """On loopback; each connection serves one request."""

    url: str = ""
    answer: bytes = b""
    asked: list[str] = field(default_factory=list)
    """The first line of each request since somebody cleared it."""

    def says(self, body: bytes, status: str = "200 OK", *headers: str) -> None:
        """Answers this from now on."""
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
        self.answer = "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.asked.append(head.partition("\r\n")[0])
            lengths = [line[15:] for line in head.lower().split("\r\n") if line.startswith("content-length:")]
            await reader.readexactly(int(lengths[0]) if lengths else 0)
            writer.write(self.answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # who asked is gone
        finally:
            writer.close()


@asynccontextmanager
async def answering() -> AsyncIterator[Server]:
    """Serves until the block ends."""
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listening.close()
