"""A second cluster for the drills that need two. The first is everybody's."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from neon_sandbox.controlplane import ControlPlane
from new_cluster import new_cluster


@pytest.fixture(scope="session")
async def second() -> AsyncIterator[ControlPlane]:
    """Another control plane: another authority, another kube-system, nothing in common but Neon."""
    async with new_cluster() as plane:
        yield plane
