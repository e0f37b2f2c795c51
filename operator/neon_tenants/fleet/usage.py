"""Who used their database since the last sweep, and how much of their quotas. Only they are read one by one.

Neon's list tells who was active. What is read is left for the tenant's own pass, where a status would say it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from neon_tenants.core import usage as core_usage
from neon_tenants.core.key import Key
from neon_tenants.core.lane import Lane
from neon_tenants.core.project import Consumption, Signs
from neon_tenants.core.record import Record
from neon_tenants.memory import Memory
from neon_tenants.neon.client import NeonClient
from neon_tenants.neon.errors import NotFoundError
from neon_tenants.neon.inventory import Listing
from neon_tenants.queue import Queue
from neon_tenants.roster import Roster

logger = logging.getLogger(__name__)

METERS_LAG: Final = 3600.0
"""Seconds. Neon's meters may be so late (docs/neon.md, Quotas): who was active is read once more after it."""


class UsageReader:
    """Reads the meters of tenants that were active or are near a limit."""

    def __init__(
        self,
        *,
        roster: Roster,
        memory: Memory,
        queue: Queue,
        neon: NeonClient,
        reads: int,
        clock: Callable[[], float],
    ) -> None:
        """`reads` is how many tenants one sweep may read."""
        self._roster = roster
        self._memory = memory
        self._queue = queue
        self._neon = neon
        self._reads = reads
        self._clock = clock
        self._signs: dict[Key, tuple[int | None, int | None]] = {}
        """What the last list told of a tenant's use."""
        self._due: dict[Key, str] = {}
        """Whom to read, with the time of their last activity."""
        self._again: dict[Key, float] = {}
        """Whom to read once more, and when: their meters may have been late."""
        self._sized: dict[Key, int | None] = {}
        """At what storage the sizes of a tenant's branches were read."""
        self._odd: set[tuple[str, ...]] = set()

    @property
    def waiting(self) -> int:
        """How many tenants are to be read by later sweeps."""
        return len(self._due)

    async def after(self, listing: Listing) -> None:
        """Reads those for whom the list gives cause, the ones near a limit first.

        Raises:
            NeonError: a read failed. Who was not read is read by the next sweep.
        """
        near = self._find(listing)
        order = sorted(self._due, key=lambda key: (key in near, self._due[key]), reverse=True)
        for key in order[: self._reads]:
            record = self._roster.record(key)
            if record is not None and record.project_id is not None:
                await self._read(record, record.project_id)
            self._due.pop(key, None)

    def _find(self, listing: Listing) -> set[Key]:
        """Notes who is due; returns those near a limit."""
        now, near = self._clock(), set()
        signs: dict[Key, tuple[int | None, int | None]] = {}
        for record in self._roster.records():
            project = listing.by_id.get(record.project_id or "")
            if project is None or record.deleting or record.paused:
                continue
            told = project.signs
            signs[record.key] = (told.active_seconds, told.storage_bytes)
            if record.fullest >= core_usage.warning_percent(self._roster.tier(record.tier)):
                near.add(record.key)
            elif self._active(record, told):
                self._again[record.key] = now + METERS_LAG
            elif now < self._again.get(record.key, now + 1):
                continue
            else:
                self._again.pop(record.key, None)
            self._due[record.key] = told.active_at
        self._signs = signs
        for forgotten in (self._due.keys() | self._again.keys() | self._sized.keys()) - signs.keys():
            for known in (self._due, self._again, self._sized):
                known.pop(forgotten, None)
        return near

    def _active(self, record: Record, told: Signs) -> bool:
        before = self._signs.get(record.key)
        return core_usage.was_active(told, before, record.usage)

    async def _read(self, record: Record, project_id: str) -> None:
        project = await self._neon.get_project(project_id)
        if project is None or project.consumption is None or project.quota is None:
            return  # gone since the list: the next sweep says so
        told = project.consumption
        self._log_odd(told)
        storage = project.signs.storage_bytes
        if project.quota.logical_size_bytes and (storage is None or self._sized.get(record.key) != storage):
            try:
                told = replace(told, logical_size_bytes=await self._neon.largest_branch(project_id))
            except NotFoundError:
                return
            self._sized[record.key] = storage
        told = core_usage.merged(self._memory.note(record.uid).consumption or Consumption(), told)
        warning = core_usage.warning_percent(self._roster.tier(record.tier))
        if core_usage.updated(record.usage, told, project.quota, warning) != record.usage:
            self._memory.leave(record.uid, consumption=told)
            self._queue.add(record.key, Lane.SWEEP)

    def _log_odd(self, told: Consumption) -> None:
        """Says once what Neon does not tell as its documents promise; such a meter counts as not told."""
        odd = core_usage.odd(told)
        if odd and odd not in self._odd:
            self._odd.add(odd)
            logger.warning(
                "Neon told no sensible number for some meters; they are left out of status.usage.",
                extra={"meters": list(odd)},
            )
