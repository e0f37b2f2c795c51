"""What `make bench` can measure of a controller that is not the operator, and how that is kept."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from neon_sandbox.bench.__main__ import main
from neon_sandbox.bench.program import SOURCES, NoYardstickError, cached, yardstick

GO = ("--operator", "go")
LEAST = ("--operator", "least")


REFUSED = {
    "a sweep": ((*GO, "burst", "sweep"), "has no sweep"),
    "an hour of rest": ((*GO, "rest"), "has no rest"),
    "waits": ((*GO, "alone", "crowd"), "has no alone, crowd"),
    "replicas": ((*GO, "burst", "--replicas", "2"), "knows no shards"),
    "a profile": ((*GO, "--profile", "there.txt"), "samples stacks of the operator"),
    "a trickle at a slow Neon": ((*GO, "trickle", "--latency", "0.2"), "leave out --latency"),
    "a trickle of long operations": ((*GO, "--operation-seconds", "1"), "leave out --latency"),
    "a change of what only creates": ((*LEAST, "burst", "change-all"), "has no change-all"),
    "a restart of what only creates": ((*LEAST, "restart"), "has no restart"),
}


@pytest.mark.parametrize(("words", "told"), REFUSED.values(), ids=REFUSED)
def test_what_only_the_operator_does_is_not_measured_of_another(
    words: tuple[str, ...], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")  # whatever is not refused ends for want of Go
    answer = CliRunner().invoke(main, list(words))
    assert answer.exit_code == 2
    assert told in " ".join(answer.output.split())


def test_without_go_the_command_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    answer = CliRunner().invoke(main, ["burst", *GO])
    assert answer.exit_code == 1
    assert "there is no `go` on the PATH." in answer.output
    assert "https://go.dev/dl" in answer.output


async def test_a_build_that_fails_shows_why_and_keeps_nothing(tmp_path: Path) -> None:
    go = tmp_path / "go"
    go.write_text('#!/bin/sh\nif [ "$1" = build ]; then echo out of cheese; exit 1; fi\n')
    go.chmod(0o755)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "NEON_SANDBOX_CACHE": str(tmp_path / "cache")}
    with pytest.raises(NoYardstickError, match=r"(?s)out of cheese.*set GOPROXY"):
        await yardstick(env)
    assert [path.suffix for path in (tmp_path / "cache").rglob("*") if path.is_file()] == [".lock"]


def test_a_program_is_kept_for_its_sources_its_modules_and_its_toolchain(tmp_path: Path) -> None:
    sources = tmp_path / "sources"
    shutil.copytree(SOURCES, sources)
    kept = {cached(tmp_path, sources, "go1.26.8\nlinux\namd64\n")}
    assert kept == {cached(tmp_path, SOURCES, "go1.26.8\nlinux\namd64\n")}
    kept.add(cached(tmp_path, sources, "go1.27.0\nlinux\namd64\n"))
    for name in ("main.go", "go.mod.txt", "go.sum.txt"):
        with (sources / name).open("a") as file:
            file.write("\n")
        kept.add(cached(tmp_path, sources, "go1.26.8\nlinux\namd64\n"))
    (sources / "main.go").rename(sources / "other.go")
    kept.add(cached(tmp_path, sources, "go1.26.8\nlinux\namd64\n"))
    assert len(kept) == 6
    assert {path.parent for path in kept} == {tmp_path / "yardstick"}


def test_the_module_is_shipped_under_names_that_no_scanner_takes_for_the_operator_s() -> None:
    names = {path.name for path in SOURCES.iterdir()}
    assert {"go.mod.txt", "go.sum.txt"} <= names
    assert {Path(name).suffix for name in names} == {".go", ".txt"}
