"""Which projects of this cluster have no owner: counted by each sweep, listed when asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from neon_tenants.core.marker import Certificate
from neon_tenants.core.orphans import Kind, Orphan, Owners, Survey, survey
from neon_tenants.kube.tenants import Tenants
from neon_tenants.neon.client import NeonClient
from neon_tenants.neon.errors import NotFoundError
from neon_tenants.neon.inventory import Inventory, Listing
from neon_tenants.roster import Roster

CERTIFICATES: Final = 50
"""Birth certificates that one sweep reads, a request each. They never change, so each is read once."""
CERTIFICATES_ASKED: Final = 500
"""The same for a person who asks, and waits for the budget."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a complete list told."""

    orphans: tuple[Orphan, ...]
    unread: int
    """Projects of which the birth certificate was not read yet: they may be orphans."""

    def count(self, kind: Kind) -> int:
        """How many there are of a kind."""
        return sum(orphan.kind is kind for orphan in self.orphans)


class Orphans:
    """Finds them. Deletes nothing: that is for a FleetOperation that names them."""

    def __init__(
        self,
        *,
        cluster: str,
        namespaces: tuple[str, ...],
        roster: Roster,
        complete: Callable[[], bool],
        tenants: Tenants,
        neon: NeonClient,
        inventory: Inventory,
        epoch: Callable[[], float],
    ) -> None:
        """`complete` says whether the roster has all tenants; `namespaces` are those that are watched."""
        self._cluster = cluster
        self._namespaces = namespaces
        self._roster = roster
        self._complete = complete
        self._tenants = tenants
        self._neon = neon
        self._inventory = inventory
        self._epoch = epoch
        self._certificates: dict[str, Certificate | None] = {}
        self._gone: frozenset[str] = frozenset()
        """Uids that the API server did not know any more: a uid never comes back."""
        self.latest: Report | None = None
        """As the last sweep found it."""

    async def find(self) -> Report | None:
        """By a list that begins now; None while the watch has not told of all tenants.

        Raises:
            NeonError: Neon's list is incomplete, or a certificate could not be read.
            KubeError: an owner could not be looked at.
        """
        return await self.judge(await self._inventory.whole(), certificates=CERTIFICATES_ASKED)

    async def judge(self, listing: Listing, *, certificates: int = CERTIFICATES) -> Report | None:
        """By this list, reading so many birth certificates at most. Raises as `find`."""
        if not self._complete():
            return None
        self._certificates = {id_: c for id_, c in self._certificates.items() if id_ in listing.by_id}
        first = self._survey(listing)
        for project in first.unread[:certificates]:
            self._certificates[project.id] = await self._certificate(project.id)
        found = self._survey(listing)
        orphans = [
            orphan for orphan in found.orphans if not self._namespaces or orphan.namespace in self._namespaces
        ]
        standing = {orphan.uid for orphan in orphans if orphan.kind is Kind.ORPHAN}
        self._gone &= standing
        # The watch may be behind: who is to be called an orphan is asked for once more.
        owned = {o.uid for o in orphans if o.kind is Kind.ORPHAN and not await self._is_gone(o)}
        self.latest = Report(tuple(o for o in orphans if o.uid not in owned), len(found.unread))
        return self.latest

    def _survey(self, listing: Listing) -> Survey:
        records = list(self._roster.records())
        owners = Owners(
            uids={record.uid for record in records},
            project_ids={record.project_id for record in records if record.project_id},
            places={(record.key.namespace, record.key.name) for record in records},
        )
        return survey(
            listing.by_id.values(),
            cluster=self._cluster,
            owners=owners,
            certificates=self._certificates,
            now=self._epoch(),
        )

    async def _certificate(self, project_id: str) -> Certificate | None:
        try:
            return await self._neon.certificate(project_id)
        except NotFoundError:
            return None  # it went away since the list

    async def _is_gone(self, orphan: Orphan) -> bool:
        if orphan.uid not in self._gone:
            if await self._tenants.uid(orphan.namespace, orphan.name) == orphan.uid:
                return False
            self._gone |= {orphan.uid}
        return True

    async def read(self, _query: Mapping[str, str]) -> Any:
        """The answer to `/v1/orphans`: what is known now, by a list that begins now."""
        report = await self.find()
        if report is None:
            return {"complete": False, "unread": 0, "orphans": []}
        return {
            "complete": report.unread == 0,
            "unread": report.unread,
            "orphans": [asdict(orphan) for orphan in report.orphans],
        }
