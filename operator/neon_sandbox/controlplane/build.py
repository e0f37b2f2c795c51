"""The last rung: programs built from Go modules, which come from the Go module proxy."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from neon_sandbox.child import Child
from neon_sandbox.controlplane import cache, module
from neon_sandbox.controlplane import release as releases
from neon_sandbox.controlplane.release import Release
from neon_sandbox.controlplane.report import Advance, Report
from neon_sandbox.controlplane.source import SourceError

# Measured on 2 cores, with nothing in the cache of Go.
_USUALLY = {
    releases.ETCD: "1 minute",
    releases.KUBE_APISERVER: "4 minutes",
    releases.KUBE_CONTROLLER_MANAGER: "1 minute",
    releases.KUBECTL: "half a minute",
}


@dataclass(frozen=True)
class GoBuild:
    """A build with the Go toolchain on the PATH of `env`."""

    env: Mapping[str, str] = field(default_factory=lambda: os.environ)
    title: str = "build with Go"

    async def supply(self, release: Release, names: Collection[str], into: Path, report: Report) -> None:
        """See Source."""
        go = module.Go.find(release, self.env)
        work = into / "build"
        work.mkdir()
        await module.write(release, work, go, report)
        # In the module's folder: `go` may switch to a newer toolchain that the module needs.
        toolchain = (await go.output("env", "GOVERSION", cwd=work)).strip()
        report.say(
            f"Building {', '.join(names)} of {release} with {toolchain}. "
            "This is done once: all four take about 5 to 8 minutes on 2 cores."
        )
        for number, name in enumerate(names, 1):
            title = f"Building {name}, {number} of {len(names)}"
            with report.step(title, usually=_USUALLY[name]) as advance:
                flags = _link_flags(release.version)
                await compiled(
                    go, module.PACKAGES[name], work / name, work=work, flags=flags, advance=advance
                )
            (work / name).rename(into / name)


@dataclass(frozen=True)
class Package:
    """A Go package, the folder of the module that pins it, and how long a build takes with nothing cached."""

    path: str
    shipped: Path
    usually: str


async def once(package: Package, target: Path, title: str, *, go: module.Go, report: Report) -> None:
    """Compiles `package` as `target`, unless that is there; raises SourceError.

    Other processes that want the same wait meanwhile.
    """
    async with cache.locked(target, target.name, report):
        if os.access(target, os.X_OK):
            return
        with cache.workspace(target) as part, report.step(title, usually=package.usually) as advance:
            work = part / "work"
            work.mkdir()
            module.unpack(package.shipped, work)
            await compiled(go, package.path, part / target.name, work=work, flags=(), advance=advance)
            (part / target.name).replace(target)


async def compiled(
    go: module.Go, package: str, into: Path, *, work: Path, flags: Sequence[str], advance: Advance
) -> None:
    """Compiles `package` of the module in `work` as the file `into`; raises SourceError."""
    temporary = work / "tmp"
    temporary.mkdir(exist_ok=True)
    child = await Child.start(
        f"go build of {into.name}",
        [go.path, "build", "-trimpath", "-ldflags", " ".join(["-s", "-w", *flags]), "-o", into, package],
        log=work / f"{into.name}.log",
        # Go's own temporary files go with the workspace, also when `go` is killed.
        env={**go.env, "GOTMPDIR": str(temporary)},
        cwd=work,
    )
    try:
        status = await _wait(child, advance)
    finally:
        await _end(child)
    if status != 0:
        raise SourceError(f"`go build` of {into.name} failed:\n{child.tail()}")


async def _wait(child: Child, advance: Advance) -> int:
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                return await child.wait()
        advance()


async def _end(child: Child) -> None:
    """Ends a build that was cancelled, with the compilers that it started: they share its process group."""
    if child.running:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        await child.wait()


def _link_flags(version: str) -> list[str]:
    """Flags for programs that say which version they are, as Kubernetes' own build does."""
    package = "k8s.io/component-base/version"
    major, minor, _ = version.split(".")
    values = {
        "gitVersion": f"v{version}",
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
    }
    return [f"-X {package}.{name}={value}" for name, value in values.items()]
