"""What all tests on real parts share: one control plane and one PostgreSQL for each test process."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from neon_sandbox import installation
from neon_sandbox.controlplane import ControlPlane, prepare
from neon_sandbox.emulator.postgres.server import PostgresServer
from run_report import RunReport
from scene import SWEEPING, Scene, playing


@pytest.fixture(scope="session")
async def plane() -> AsyncIterator[ControlPlane]:
    """A real Kubernetes with the CRDs and the operator's permissions installed."""
    binaries = await prepare(os.environ.get("K8S_VERSION") or None)
    async with ControlPlane.start(binaries) as plane:
        await installation.install(plane)
        yield plane


@pytest.fixture(scope="session")
async def postgres() -> AsyncIterator[PostgresServer]:
    """A real PostgreSQL."""
    async with PostgresServer.start() as server:
        yield server


@pytest.fixture
async def scene(plane: ControlPlane, postgres: PostgresServer, tmp_path: Path) -> AsyncIterator[Scene]:
    """A namespace, a Neon, and the tiers; no operator yet."""
    async with playing(plane, postgres, tmp_path) as scene:
        await scene.create_tiers()
        yield scene


@pytest.fixture
async def unconnected(plane: ControlPlane, tmp_path: Path) -> AsyncIterator[Scene]:
    """The same without PostgreSQL: nobody can log in, and Neon's operations take what its knob says."""
    async with playing(plane, None, tmp_path) as scene:
        await scene.create_tiers()
        yield scene


@pytest.fixture
async def running(scene: Scene) -> Scene:
    """The same, with an operator."""
    await scene.start_operator()
    return scene


@pytest.fixture
async def sweeping(unconnected: Scene) -> Scene:
    """An operator that sweeps every second, and a tenant at rest."""
    await unconnected.start_operator(**SWEEPING)
    await unconnected.create()
    await unconnected.cluster.until_ready()
    return unconnected


def pytest_addoption(parser: pytest.Parser) -> None:
    """A case of the fault sweep, or a seed, that a failure has named."""
    parser.addoption("--replay", default="", help="the case that test_replay plays again")
    parser.addoption(
        "--soak-minutes",
        type=float,
        default=6.0,
        help="how long the soak lasts: 6 are an hour of churn at a time scale of 1:10; 60 are a real hour's",
    )


def pytest_configure(config: pytest.Config) -> None:
    """What the tests' verdicts come to together is printed at the end.

    And what they start hears Ctrl-C: a script that starts them in the background has them ignore it, which
    their processes would inherit.
    """
    config.pluginmanager.register(RunReport(), "run_report")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
