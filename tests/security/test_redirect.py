"""Between the operator and Neon: where the key goes, and where it does not."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from neon_sandbox.emulator.postgres import tls
from neon_sandbox.emulator.scripts import Script
from neon_tenants.core.failure import Done
from neon_tenants.neon import models
from neon_tenants.neon.budget import Budget
from neon_tenants.neon.errors import NeonError
from neon_tenants.neon.http import Http, Request
from neon_tenants.neon.key import ApiKey
from neon_tenants.neon.limits import Rates
from scene import Scene


@asynccontextmanager
async def elsewhere(context: ssl.SSLContext | None = None) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server of the attacker's: its address, and all that it is told."""
    heard: list[bytes] = []

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(65536))
        writer.close()

    server = await asyncio.start_server(hear, "127.0.0.1", 0, ssl=context)
    scheme = "http" if context is None else "https"
    async with server:
        yield f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/v2", heard


@pytest.mark.proves("T7")
async def test_a_redirect_of_neon_is_not_followed(unconnected: Scene) -> None:
    """The key would travel elsewhere. The answer counts as unknown, and the project is made once."""
    async with elsewhere() as (address, heard):
        for method, route, status in (
            ("GET", "/projects", 307),
            ("POST", "/projects", 308),
            ("GET", "/projects/{project_id}/operations", 302),
        ):
            location = {"Location": f"{address}/projects"}
            unconnected.neon.answers.add(
                Script(method=method, route=route, status=status, body={}, headers=location)
            )
        await unconnected.start_operator()
        await unconnected.create()
        await unconnected.cluster.until_ready()
        assert heard == []
    assert len(unconnected.projects()) == 1


@pytest.mark.proves("T15")
async def test_a_neon_with_a_certificate_of_nobodys_gets_no_key(tmp_path: Path) -> None:
    context = tls.issue(tmp_path / "certificate", tmp_path / "key").server
    (tmp_path / "api-key").write_text("napi_canary")
    clock = time.monotonic
    async with elsewhere(context) as (address, heard):
        key, budget = ApiKey(tmp_path / "api-key", clock), Budget(Rates(100_000, 10_000), clock)
        async with Http.connect(address, key=key, budget=budget, clock=clock, timeout=5) as http:
            with pytest.raises(NeonError) as error:
                await http.call(Request("read a project", "GET", "/projects"), models.ProjectAnswer)
    assert error.value.failure.done is Done.NO
    assert not any(heard)
