"""Programs are built from a Go module that pins what goes into them."""

import asyncio
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from neon_sandbox.controlplane import (
    ETCD_VERSION,
    KUBERNETES_VERSION,
    MissingProgramsError,
    Report,
    module,
    prepare,
)
from neon_sandbox.controlplane.build import GoBuild
from neon_sandbox.controlplane.module import GoMod
from neon_sandbox.controlplane.release import PROGRAMS
from waiting import processes_in, until, until_nobody_works_in

needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="needs a Go toolchain")
needs_proc = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

KUBERNETES_MOD = """
module k8s.io/kubernetes

go 1.21

godebug default=go1.21

require (
	go.etcd.io/etcd/client/v3 v3.5.1
	k8s.io/component-base v0.0.0
)

replace k8s.io/component-base => ./staging/src/k8s.io/component-base
replace k8s.io/unused => ./staging/src/k8s.io/unused
"""
SERVER = """
package main

import (
	"fmt"
	"k8s.io/component-base/version"
)

func main() { fmt.Println("Kubernetes " + version.Get()) }
"""
VERSION = """
package version

var gitVersion = "none"

func Get() string { return gitVersion }
"""
MODULES = {
    ("k8s.io/kubernetes", "v1.34.4"): {
        "go.mod": KUBERNETES_MOD,
        "cmd/kube-apiserver/main.go": SERVER,
        "cmd/kube-controller-manager/main.go": SERVER,
        "cmd/kubectl/main.go": SERVER,
    },
    ("k8s.io/component-base", "v0.34.4"): {
        "go.mod": "module k8s.io/component-base\n\ngo 1.21\n",
        "version/version.go": VERSION,
    },
    ("go.etcd.io/etcd/client/v3", "v3.5.1"): {"go.mod": "module go.etcd.io/etcd/client/v3\n\ngo 1.21\n"},
    ("go.etcd.io/etcd/server/v3", "v3.5.1"): {
        "go.mod": "module go.etcd.io/etcd/server/v3\n\ngo 1.21\n",
        "main.go": 'package main\n\nfunc main() { println("etcd") }\n',
    },
}
"""What Kubernetes 1.34.4 would be if it were tiny; published on a module proxy that is a folder."""


@pytest.fixture
def proxy(tmp_path: Path) -> str:
    """A Go module proxy (see `go help goproxy`) with MODULES."""
    root = tmp_path / "proxy"
    for (path, version), files in MODULES.items():
        folder = root / path / "@v"
        folder.mkdir(parents=True)
        (folder / f"{version}.info").write_text(json.dumps({"Version": version}))
        (folder / f"{version}.mod").write_text(files["go.mod"])
        with zipfile.ZipFile(folder / f"{version}.zip", "w") as archive:
            for name, text in files.items():
                archive.writestr(f"{path}@{version}/{name}", text)
    return root.as_uri()


@pytest.fixture
def env(tmp_path: Path, proxy: str) -> Iterator[dict[str, str]]:
    """The environment of a user who has settings of their own that must not matter."""
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "NEON_SANDBOX_CACHE": str(tmp_path / "cache"),
        "GOCACHE": os.environ.get("GOCACHE", "") or go("env", "GOCACHE"),  # the standard library, compiled
        "GOMODCACHE": str(tmp_path / "modules"),
        "GOPROXY": proxy,
        "GOSUMDB": "off",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=vendor",
        "GOWORK": "/nowhere/go.work",
        "GOOS": "plan9",
    }
    yield env
    subprocess.run(["go", "clean", "-modcache"], env=env | {"GOFLAGS": "", "GOWORK": "off"}, check=True)


def go(*args: str) -> str:
    return subprocess.check_output(["go", *args], text=True).strip()


def output(program: Path) -> str:
    return subprocess.check_output([program], stderr=subprocess.STDOUT, text=True)


@pytest.fixture
def said() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def report(said: io.StringIO) -> Report:
    return Report(Console(file=said))


@needs_go
async def test_another_version_is_built_from_a_module_made_of_its_own_go_mod(
    env: dict[str, str], report: Report, said: io.StringIO
) -> None:
    binaries = await prepare("1.34.4", env=env, sources=[GoBuild(env)], report=report)

    assert output(binaries.kube_apiserver) == "Kubernetes v1.34.4\n"
    assert output(binaries.etcd) == "etcd\n"
    assert binaries.etcd.parent.parent == Path(env["NEON_SANDBOX_CACHE"])
    assert not list(binaries.etcd.parent.parent.glob("*.part-*"))
    assert "Building kube-apiserver, 2 of 4 (usually 4 minutes) ..." in said.getvalue()


@needs_go
async def test_a_version_that_was_never_published_is_explained_in_the_words_of_go(
    env: dict[str, str], report: Report
) -> None:
    with pytest.raises(MissingProgramsError, match=r"(?s)`go mod download` failed.*v1\.35\.9"):
        await prepare("1.35.9", env=env, sources=[GoBuild(env)], report=report)


