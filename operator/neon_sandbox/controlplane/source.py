"""A place that programs can be had from: one rung of the ladder."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from neon_sandbox.controlplane.release import Release
from neon_sandbox.controlplane.report import Report


class SourceError(Exception):
    """A source that cannot give what it was asked for.

    The first line of the message says why; the end of a log may follow.
    """


class Source(Protocol):
    """A rung of the ladder."""

    @property
    def title(self) -> str:
        """What it is called in messages."""

    async def supply(self, release: Release, names: Collection[str], into: Path, report: Report, /) -> None:
        """Puts finished programs as `into/<name>`, as many of `names` as it has.

        A file with a program's name there is taken for whole, whether or not SourceError follows:
        make it elsewhere (below `into` is fine) and rename it.
        """
