"""A process for each change: forked where all is imported, so that a change costs as much as its tests."""

from __future__ import annotations

import os
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final, Generic, NoReturn, TypeVar

T = TypeVar("T")

MEMORY: Final = 4 * 1024**3
"""Bytes that a child may map; a change may make it loop and collect."""
_BROKEN: Final = 70


class Outcome(Enum):
    """What the tests said of a change."""

    KILLED = "killed"
    """One failed."""
    HUNG = "hung"
    """They took far longer than without the change; a person would have seen it."""
    SURVIVED = "survived"
    """All passed."""


class BrokenError(Exception):
    """A child could not even try; the message is its traceback."""


@dataclass(frozen=True, slots=True)
class Job(Generic[T]):
    """What one child does."""

    subject: T
    passes: Callable[[], bool]
    """Whether all tests pass; called in the child."""
    seconds: float
    """Of processor time, before it counts as hung; ten times as much of the clock's."""


@dataclass(slots=True)
class _Child(Generic[T]):
    subject: T
    deadline: float
    report: Path
    end: int
    """The end of a pipe that nobody else holds: it can be read when the child has ended."""


def run(jobs: Iterator[Job[T]], workers: int, folder: Path) -> Iterator[tuple[T, Outcome]]:
    """Runs jobs, so many at a time, and yields each when it is done.

    Raises:
        BrokenError: A child failed outside of its tests.
    """
    folder.mkdir(parents=True, exist_ok=True)
    children: dict[int, _Child[T]] = {}
    waiting = True
    try:
        while waiting or children:
            while waiting and len(children) < workers:
                job = next(jobs, None)
                if job is None:
                    waiting = False
                else:
                    pid, child = _fork(job, folder)
                    children[pid] = child
            yield from _ended(children)
    finally:
        for pid, child in children.items():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(child.end)


def _ended(children: dict[int, _Child[T]]) -> Iterator[tuple[T, Outcome]]:
    """Waits until one has ended or its time is over."""
    if not children:
        return
    patience = min(child.deadline for child in children.values()) - time.monotonic()
    ended, _, _ = select.select([child.end for child in children.values()], [], [], max(patience, 0.0))
    for pid, child in list(children.items()):
        if time.monotonic() > child.deadline:
            os.kill(pid, signal.SIGKILL)
        elif child.end not in ended:
            continue
        _, status = os.waitpid(pid, 0)
        os.close(child.end)
        del children[pid]
        code = os.waitstatus_to_exitcode(status)
        if code == _BROKEN:
            raise BrokenError(f"{child.subject}\n{child.report.read_text()}")
        child.report.unlink()
        outcomes = {0: Outcome.SURVIVED, 1: Outcome.KILLED}
        # Any other end (the kernel's word on time or memory, a crash of the interpreter) is no pass.
        yield child.subject, outcomes.get(code, Outcome.HUNG)


def _fork(job: Job[T], folder: Path) -> tuple[int, _Child[T]]:
    sys.stdout.flush()
    report = folder / f"child-{time.monotonic_ns()}"
    end, held = os.pipe()
    pid = os.fork()
    if not pid:
        _live(job, report)
    os.close(held)
    return pid, _Child(job.subject, time.monotonic() + 10 * job.seconds, report, end)


def _live(job: Job[T], report: Path) -> NoReturn:
    """What the child does; it never comes back. Whatever it fails of, the parent raises."""
    output = os.open(report, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(output, stream)
    seconds = int(time.process_time() + job.seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    code = _BROKEN
    try:
        code = 0 if job.passes() else 1
    finally:
        if code == _BROKEN:
            os.write(output, traceback.format_exc().encode())
        os._exit(code)
