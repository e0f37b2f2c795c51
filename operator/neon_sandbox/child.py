"""A process of ours: it ends with us, by its id, and what it said is at hand when it fails."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class ChildFailedError(Exception):
    """A child ended by itself; the message holds the end of its log."""


class Process(Protocol):
    """What we use of asyncio.subprocess.Process."""

    pid: int

    @property
    def returncode(self) -> int | None:
        """None while it runs."""

    def send_signal(self, signal: int, /) -> None:
        """Raises ProcessLookupError if it has ended."""

    def kill(self) -> None:
        """Raises ProcessLookupError if it has ended."""

    async def wait(self) -> int:
        """Waits for its end; returns the exit status."""


class Child:
    """One process started by us, with its output in a file.

    On Linux the kernel ends it when we are killed (PR_SET_PDEATHSIG), so that not even SIGKILL
    leaves it behind. The signal follows the *thread* that started it: start children from the
    main thread's event loop.
    """

    def __init__(self, name: str, process: Process, log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process

    @classmethod
    async def start(
        cls,
        name: str,
        argv: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: int | None = None,
        group: int | None = None,
    ) -> Self:
        """Starts `argv` with output appended to `log`, as `user` and `group` (numeric ids) if given."""
        # uvloop knows these three only by their absence.
        account: dict[str, Any] = {} if user is None else {"user": user, "group": group, "extra_groups": []}
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *map(str, argv),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=None if env is None else dict(env),
                cwd=cwd,
                **account,
                # A Ctrl-C in the terminal reaches us alone; we then stop the children in order.
                start_new_session=True,
                preexec_fn=die_with_parent(),
            )
        return cls(name, process, log)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.returncode is None

    def check(self) -> None:
        """Raises ChildFailedError if the process has ended."""
        if not self.running:
            raise ChildFailedError(
                f"{self.name} ended with status {self._process.returncode}. Its last words:\n{self.tail()}"
            )

    def tail(self, lines: int = 20) -> str:
        """The last lines of its log."""
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def send(self, sign: signal.Signals) -> None:
        """Sends it a signal. Raises ProcessLookupError if it has ended."""
        self._process.send_signal(sign)

    async def wait(self) -> int:
        """Waits for its end; returns the exit status."""
        return await self._process.wait()

    async def stop(self, *, sign: signal.Signals = signal.SIGTERM, grace: float = 10.0) -> bool:
        """Asks it to end with `sign`, ends it after `grace` seconds, and waits until it is gone.

        Returns whether it has ended by itself.
        """
        if not self.running:
            return True
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(sign)
        try:
            async with asyncio.timeout(grace):
                await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
            return False
        return True


def installed(name: str) -> str:
    """The path of a program of this environment, or else of the PATH.

    Raises:
        FileNotFoundError: there is none.
    """
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is not installed in this environment. Run `make setup`.")
    return found


def die_with_parent() -> Callable[[], None] | None:
    """What a child of this process and thread runs first, so that the kernel ends it with us."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def arm() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # we died between fork and prctl
            os._exit(1)

    return arm
