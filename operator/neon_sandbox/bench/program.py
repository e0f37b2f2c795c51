"""What is measured: the operator, or what it is held against (docs/decisions/0046-a-yardstick-in-go.md).

The yardstick is a minimal controller in Go. Its sources stand in yardstick/; why the files of its module end
in .txt is told in controlplane/module.py. The least that Python takes is told by least.py.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Final

from neon_sandbox.child import Child
from neon_sandbox.controlplane import build
from neon_sandbox.controlplane import release as releases
from neon_sandbox.controlplane.cache import cache_root
from neon_sandbox.controlplane.module import Go
from neon_sandbox.controlplane.report import Report
from neon_sandbox.controlplane.source import SourceError
from neon_sandbox.installation import Start

SOURCES: Final = Path(__file__).with_name("yardstick")
_PACKAGES: Final = ("kopf", "kubernetes", "aiohttp", "httpx", "uvloop", "orjson", "pydantic")
_MODULE: Final = re.compile(r"^\tdep\tsigs\.k8s\.io/(controller-runtime)\tv(\S+)", re.MULTILINE)


class NoYardstickError(Exception):
    """The yardstick could not be built; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program that does the operator's work."""

    start: Start
    """Starts it with the operator's settings."""
    versions: Mapping[str, str]
    """What it is made of."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """What tells it apart in a measured line."""
    in_a_pod: bool = True
    """Whether it logs in as a pod does; else by a kubeconfig."""
    creates_alone: bool = False
    """Whether it neither follows a change of its tier nor a deletion."""


OPERATOR: Final = Program(
    Child.start,
    versions={
        "python": platform.python_version(),
        **{f"python-{name}": version(name) for name in _PACKAGES},
    },
)


async def _start_least(
    _name: str, _argv: Sequence[str | Path], /, *, log: Path, env: Mapping[str, str], cwd: Path
) -> Child:
    argv = [sys.executable, "-m", "neon_sandbox.bench.least"]
    return await Child.start("the least", argv, log=log, env=env, cwd=cwd)


LEAST: Final = Program(
    _start_least,
    versions={
        "python": platform.python_version(),
        **{f"python-{name}": version(name) for name in ("aiohttp", "uvloop", "orjson")},
    },
    settings={"operator": "least"},
    creates_alone=True,
)


async def yardstick(env: Mapping[str, str] = os.environ, report: Report | None = None) -> Program:
    """A controller in Go, built once into the user's cache. Raises NoYardstickError."""
    try:
        go = Go.find(releases.for_this_machine(releases.KUBERNETES_VERSION), env)
        toolchain = await go.output("env", "GOVERSION", "GOOS", "GOARCH", cwd=SOURCES)
        binary = cached(cache_root(env), SOURCES, toolchain)
        package = build.Package(".", SOURCES, usually="2 minutes")
        title = "Building the controller in Go, once"
        await build.once(package, binary, title, go=go, report=report or Report())
        made_of = await go.output("version", "-m", str(binary), cwd=SOURCES)
    except (SourceError, OSError) as error:
        raise NoYardstickError(
            f"The yardstick of --operator go cannot be built: {error}\n"
            "It needs Go (https://go.dev/dl) on the PATH, and the modules of its go.mod: connect to the "
            "internet, or set GOPROXY."
        ) from error
    return Program(
        _starting(binary), versions=_versions(made_of), settings={"operator": "go"}, in_a_pod=False
    )


def cached(root: Path, sources: Path, toolchain: str) -> Path:
    """Where the program that this toolchain makes of these sources is kept; any other is another file."""
    digest = hashlib.sha256(toolchain.encode())
    for path in sorted(sources.iterdir()):
        digest.update(f"\0{path.name}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return root / "yardstick" / f"yardstick-{digest.hexdigest()[:12]}"


def _starting(binary: Path) -> Start:
    async def start(
        _name: str, _argv: Sequence[str | Path], /, *, log: Path, env: Mapping[str, str], cwd: Path
    ) -> Child:
        return await Child.start("the yardstick", [binary], log=log, env=env, cwd=cwd)

    return start


def _versions(made_of: str) -> dict[str, str]:
    """From what `go version -m` says: `<path>: go1.26.8`, then a line for each module."""
    toolchain = made_of.partition("\n")[0].rpartition("go")[2].strip()
    return {"go": toolchain, **dict(_MODULE.findall(made_of))}
