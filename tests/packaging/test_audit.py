"""The audit of what is locked: what it says of an advisory, and that silence is never taken for none."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import charts
from answering import Server, answering
from toolbox import audit, environment

pytestmark = pytest.mark.proves("T18")

LOCKS = [charts.ROOT / "requirements" / name for name in ("run.txt", "build.txt", "dev.txt")]
SOUND: dict[str, Any] = {"name": "sound", "version": "1.0", "vulns": []}
HOLE: dict[str, Any] = {"id": "PYSEC-2026-1", "fix_versions": ["1.1"], "aliases": [], "description": "x"}


@pytest.mark.parametrize(
    ("dependencies", "told"),
    [
        ([SOUND], []),
        ([SOUND, {**SOUND, "vulns": [HOLE]}], ["sound 1.0: PYSEC-2026-1 (fixed in 1.1)"]),
        ([{**SOUND, "vulns": [{**HOLE, "fix_versions": []}]}], ["sound 1.0: PYSEC-2026-1 (not fixed yet)"]),
        ([SOUND, {"name": "lost", "skip_reason": "Dependency not found on PyPI"}], None),
        ([], None),
    ],
    ids=["none", "an advisory", "one without a fix", "a package that nobody knows", "nothing was asked"],
)
def test_a_report_is_read(dependencies: list[dict[str, Any]], told: list[str] | None) -> None:
    found = audit.findings({"dependencies": dependencies, "fixes": []})
    assert (found if found is None else [str(each) for each in found]) == told


def program(folder: Path, script: str) -> Path:
    path = folder / "pip-audit"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


async def test_where_no_service_answers_nothing_was_audited(tmp_path: Path) -> None:
    lost = program(tmp_path, "echo Traceback: no route >&2; exit 1")
    status, words = await audit.audit(lost, LOCKS)
    assert status == audit.UNKNOWN
    assert words.startswith("Nothing was audited: ")
    assert "Run `make audit` where one of them can be reached" in words


async def test_the_second_service_is_asked_where_the_first_is_silent(tmp_path: Path) -> None:
    report = json.dumps({"dependencies": [{**SOUND, "vulns": [HOLE]}]})
    second = program(tmp_path, f"case \"$2\" in pypi) echo '{report}';; *) exit 1;; esac")
    assert await audit.audit(second, LOCKS) == (audit.FOUND, "sound 1.0: PYSEC-2026-1 (fixed in 1.1)")


@pytest.fixture
async def osv() -> AsyncIterator[Server]:
    async with answering() as server:
        yield server


@pytest.mark.long
async def test_pip_audit_asks_about_every_package_of_the_locks(osv: Server) -> None:
    """The real one, and an advisory service that answers the same to all."""
    await environment.prepare([environment.PIP_AUDIT])
    pip_audit = environment.PIP_AUDIT.path()
    services = [("osv", "--osv-url", f"{osv.url}/v1/query")]
    osv.says(b"{}")
    assert await audit.audit(pip_audit, LOCKS, services) == (
        audit.CLEAN,
        "osv knows of nothing in 3 lock files.",
    )
    assert len(osv.asked) > 80
    event = {"introduced": "0"}
    affected = {
        "package": {"name": "kopf", "ecosystem": "PyPI"},
        "ranges": [{"type": "ECOSYSTEM", "events": [event]}],
    }
    osv.says(json.dumps({"vulns": [{"id": "PYSEC-2026-1", "summary": "x", "affected": [affected]}]}).encode())
    status, words = await audit.audit(pip_audit, LOCKS[:1], services)
    assert status == audit.FOUND
    assert "PYSEC-2026-1 (not fixed yet)" in words
