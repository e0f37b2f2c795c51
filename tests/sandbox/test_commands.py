"""The sandbox's commands, as processes: they say what is needed, and leave nothing behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from neon_sandbox.cli import main

SANDBOX = Path(sys.executable).with_name("neon-sandbox")


def descendants(pid: int) -> set[int]:
    """All processes below one, by /proc."""
    children: dict[int, set[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except FileNotFoundError:
            continue  # it ended meanwhile
        children.setdefault(int(fields[1]), set()).add(int(stat.parent.name))
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        below = children.get(waiting.pop(), set()) - found
        found |= below
        waiting.extend(below)
    return found


@contextmanager
def command(*arguments: str, temporary: Path) -> Iterator[subprocess.Popen[str]]:
    env = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(
        [SANDBOX, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], pattern: str) -> str:
    """What it prints up to a line with the pattern."""
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if re.search(pattern, line):
            return seen
    raise AssertionError(f"it ended without {pattern!r}:\n{seen}")


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_up_runs_everything_and_leaves_nothing_behind(tmp_path: Path, sign: signal.Signals) -> None:
    # PostgreSQL runs as another user when we are root, and must reach its folder.
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents:
        if folder.stat().st_uid == os.getuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    with command("up", temporary=tmp_path) as process:
        seen = read_until(process, "^alias kubectl=")
        assert "Ctrl-C ends everything" in seen
        exported = re.search(r"^export KUBECONFIG=(\S+)$", seen, re.MULTILINE)
        kubectl = re.search(r"^alias kubectl=(\S+)$", seen, re.MULTILINE)
        assert exported is not None
        assert kubectl is not None
        env = {"KUBECONFIG": exported[1], "KUBECACHEDIR": str(tmp_path / "cache"), "PATH": os.defpath}
        example = Path(__file__).parents[2] / "examples" / "tenant.yaml"
        subprocess.run([kubectl[1], "apply", "-f", example], env=env, check=True, capture_output=True)
        ready = [kubectl[1], "wait", "--for=condition=Ready", "tdb/acme", "--timeout=60s"]
        subprocess.run(ready, env=env, check=True, capture_output=True)
        below = descendants(process.pid)
        names = {Path(f"/proc/{pid}/comm").read_text().strip() for pid in below}
        assert {"etcd", "kube-apiserver", "postgres"} <= names
        process.send_signal(sign)
        assert process.wait(timeout=60) == 0
    assert not [pid for pid in below if Path(f"/proc/{pid}").exists()]
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_the_emulator_alone_says_where_it_is_and_ends_on_sigterm(tmp_path: Path) -> None:
    with command("emulator", "--postgres", "none", temporary=tmp_path) as process:
        seen = read_until(process, "Ends with Ctrl-C")
        assert re.search(r"http://127\.0\.0\.1:\d+/api/v2", seen)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    assert list(tmp_path.iterdir()) == []


def test_the_emulator_appends_what_took_effect_to_its_journal(tmp_path: Path) -> None:
    journal, key = tmp_path / "journal", tmp_path / "key"
    for name in ("one", "two"):
        options = ("--postgres", "none", "--journal", str(journal), "--api-key-file", str(key))
        with command("emulator", *options, temporary=tmp_path) as process:
            address = re.search(r"http://\S+/api/v2", read_until(process, "Ends with Ctrl-C"))
            assert address is not None
            headers = {"authorization": f"Bearer {key.read_text().strip()}"}
            body = {"project": {"name": name}}
            answer = httpx.post(f"{address[0]}/projects", json=body, headers=headers, trust_env=False)
            assert answer.is_success
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 0
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [(line["event"], line["name"]) for line in lines] == [
        ("project_created", "one"),
        ("project_created", "two"),
    ]
    assert "npg_" not in journal.read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["journal", "key"]


def test_the_control_plane_alone_writes_its_kubeconfig_and_removes_it(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    with command("controlplane", "--kubeconfig", str(file), temporary=tmp_path) as process:
        read_until(process, "^export KUBECONFIG=")
        assert file.stat().st_mode & 0o777 == 0o600
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    assert list(tmp_path.iterdir()) == []


def test_help_is_enough() -> None:
    for name in ([], *([command] for command in main.commands)):
        result = CliRunner().invoke(main, [*name, "--help"])
        assert result.exit_code == 0
        assert result.output.count(".") >= 1


def test_a_context_that_does_not_exist_is_told(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("apiVersion: v1\nkind: Config\n")
    env = {**os.environ, "KUBECONFIG": str(config)}
    result = subprocess.run(
        [SANDBOX, "up", "--context", "nowhere"],
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 1
    assert "nowhere" in result.stderr or "kubectl" in result.stderr
    assert "Traceback" not in result.stderr
