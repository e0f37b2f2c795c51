"""What the demo is played with: kubectl, logins, Neon's own view, and waiting for what must come."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import psycopg

from neon_sandbox import installation
from neon_sandbox.stack import Stack

PATIENCE: Final = 30.0
"""Seconds until something that must come is given up."""
_LOOK: Final = 0.1

T = TypeVar("T")


class DemoFailedError(Exception):
    """Something that the demo claims did not hold."""


class Stage:
    """The running parts, as the demo's audience would handle them."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    async def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Runs kubectl; returns what it printed."""
        return await installation.kubectl(self.stack.plane, *arguments, stdin=stdin)

    async def tenants(self) -> list[dict[str, Any]]:
        """All TenantDatabases."""
        found = json.loads(await self.kubectl("get", "tenantdatabases", "-o", "json"))
        items: list[dict[str, Any]] = found["items"]
        return items

    async def tenant(self, name: str) -> dict[str, Any]:
        """One TenantDatabase."""
        found: dict[str, Any] = json.loads(await self.kubectl("get", "tenantdatabase", name, "-o", "json"))
        return found

    async def secret(self, name: str) -> dict[str, str]:
        """The login of a tenant."""
        found = json.loads(await self.kubectl("get", "secret", f"{name}-database", "-o", "json"))
        return {key: base64.b64decode(value).decode() for key, value in found["data"].items()}

    async def until_ready(
        self, *names: str, show: Callable[[list[dict[str, Any]]], None] | None = None
    ) -> None:
        """Waits until these tenants are as their specs say."""

        async def ready() -> bool:
            tenants = await self.tenants()
            if show is not None:
                show(tenants)
            return set(names) <= {t["metadata"]["name"] for t in tenants if is_ready(t)}

        await until(ready, f"{', '.join(names)} got Ready")

    def projects(self, name: str) -> list[dict[str, Any]]:
        """Neon's living projects of a tenant, as Neon itself knows them."""
        key = "neontenants.io/name"
        return [
            p for p in self.stack.neon.projects() if not p["deleted_at"] and p["annotations"].get(key) == name
        ]

    def project(self, name: str) -> dict[str, Any]:
        """The one project of a tenant."""
        projects = self.projects(name)
        require(len(projects) == 1, f"{name} has {len(projects)} projects on Neon")
        return projects[0]


async def sql(uri: str, statement: str) -> Any:
    """Logs in, runs one statement and returns the first value of its answer. Raises psycopg.Error."""
    async with await psycopg.AsyncConnection.connect(uri, connect_timeout=10, autocommit=True) as connection:
        cursor = await connection.execute(statement.encode())
        row = await cursor.fetchone() if cursor.description else None
        return row[0] if row else None


async def refusal(uri: str, statement: str) -> str:
    """The words with which a login is refused; that it is not refused is an error."""
    try:
        await sql(uri, statement)
    except psycopg.OperationalError as error:
        return str(error).strip().splitlines()[-1].split("ERROR:")[-1].split("FATAL:")[-1].strip()
    raise DemoFailedError("A login that should have been refused was let in.")


async def until(look: Callable[[], Awaitable[T | None]], what: str) -> T:
    """Looks until there is something, and returns it."""
    deadline = time.monotonic() + PATIENCE
    while not (found := await look()):
        require(time.monotonic() < deadline, f"waited in vain until {what}")
        await asyncio.sleep(_LOOK)
    return found


def is_ready(tenant: dict[str, Any]) -> bool:
    """Whether the spec of this moment is applied."""
    status = tenant.get("status", {})
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", ()))
    return ready and bool(status["observedGeneration"] == tenant["metadata"]["generation"])


def require(truth: bool, complaint: str) -> None:
    """Ends the demo where a claim does not hold."""
    if not truth:
        raise DemoFailedError(f"The demo failed: {complaint}.")
