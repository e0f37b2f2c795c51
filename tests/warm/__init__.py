"""Operators started warm: forked from a process that has imported the program already.

An operator's start costs a second of CPU, nearly all of it imports, and the suite starts hundreds. What
runs is the program that ships, from its command line on, in a process that can be killed and stopped.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from neon_sandbox.child import Child, die_with_parent

PROGRAM: Final = "neon-tenant-operator"


class Nursery:
    """The process that forks, and the line to it: one question, one answer."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "warm", str(theirs.fileno())],
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 - no threads yet, and none in it
            )
        self._line = ours.makefile("rw")
        ours.close()

    def ask(self, **question: Any) -> int:
        """The answer to `fork`: a process id; to `reap`: an exit status, as `subprocess` gives it."""
        self._line.write(json.dumps(question) + "\n")
        self._line.flush()
        answer = self._line.readline()
        if not answer:
            raise RuntimeError("The process that starts operators has ended; its words stand above.")
        return int(answer)

    def close(self) -> None:
        """Ends it, and with it all that it has started."""
        self._line.close()
        self._process.wait()


class Forked:
    """A process that the nursery forked, with what `Child` uses of a subprocess."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self._nursery = nursery
        self.pid = pid
        self._fd = os.pidfd_open(pid)
        self._status: int | None = None

    @property
    def returncode(self) -> int | None:
        """None while it runs."""
        if self._status is None and select.select([self._fd], [], [], 0)[0]:
            self._status = self._nursery.ask(reap=self.pid)
            os.close(self._fd)
        return self._status

    def send_signal(self, sign: int) -> None:
        """Raises ProcessLookupError if it has ended."""
        if self.returncode is not None:
            raise ProcessLookupError
        signal.pidfd_send_signal(self._fd, signal.Signals(sign))

    def kill(self) -> None:
        """As `send_signal(SIGKILL)`."""
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        """Waits for its end; returns the exit status."""
        while (status := self.returncode) is None:
            await _readable(self._fd)
        return status


async def start(
    name: str,
    argv: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str],
    cwd: Path,
    before: str | None = None,
) -> Child:
    """As `Child.start`, for the operator's program; `before` names a module to import before it."""
    assert Path(argv[0]).name == PROGRAM
    await asyncio.to_thread(log.touch)  # who reads it may come before the process opens it
    pid = _nursery().ask(
        fork=[str(word) for word in argv[1:]], log=str(log), env=dict(env), cwd=str(cwd), before=before
    )
    return Child(name, Forked(_nursery(), pid), log)


@functools.cache
def _nursery() -> Nursery:
    """One for each test process."""
    nursery = Nursery()
    atexit.register(nursery.close)
    return nursery


async def _readable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    readable = loop.create_future()
    # Two may wait for one end; a loop has one reader for each descriptor, so each gets its own.
    own = os.dup(fd)

    def ended() -> None:
        if not readable.done():
            readable.set_result(None)

    loop.add_reader(own, ended)
    try:
        await readable
    finally:
        loop.remove_reader(own)
        os.close(own)
