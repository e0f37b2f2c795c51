"""Where programs come from: the user's folder, the cache, and sources that fill the cache once."""

import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest
from rich.console import Console

from neon_sandbox.controlplane import (
    ETCD_VERSION,
    KUBERNETES_VERSION,
    MissingProgramsError,
    Report,
    VersionError,
    prepare,
)
from neon_sandbox.controlplane.cache import cache_root
from neon_sandbox.controlplane.release import PROGRAMS, Release
from neon_sandbox.controlplane.source import SourceError

ALL = set(PROGRAMS)

# A program that prepares with a slow source: it says when it builds, and waits for leave to finish.
SLOW = """
import asyncio, sys
from pathlib import Path
from typing import IO
from neon_sandbox.controlplane import prepare

signs = Path(sys.argv[1])

class Slow:
    title = "slow build"
    async def supply(self, release, names, into, report):
        (into / "half").write_text("not whole")
        print("building", flush=True)
        while not (signs / "go").exists():
            await asyncio.sleep(0.02)
        for name in names:
            (into / name).write_text(name)

asyncio.run(prepare(env={"NEON_SANDBOX_CACHE": sys.argv[2]}, sources=[Slow()]))
print("prepared", flush=True)
"""


@dataclass
class Shelf:
    """A source that has what it is given, and remembers what it was asked for."""

    has: Collection[str] = PROGRAMS
    fails: str = ""
    title: str = "shelf"
    asked: list[tuple[str, list[str]]] = field(default_factory=list)

    async def supply(self, release: Release, names: Collection[str], into: Path, _report: Report) -> None:
        self.asked.append((release.version, list(names)))
        for name in names:
            if name in self.has:
                script(into / name, f"{name} {len(self.asked)}")
        if self.fails:
            raise SourceError(self.fails)


def output(program: Path) -> str:
    return subprocess.check_output([program], stderr=subprocess.STDOUT, text=True)


def script(path: Path, says: str) -> None:
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"NEON_SANDBOX_CACHE": str(tmp_path / "cache")}


@pytest.fixture
def said() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def report(said: io.StringIO) -> Report:
    return Report(Console(file=said))


async def test_what_a_source_gave_once_is_found_in_the_cache_without_a_word(
    env: dict[str, str], report: Report, said: io.StringIO
) -> None:
    shelf = Shelf()
    first = await prepare(env=env, sources=[shelf], report=report)
    second = await prepare(env=env, sources=[shelf], report=report)

    assert shelf.asked == [(KUBERNETES_VERSION, list(PROGRAMS))]
    assert first == second
    assert first.version == KUBERNETES_VERSION
    assert output(first.etcd) == "etcd 1\n"
    assert said.getvalue() == ""


async def test_each_program_is_looked_for_by_itself(
    env: dict[str, str], report: Report, said: io.StringIO
) -> None:
    few = Shelf(has={"kubectl"}, fails="the shelf is nearly empty.", title="first shelf")
    rest = Shelf()
    await prepare(env=env, sources=[few, rest], report=report)

    assert rest.asked == [(KUBERNETES_VERSION, ["etcd", "kube-apiserver", "kube-controller-manager"])]
    assert said.getvalue() == "first shelf: the shelf is nearly empty. Trying what is next.\n"


async def test_programs_made_from_another_etcd_are_made_anew(env: dict[str, str], report: Report) -> None:
    shelf = Shelf()
    binaries = await prepare(env=env, sources=[shelf], report=report)
    stamp = binaries.etcd.with_name("made-from.json")
    made_from = json.loads(stamp.read_bytes())
    assert ETCD_VERSION in made_from["etcd"]
    made_from["etcd"] = made_from["etcd"].replace(ETCD_VERSION, "3.0.0")
    stamp.write_text(json.dumps(made_from))

    await prepare(env=env, sources=[shelf], report=report)

    assert shelf.asked[1:] == [(KUBERNETES_VERSION, ["etcd"])]
    assert output(binaries.etcd) == "etcd 2\n"


