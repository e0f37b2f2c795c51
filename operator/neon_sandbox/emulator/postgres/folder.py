"""A temporary folder for a server's files, which goes away even if nobody could remove it."""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_PREFIX = "neon-sandbox-"
_LOCK = "lock"
_MEMORY = Path("/dev/shm")  # noqa: S108  # the folders made in it are private (mkdtemp)
_MEMORY_NEEDED = 4 << 30
"""Free bytes above which memory is used. An empty database takes 8 MB and some 300 files: a file
system in memory makes them in a fifth of the time."""
_LONGEST_PARENT = 60
"""Characters that leave room for the rest of a Unix socket's path, which may have about a hundred."""


@dataclass(frozen=True, slots=True)
class Account:
    """The account that the server runs under, by number."""

    user: int
    group: int
    name: str


def unprivileged() -> Account | None:
    """The account for the server if we are root, which PostgreSQL refuses to run as; otherwise None."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid, name)
    raise PermissionError("PostgreSQL does not run as root, and there is no user postgres or nobody.")


@contextmanager
def temporary(account: Account | None) -> Iterator[Path]:
    """A new folder that belongs to `account`; removed at the end with all that is in it.

    Folders left by processes that were killed are removed first: their lock is free.
    """
    parent = _parent(account)
    _sweep(parent)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if account is not None:
            os.chown(folder, account.user, account.group)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def readable_by_others(path: Path) -> bool:
    """Whether every account may enter the folder."""
    return all(part.stat().st_mode & 0o005 == 0o005 for part in (path, *path.parents))


def _parent(account: Account | None) -> Path:
    if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= _MEMORY_NEEDED:
        return _MEMORY
    usual = Path(tempfile.gettempdir())
    closed = account is not None and not readable_by_others(usual.resolve())
    if closed or len(str(usual)) > _LONGEST_PARENT:
        return Path("/tmp")  # noqa: S108  # as above
    return usual


def _sweep(parent: Path) -> None:
    for left in parent.glob(_PREFIX + "*"):
        try:
            lock = os.open(left / _LOCK, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue  # somebody else's, or being made just now
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
        except BlockingIOError:
            continue  # in use
        finally:
            os.close(lock)
