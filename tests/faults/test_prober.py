"""The prober's words for how a login went: a server that refuses is told from one that hangs up."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from neon_sandbox.emulator.postgres import tls, wire
from prober import _login

MOMENTS = ("before TLS", "after TLS", "after the startup packet", "by its leave", "with a refusal")


@asynccontextmanager
async def hanging_up(moment: str, certificate: tls.Tls) -> AsyncIterator[str]:
    """A server with TLS that ends each login at this moment; its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(b"S")
        await writer.drain()
        if moment != "before TLS":
            await writer.start_tls(certificate.server)
        if moment not in ("before TLS", "after TLS"):
            await reader.readexactly(int.from_bytes(await reader.readexactly(4)) - 4)
        if moment == "with a refusal":
            writer.write(wire.error("28P01", "password authentication failed"))
        if moment in ("by its leave", "with a refusal"):
            writer.close()
        else:
            writer.transport.abort()

    async with await asyncio.start_server(serve, "127.0.0.1") as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_cut_is_told_from_a_refusal(tmp_path: Path, moment: str) -> None:
    certificate = tls.issue(tmp_path / "certificate", tmp_path / "key")
    async with hanging_up(moment, certificate) as address:
        uri = f"postgresql://u:p@{address}/d?sslmode=require"
        secret = {"data": {"uri": base64.b64encode(uri.encode()).decode()}}
        assert await _login(secret, "test") == ("refused" if moment == "with a refusal" else "cut")


async def test_without_a_login_nothing_works() -> None:
    assert await _login(None, "test") == await _login({"data": {}}, "test") == "refused"
