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
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final, TextIO

_BY: Final[ContextVar[str]] = ContextVar("by", default="")
MAX_BY: Final = 200
"""Characters of a User-Agent that are kept."""


@contextmanager
def caused_by(user_agent: str) -> Iterator[None]:
    """All that the block causes, also in the background and later, is told as caused by this client."""
    token = _BY.set(user_agent[:MAX_BY])
    try:
        yield
    finally:
        _BY.reset(token)


class Effects:
    """Writes the journal."""

    def __init__(self, journal: TextIO | None = None) -> None:
        self._journal = journal

    @classmethod
    @contextmanager
    def written(cls, journal: Path | None) -> Iterator[Effects]:
        """Appends to this file until the block ends; None is nowhere. Raises OSError."""
        effects = cls(None if journal is None else journal.open("a", buffering=1, encoding="utf-8"))
        try:
            yield effects
        finally:
            effects.close()

    def tell(self, event: str, **fields: Any) -> None:
        """Writes one line. The fields hold no secret."""
        if self._journal is not None:
            line = {"at": time.time(), "event": event, "by": _BY.get(), **fields}
            self._journal.write(json.dumps(line) + "\n")

    def close(self) -> None:
        """Writes nothing more."""
        if self._journal is not None:
            self._journal.close()
        self._journal = None