@pytest.mark.parametrize("stamp", ["", "not JSON", "[]"])
async def test_a_cache_without_a_readable_stamp_counts_as_empty(
    env: dict[str, str], report: Report, stamp: str
) -> None:
    shelf = Shelf()
    binaries = await prepare(env=env, sources=[shelf], report=report)
    binaries.etcd.with_name("made-from.json").write_text(stamp)

    await prepare(env=env, sources=[shelf], report=report)

    assert shelf.asked[1:] == [(KUBERNETES_VERSION, list(PROGRAMS))]


async def test_a_folder_of_the_user_comes_first_and_sets_the_version_of_what_it_lacks(
    env: dict[str, str], report: Report, tmp_path: Path
) -> None:
    assets = tmp_path / "assets"
    assets.mkdir()
    for name in ("etcd", "kubectl"):
        script(assets / name, name)
    script(assets / "kube-apiserver", "Kubernetes v1.30.2")
    shelf = Shelf()

    binaries = await prepare(env=env | {"KUBEBUILDER_ASSETS": str(assets)}, sources=[shelf], report=report)

    assert shelf.asked == [("1.30.2", ["kube-controller-manager"])]
    assert binaries.version == "1.30.2"
    assert binaries.etcd == assets / "etcd"
    assert binaries.kube_controller_manager.is_relative_to(env["NEON_SANDBOX_CACHE"])


async def test_a_folder_of_the_user_with_another_version_than_was_asked_for_is_passed_by(
    env: dict[str, str], report: Report, said: io.StringIO, tmp_path: Path
) -> None:
    assets = tmp_path / "assets"
    assets.mkdir()
    for name in PROGRAMS:
        script(assets / name, "Kubernetes v1.30.2")
    with_assets = env | {"KUBEBUILDER_ASSETS": str(assets), "K8S_VERSION": "v1.34.4"}

    with pytest.raises(MissingProgramsError, match=r"has Kubernetes 1\.30\.2, not 1\.34\.4"):
        await prepare(env=with_assets, sources=[], report=report)
    assert said.getvalue().endswith("has Kubernetes 1.30.2, not 1.34.4; it is not used.\n")
    binaries = await prepare("1.30.2", env=with_assets, sources=[], report=report)
    assert binaries.etcd == assets / "etcd"


async def test_a_version_can_be_named_by_argument_or_environment(env: dict[str, str], report: Report) -> None:
    shelf = Shelf()
    await prepare("v1.33.1", env=env | {"K8S_VERSION": "1.34.4"}, sources=[shelf], report=report)
    await prepare(env=env | {"K8S_VERSION": "1.34.4"}, sources=[shelf], report=report)
    await prepare(env=env | {"K8S_VERSION": ""}, sources=[shelf], report=report)

    assert [version for version, _ in shelf.asked] == ["1.33.1", "1.34.4", KUBERNETES_VERSION]


@pytest.mark.parametrize("version", ["1.34", "latest", "1.34.4/../..", "2.0.0", "1.34.4-rc.1"])
async def test_a_version_that_is_none_is_refused(env: dict[str, str], version: str) -> None:
    with pytest.raises(VersionError, match="is not a Kubernetes version"):
        await prepare(version, env=env, sources=[])


async def test_at_the_end_of_the_ladder_the_error_says_what_was_tried_and_what_to_do(
    env: dict[str, str], report: Report
) -> None:
    shelf = Shelf(has={"etcd"}, fails="the rest is sold out.\nwith details")

    with pytest.raises(MissingProgramsError) as caught:
        await prepare(env=env, sources=[shelf], report=report)

    text = str(caught.value)
    assert "kube-apiserver, kube-controller-manager, kubectl cannot be had" in text
    assert "KUBEBUILDER_ASSETS: not set" in text
    assert f"cache: {env['NEON_SANDBOX_CACHE']}" in text
    assert "shelf: the rest is sold out.\nwith details" in text
    for choice in ("set KUBEBUILDER_ASSETS", "connect to the internet", "install Go", "kube context"):
        assert choice in text


