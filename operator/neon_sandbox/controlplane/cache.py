"""Our own folder of Kubernetes programs: filled once, shared by every process of the user."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from pathlib import Path

from neon_sandbox.controlplane.release import Release
from neon_sandbox.controlplane.report import Report

_STAMP = "made-from.json"
_LOCK_POLL = 0.2  # seconds


def cache_root(env: Mapping[str, str] = os.environ) -> Path:
    """NEON_SANDBOX_CACHE, or `neon-tenant-operator` in the user's cache folder."""
    if own := env.get("NEON_SANDBOX_CACHE"):
        return Path(own).absolute()
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        # A relative XDG_CACHE_HOME is to be ignored (XDG Base Directory Specification).
        given = Path(env.get("XDG_CACHE_HOME", ""))
        base = given if given.is_absolute() else Path.home() / ".cache"
    return base / "neon-tenant-operator"


class Cache:
    """The programs of one release.

    A program counts only when the stamp names it and what it was made from, and the stamp is
    written after the program: whatever an interruption leaves is never taken for whole.
    """

    def __init__(self, root: Path, release: Release) -> None:
        self.folder = root / f"kubernetes-{release.version}-{release.system}-{release.machine}"
        self._release = release

    def find(self, names: Collection[str]) -> dict[str, Path]:
        """Those of `names` that are here and made from what this release says."""
        stamp = self._read_stamp()
        paths = {name: self.folder / name for name in names if stamp.get(name) == self._release.made_from}
        return {name: path for name, path in paths.items() if os.access(path, os.X_OK)}

    def add(self, program: Path) -> None:
        """Takes a finished program in, by a rename from a workspace; needs the lock."""
        program.chmod(0o755)
        self.folder.mkdir(exist_ok=True)
        program.replace(self.folder / program.name)
        stamp = self._read_stamp() | {program.name: self._release.made_from}
        draft = self.folder / f"{_STAMP}.new"
        draft.write_text(json.dumps(stamp, indent=2) + "\n")
        draft.replace(self.folder / _STAMP)

    @contextlib.asynccontextmanager
    async def lock(self, report: Report) -> AsyncIterator[None]:
        """Keeps other processes from filling the same folder."""
        async with locked(self.folder, f"{self._release}", report):
            yield

    @contextlib.contextmanager
    def workspace(self) -> Iterator[Path]:
        """A temporary folder on the same file system; needs the lock."""
        with workspace(self.folder) as part:
            yield part

    def _read_stamp(self) -> dict[str, str]:
        try:
            stamp = json.loads((self.folder / _STAMP).read_bytes())
        except (OSError, ValueError):
            # Absent, unreadable or garbled: whatever is there counts for nothing. If the folder cannot
            # be used at all, filling it says so.
            return {}
        return stamp if isinstance(stamp, dict) else {}


@contextlib.contextmanager
def workspace(target: Path) -> Iterator[Path]:
    """A temporary folder beside `target`, which is made there; needs a lock.

    Those that killed processes left are removed first.
    """
    prefix = f"{target.name}.part-"
    for stale in target.parent.glob(f"{prefix}*"):
        # A compiler of a killed build may still write there; what resists goes next time.
        shutil.rmtree(stale, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=target.parent) as part:
        yield Path(part)


@contextlib.asynccontextmanager
async def locked(target: Path, what: str, report: Report) -> AsyncIterator[None]:
    """Keeps other processes from making `target` by a lock on a file beside it; says so when it has to wait.

    `what` names it for people.

    The kernel releases the lock of a process that dies, so there is no deadline to miss.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(f"{target.name}.lock").open("ab") as file:
        waited = False
        while not _try_lock(file.fileno()):
            if not waited:
                report.say(f"Another process is preparing {what}; waiting for it.")
                waited = True
            await asyncio.sleep(_LOCK_POLL)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
