"""The brake on mass deletions, at work: who asks is answered only after the answer is stored."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from neon_tenants.api.database_tier import DeletionPolicy
from neon_tenants.core import brake as core
from neon_tenants.core.brake import BrakeLimits, Ledger, Mark
from neon_tenants.core.entitlement import Tier
from neon_tenants.core.lane import Lane
from neon_tenants.core.observed import Tenant
from neon_tenants.core.record import Record
from neon_tenants.kube.state import State
from neon_tenants.queue import Queue
from neon_tenants.roster import Roster

logger = logging.getLogger(__name__)

_KEY: Final = "deletions"
REFRESH: Final = 60.0
"""Seconds after which a held deletion reads the state anew: another process may have released it."""


@dataclass(frozen=True, slots=True)
class BrakeFigures:
    """How the brake stands, for metrics and for people."""

    engaged: dict[str, float]
    """The braked scopes (`fleet`, `tier/<name>`, `namespace/<name>`), and since when."""
    held: int
    """Deletions that wait for a person."""
    counted: int
    """Deletions within the window that went on by themselves."""


class Brake:
    """Decides for each deletion whether it goes on. The count is of marks, as the watch told them."""

    def __init__(
        self,
        *,
        state: State,
        roster: Roster,
        queue: Queue,
        limits: BrakeLimits,
        epoch: Callable[[], float],
    ) -> None:
        self._state = state
        self._roster = roster
        self._queue = queue
        self._limits = limits
        self._epoch = epoch
        self._ledger = Ledger()
        self._read_at = float("-inf")

    async def held(self, tenant: Tenant, tier: Tier | None) -> str | None:
        """Why a deletion is held; None for one that goes on.

        All marks that the watch has told of are counted with it, so that neither the order of passes nor
        Neon's budget decides how many there are.

        Raises:
            KubeError: the count could not be stored, so nothing goes on.
        """
        if tenant.marked is None or tenant.deletion_policy(tier) is not DeletionPolicy.DELETE:
            return None
        mark = Mark(tenant.uid, tenant.marked, tenant.spec.tier, tenant.namespace)
        if not self._limits.of(mark):
            return None
        now = self._epoch()
        if now - self._read_at > REFRESH:
            self._state.forget()
        elif core.is_decided(self._ledger, mark):
            return self._why(mark)
        await self._count(mark, now)
        return self._why(mark)

    async def _count(self, mark: Mark, now: float) -> None:
        before = self._ledger
        marks = {mark.uid: mark for mark in self._marks()} | {mark.uid: mark}

        def decide(stored: str | None) -> str | None:
            ledger = core.decode(stored)
            counted = core.count(ledger, marks.values(), self._limits, now)
            return stored if counted == ledger else core.encode(counted)

        self._ledger = core.decode(await self._state.change(_KEY, decide))
        self._read_at = now
        for new in self._ledger.engaged.keys() - before.engaged.keys():
            logger.error("Mass deletion: the brake holds further deletions.", extra={"scope": new})

    def _why(self, mark: Mark) -> str | None:
        scope = core.held_by(self._ledger, mark)
        return None if scope is None else core.message(scope, self._limits)

    def held_records(self) -> list[Record]:
        """The tenants whose deletion waits for a person, as far as this process knows."""
        return [
            record
            for record, mark in self._marked()
            if self._limits.of(mark) and core.held_by(self._ledger, mark) is not None
        ]

    def held_until(self, until: float) -> int:
        """How many of them were marked up to then."""
        return sum(record.marked is not None and record.marked <= until for record in self.held_records())

    async def load(self) -> None:
        """Reads what is stored, as at the start.

        Raises:
            KubeError: it could not be read.
        """
        self._state.forget()
        self._ledger = core.decode(await self._state.change(_KEY, lambda stored: stored))
        self._read_at = self._epoch()

    async def release(self, until: float) -> int:
        """A person confirmed all that was marked up to `until`; how many that lets go.

        Raises:
            KubeError: it could not be stored; the brake holds on.
        """
        await self.load()  # other replicas count, too
        held, released = self.held_records(), self.held_until(until)
        stored = await self._state.change(
            _KEY, lambda text: core.encode(core.release(core.decode(text), until))
        )
        self._ledger = core.decode(stored)
        logger.warning("A person released the held deletions.", extra={"held": len(held)})
        for record in held:
            self._queue.add(record.key, Lane.DELETE)
        return released

    def figures(self) -> BrakeFigures:
        """How the brake stands."""
        return BrakeFigures(dict(self._ledger.engaged), len(self.held_records()), len(self._ledger.counted))

    def _marks(self) -> Iterable[Mark]:
        return (mark for _, mark in self._marked())

    def _marked(self) -> Iterable[tuple[Record, Mark]]:
        for record in self._roster.marked():
            tier = self._roster.tier(record.tier)
            policy = record.deletion_policy or (tier.spec.deletion_policy if tier else None)
            if policy is DeletionPolicy.DELETE and record.marked is not None:
                yield record, Mark(record.uid, record.marked, record.tier, record.key.namespace)