async def test_a_cache_that_cannot_be_written_is_an_error_that_names_the_way_out(
    report: Report,
) -> None:
    in_a_file = {"NEON_SANDBOX_CACHE": f"{__file__}/cache"}

    with pytest.raises(MissingProgramsError, match="NEON_SANDBOX_CACHE names another folder"):
        await prepare(env=in_a_file, sources=[Shelf()], report=report)


@pytest.mark.parametrize(
    ("env", "root"),
    [
        ({"NEON_SANDBOX_CACHE": "/own", "XDG_CACHE_HOME": "/xdg"}, Path("/own")),
        ({"XDG_CACHE_HOME": "/xdg"}, Path("/xdg/neon-tenant-operator")),
        ({"XDG_CACHE_HOME": "relative"}, Path.home() / ".cache/neon-tenant-operator"),
        ({}, Path.home() / ".cache/neon-tenant-operator"),
    ],
)
def test_the_cache_is_where_the_environment_says(
    env: Mapping[str, str], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache_root(env) == root
    if "XDG_CACHE_HOME" not in env:
        monkeypatch.setattr(sys, "platform", "darwin")
        assert cache_root(env) == Path.home() / "Library/Caches/neon-tenant-operator"


Prepare = Callable[[], "subprocess.Popen[str]"]


@pytest.fixture
def slow(tmp_path: Path, env: dict[str, str]) -> Prepare:
    """Starts a process that prepares slowly."""
    return lambda: subprocess.Popen(
        [sys.executable, "-c", SLOW, str(tmp_path), env["NEON_SANDBOX_CACHE"]],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def line(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline()


def test_two_processes_at_once_prepare_once_and_the_second_says_that_it_waits(
    slow: Prepare, tmp_path: Path
) -> None:
    with slow() as first, slow_after(first, slow) as second:
        assert "Another process is preparing" in line(second.stderr)
        (tmp_path / "go").touch()
        first_out, _ = first.communicate(timeout=30)
        second_out, _ = second.communicate(timeout=30)

    assert first_out == "prepared\n"
    assert second_out == "prepared\n"  # and not "building"
    assert (first.returncode, second.returncode) == (0, 0)


def slow_after(first: "subprocess.Popen[str]", slow: Prepare) -> "subprocess.Popen[str]":
    assert line(first.stdout) == "building\n"
    return slow()


async def test_a_build_that_was_killed_leaves_nothing_that_is_taken_for_whole(
    slow: Prepare, env: dict[str, str], report: Report
) -> None:
    with slow() as killed:
        assert line(killed.stdout) == "building\n"
        assert halves(env) == ["not whole"]
        killed.kill()
        killed.communicate()

    shelf = Shelf()
    await prepare(env=env, sources=[shelf], report=report)

    assert shelf.asked == [(KUBERNETES_VERSION, list(PROGRAMS))]
    assert halves(env) == []


def halves(env: Mapping[str, str]) -> list[str]:
    """What unfinished builds have made."""
    return [path.read_text() for path in Path(env["NEON_SANDBOX_CACHE"]).glob("*.part-*/half")]


def test_a_report_for_no_terminal_is_plain_lines() -> None:
    said = io.StringIO()
    times = iter([0.0, 0.0, 10.0, 31.0, 95.0])
    report = Report(Console(file=said), clock=lambda: next(times))

    with report.step("Downloading [all]", size=9_000_000) as advance:
        advance(4_000_000)
        advance(4_500_000)

    assert said.getvalue().splitlines() == [
        "Downloading [all] ...",
        "Downloading [all] ... 31 s, 8 of 9 MB",
        "Downloading [all]: done in 1 min 35 s",
    ]


def test_a_report_on_a_terminal_ends_with_one_line() -> None:
    said = io.StringIO()
    report = Report(Console(file=said, force_terminal=True, width=100), clock=time.monotonic)

    with report.step("Building [x]", size=2) as advance:
        advance(2)

    assert "Building [x]: done in" in said.getvalue().splitlines()[-1]
