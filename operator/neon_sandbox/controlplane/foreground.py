"""A control plane for as long as a command runs in the foreground."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path

from neon_sandbox.controlplane.binaries import prepare
from neon_sandbox.controlplane.cluster import ControlPlane
from neon_sandbox.controlplane.credentials import write_private
from neon_sandbox.controlplane.interruption import SIGNALS
from neon_sandbox.controlplane.report import Report

_MARK = "# Written by neon-sandbox controlplane, which removes it when it ends.\n"
_CHECK = 1.0  # seconds between two looks at whether all parts still run


class KubeconfigError(Exception):
    """The kubeconfig cannot be written there, for example because somebody else's file is there."""


async def run_forever(kubeconfig: Path, version: str | None = None, *, report: Report | None = None) -> None:
    """Runs a control plane until Ctrl-C or SIGTERM, both of which are a normal end.

    While it runs, `kubeconfig` (mode 0600) gives all rights in it. Standard output gets one line for
    a shell, `export KUBECONFIG=...`, when it is ready.

    Raises KubeconfigError, and what `prepare` and `ControlPlane.start` raise; ChildFailedError
    also later, if a part of the control plane ends.
    """
    loop = asyncio.get_running_loop()
    serving = asyncio.create_task(_serve(kubeconfig, version, report or Report()))
    # What `nohup` or a shell's `&` has set to be ignored stays so.
    signals = [each for each in (signal.SIGINT, *SIGNALS) if signal.getsignal(each) is not signal.SIG_IGN]
    for sign in signals:
        loop.add_signal_handler(sign, serving.cancel)
    try:
        await asyncio.wait({serving})
    finally:
        for sign in signals:
            loop.remove_signal_handler(sign)
        if not serving.done():  # we are being cancelled
            serving.cancel()
            await asyncio.wait({serving})
    if not serving.cancelled():
        serving.result()


async def _serve(kubeconfig: Path, version: str | None, report: Report) -> None:
    # Before the build: nobody wants to wait minutes for a refusal.
    _check_writable(kubeconfig)
    binaries = await prepare(version, report=report)
    async with ControlPlane.start(binaries) as plane:
        with _written(kubeconfig, _MARK + plane.kubeconfig.read_text()) as path:
            report.say(f"Kubernetes {binaries.version} runs at {plane.url}. Ctrl-C ends it.")
            print(f"export KUBECONFIG={shlex.quote(str(path))}", flush=True)
            while True:
                plane.check()
                await asyncio.sleep(_CHECK)


@contextlib.contextmanager
def _written(kubeconfig: Path, text: str) -> Iterator[Path]:
    """The file, by its absolute path; removed at the end unless somebody else has replaced it."""
    path = kubeconfig.absolute()
    write_private(path, text)
    try:
        yield path
    finally:
        if path.exists() and path.read_text() == text:
            path.unlink()


def _check_writable(kubeconfig: Path) -> None:
    """Refuses any file but one that a killed run of ours has left."""
    if not kubeconfig.absolute().parent.is_dir():
        raise KubeconfigError(f"There is no folder {kubeconfig.absolute().parent}. Make it, or name another.")
    ours = kubeconfig.is_file() and kubeconfig.read_text(errors="replace").startswith(_MARK)
    if kubeconfig.exists() and not ours:
        raise KubeconfigError(f"{kubeconfig} exists. Name another file, or remove it.")
