"""The command line: `neon-sandbox`, a laptop-sized Neon and Kubernetes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, get_args

import click
from rich.console import Console

from neon_sandbox import demo as demo_show
from neon_sandbox import up as up_command
from neon_sandbox.child import ChildFailedError
from neon_sandbox.controlplane import (
    KubeconfigError,
    MissingProgramsError,
    NotReadyError,
    Report,
    VersionError,
    prepare,
    run_forever,
)
from neon_sandbox.emulator import NoPostgresError, PostgresFailedError, foreground
from neon_sandbox.emulator.plans import PlanName
from neon_sandbox.emulator.postgres import binaries as postgres_binaries
from neon_sandbox.installation import KubectlError

_EXPECTED = (
    ChildFailedError,
    KubeconfigError,
    KubectlError,
    MissingProgramsError,
    NotReadyError,
    NoPostgresError,
    PostgresFailedError,
    VersionError,
    demo_show.DemoFailedError,
    FileNotFoundError,
)

_INTERRUPTED = 130  # 128 + SIGINT, as shells have it

_version = click.option(
    "--k8s-version",
    envvar="K8S_VERSION",
    show_envvar=True,
    help="Kubernetes version, such as 1.34.4. Left out: the one that is tested.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def main() -> None:
    """A laptop-sized Neon and Kubernetes, on real parts: etcd, kube-apiserver, PostgreSQL.

    For the demo, for tests (ours and yours), and for trying out. Nothing listens outside this machine.
    """


def _run(work: Coroutine[Any, Any, Any], *, interrupted: int = 0) -> None:
    """Runs it. Ctrl-C and SIGTERM end it with the status `interrupted`; known failures are one sentence."""
    try:
        asyncio.run(work)
    except KeyboardInterrupt:
        sys.exit(interrupted)
    except _EXPECTED as error:
        raise click.ClickException(str(error)) from None


@main.command("prepare")
@_version
def prepare_command(k8s_version: str | None) -> None:
    """Find, download or build what the sandbox runs. Quick once it is cached."""
    _run(_prepare(k8s_version), interrupted=_INTERRUPTED)


async def _prepare(version: str | None) -> None:
    await prepare(version or None, report=Report())
    postgres_binaries.find()


@main.command()
@click.option(
    "--kubeconfig",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write the kubeconfig (with all rights). It is removed at the end.",
)
@_version
def controlplane(kubeconfig: Path, k8s_version: str | None) -> None:
    """Run a Kubernetes control plane until Ctrl-C.

    etcd, kube-apiserver with TLS and RBAC, and kube-controller-manager; no nodes. Prints the
    `export KUBECONFIG=...` line when it is ready.
    """
    _run(run_forever(kubeconfig, k8s_version or None))


@main.command()
@click.option("--port", default=0, show_default="a free one", type=click.IntRange(0, 65535), help="Port.")
@click.option(
    "--postgres",
    help="A folder with initdb and postgres, or `none`: then nobody can log in, and projects cost almost "
    "nothing. Left out: PostgreSQL 14 or later of this machine, or the one that came with the sandbox.",
)
@click.option(
    "--plan", type=click.Choice(get_args(PlanName)), default="scale", show_default=True, help="Neon plan."
)
@click.option(
    "--api-key-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Read if it exists, otherwise made. Left out: a temporary file, whose name is printed.",
)
@click.option(
    "--journal",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Append what took effect (projects made, renamed, deleted; logins) to this file, as JSON lines.",
)
def emulator(
    port: int, postgres: str | None, plan: PlanName, api_key_file: Path | None, journal: Path | None
) -> None:
    """Run Neon's API over a real PostgreSQL until Ctrl-C."""
    folder = None if postgres in (None, "none") else Path(str(postgres))
    chosen = foreground.Options(
        port=port,
        postgres="none" if postgres == "none" else folder,
        plan=plan,
        api_key_file=api_key_file,
        journal=journal,
    )
    sys.exit(foreground.run(chosen))


@main.command()
@click.option("--context", help="Use this context of your kubeconfig in place of a control plane of our own.")
@_version
def up(context: str | None, k8s_version: str | None) -> None:
    """Run Kubernetes, Neon and the operator until Ctrl-C, to play with."""
    _run(up_command.run(version=k8s_version or None, context=context, console=Console(stderr=True)))


@main.command()
@_version
def demo(k8s_version: str | None) -> None:
    """Show what the operator does, on real parts, in under a minute."""
    _run(demo_show.run(version=k8s_version or None, console=Console()), interrupted=_INTERRUPTED)


if __name__ == "__main__":
    main()
