"""The workflows that test and release, as far as they can be judged without running them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from generators.release_notes import NoReleaseError, notes

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
WRITES = {
    ("image", "packages"),
    ("image", "id-token"),
    ("image", "attestations"),
    ("charts", "packages"),
    ("charts", "id-token"),
    ("tell", "contents"),
}
"""Every right to write that a job has."""

CHANGELOG = """# Changelog

## Unreleased

## 0.2.0 - 2026-12-01

### Added
- Something.

## 0.1.0
"""


def jobs(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())["jobs"]
    return found


def test_there_are_the_three_workflows() -> None:
    assert [path.name for path in WORKFLOWS] == ["audit.yml", "ci.yml", "release.yml"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_by_its_commit(path: Path) -> None:
    used = [line.strip().removeprefix("- ") for line in path.read_text().splitlines() if "uses:" in line]
    assert used
    for line in used:
        assert PINNED.search(line), line


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_workflow_has_rights_by_default_nor_runs_for_ever(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] in ({}, {"contents": "read"})
    for name, job in workflow["jobs"].items():
        assert job["timeout-minutes"] <= 60, name


def test_each_right_to_write_is_known() -> None:
    written = {
        (name, scope)
        for path in WORKFLOWS
        for name, job in jobs(path).items()
        for scope, right in job.get("permissions", {}).items()
        if right == "write"
    }
    assert written == WRITES


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_checkout_leaves_its_token_behind(path: Path) -> None:
    for job in jobs(path).values():
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_text_of_others_gets_into_a_shell(path: Path) -> None:
    """An expression in a script is replaced before the shell reads it; through a variable it is data."""
    for job in jobs(path).values():
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")


def test_the_scripts_are_shell() -> None:
    for path in WORKFLOWS:
        for job in jobs(path).values():
            for step in job["steps"]:
                subprocess.run(["bash", "-n"], input=step.get("run", ""), text=True, check=True)


def test_nothing_is_published_before_it_is_checked() -> None:
    needs = {name: job.get("needs", []) for name, job in jobs(ROOT / ".github/workflows/release.yml").items()}
    assert needs == {"check": [], "image": "check", "charts": "image", "tell": ["image", "charts"]}


def test_the_charts_digest_is_where_the_workflow_looks_for_it() -> None:
    values = (ROOT / "helm/neon-tenant-operator/values.yaml").read_text()
    assert len(re.findall(r'^  digest: ""', values, re.MULTILINE)) == 1


def test_the_notes_of_a_release_are_its_section() -> None:
    assert notes("v0.2.0", version="0.2.0", changelog=CHANGELOG) == "### Added\n- Something.\n"


@pytest.mark.parametrize(
    ("tag", "version", "said"),
    [
        ("v0.3.0", "0.2.0", "Tag v0.2.0"),
        ("0.2.0", "0.2.0", "Tag v0.2.0"),
        ("v0.1.0", "0.1.0", "says nothing of 0.1.0"),
        ("v0.4.0", "0.4.0", "says nothing of 0.4.0"),
    ],
)
def test_a_tag_that_is_no_release_is_refused(tag: str, version: str, said: str) -> None:
    with pytest.raises(NoReleaseError, match=said):
        notes(tag, version=version, changelog=CHANGELOG)


def test_the_command_needs_nothing_installed() -> None:
    """The workflow calls it before anything is."""
    code = "import sys; sys.path.insert(0, '.'); import generators.release_notes"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], cwd=ROOT, check=True)
