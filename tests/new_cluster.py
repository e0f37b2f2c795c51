"""Clusters that may be lost: a drill starts its own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from neon_sandbox import installation
from neon_sandbox.controlplane import ControlPlane, prepare


@asynccontextmanager
async def new_cluster() -> AsyncIterator[ControlPlane]:
    """Another cluster, with the CRDs and the operator's permissions, until the block ends."""
    async with ControlPlane.start(await prepare(os.environ.get("K8S_VERSION") or None)) as plane:
        await installation.install(plane)
        yield plane
