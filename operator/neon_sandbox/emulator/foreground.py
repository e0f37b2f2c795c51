"""The emulator as a program in a terminal: what `neon-sandbox emulator` calls."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TextIO

from neon_sandbox.emulator.emulator import Emulator
from neon_sandbox.emulator.keys import Keys
from neon_sandbox.emulator.knobs import Knobs
from neon_sandbox.emulator.plans import PlanName
from neon_sandbox.emulator.postgres.binaries import NoPostgresError
from neon_sandbox.emulator.postgres.server import PostgresFailedError, PostgresServer


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    port: int = 0
    """0 is a free one."""
    postgres: Path | Literal["none"] | None = None
    """A folder with initdb and postgres; none: nobody can log in anywhere; None: what is found."""
    plan: PlanName = "scale"
    api_key_file: Path | None = None
    """Read if it exists, otherwise made; None is a temporary file."""
    journal: Path | None = None
    """Where what took effect is appended, as JSON lines without secrets; None is nowhere."""


def run(options: Options, output: TextIO = sys.stdout) -> int:
    """Serves until Ctrl-C or SIGTERM; returns the exit status. Says on `output` where it is."""
    try:
        return asyncio.run(_serve(options, output))
    except (NoPostgresError, PostgresFailedError) as error:
        print(error, file=sys.stderr)
    except OSError as error:
        print(f"The emulator could not start: {error}.", file=sys.stderr)
    except ValueError as error:
        print(error, file=sys.stderr)
    return 1


async def _serve(options: Options, output: TextIO) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        key_file = options.api_key_file
        if key_file is None:
            key_file = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="neon-key-"))) / "api-key"
        key = _read_or_make(key_file)
        postgres = None
        if options.postgres != "none":
            postgres = await stack.enter_async_context(PostgresServer.start(options.postgres))
            postgres.disposable = True
        emulator = await stack.enter_async_context(
            Emulator.start(
                postgres=postgres,
                port=options.port,
                api_key=key,
                knobs=Knobs(plan=options.plan),
                journal=options.journal,
            )
        )
        _announce(emulator, postgres, key_file, output)
        return await _wait(stop, postgres)


async def _wait(stop: asyncio.Event, postgres: PostgresServer | None) -> int:
    """0 when told to stop; 1 if PostgreSQL ended by itself."""
    told: asyncio.Future[object] = asyncio.ensure_future(stop.wait())
    waiting = {told}
    if postgres is not None:
        waiting.add(asyncio.ensure_future(postgres.wait_ended()))
    done, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for future in pending:
        future.cancel()
    if told in done:
        return 0
    print("PostgreSQL has ended by itself; so does the emulator.", file=sys.stderr)
    return 1


def _announce(emulator: Emulator, postgres: PostgresServer | None, key_file: Path, output: TextIO) -> None:
    if postgres is None:
        behind = "no PostgreSQL: connection URIs lead nowhere"
    else:
        behind = f"PostgreSQL {postgres.version} {'with' if postgres.tls else 'without'} TLS"
    print(
        f"Neon's API v2   {emulator.url}",
        f"API key in      {key_file}",
        f"Controls        {emulator.sandbox_url}",
        f"Behind it       {behind}",
        "Ends with Ctrl-C.",
        sep="\n",
        file=output,
        flush=True,
    )


def _read_or_make(file: Path) -> str:
    """The key in `file`; a new one is written there, for its owner only. Raises ValueError if it is empty."""
    if file.exists():
        key = file.read_text().strip()
        if not key:
            raise ValueError(
                f"{file} is empty: write an API key into it, or name a file that does not exist."
            )
        return key
    key = Keys().first
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as target:
        target.write(key + "\n")
    return key
