"""Programs of others from PyPI, each in an environment of its own, since they would not stand beside ours.

What goes into one is pinned with hashes in the folder of its name. It is made once, in the user's cache.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from neon_sandbox.controlplane.cache import cache_root, locked
from neon_sandbox.controlplane.report import Report
from toolbox import NotPreparedError

_HERE: Final = Path(__file__).parent


class NotInstalledError(Exception):
    """What an environment needs could not be had; the message says why."""


@dataclass(frozen=True)
class Environment:
    """A program with a locked list of what it needs, and how long its installation takes on 2 cores."""

    name: str
    usually: str

    @property
    def lock(self) -> Path:
        """What is in it, with hashes."""
        return _HERE / self.name / "requirements.txt"

    @property
    def folder(self) -> Path:
        """Where it is kept; another lock, or another Python, makes another one."""
        python = f"{sys.base_prefix} {sys.version_info[:2]}"
        digest = hashlib.sha256(python.encode() + self.lock.read_bytes()).hexdigest()
        return cache_root() / "toolbox" / f"{self.name}-{digest[:12]}"

    def path(self) -> Path:
        """Where the program is. Raises NotPreparedError."""
        if not (self.folder / ".ready").is_file():
            raise NotPreparedError(f"{self.name} is not there. Run `make tools`; it needs PyPI or a mirror.")
        return self.folder / "bin" / self.name


CHECKOV: Final = Environment("checkov", "1 minute")
PIP_AUDIT: Final = Environment("pip-audit", "20 seconds")

ENVIRONMENTS: Final = (CHECKOV,)
"""Those that the tests need; `make audit` makes its own."""


async def prepare(environments: Sequence[Environment] = ENVIRONMENTS) -> None:
    """Makes what is not there; quick and silent when all is. Raises NotInstalledError."""
    report = Report()
    for environment in environments:
        async with locked(environment.folder, environment.folder.name, report):
            if not (environment.folder / ".ready").is_file():
                with report.step(f"Installing {environment.name}, once", usually=environment.usually):
                    await _install(environment)


async def _install(environment: Environment) -> None:
    """In its place, since its programs name it; whoever finds no mark at its end begins again."""
    shutil.rmtree(environment.folder, ignore_errors=True)
    python = environment.folder / "bin" / "python"
    await _run(sys.executable, "-m", "venv", environment.folder)
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    await _run(*pip, "--require-hashes", "--requirement", environment.lock)
    (environment.folder / ".ready").touch()


async def _run(*argv: str | Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *map(str, argv),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise NotInstalledError(f"{' '.join(map(str, argv))} failed:\n{output.decode().strip()}")
