"""Neon's API v2 on this machine, over a real PostgreSQL.

    async with PostgresServer.start() as postgres:
        async with Emulator.start(postgres=postgres) as emulator:
            ...  # emulator.url, emulator.api_key

One server can be shared by many emulators. Without one the API works and nobody can log in.
"""

from __future__ import annotations

from neon_sandbox.emulator.clock import Clock
from neon_sandbox.emulator.emulator import Emulator
from neon_sandbox.emulator.journal import Entry, Journal
from neon_sandbox.emulator.knobs import Knobs
from neon_sandbox.emulator.outage import Outage
from neon_sandbox.emulator.postgres.binaries import NoPostgresError
from neon_sandbox.emulator.postgres.server import PostgresFailedError, PostgresServer
from neon_sandbox.emulator.scripts import Script

__all__ = [
    "Clock",
    "Emulator",
    "Entry",
    "Journal",
    "Knobs",
    "NoPostgresError",
    "Outage",
    "PostgresFailedError",
    "PostgresServer",
    "Script",
]
