"""The folder that a control plane lives in: private, removed at the end, and swept up after a SIGKILL."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "neon-controlplane-"
_LOCK = "lock"


@contextlib.contextmanager
def private_folder(parent: Path | None = None) -> Iterator[Path]:
    """A new folder (mode 0700) in `parent` (default: the system's temporary folder), removed at the end.

    Its owner holds a lock in it, so that the next one can tell which folders were left by killed
    processes, and removes them first.
    """
    where = parent or Path(tempfile.gettempdir())
    _sweep(where)
    path, lock = _make(where)
    try:
        yield path
    finally:
        shutil.rmtree(path)
        os.close(lock)


def _make(where: Path) -> tuple[Path, int]:
    while True:
        path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=where))
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.fstat(lock).st_nlink:
            return path, lock
        os.close(lock)  # swept away by another process between the two lines above


def _sweep(where: Path) -> None:
    for path in where.glob(f"{PREFIX}*"):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if path.lstat().st_uid != os.getuid() or path.is_symlink():
                continue
            lock = os.open(path / _LOCK, os.O_RDWR)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # in use
            else:
                # What a dying process writes meanwhile goes next time.
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)
