"""The Go module that pins a control plane: k8s.io/kubernetes, the etcd it requires, its programs as tools.

Kubernetes replaces its staging modules by folders of its own repository, and `go` ignores another
module's replacements. So each is replaced here by what is published as v0.Y.Z for Kubernetes v1.Y.Z.

For the pinned release go.mod and go.sum are shipped, so that the hashes are ours. They carry the
ending .txt because scanners of images and repositories would take a go.mod for dependencies of the
program that runs in production, and report the advisories of all of Kubernetes. After a change of the
pinned release, `python -m neon_sandbox.controlplane.module` writes them anew.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pydantic

from neon_sandbox.controlplane import release as releases
from neon_sandbox.controlplane.release import Release
from neon_sandbox.controlplane.report import Report
from neon_sandbox.controlplane.source import SourceError

_SHIPPED = Path(__file__).with_name("pinned")
_ETCD_SERVER = "go.etcd.io/etcd/server/v3"
_KUBERNETES = "k8s.io/kubernetes"

PACKAGES = {
    releases.ETCD: _ETCD_SERVER,
    releases.KUBE_APISERVER: f"{_KUBERNETES}/cmd/kube-apiserver",
    releases.KUBE_CONTROLLER_MANAGER: f"{_KUBERNETES}/cmd/kube-controller-manager",
    releases.KUBECTL: f"{_KUBERNETES}/cmd/kubectl",
}
"""The Go package of each program."""


@dataclass(frozen=True)
class Go:
    """A Go toolchain and the environment it runs in."""

    path: Path
    env: Mapping[str, str]

    @classmethod
    def find(cls, release: Release, env: Mapping[str, str]) -> Go:
        """The `go` on the PATH of `env`; raises SourceError if there is none."""
        path = shutil.which("go", path=env.get("PATH", ""))
        if path is None:
            raise SourceError("there is no `go` on the PATH.")
        settings = {
            # What the user has set for projects of their own must not leak in.
            "GOFLAGS": "-mod=readonly -buildvcs=false",
            "GOWORK": "off",
            "GOOS": release.system,
            "GOARCH": release.machine,
            "CGO_ENABLED": "0",
        }
        return cls(Path(path), {**env, **settings})

    async def output(self, *args: str, cwd: Path) -> str:
        """Standard output of a short `go` command; raises SourceError with the end of its complaints."""
        process = await asyncio.create_subprocess_exec(
            self.path,
            *args,
            cwd=cwd,
            env=dict(self.env),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            # With -json, `go` complains on standard output.
            end = "\n".join((err + out).decode(errors="replace").splitlines()[-10:])
            raise SourceError(f"`go {' '.join(args[:2])}` failed:\n{end}")
        return out.decode()


class _Requirement(pydantic.BaseModel):
    path: str = pydantic.Field(alias="Path")
    version: str = pydantic.Field(alias="Version", default="")


class _Replacement(pydantic.BaseModel):
    old: _Requirement = pydantic.Field(alias="Old")
    new: _Requirement = pydantic.Field(alias="New")


class _Setting(pydantic.BaseModel):
    key: str = pydantic.Field(alias="Key")
    value: str = pydantic.Field(alias="Value")


class GoMod(pydantic.BaseModel):
    """What `go mod edit -json` says of a go.mod, as far as it matters here."""

    go: str = pydantic.Field(alias="Go")
    settings: list[_Setting] | None = pydantic.Field(alias="GoDebug", default=None)
    require: list[_Requirement] = pydantic.Field(alias="Require")
    replace: list[_Replacement] | None = pydantic.Field(alias="Replace", default=None)


def render(version: str, kubernetes: GoMod) -> str:
    """Our go.mod for Kubernetes `version`, from its own; `go mod tidy` completes it.

    Raises SourceError when that go.mod requires no etcd.
    """
    required = {requirement.path: requirement.version for requirement in kubernetes.require}
    # Kubernetes requires etcd's client first of all; server and client are released together.
    etcd = required.get(_ETCD_SERVER) or required.get("go.etcd.io/etcd/client/v3")
    if etcd is None:
        raise SourceError(f"go.mod of Kubernetes {version} names no etcd.")
    staged = [each.old.path for each in kubernetes.replace or () if each.new.path.startswith("./staging/")]
    staging_version = f"v0.{version.partition('.')[2]}"
    blocks = [
        "module neontenants.io/sandbox/controlplane\n",
        f"go {kubernetes.go}\n",
        *(f"godebug {setting.key}={setting.value}\n" for setting in kubernetes.settings or ()),
        _block("tool", PACKAGES.values()),
        _block("require", (f"{_ETCD_SERVER} {etcd}", f"{_KUBERNETES} v{version}")),
        _block("replace", (f"{path} => {path} {staging_version}" for path in staged if path in required)),
    ]
    return "\n".join(blocks)


def _block(directive: str, lines: Iterable[str]) -> str:
    return "\n".join([f"{directive} (", *(f"\t{line}" for line in lines), ")\n"])


async def write(release: Release, folder: Path, go: Go, report: Report) -> None:
    """Makes `folder` the module of `release`: the shipped one, or one made from Kubernetes' own go.mod."""
    if release.pinned:
        unpack(_SHIPPED, folder)
        return
    with report.step(f"Reading which modules {release} is made of"):
        await generate(release.version, folder, go)


def unpack(shipped: Path, folder: Path) -> None:
    """Copies the files of a module into `folder`; what ends in .txt loses that (see above)."""
    for path in shipped.iterdir():
        shutil.copyfile(path, folder / path.name.removesuffix(".txt"))


async def generate(version: str, folder: Path, go: Go) -> None:
    """Writes go.mod and go.sum for Kubernetes `version` to `folder`; raises SourceError if `go` cannot."""
    try:
        answer = await go.output("mod", "download", "-json", f"{_KUBERNETES}@v{version}", cwd=folder)
        original = json.loads(answer)["GoMod"]
        published = GoMod.model_validate_json(await go.output("mod", "edit", "-json", original, cwd=folder))
    except (ValueError, KeyError) as error:
        raise SourceError(f"`go` tells of Kubernetes {version} what was not expected ({error}).") from error
    (folder / "go.mod").write_text(render(version, published))
    await go.output("mod", "tidy", cwd=folder)


async def _renew() -> None:
    release = releases.for_this_machine(releases.KUBERNETES_VERSION)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        await generate(release.version, folder, Go.find(release, os.environ))
        for name in ("go.mod", "go.sum"):
            shutil.copyfile(folder / name, _SHIPPED / f"{name}.txt")
            print(f"Wrote {_SHIPPED / name}.txt", file=sys.stderr)


if __name__ == "__main__":
    asyncio.run(_renew())
