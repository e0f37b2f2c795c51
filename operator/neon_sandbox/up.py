"""`neon-sandbox up`: everything in the foreground, to play with, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import shlex
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from rich.console import Console

from neon_sandbox import installation, manifests
from neon_sandbox.child import Child
from neon_sandbox.controlplane import Report, prepare
from neon_sandbox.controlplane.interruption import like_ctrl_c
from neon_sandbox.emulator import Emulator, PostgresServer
from neon_sandbox.stack import SHORT_TIMES, Stack

_LOOK = 1.0  # seconds between two looks at whether all parts still run


async def run(*, version: str | None, context: str | None, console: Console) -> None:
    """Runs until it is cancelled (Ctrl-C, SIGTERM).

    With `context` in that cluster of the user's kubeconfig, otherwise in one of its own.

    Raises ChildFailedError if a part ends by itself.
    """
    with like_ctrl_c():
        if context is None:
            await _in_our_own_cluster(version, console)
        else:
            await _in_the_users_cluster(context, console)


async def _in_our_own_cluster(version: str | None, console: Console) -> None:
    binaries = await prepare(version, report=Report())
    async with Stack.start(binaries) as stack:
        operator = await stack.start_operator()
        _announce(console, stack.neon, operator, f"Kubernetes {binaries.version}")
        print(f"export KUBECONFIG={shlex.quote(str(stack.plane.kubeconfig))}", flush=True)
        print(f"alias kubectl={shlex.quote(str(stack.plane.kubectl))}", flush=True)
        while True:
            stack.check()
            await asyncio.sleep(_LOOK)


async def _in_the_users_cluster(context: str, console: Console) -> None:
    async with _neon() as (neon, folder), AsyncExitStack() as running:
        await _kubectl(context, "apply", "-f", "-", stdin=manifests.crds())
        await _kubectl(context, "apply", "-f", "-", stdin=manifests.permissions())
        await _kubectl(context, "apply", "-f", str(manifests.example(manifests.TIERS)))
        settings = {
            "cluster_id": "sandbox",
            "api_key_file": str(folder / "api-key"),
            "api_url": neon.url,
            "kube_context": context,
            **SHORT_TIMES,
        }
        kubeconfig = Path(os.environ.get("KUBECONFIG", str(Path.home() / ".kube" / "config")))
        operator = await running.enter_async_context(
            installation.operator(folder, login=installation.by_kubeconfig(kubeconfig), settings=settings)
        )
        _announce(console, neon, operator, f"the cluster of context {context}")
        console.print("The CRDs, the tiers and the operator's namespace stay in that cluster when this ends.")
        while True:
            operator.check()
            await asyncio.sleep(_LOOK)


@asynccontextmanager
async def _neon() -> AsyncIterator[tuple[Emulator, Path]]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="neon-sandbox-")))
        postgres = await stack.enter_async_context(PostgresServer.start())
        postgres.disposable = True
        neon = await stack.enter_async_context(Emulator.start(postgres=postgres))
        (folder / "api-key").write_text(neon.api_key)
        yield neon, folder


async def _kubectl(context: str, *arguments: str, stdin: str | None = None) -> None:
    """The user's own kubectl in the user's own cluster. Raises KubectlError."""
    try:
        process = await asyncio.create_subprocess_exec(
            "kubectl",
            "--context",
            context,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except FileNotFoundError:
        raise installation.KubectlError("kubectl is not on the PATH. Install it to use --context.") from None
    _, errors = await process.communicate(stdin.encode() if stdin else None)
    if process.returncode != 0:
        raise installation.KubectlError(f"kubectl {' '.join(arguments)} failed:\n{errors.decode().strip()}")


def _announce(console: Console, neon: Emulator, operator: Child, where: str) -> None:
    for line in (
        f"Running: {where}, Neon at {neon.url}, and the operator (log: {operator.log}).",
        "Paste the next lines into another shell, then try:",
        f"  kubectl apply -f {manifests.example('tenant.yaml')}",
        "  kubectl get tenantdatabases --watch",
        "Ctrl-C ends everything and leaves nothing behind.",
    ):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
