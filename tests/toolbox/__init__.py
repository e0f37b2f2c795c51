"""Programs of others that the tests of charts and manifests run: real Helm, and checkers.

Each stands in a folder here as a Go module that pins it with hashes, and is built once, into the user's
cache. Helm itself is taken from the PATH where it is there.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from neon_sandbox.controlplane import build, cache, module
from neon_sandbox.controlplane import release as releases
from neon_sandbox.controlplane.report import Report

_HERE: Final = Path(__file__).parent


@dataclass(frozen=True)
class Program:
    """A program, the Go package it is built from, and how long that takes on 2 cores with nothing cached."""

    name: str
    package: str
    usually: str
    from_path: bool = False

    @property
    def folder(self) -> Path:
        """Its Go module."""
        return _HERE / self.name

    @property
    def cached(self) -> Path:
        """Where it is kept; another pin is another file."""
        parts = sorted(path for path in self.folder.iterdir() if path.suffix in {".mod", ".sum", ".go"})
        digest = hashlib.sha256(b"".join(path.read_bytes() for path in parts)).hexdigest()
        return cache.cache_root() / "toolbox" / f"{self.name}-{digest[:12]}"


HELM: Final = Program("helm", "helm.sh/helm/v4/cmd/helm", "4 minutes", from_path=True)
KUBE_SCORE: Final = Program("kube-score", "github.com/zegl/kube-score/cmd/kube-score", "1 minute")
KUBECONFORM: Final = Program("kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform", "10 seconds")
KSTATUS: Final = Program("kstatus", ".", "15 seconds")

PROGRAMS: Final = (HELM, KUBE_SCORE, KUBECONFORM, KSTATUS)


class NotPreparedError(Exception):
    """A program is not there yet; the message says what to do."""


def path(program: Program, env: Mapping[str, str] = os.environ) -> Path:
    """Where `program` is. Raises NotPreparedError."""
    if program.from_path and (found := shutil.which(program.name, path=env.get("PATH", os.defpath))):
        return Path(found)
    if program.cached.is_file():
        return program.cached
    raise NotPreparedError(f"{program.name} is not there. Run `make tools`; it needs Go (https://go.dev/dl).")


async def prepare(programs: Sequence[Program] = PROGRAMS) -> None:
    """Builds what is not there; quick and silent when all is. Raises SourceError."""
    report = Report()
    for program in programs:
        with contextlib.suppress(NotPreparedError):
            path(program)
            continue
        await _build(program, report)


async def _build(program: Program, report: Report) -> None:
    go = module.Go.find(releases.for_this_machine(releases.KUBERNETES_VERSION), os.environ)
    title = f"Building {program.name}, once, for the tests of charts and manifests"
    package = build.Package(program.package, program.folder, program.usually)
    await build.once(package, program.cached, title, go=go, report=report)
