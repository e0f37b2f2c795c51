"""DeleteOrphans: projects that an administrator named, each proven to be nobody's at this moment."""

from __future__ import annotations

from collections.abc import Callable

from neon_tenants.api import names
from neon_tenants.core import operation as core
from neon_tenants.core.marker import Certificate, owner_in
from neon_tenants.core.operation import Asked, End, failed
from neon_tenants.core.orphans import Owners, survey
from neon_tenants.kube.client import KubeClient
from neon_tenants.kube.tenants import Tenants
from neon_tenants.neon.client import NeonClient
from neon_tenants.roster import Roster


class OrphanRemoval:
    """Deletes orphans, target by target. Neon keeps each recoverable for 7 days."""

    def __init__(
        self,
        *,
        cluster: str,
        kube: KubeClient,
        tenants: Tenants,
        neon: NeonClient,
        roster: Roster,
        epoch: Callable[[], float],
    ) -> None:
        self._cluster = cluster
        self._kube = kube
        self._tenants = tenants
        self._neon = neon
        self._roster = roster
        self._epoch = epoch

    async def remove(self, asked: Asked, target: str) -> End:
        """One project, or why not."""
        wanted = core.orphan_of(target)
        if isinstance(wanted, End):
            return wanted
        project = await self._neon.get_project(wanted.project_id)
        if project is None:
            return core.skipped("There is no such project, or it is deleted already.")
        certificate = await self._neon.certificate(project.id)
        ours = (
            certificate is not None
            and certificate.cluster == self._cluster
            and isinstance(core.place_of(f"{certificate.namespace}/{certificate.name}"), core.PlaceTarget)
            and owner_in(project.name, self._cluster) is not None
        )
        owners = await self._owners(certificate) if certificate is not None and ours else Owners((), (), ())
        if owners is None:
            return failed(
                "The API server does not serve TenantDatabases: its owner cannot be read. Not deleted."
            )
        found = survey(
            [project],
            cluster=self._cluster,
            owners=owners,
            certificates={project.id: certificate},
            now=self._epoch(),
        )
        if refusal := core.refused_orphan(found, wanted, ours=ours):
            return refusal
        if asked.spec.dry_run:
            return core.done("It would be deleted.")
        await self._neon.delete_project(project.id)
        return core.done("It is deleted. Neon keeps it recoverable for 7 days.")

    async def _owners(self, certificate: Certificate) -> Owners | None:
        """Who there is: all that the watch told, and the one of the certificate as it is now.

        None where it cannot be read: without its CRD every resource would seem to be gone.
        """
        if not await self._kube.serves(names.GROUP, names.VERSION, frozenset({names.TENANT_DATABASES})):
            return None
        uids, projects, places = set[str](), set[str](), set[tuple[str, str]]()
        for record in self._roster.records():
            uids.add(record.uid)
            if record.project_id is not None:
                projects.add(record.project_id)
        living = await self._tenants.get(certificate.namespace, certificate.name)
        if living is not None:
            uids.add(living.uid)
            places.add((living.namespace, living.name))
            if living.status.project_id is not None:
                projects.add(living.status.project_id)
        return Owners(uids, projects, places)
