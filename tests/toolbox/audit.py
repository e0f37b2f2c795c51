"""`python -m toolbox.audit LOCK...`: does anybody know of a hole in what is locked?

pip-audit asks OSV, and where that cannot be reached the package index; both know the advisories of the Python
Packaging Advisory Database. No package with them is kept up: safety-db ended in 2021. So without either
service nothing is known, which is said, and is no success.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from toolbox import environment

CLEAN: Final = 0
FOUND: Final = 1
UNKNOWN: Final = 2
"""Exit statuses: no advisory, at least one, and nobody could be asked."""
SERVICES: Final = (("osv",), ("pypi",))
"""What pip-audit is told to ask, in this order."""
TIMEOUT: Final = 5
"""Seconds for a connection to a service."""
PATIENCE: Final = 300
"""Seconds for all of one service's answers."""


@dataclass(frozen=True)
class Finding:
    """An advisory for something that is locked."""

    package: str
    advisory: str
    fixed_in: tuple[str, ...]

    def __str__(self) -> str:
        fixed = f"fixed in {', '.join(self.fixed_in)}" if self.fixed_in else "not fixed yet"
        return f"{self.package}: {self.advisory} ({fixed})"


def findings(report: Any) -> list[Finding] | None:
    """What pip-audit's JSON says; None where nobody was asked about a package, which it takes for success."""
    dependencies = report["dependencies"]
    if not dependencies or any("skip_reason" in each for each in dependencies):
        return None
    return [
        Finding(f"{each['name']} {each['version']}", found["id"], tuple(found["fix_versions"]))
        for each in dependencies
        for found in each["vulns"]
    ]


async def asked(program: Path, locks: Sequence[Path], service: Sequence[str]) -> list[Finding] | None:
    """What one service knows; None where it cannot be asked."""
    options = ["--disable-pip", "--require-hashes", "--progress-spinner", "off", "--format", "json"]
    files = [word for lock in locks for word in ("--requirement", str(lock))]
    process = await asyncio.create_subprocess_exec(
        str(program),
        *("--vulnerability-service", *service, "--timeout", str(TIMEOUT), *options, *files),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return None
    try:
        return findings(json.loads(output))
    except json.JSONDecodeError:
        return None  # it ends with a traceback where nobody answers


async def audit(
    program: Path, locks: Sequence[Path], services: Sequence[Sequence[str]] = SERVICES
) -> tuple[int, str]:
    """The exit status, and what to tell."""
    for service in services:
        found = await asked(program, locks, service)
        if found is not None:
            told = "\n".join(map(str, found)) or f"{service[0]} knows of nothing in {len(locks)} lock files."
            return (FOUND if found else CLEAN), told
    return UNKNOWN, (
        "Nothing was audited: neither OSV nor the JSON API of the Python package index could be asked about "
        "every package. Run `make audit` where one of them can be reached; CI does."
    )


async def main(locks: Sequence[Path]) -> tuple[int, str]:
    """Makes the environment of pip-audit where it is not there yet, and audits."""
    await environment.prepare([environment.PIP_AUDIT])
    return await audit(environment.PIP_AUDIT.path(), locks)


if __name__ == "__main__":
    try:
        status, words = asyncio.run(main([Path(word) for word in sys.argv[1:]]))
    except environment.NotInstalledError as error:
        status, words = UNKNOWN, f"{error}\nGive pip a package index, then `make audit`."
    (sys.stderr if status else sys.stdout).write(f"{words}\n")
    sys.exit(status)
