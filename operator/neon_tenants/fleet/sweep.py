"""The sweep: all tenants compared with Neon, from ceil(N/400) list requests.

It finds and asks for passes; what is then done to a tenant is its pass's alone. An incomplete list, or
one page that failed, changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from typing import Final

from neon_tenants.api.database_tier import DriftPolicy, Overrides
from neon_tenants.core.drift import Drift, Finding, is_held, judge
from neon_tenants.core.entitlement import limits_of
from neon_tenants.core.key import Key
from neon_tenants.core.lane import Lane
from neon_tenants.core.marker import Marker
from neon_tenants.core.project import Limits, Project
from neon_tenants.core.record import Record
from neon_tenants.fleet.orphans import Orphans
from neon_tenants.fleet.usage import UsageReader
from neon_tenants.kube.errors import KubeError
from neon_tenants.memory import Memory
from neon_tenants.neon.errors import NeonError
from neon_tenants.neon.inventory import Inventory, Listing
from neon_tenants.queue import Queue
from neon_tenants.roster import Roster

logger = logging.getLogger(__name__)

BATCH: Final = 500
"""Tenants compared before others get their turn in the event loop: some 10 ms."""


class Sweep:
    """Compares, again and again."""

    def __init__(
        self,
        *,
        cluster: str,
        roster: Roster,
        queue: Queue,
        memory: Memory,
        inventory: Inventory,
        usage: UsageReader,
        orphans: Orphans,
        endpoint_checks: int,
        clock: Callable[[], float],
    ) -> None:
        """`endpoint_checks` is how many projects' computes one sweep has looked at."""
        self._cluster = cluster
        self._roster = roster
        self._queue = queue
        self._memory = memory
        self._inventory = inventory
        self._usage = usage
        self._orphans = orphans
        self._endpoint_checks = endpoint_checks
        self._clock = clock
        self._signs: dict[Key, tuple[int, int]] = {}
        """Of each tenant the version and a hash of what the last list told of its project's life."""
        self._unchecked: dict[Key, str] = {}
        """Whose computes may have been changed past us, with the time of the change."""
        self.found: Counter[Drift] = Counter()
        """All findings so far."""
        self._compared_at = clock()

    @property
    def age(self) -> float:
        """Seconds since a sweep compared all tenants; before the first, since the process began."""
        return self._clock() - self._compared_at

    async def run(self, interval: float, dice: Callable[[], float]) -> None:
        """Sweeps for ever, the first time after a tenth of the interval. `dice` gives numbers from 0 to 1."""
        delay = interval / 10
        while True:
            await asyncio.sleep(delay * (0.9 + dice() / 5))
            delay = interval
            try:
                await self.once()
            except NeonError as error:
                logger.warning("The sweep ended early.", extra={"why": error.failure.message})
            except KubeError as error:
                logger.warning("The sweep ended early.", extra={"why": str(error)})

    async def once(self) -> None:
        """One sweep.

        Raises:
            NeonError: the list failed or is incomplete, and nothing was compared; or a later read failed.
            KubeError: the owner of an orphan could not be looked at.
        """
        before = {record.key: record.version for record in self._roster.records()}
        listing = await self._inventory.whole()
        await self._compare(listing, before)
        self._compared_at = self._clock()
        self._check_endpoints(listing)
        await self._usage.after(listing)
        await self._orphans.judge(listing)
        logger.info("A sweep ended.", extra={"tenants": len(before), "pages": listing.pages})

    async def _compare(self, listing: Listing, before: dict[Key, int]) -> None:
        limits: dict[str, Limits | None] = {}
        for count, (key, version) in enumerate(before.items(), start=1):
            if count % BATCH == 0:
                await asyncio.sleep(0)
            record = self._roster.record(key)
            # Of what changed since the list began, or changes now, the list tells nothing.
            if record is None or record.version != version or self._queue.busy(key):
                continue
            self._act(record, self._judge(record, listing, limits))

    def _judge(self, record: Record, listing: Listing, limits: dict[str, Limits | None]) -> Finding | None:
        marker = Marker(self._cluster, record.key.namespace, record.key.name, record.uid)
        if record.overrides is None and record.tier not in limits:
            limits[record.tier] = self._limits(record.tier, None)
        own = limits[record.tier] if record.overrides is None else self._limits(record.tier, record.overrides)
        return judge(
            record,
            marker=marker,
            tier=self._roster.tier(record.tier),
            limits=own,
            by_id=listing.by_id,
            in_place=listing.by_place.get(marker.place, ()),
        )

    def _limits(self, name: str, overrides: Overrides | None) -> Limits | None:
        tier = self._roster.tier(name)
        granted = limits_of(tier, overrides) if tier else None
        return granted if isinstance(granted, Limits) else None

    def _act(self, record: Record, finding: Finding | None) -> None:
        """Asks for a pass, unless it could only say again what was said."""
        tier = self._roster.tier(record.tier)
        said = {d for d in self._memory.of(record.uid).reported if not d.endpoint}
        if finding is None:
            if said:
                self._queue.add(record.key, Lane.SWEEP)
            return
        only_said = finding.drift is Drift.SETTINGS and tier and tier.spec.drift_policy is DriftPolicy.REPORT
        if only_said and said == set(finding.differences):
            return
        self.found[finding.drift] += 1
        self._queue.add(record.key, Lane.REPAIR)

    def _check_endpoints(self, listing: Listing) -> None:
        """Has computes looked at where a project was used or changed, most recently changed first.

        No list shows the limits of computes. A change of them by hand wakes the compute, which the list
        does show; who changed by our own hand meanwhile was looked at then.
        """
        signs: dict[Key, tuple[int, int]] = {}
        for record in self._roster.records():
            project = listing.by_id.get(record.project_id or "")
            if project is None or not is_held(record, self._roster.tier(record.tier)) or record.paused:
                continue
            now = (record.version, hash(project.signs))
            signs[record.key] = now
            last = self._signs.get(record.key)
            if last is not None and last[0] == now[0] and last[1] != now[1]:
                self._unchecked[record.key] = _changed_at(project)
        self._signs = signs
        order = sorted(self._unchecked, key=lambda key: self._unchecked[key], reverse=True)
        for key in order[: self._endpoint_checks]:
            del self._unchecked[key]
            found = self._roster.record(key)
            if key in signs and found is not None:
                self._memory.leave(found.uid, check_endpoints=True)
                self._queue.add(key, Lane.SWEEP)


def _changed_at(project: Project) -> str:
    return max(project.signs.updated_at, project.signs.active_at)


async def trickle(roster: Roster, queue: Queue, interval: float, shortest: float = 0.1) -> None:
    """Has every tenant looked at once in `interval`, evenly: what an event missed, and its Secret.

    It is a read of Kubernetes each; of Neon it needs the list that the sweep has made.
    """
    while True:
        keys = roster.all_keys()
        pause = min(max(interval / max(len(keys), 1), shortest), interval)
        some = max(round(len(keys) * pause / interval), 1)
        for start in range(0, max(len(keys), 1), some):
            await asyncio.sleep(pause)
            for key in keys[start : start + some]:
                if roster.record(key) is not None:
                    queue.add(key, Lane.SWEEP)
