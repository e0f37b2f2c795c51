"""A benchmark's ground, for tests of what is measured on it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from neon_sandbox.bench.ground import WARM_UP, Ground
from neon_sandbox.bench.program import Program
from neon_sandbox.controlplane import prepare


@asynccontextmanager
async def ground_of(program: Program, *namespaces: str) -> AsyncIterator[Ground]:
    """One on which this program is started, with these namespaces beside that of the warm-up."""
    async with Ground.prepare(await prepare(os.environ.get("K8S_VERSION") or None)) as ground:
        for namespace in (WARM_UP, *namespaces):
            await ground.create_namespace(namespace)
        ground.program = program
        yield ground
