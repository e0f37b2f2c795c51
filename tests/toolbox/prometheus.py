"""Prometheus and promtool: from the PATH, or from Debian's package, unpacked into the user's cache.

Nothing is installed and no service starts: only the two programs are wanted.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from neon_sandbox.controlplane.cache import cache_root

PACKAGE: Final = "prometheus"
PROGRAMS: Final = ("promtool", "prometheus")
REQUIRED: Final = "NEON_TENANTS_REQUIRE_PROMETHEUS"
"""Set where the tests must not be left out: in CI."""


class NoPrometheusError(Exception):
    """Prometheus is not there; the message says what to install."""


def _cached() -> Path:
    return cache_root() / "toolbox" / "prometheus"


def path(name: str, env: Mapping[str, str] = os.environ) -> Path:
    """Where `promtool` or `prometheus` is. Raises NoPrometheusError."""
    if found := shutil.which(name, path=env.get("PATH", os.defpath)):
        return Path(found)
    if (kept := _cached() / "usr" / "bin" / name).is_file():
        return kept
    raise NoPrometheusError(
        f"{name} is not there: alerts and dashboards are not tested. Install it: `apt-get update` and then "
        "`make tools` (Debian, Ubuntu), `brew install prometheus`, or https://prometheus.io/download."
    )


async def prepare() -> None:
    """Unpacks Debian's package where the programs are not there. Raises NoPrometheusError."""
    try:
        for name in PROGRAMS:
            path(name)
    except NoPrometheusError:
        if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
            raise
        await asyncio.to_thread(_unpack)
        for name in PROGRAMS:
            path(name)


def _unpack() -> None:
    _cached().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="part-", dir=_cached().parent) as folder:
        part, unpacked = Path(folder), Path(folder) / "unpacked"
        _quietly(part, "apt-get", "download", "--quiet", PACKAGE)
        for package in part.glob("*.deb"):
            _quietly(part, "dpkg-deb", "--extract", package, unpacked)
        if unpacked.is_dir() and not _cached().exists():
            unpacked.rename(_cached())


def _quietly(folder: Path, *argv: str | Path) -> None:
    """What went wrong is seen by what is not there afterwards."""
    subprocess.run(argv, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
