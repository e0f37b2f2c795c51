"""Clusters that may be lost: a drill starts its own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from neon_sandbox import installation
from neon_sandbox.controlplane import ControlPlane, prepare


@asynccontextmanager
async def new_cluster(*, backup: Path | None = None) -> AsyncIterator[ControlPlane]:
    """Another cluster, with the CRDs and the operator's permissions, or a copy; until the block ends."""
    binaries = await prepare(os.environ.get("K8S_VERSION") or None)
    async with ControlPlane.start(binaries, backup=backup) as plane:
        if backup is None:
            await installation.install(plane)
        yield plane
