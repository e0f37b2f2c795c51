"""What the person who waits sees: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, ProgressColumn, SpinnerColumn, TextColumn
from rich.progress import TimeElapsedColumn as Elapsed

_HEARTBEAT = 30.0  # seconds: a log that says nothing for longer looks dead


class Advance(Protocol):
    """Tells a step that it goes on, by `amount` bytes if it has a size."""

    def __call__(self, amount: int = 0) -> None:
        """One sign of life."""


class Report:
    """Says what happens, on standard error: standard output belongs to the command."""

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console or Console(stderr=True)
        self._clock = clock

    def say(self, text: str) -> None:
        """One line."""
        # No wrapping and no markup: a path or an error must come out as it is.
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    @contextlib.contextmanager
    def step(self, title: str, *, usually: str = "", size: int | None = None) -> Iterator[Advance]:
        """A piece of work that takes a while, `usually` so long; says how long it took.

        With a `size` in bytes it is a download, and is told of each piece.
        """
        start = self._clock()
        doing = f"{title} (usually {usually})" if usually else title
        with self._live(doing, size) if self._console.is_terminal else self._plain(doing, size) as advance:
            yield advance
        self.say(f"{title}: done in {duration(self._clock() - start)}")

    @contextlib.contextmanager
    def _live(self, title: str, size: int | None) -> Iterator[Advance]:
        columns: list[ProgressColumn] = [SpinnerColumn(), TextColumn("{task.description}", markup=False)]
        if size is not None:
            columns += [BarColumn(), DownloadColumn()]
        with Progress(*columns, Elapsed(), console=self._console, transient=True) as progress:
            task = progress.add_task(title, total=size)

            def advance(amount: int = 0) -> None:
                progress.advance(task, amount)

            yield advance

    @contextlib.contextmanager
    def _plain(self, title: str, size: int | None) -> Iterator[Advance]:
        self.say(f"{title} ...")
        start = said = self._clock()
        done = 0

        def advance(amount: int = 0) -> None:
            nonlocal said, done
            done += amount
            now = self._clock()
            if now - said < _HEARTBEAT:
                return
            said = now
            share = f", {done // 1_000_000} of {size // 1_000_000} MB" if size else ""
            self.say(f"{title} ... {duration(now - start)}{share}")

        yield advance


def duration(seconds: float) -> str:
    """`4.2 s`, `58 s` or `3 min 05 s`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
