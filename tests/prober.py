"""The prober: logs in with the Secret of each tenant that says Available=True, and writes down how it went.

It judges nothing: tests/verdict holds what it wrote against the API server's and Neon's own records.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import psycopg

from cluster import Cluster, Object, condition, decoded

EVERY: Final = 0.2
"""Seconds between two rounds."""
PATIENCE: Final = 10
"""Seconds until a login is given up, and says nothing."""
RESTARTS: Final = 2
"""Restarts of a compute that a probe may meet: a resize, and one sent again since its answer was lost."""


_REFUSALS: Final = ("FATAL:", "ERROR:")
"""PostgreSQL's severities, as libpq tells them; Neon's proxy says ERROR."""


class Prober:
    """Knocks at all doors of one namespace."""

    def __init__(self, cluster: Cluster, file: Path) -> None:
        self._cluster = cluster
        self._file = file
        self._run = uuid.uuid4().hex[:8]
        self.probes = 0
        self.rounds = 0

    async def round(self) -> None:
        """One login for each tenant that says that it works."""
        began = time.time()
        for tenant in await self._cluster.list("TenantDatabase"):
            if condition(tenant, "Available")["status"] == "True":
                await self._probe(tenant, began)
        self.rounds += 1

    async def _probe(self, tenant: Object, began: float) -> None:
        self.probes += 1
        application = f"probe-{self._run}-{self.probes}"
        metadata = tenant["metadata"]
        secret = tenant["status"].get("binding", {}).get("name", f"{metadata['name']}-database")
        found = await self._cluster.get("Secret", secret)
        outcome = await _login(found, application)
        for number in range(RESTARTS):
            if outcome != "cut":
                break
            # Its compute was restarted at that moment, as Neon does to resize it. The next login tells.
            application = f"probe-{self._run}-{self.probes}-again-{number}"
            outcome = await _login(found, application)
        again = await self._cluster.get("Secret", secret)
        if _version(found) != _version(again):
            outcome = "overtaken"  # the login was not the Secret's any more
        line = {
            "began": began,
            "ended": time.time(),
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
            "secret": secret,
            "application": application,
            "outcome": "refused" if outcome == "cut" else outcome,
        }
        with self._file.open("a") as file:
            file.write(json.dumps(line) + "\n")


def _version(secret: Object | None) -> str | None:
    return None if secret is None else str(secret["metadata"]["resourceVersion"])


async def _login(secret: Object | None, application: str) -> str:
    """accepted, refused, cut (closed without a word), or unanswered: a busy machine refuses nobody.

    libpq has many words for a connection that was cut, by where that met it. A server that refuses says so.
    """
    uri = decoded(secret).get("uri") if secret is not None else None
    if uri is None:
        return "refused"
    try:
        connection = await psycopg.AsyncConnection.connect(
            uri, connect_timeout=PATIENCE, application_name=application
        )
    except psycopg.errors.ConnectionTimeout:
        return "unanswered"
    except (psycopg.OperationalError, psycopg.ProgrammingError) as error:
        return "refused" if any(word in str(error) for word in _REFUSALS) else "cut"
    await connection.close()
    return "accepted"


@asynccontextmanager
async def probing(cluster: Cluster, folder: Path, *, every: float = EVERY) -> AsyncIterator[Prober]:
    """Probes the namespace again and again until the block ends; writes `probes.jsonl` in the folder."""
    prober = Prober(cluster, folder / "probes.jsonl")

    async def probe() -> None:
        while True:
            await prober.round()
            await asyncio.sleep(every)

    task = asyncio.create_task(probe())
    try:
        yield prober
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
