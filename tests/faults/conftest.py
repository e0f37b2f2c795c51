"""What the sweeps share."""

from __future__ import annotations

from pathlib import Path

import pytest

from neon_sandbox.controlplane import ControlPlane
from neon_sandbox.emulator.postgres.server import PostgresServer
from sweep.side import Sweep


@pytest.fixture
def sweep(plane: ControlPlane, postgres: PostgresServer, tmp_path: Path) -> Sweep:
    """Plays cases of a workload and its faults."""
    return Sweep(plane, postgres, tmp_path)