def test_the_module_takes_its_versions_from_the_go_mod_of_kubernetes() -> None:
    kubernetes = GoMod.model_validate(
        {
            "Go": "1.24.0",
            "GoDebug": [{"Key": "default", "Value": "go1.24"}],
            "Require": [
                {"Path": "go.etcd.io/etcd/client/v3", "Version": "v3.6.4"},
                {"Path": "k8s.io/api", "Version": "v0.0.0"},
                {"Path": "k8s.io/utils", "Version": "v0.1.0"},
            ],
            "Replace": [
                {"Old": {"Path": "k8s.io/api"}, "New": {"Path": "./staging/src/k8s.io/api"}},
                {"Old": {"Path": "k8s.io/sample"}, "New": {"Path": "./staging/src/k8s.io/sample"}},
                {"Old": {"Path": "k8s.io/utils"}, "New": {"Path": "example.com/fork", "Version": "v0.1.1"}},
            ],
        }
    )

    assert module.render("1.34.4", kubernetes).splitlines() == [
        "module neontenants.io/sandbox/controlplane",
        "",
        "go 1.24.0",
        "",
        "godebug default=go1.24",
        "",
        "tool (",
        "\tgo.etcd.io/etcd/server/v3",
        "\tk8s.io/kubernetes/cmd/kube-apiserver",
        "\tk8s.io/kubernetes/cmd/kube-controller-manager",
        "\tk8s.io/kubernetes/cmd/kubectl",
        ")",
        "",
        "require (",
        "\tgo.etcd.io/etcd/server/v3 v3.6.4",
        "\tk8s.io/kubernetes v1.34.4",
        ")",
        "",
        "replace (",
        "\tk8s.io/api => k8s.io/api v0.34.4",
        ")",
    ]


def test_the_shipped_module_is_of_the_pinned_release() -> None:
    text = (Path(module.__file__).parent / "pinned" / "go.mod.txt").read_text()

    assert f"\tk8s.io/kubernetes v{KUBERNETES_VERSION} // indirect\n" in text
    assert f"\tgo.etcd.io/etcd/server/v3 v{ETCD_VERSION} // indirect\n" in text
    assert all(f"\t{package}\n" in text for package in module.PACKAGES.values())
    replaced = re.findall(r"^\t(\S+) => (\S+) (\S+)$", text, re.MULTILINE)
    assert {new for _, new, _ in replaced} == {old for old, _, _ in replaced}
    assert {version for _, _, version in replaced} == {f"v0{KUBERNETES_VERSION[1:]}"}
    staged = re.findall(r"^\t(k8s\.io/\S+) v0\.0\.0(?: |$)", text, re.MULTILINE)
    assert staged
    assert {old for old, _, _ in replaced}.issuperset(staged)


def test_the_shipped_hashes_are_hashes_and_nothing_else() -> None:
    text = (Path(module.__file__).parent / "pinned" / "go.sum.txt").read_text()

    assert all(re.fullmatch(r"\S+ v\S+ h1:[A-Za-z0-9+/]{43}=", line) for line in text.splitlines())
    assert f"k8s.io/kubernetes v{KUBERNETES_VERSION} h1:" in text
    assert f"go.etcd.io/etcd/server/v3 v{ETCD_VERSION} h1:" in text


async def test_without_a_toolchain_the_error_names_the_choices(tmp_path: Path, report: Report) -> None:
    env = {"PATH": str(tmp_path), "NEON_SANDBOX_CACHE": str(tmp_path / "cache")}

    with pytest.raises(MissingProgramsError) as caught:
        await prepare(env=env, sources=[GoBuild(env)], report=report)

    text = str(caught.value)
    assert "build with Go: there is no `go` on the PATH." in text
    for choice in ("set KUBEBUILDER_ASSETS", "connect to the internet", "install Go", "kube context"):
        assert choice in text


def toolchain(folder: Path, build: str) -> dict[str, str]:
    """An environment in which `go build` is the shell script `build`."""
    folder.mkdir()
    path = folder / "go"
    path.write_text(f'#!/bin/sh\ncase "$1" in\nenv) echo go1.99;;\nbuild) {build};;\nesac\n')
    path.chmod(0o755)
    return {"PATH": f"{folder}:{os.defpath}", "NEON_SANDBOX_CACHE": str(folder.parent / "cache")}


async def test_a_build_that_fails_shows_the_end_of_its_log_and_keeps_what_was_built_before(
    tmp_path: Path, report: Report
) -> None:
    failing = 'case "$*" in *kubectl) echo out of cheese >&2; exit 1;; *) touch "$6";; esac'
    env = toolchain(tmp_path / "bin", failing)

    with pytest.raises(
        MissingProgramsError, match=r"(?s): kubectl cannot be had.*of kubectl failed:\nout of cheese"
    ):
        await prepare(env=env, sources=[GoBuild(env)], report=report)

    (folder,) = (tmp_path / "cache").glob("*/")
    assert {path.name for path in folder.iterdir()} == {*PROGRAMS, "made-from.json"} - {"kubectl"}


@needs_proc
async def test_a_cancelled_build_ends_with_its_compilers_and_leaves_nothing(
    tmp_path: Path, report: Report
) -> None:
    env = toolchain(tmp_path / "bin", "sleep 1000 & wait")
    cache = tmp_path / "cache"
    task = asyncio.create_task(prepare(env=env, sources=[GoBuild(env)], report=report))

    async def building() -> bool:
        assert not task.done()
        return len(processes_in(cache)) >= 2  # the toolchain and what it started

    await until(building, "the toolchain has started something")

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await until_nobody_works_in(cache)
    assert [path.suffix for path in cache.iterdir()] == [".lock"]
