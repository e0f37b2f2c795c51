"""Everything that one emulator is made of, for the routes to work on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from neon_sandbox.emulator.background import Background
from neon_sandbox.emulator.clock import Clock
from neon_sandbox.emulator.computes import Computes
from neon_sandbox.emulator.effects import Effects
from neon_sandbox.emulator.hosting import Hosting
from neon_sandbox.emulator.journal import Journal
from neon_sandbox.emulator.keys import Keys
from neon_sandbox.emulator.knobs import Knobs
from neon_sandbox.emulator.limits import Limits
from neon_sandbox.emulator.names import Names
from neon_sandbox.emulator.operations import Operations
from neon_sandbox.emulator.outage import OutageSwitch
from neon_sandbox.emulator.scripts import Scripts
from neon_sandbox.emulator.state import Endpoint, Project
from neon_sandbox.emulator.store import Store


@dataclass(frozen=True, slots=True)
class World:
    """One emulator's parts."""

    knobs: Knobs
    clock: Clock
    names: Names
    keys: Keys
    store: Store
    background: Background
    hosting: Hosting
    computes: Computes
    operations: Operations
    limits: Limits
    scripts: Scripts
    outage: OutageSwitch
    journal: Journal
    effects: Effects

    async def stop_computes(self, endpoints: Iterable[Endpoint]) -> None:
        """Makes computes idle at once and ends their connections."""
        stopped = list(endpoints)
        for endpoint in stopped:
            self.computes.stop(endpoint)
        await self.hosting.drop_sessions(stopped)

    async def enforce_quotas(self, project: Project) -> None:
        """Stops the project's computes if a quota is used up; a quota that is not changes nothing."""
        if project.exceeded() is not None:
            await self.stop_computes(project.endpoints.values())
