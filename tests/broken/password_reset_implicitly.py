"""A login that is not known is reset, and not revealed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from broken import breaks
from neon_tenants.core.connection import Connection
from neon_tenants.neon import models
from neon_tenants.neon.client import NeonClient
from neon_tenants.neon.http import Request

Connect = Callable[..., Awaitable[Connection]]


def _broken(original: Connect) -> Connect:
    async def connection(self: NeonClient, project_id: str, *, database: str, role: str) -> Connection:
        branches = await self._branches(project_id)
        ids = (project_id, branches.branches[0].id, role)
        path = "/projects/{}/branches/{}/roles/{}/reset_password"
        await self._http.call(Request("reset the password", "POST", path, ids), models.OperationList)
        return await original(self, project_id, database=database, role=role)

    return connection


breaks(NeonClient, "connection", _broken)
