"""However a process ends that runs a control plane, no part of it stays."""

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from neon_sandbox.controlplane import KubeconfigError, run_forever
from neon_sandbox.controlplane.temporary import private_folder
from waiting import processes_in, until, until_nobody_works_in

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

LIBRARY = """
import asyncio, signal, sys
from neon_sandbox.controlplane import ControlPlane, prepare

async def main():
    async with ControlPlane.start(await prepare()):
        print("ready", flush=True)
        await asyncio.Event().wait()

# Whoever started the tests may have had them ignored, as nohup does with SIGHUP.
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
if sys.argv[1:] == ["background"]:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
asyncio.run(main())
"""
COMMAND = """
import asyncio, sys
from pathlib import Path
from neon_sandbox.controlplane import run_forever

asyncio.run(run_forever(Path(sys.argv[1])))
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    return folder


@pytest.fixture
def start(temporary: Path) -> Iterator[Start]:
    """Starts a program whose temporary folder is `temporary`, and waits for its first line."""
    started: list[subprocess.Popen[str]] = []

    def start(program: str, *args: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", program, *args],
            env={**os.environ, "TMPDIR": str(temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize(
    ("sign", "mode"),
    [(signal.SIGTERM, "foreground"), (signal.SIGTERM, "background"), (signal.SIGHUP, "foreground")],
)
def test_a_program_that_handles_no_signals_cleans_up_when_it_is_told_to_end(
    start: Start, temporary: Path, sign: signal.Signals, mode: str
) -> None:
    process = start(LIBRARY, mode)
    assert first_line(process) == "ready"
    assert len(processes_in(temporary)) == 3

    process.send_signal(sign)
    _, err = process.communicate(timeout=30)

    assert process.returncode != 0
    assert err.splitlines()[-1] == "KeyboardInterrupt"
    assert processes_in(temporary) == []
    assert list(temporary.iterdir()) == []


def test_sigkill_leaves_no_process_and_the_next_control_plane_removes_the_folder(
    start: Start, temporary: Path
) -> None:
    process = start(LIBRARY)
    assert first_line(process) == "ready"
    assert len(processes_in(temporary)) == 3
    (left,) = temporary.iterdir()

    process.kill()
    process.wait()

    asyncio.run(until_nobody_works_in(temporary))
    with private_folder(temporary) as ours:
        assert list(temporary.iterdir()) == [ours]
        assert ours != left


def test_a_folder_in_use_is_not_swept(tmp_path: Path) -> None:
    with private_folder(tmp_path) as first:
        with private_folder(tmp_path) as second:
            assert {first, second} == set(tmp_path.iterdir())
        assert list(tmp_path.iterdir()) == [first]


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_the_command_writes_a_private_kubeconfig_and_takes_it_away(
    start: Start, temporary: Path, tmp_path: Path, sign: signal.Signals
) -> None:
    kubeconfig = tmp_path / "my kubeconfig"
    process = start(COMMAND, str(kubeconfig))

    assert first_line(process) == f"export KUBECONFIG='{kubeconfig}'"
    assert stat.S_IMODE(kubeconfig.stat().st_mode) == 0o600
    kubectl = Path(f"/proc/{processes_in(temporary)[0]}/exe").readlink().with_name("kubectl")
    answer = subprocess.run(
        [kubectl, f"--kubeconfig={kubeconfig}", f"--cache-dir={temporary}/cache", "get", "ns", "-o", "json"],
        check=True,
        capture_output=True,
    )
    assert "default" in [each["metadata"]["name"] for each in json.loads(answer.stdout)["items"]]
    subprocess.run(["rm", "-r", f"{temporary}/cache"], check=True)

    process.send_signal(sign)
    _, err = process.communicate(timeout=30)

    assert process.returncode == 0, err
    assert "Ctrl-C ends it" in err
    assert not kubeconfig.exists()
    assert processes_in(temporary) == []
    assert list(temporary.iterdir()) == []


def test_the_command_replaces_the_kubeconfig_of_a_killed_run(start: Start, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    killed = start(COMMAND, str(kubeconfig))
    first_line(killed)
    killed.kill()
    killed.wait()
    left = kubeconfig.read_text()

    first_line(start(COMMAND, str(kubeconfig)))

    assert kubeconfig.read_text() != left


async def test_the_command_can_be_cancelled(
    temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    kubeconfig = tmp_path / "kubeconfig"
    task = asyncio.create_task(run_forever(kubeconfig))

    async def written() -> bool:
        return kubeconfig.exists()

    await until(written, "the kubeconfig is written")

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert not kubeconfig.exists()
    assert processes_in(temporary) == []


async def test_the_command_refuses_a_kubeconfig_that_somebody_else_wrote(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text("apiVersion: v1\n")

    with pytest.raises(KubeconfigError, match="Name another file"):
        await run_forever(kubeconfig)
    with pytest.raises(KubeconfigError, match="There is no folder"):
        await run_forever(tmp_path / "nowhere" / "config")

    assert kubeconfig.read_text() == "apiVersion: v1\n"


def test_the_command_ends_with_an_error_when_a_part_ends(
    start: Start, tmp_path: Path, temporary: Path
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    process = start(COMMAND, str(kubeconfig))
    first_line(process)

    os.kill(processes_in(temporary)[0], signal.SIGKILL)
    _, err = process.communicate(timeout=30)

    assert process.returncode == 1
    assert "ended with status -9" in err
    assert not kubeconfig.exists()
    assert list(temporary.iterdir()) == []
