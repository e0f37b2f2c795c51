"""What took effect, as JSON lines: what was asked of the emulator, `journal` counts.

Each line has `at` (the machine's wall clock, seconds since 1970, also where a test moved the emulator's
clock), `event`, and `by`: the User-Agent of the request that caused it, empty where none did.

| event | fields |
|---|---|
| project_created | project, name, annotations (the first branch's: a birth certificate) |
| project_renamed | project, before, name |
| project_deleted, project_recovered, project_purged | project, name |
| password_reset | project, branch, role: the new password is valid from now on |
| login | project, endpoint, role, application, accepted, sqlstate (of a refusal) |
| answer_scripted | method, route, mode: what a test made of one request |
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final, TextIO

_BY: Final[ContextVar[str]] = ContextVar("by", default="")
MAX_BY: Final = 200
"""Characters of a User-Agent that are kept."""
PRIVATE: Final = 0o600


@contextmanager
def caused_by(user_agent: str) -> Iterator[None]:
    """All that the block causes, also in the background and later, is told as caused by this client."""
    token = _BY.set(user_agent[:MAX_BY])
    try:
        yield
    finally:
        _BY.reset(token)


class Effects:
    """Writes the journal, and apart from it the secrets that nobody may ever see elsewhere."""

    def __init__(self, journal: TextIO | None = None, canaries: TextIO | None = None) -> None:
        self._journal = journal
        self._canaries = canaries

    @classmethod
    @contextmanager
    def written(cls, journal: Path | None, canaries: Path | None) -> Iterator[Effects]:
        """Appends to these files until the block ends; None is nowhere.

        `canaries` is for tests that search for secrets: it holds every key and password, one a line, and
        can be read by its owner only. Raises OSError if a file cannot be written.
        """
        effects = cls(_open(journal, 0o666), _open(canaries, PRIVATE))
        try:
            yield effects
        finally:
            effects.close()

    def tell(self, event: str, **fields: Any) -> None:
        """Writes one line. The fields hold no secret."""
        if self._journal is not None:
            line = {"at": time.time(), "event": event, "by": _BY.get(), **fields}
            self._journal.write(json.dumps(line) + "\n")

    def secret(self, text: str) -> None:
        """Notes a secret that was made or shown."""
        if self._canaries is not None:
            self._canaries.write(text + "\n")

    def close(self) -> None:
        """Writes nothing more."""
        for file in (self._journal, self._canaries):
            if file is not None:
                file.close()
        self._journal = self._canaries = None


def _open(path: Path | None, mode: int) -> TextIO | None:
    if path is None:
        return None
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, mode)
    if mode == PRIVATE:
        os.fchmod(descriptor, PRIVATE)  # a file that stood there before may be open to others
    return os.fdopen(descriptor, "a", buffering=1, encoding="utf-8")
