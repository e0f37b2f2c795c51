"""The ladder: where each program of a control plane comes from, best first.

1. KUBEBUILDER_ASSETS, a folder of the user's.
2. Our own cache (cache.py).
3. Published programs, when they can be reached (download.py).
4. A build with Go (build.py).

Each program is looked for by itself: a folder with three of them leaves one to the next rung.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from neon_sandbox.controlplane import download
from neon_sandbox.controlplane import release as releases
from neon_sandbox.controlplane.build import GoBuild
from neon_sandbox.controlplane.cache import Cache, cache_root
from neon_sandbox.controlplane.release import Release
from neon_sandbox.controlplane.report import Report
from neon_sandbox.controlplane.source import Source, SourceError

_ASSETS = "KUBEBUILDER_ASSETS"


class MissingProgramsError(Exception):
    """No rung of the ladder gave what is needed; the message says what was tried and what to do."""


@dataclass(frozen=True)
class Binaries:
    """The programs of one control plane and the Kubernetes version they are of."""

    version: str
    etcd: Path
    kube_apiserver: Path
    kube_controller_manager: Path
    kubectl: Path


async def prepare(
    version: str | None = None,
    *,
    env: Mapping[str, str] = os.environ,
    sources: Sequence[Source] | None = None,
    report: Report | None = None,
) -> Binaries:
    """Finds, downloads or builds the programs; quick and silent when they are there.

    `version` is for example 1.34.4; without it K8S_VERSION of `env` counts, then the version of
    KUBEBUILDER_ASSETS, then the pinned release.

    Raises MissingProgramsError, and VersionError for a version or a system that cannot be.
    """
    report = report or Report()
    asked = version or env.get("K8S_VERSION") or None
    wanted = releases.parse_version(asked) if asked else None
    tried: list[str] = []
    given = await _assets(env, wanted, tried, report)
    release = releases.for_this_machine(wanted or given.version or releases.KUBERNETES_VERSION)
    ladder = _Ladder(release, Cache(cache_root(env), release), report, tried)
    found = ladder.cache.find(releases.PROGRAMS) | given.programs
    missing = [name for name in releases.PROGRAMS if name not in found]
    if missing:
        rungs = (*download.sources(), GoBuild(env)) if sources is None else sources
        found |= await ladder.obtain(missing, rungs)
    return Binaries(
        version=release.version,
        etcd=found[releases.ETCD],
        kube_apiserver=found[releases.KUBE_APISERVER],
        kube_controller_manager=found[releases.KUBE_CONTROLLER_MANAGER],
        kubectl=found[releases.KUBECTL],
    )


@dataclass(frozen=True)
class _Given:
    """What KUBEBUILDER_ASSETS gives."""

    programs: dict[str, Path]
    version: str | None


_NOTHING = _Given({}, None)


async def _assets(env: Mapping[str, str], wanted: str | None, tried: list[str], report: Report) -> _Given:
    """The user's folder, unless it has another version than was asked for."""
    folder = env.get(_ASSETS)
    if not folder:
        tried.append(f"{_ASSETS}: not set")
        return _NOTHING
    programs = _executables(Path(folder))
    if not programs:
        tried.append(f"{_ASSETS}: {folder} has none of them")
        return _NOTHING
    server = programs.get(releases.KUBE_APISERVER)
    version = None if server is None else await _version_of(server)
    if wanted and version and version != wanted:
        tried.append(f"{_ASSETS}: {folder} has Kubernetes {version}, not {wanted}")
        report.say(f"{tried[-1]}; it is not used.")
        return _NOTHING
    return _Given(programs, version)


def _executables(folder: Path) -> dict[str, Path]:
    paths = {name: folder.absolute() / name for name in releases.PROGRAMS}
    return {name: path for name, path in paths.items() if path.is_file() and os.access(path, os.X_OK)}


async def _version_of(server: Path) -> str | None:
    """What `kube-apiserver --version` says, or None if that is no version."""
    process = await asyncio.create_subprocess_exec(
        server, "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    out, _ = await process.communicate()
    try:
        return releases.parse_version(out.decode(errors="replace").removeprefix("Kubernetes "))
    except releases.VersionError:
        return None


@dataclass(frozen=True)
class _Ladder:
    """The rungs that fill the cache, and what was tried in vain, for the message at the end."""

    release: Release
    cache: Cache
    report: Report
    tried: list[str]

    async def obtain(self, names: Sequence[str], sources: Sequence[Source]) -> dict[str, Path]:
        """Climbs for `names` and keeps what it gets in the cache."""
        try:
            async with self.cache.lock(self.report):
                # Another process may have filled the cache while we waited.
                found = self.cache.find(names)
                self.tried.append(f"cache: {self.cache.folder} lacks them")
                for source in sources:
                    missing = [name for name in names if name not in found]
                    if not missing:
                        break
                    await self._try(source, missing, last=source is sources[-1])
                    found = self.cache.find(names)
        except OSError as error:
            raise MissingProgramsError(
                f"Preparing {self.release} failed: {error}. Is the cache, {self.cache.folder.parent}, "
                "full or not yours? NEON_SANDBOX_CACHE names another folder; it needs 2 GB."
            ) from error
        missing = [name for name in names if name not in found]
        if missing:
            raise MissingProgramsError(self._advice(missing))
        return found

    async def _try(self, source: Source, missing: Sequence[str], *, last: bool) -> None:
        with self.cache.workspace() as part:
            try:
                await source.supply(self.release, missing, part, self.report)
            except SourceError as error:
                reason, _, details = str(error).partition("\n")
                if not last:  # what follows the last one is the error, with all of this in it
                    self.report.say(f"{source.title}: {reason} Trying what is next.")
                self.tried.append("\n".join(filter(None, [f"{source.title}: {reason}", details])))
            else:
                self.tried.append(f"{source.title}: does not have all of them")
            for name in missing:
                if (part / name).is_file():
                    self.cache.add(part / name)

    def _advice(self, missing: Sequence[str]) -> str:
        tried = "\n".join(f"  - {each}" for each in self.tried)
        return (
            f"{self.release}: {', '.join(missing)} cannot be had. What was tried:\n{tried}\n"
            "Do one of these:\n"
            f"  - set {_ASSETS} to a folder that holds {', '.join(releases.PROGRAMS)};\n"
            "  - connect to the internet, so that published programs can be downloaded;\n"
            "  - install Go (https://go.dev/dl), so that they can be built from modules;\n"
            "  - use a cluster that you have, by naming its kube context."
        )
