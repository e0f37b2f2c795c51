"""The operations that only say yes: to held deletions, to a paused rollout, to another API server."""

from __future__ import annotations

from neon_tenants.core import operation as core
from neon_tenants.core.operation import Asked, End, failed
from neon_tenants.fleet.brake import Brake
from neon_tenants.fleet.pauses import Pauses
from neon_tenants.fleet.rollout import CannotGoOnError, Rollouts


class Confirmations:
    """What a person confirms."""

    def __init__(self, *, brake: Brake, pauses: Pauses, rollouts: Rollouts) -> None:
        self._rollouts = rollouts
        self._brake = brake
        self._pauses = pauses

    async def release_deletions(self, asked: Asked, _target: str) -> End:
        """All deletions that were marked until the operation was created go on."""
        if asked.spec.dry_run:
            return core.done(f"{self._brake.held_until(asked.created)} held deletions would go on.")
        released = await self._brake.release(asked.created)
        return core.done(f"{released} held deletions go on.")

    async def resume_rollout(self, asked: Asked, target: str) -> End:
        """The rollout of this generation of a tier goes on, with what was held back in it."""
        named = core.tier_of(target)
        if isinstance(named, End):
            return named
        tier, generation = named
        try:
            if asked.spec.dry_run:
                self._rollouts.check(tier, generation)
                return core.done("The rollout would go on.")
            await self._rollouts.confirm(tier, generation)
        except CannotGoOnError as error:
            return failed(str(error))
        return core.done("The rollout goes on.")

    async def confirm_api_server(self, asked: Asked, target: str) -> End:
        """The operator works on the API server that it found."""
        if asked.spec.dry_run:
            return core.done("Work would go on, if this is the code of the operator's message.")
        if await self._pauses.confirm(target):
            return core.done("Work goes on.")
        return failed("This is not the code of this API server. It stands in the operator's log.")
