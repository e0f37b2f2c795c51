"""Rebind and Undelete: a resource gets a project of its own place back, with its data and password.

The decision is one write of the status, by compare-and-swap; the tenant's next pass makes the renames from
it, as often as it takes. So a crash at any moment leaves either nothing or a decision that is carried out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from neon_tenants.api import names
from neon_tenants.core import operation as core
from neon_tenants.core.identity import MAX_RELEASED
from neon_tenants.core.intent import decode
from neon_tenants.core.lane import Lane
from neon_tenants.core.marker import Marker
from neon_tenants.core.observed import Tenant
from neon_tenants.core.operation import Asked, End, PlaceTarget, failed
from neon_tenants.core.project import Project
from neon_tenants.kube.tenants import Tenants
from neon_tenants.neon.client import NeonClient
from neon_tenants.neon.inventory import Inventory
from neon_tenants.queue import Queue
from neon_tenants.roster import Roster

SETTLE: Final = 60.0
"""Seconds within which a bound tenant's pass is awaited; after that the result says how far it is."""
LOOK: Final = 0.25
"""Seconds between looks at what the watch has told."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A resource that may get another project."""

    target: PlaceTarget
    tenant: Tenant
    marker: Marker
    own: str | None
    living: tuple[Project, ...]

    @property
    def own_project(self) -> Project | None:
        return next((project for project in self.living if project.id == self.own), None)


class Rebinding:
    """Both operations, target by target."""

    def __init__(
        self,
        *,
        cluster: str,
        namespaces: Sequence[str],
        tenants: Tenants,
        neon: NeonClient,
        alive: Inventory,
        deleted: Inventory,
        roster: Roster,
        queue: Queue,
        pause: Callable[[str], Awaitable[str | None]],
        clock: Callable[[], float],
    ) -> None:
        self._cluster = cluster
        self._namespaces = namespaces
        self._tenants = tenants
        self._neon = neon
        self._alive = alive
        self._deleted = deleted
        self._roster = roster
        self._queue = queue
        self._pause = pause
        self._clock = clock

    async def rebind(self, asked: Asked, target: str) -> End:
        """A resource gets the project of an earlier resource of its name."""
        place = await self._place(target)
        if isinstance(place, End):
            return place
        candidates = [p for p in place.living if p.id != place.own and await self._is_of(place, p.id)]
        choice = await self._choose(place, candidates, "earlier")
        if isinstance(choice, End):
            return self._without_choice(place, choice)
        if asked.spec.dry_run:
            return core.done(f"The project {choice.id} would be bound.")
        return await self._bind(place, choice.id)

    async def undelete(self, asked: Asked, target: str) -> End:
        """A deleted project is recovered, and bound."""
        place = await self._place(target)
        if isinstance(place, End):
            return place
        found = await self._deleted.in_place(place.marker, newer_than=self._clock())
        lost = place.own is not None and place.own_project is None
        if lost and place.target.project_id is None:
            # It lost its own: that one and no other.
            found = tuple(project for project in found if project.id == place.own)
            place = replace(place, own=None)
        # Recovered already, by a try before: it is to be bound.
        named = next((p for p in place.living if p.id == place.target.project_id and p.id != place.own), None)
        choice = named or await self._choose(place, found, "deleted")
        if isinstance(choice, End):
            return self._without_choice(place, choice)
        if asked.spec.dry_run:
            return core.done(f"The project {choice.id} would be recovered and bound.")
        if named is None:
            await self._neon.recover_project(choice.id)
        if not await self._is_of(place, choice.id):
            return failed(
                f"The project {choice.id} is recovered, but its birth certificate names another place."
            )
        return await self._bind(place, choice.id)

    async def _place(self, target: str) -> _Place | End:
        """The resource, its own project, and what stands in its place; or why it gets nothing."""
        parsed = core.place_of(target)
        if isinstance(parsed, End):
            return parsed
        key = parsed.key
        if self._namespaces and key.namespace not in self._namespaces:
            return failed(f"This operator does not watch the namespace {key.namespace}.")
        tenant = await self._tenants.get(key.namespace, key.name)
        if tenant is None:
            return failed("There is no such TenantDatabase. Create it first, then repeat this.")
        if tenant.deleting:
            return failed("It is being deleted.")
        if tenant.paused or await self._pause(key.namespace):
            return failed("It is paused. Let it go on first.")
        intent = decode(tenant.annotations.get(names.INTENT), tenant.uid)
        recorded = tenant.status.project_id
        if recorded is None and intent is not None and intent.nonce != tenant.status.resolved_intent:
            return failed("A create may be under way. Repeat this in a few minutes.")
        if len(tenant.status.released_projects) >= MAX_RELEASED:
            return failed("It gave up too many projects already.")
        marker = Marker(self._cluster, tenant.namespace, tenant.name, tenant.uid)
        living = await self._alive.in_place(marker, newer_than=self._clock())
        exact = next((project.id for project in living if project.name == marker.project_name), None)
        return _Place(parsed, tenant, marker, recorded or exact, living)

    def _without_choice(self, place: _Place, end: End) -> End:
        """Nothing is to be bound: but it may have come back since the resource was last looked at."""
        self._queue.add(place.target.key, Lane.REPAIR)
        return end

    async def _choose(self, place: _Place, candidates: Sequence[Project], what: str) -> core.Choice:
        own = place.own_project
        returned = False
        if own is not None and place.target.project_id is None:
            certificate = await self._neon.certificate(own.id)
            returned = what == "deleted" or (certificate is not None and certificate.uid != place.tenant.uid)
        return core.choose(
            candidates, own=place.own, named=place.target.project_id, returned=returned, what=what
        )

    async def _is_of(self, place: _Place, project_id: str) -> bool:
        """Whether the project's birth certificate names this cluster, namespace and name, in any life."""
        certificate = await self._neon.certificate(project_id)
        return certificate is not None and certificate.names_place_of(place.marker)

    async def _bind(self, place: _Place, project_id: str) -> End:
        key = place.target.key
        if place.tenant.status.project_id != project_id:
            await self._tenants.bind(place.tenant, project_id, own=place.own)
        self._queue.add(key, Lane.REPAIR)
        until = self._clock() + SETTLE
        while self._clock() < until:
            record = self._roster.record(key)
            if record is None:
                return failed("The resource went away meanwhile.")
            if record.project_id == project_id and record.applied is not None:
                break
            await asyncio.sleep(LOOK)
        living = await self._alive.in_place(place.marker, newer_than=self._clock())
        named = [project.id for project in living if project.name == place.marker.project_name]
        if named == [project_id]:
            return core.done(f"The project {project_id} is bound.")
        return failed(
            f"The project {project_id} is chosen, and not renamed yet. Look at the resource's conditions."
        )
