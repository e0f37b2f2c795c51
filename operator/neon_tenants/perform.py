"""The steps, done: for each step of the plan one method, which makes one write or takes one look.

Each returns the world as it is known afterwards. What must outlive an exception is put into the memory
*before* the request that may raise it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import singledispatchmethod
from typing import Any, Final

from neon_tenants.api import names
from neon_tenants.core import secret as core_secret
from neon_tenants.core import steps
from neon_tenants.core.failure import Done
from neon_tenants.core.intent import Attempt, Intent, Sent, decode, sight
from neon_tenants.core.knowledge import Knowledge
from neon_tenants.core.marker import Certificate
from neon_tenants.core.observed import Lookup, Observed
from neon_tenants.core.pace import Pace
from neon_tenants.core.project import SUSPEND, Operation, Progress, compute_differences, project_differences
from neon_tenants.core.secret import LeftBehind, Ours, SecretObject
from neon_tenants.kube.errors import ForbiddenError, KubeError
from neon_tenants.kube.secrets import Secrets
from neon_tenants.kube.tenants import Tenants
from neon_tenants.memory import Memory
from neon_tenants.neon.client import NeonClient, NewProject
from neon_tenants.neon.errors import NeonError, unreachable
from neon_tenants.neon.inventory import Inventory

NEXT_POLL: Final = 0.75
"""Seconds from the first look at Neon's operations to the second; twice as many each time after it."""
MAX_POLL: Final = 10.0
FAILED_POLL: Final = 300.0
"""Seconds until a failed operation is looked at again; Neon may repeat it by itself."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this operator is."""

    cluster: str
    """The cluster id in every project's name."""
    holder: str
    """This process, for people who read an intent."""
    intent_lifetime: float


class Performer:
    """Does one step. Raises NeonError and KubeError.

    `list_max_age` is how old, in seconds, a list may be that says of a settled tenant that nothing is to do.
    """

    def __init__(
        self,
        *,
        identity: Identity,
        tenants: Tenants,
        secrets: Secrets,
        neon: NeonClient,
        alive: Inventory,
        deleted: Inventory,
        memory: Memory,
        list_max_age: float,
        clock: Callable[[], float],
        wall_time: Callable[[], str],
        nonce: Callable[[], str],
    ) -> None:
        self._identity = identity
        self._tenants = tenants
        self._secrets = secrets
        self._neon = neon
        self._alive = alive
        self._deleted = deleted
        self._memory = memory
        self._list_max_age = list_max_age
        self._clock = clock
        self._wall_time = wall_time
        self._nonce = nonce
        self._paces = {new: Pace() for new in (True, False)}
        """Of creates, and of changes."""

    @singledispatchmethod
    async def perform(self, step: Any, observed: Observed) -> Observed:
        """Does the step and returns the world as it is known then, which is `now`."""
        raise TypeError(f"{type(step).__name__} is no step that can be done ({observed.tenant.name})")

    # --- looks ---------------------------------------------------------------------------------

    @perform.register
    async def _read_secret(self, _step: steps.ReadSecret, observed: Observed) -> Observed:
        tenant = observed.tenant
        return self._with_secret(observed, await self._secrets.get(tenant.namespace, tenant.secret_name))

    @perform.register
    async def _look_up(self, step: steps.LookUp, observed: Observed) -> Observed:
        recorded = _recorded_id(observed)
        if step.fresh:
            lookup = await self._listed(observed, fresh=True, newer_than=self._clock())
        else:
            lookup = await self._listed(observed, fresh=False, newer_than=self._clock() - self._list_max_age)
            if recorded is not None and lookup.find(recorded) is None:
                # Perhaps made since that list; the next one serves all who are younger than it.
                lookup = await self._listed(observed, fresh=False, newer_than=self._clock())
        if recorded is not None and lookup.find(recorded) is None and not _proves_gone(observed, recorded):
            # Renamed by hand, or gone: only the id tells.
            project = await self._neon.get_project(recorded)
            lookup = lookup.with_project(project) if project else lookup
        return self._seen(observed, lookup=lookup)

    async def _listed(self, observed: Observed, *, fresh: bool, newer_than: float) -> Lookup:
        projects = await self._alive.in_place(observed.marker, newer_than=newer_than, whole=not fresh)
        return Lookup(projects, fresh=fresh)

    @perform.register
    async def _look_up_deleted(self, _step: steps.LookUpDeleted, observed: Observed) -> Observed:
        deleted = await self._deleted.in_place(observed.marker, newer_than=self._clock())
        return self._seen(observed, lookup=replace(_looked_up(observed), recoverable=deleted))

    @perform.register
    async def _read_certificate(self, step: steps.ReadCertificate, observed: Observed) -> Observed:
        certificate = await self._neon.certificate(step.project_id)
        known = {**observed.certificates, step.project_id: certificate}
        return self._seen(observed, certificates=known)

    @perform.register
    async def _read_project(self, step: steps.ReadProject, observed: Observed) -> Observed:
        project = await self._neon.get_project(step.project_id)
        if project is None:
            raise unreachable("The project went away while it was looked at.", Done.NO)
        return self._seen(observed, lookup=_looked_up(observed).with_project(project))

    @perform.register
    async def _read_endpoints(self, step: steps.ReadEndpoints, observed: Observed) -> Observed:
        return self._seen(observed, endpoints=await self._neon.endpoints(step.project_id))

    @perform.register
    async def _read_operations(self, step: steps.ReadOperations, observed: Observed) -> Observed:
        found = {operation.id: operation for operation in await self._neon.operations(step.project_id)}
        knowledge = observed.knowledge
        awaited = knowledge.operations
        if awaited is None:
            awaited = _running(found.values())
        # The list lags behind: an operation that it does not show yet is not finished.
        pending = tuple(
            id_ for id_ in awaited if id_ not in found or found[id_].progress is not Progress.FINISHED
        )
        failed = next(
            (found[id_] for id_ in pending if id_ in found and found[id_].progress is Progress.FAILED), None
        )
        if knowledge.polls == 0 and knowledge.operations:
            after = self._clock() - knowledge.operations_since
            self._pace(observed).found(after=after, finished=not pending)
        delay = FAILED_POLL if failed else min(NEXT_POLL * 2**knowledge.polls, MAX_POLL)
        knowledge = replace(
            knowledge,
            project_id=step.project_id,
            operations=pending,
            polls=knowledge.polls + 1,
            poll_at=self._clock() + delay,
            failed=failed,
        )
        return self._remember(observed, knowledge)

    @perform.register
    async def _read_connection(self, step: steps.ReadConnection, observed: Observed) -> Observed:
        tenant = observed.tenant
        connection = await self._neon.connection(step.project_id, database=tenant.database, role=tenant.role)
        return self._seen(observed, connection=connection)

    # --- the create ----------------------------------------------------------------------------

    @perform.register
    async def _declare_intent(self, _step: steps.DeclareIntent, observed: Observed) -> Observed:
        # A process that is killed while it waits has declared nothing that the next must wait for.
        async with self._neon.turn_to_create() as turn:
            return await self._declare(observed, turn)

    async def _declare(self, observed: Observed, turn: float) -> Observed:
        # The send gate's clock starts before the patch leaves (protocol, rule 4).
        attempt = Attempt(self._nonce(), self._clock(), self._identity.intent_lifetime)
        intent = Intent(
            nonce=attempt.nonce,
            holder=self._identity.holder,
            uid=observed.tenant.uid,
            lifetime=attempt.lifetime,
            started=self._wall_time(),
        )
        # Remembered before: if the answer is lost, the next read may show that we won.
        knowledge = self._keep(observed, replace(observed.knowledge, attempt=attempt))
        try:
            tenant = await self._tenants.declare(observed.tenant, intent)
        except KubeError as error:
            if error.done is Done.NO:
                self._keep(observed, replace(knowledge, attempt=None))
            raise
        seen = decode(tenant.annotations.get(names.INTENT), tenant.uid)
        sighting = sight(knowledge.sighting, seen, tenant.status.resolved_intent, self._clock())
        knowledge = replace(knowledge, attempt=replace(attempt, turn=turn), sighting=sighting)
        return self._remember(observed, knowledge, tenant=tenant)

    @perform.register
    async def _create_project(self, step: steps.CreateProject, observed: Observed) -> Observed:
        attempt, tenant = observed.knowledge.attempt, observed.tenant
        assert attempt is not None
        new = NewProject(
            name=observed.marker.project_name,
            region=step.region,
            postgres_version=step.postgres_version,
            database=tenant.database,
            role=tenant.role,
            certificate=Certificate.of(observed.marker),
            limits=step.limits,
        )
        turn, attempt = attempt.turn, replace(attempt, turn=None)
        # Until an answer proves otherwise, it may have been done: also when this task is cancelled.
        unknown = replace(attempt, sent=Sent.UNKNOWN)
        knowledge = self._keep(observed, replace(observed.knowledge, attempt=unknown))
        self._memory.sends(tenant)
        try:
            created = await self._neon.create_project(new, send_before=attempt.send_before, turn=turn)
        except NeonError as error:
            if error.failure.done is Done.NO:
                self._keep(observed, replace(knowledge, attempt=attempt))
            raise
        knowledge = self._started(
            observed,
            created.project.id,
            created.operations,
            attempt=replace(attempt, sent=Sent.DONE),
            created=created.project,
            connection=created.connection,
            endpoints=created.endpoints,
        )
        lookup = _looked_up(observed).with_project(created.project)
        return self._remember(observed, knowledge, lookup=lookup, endpoints=created.endpoints)

    # --- changes to a project ------------------------------------------------------------------

    @perform.register
    async def _rename_project(self, step: steps.RenameProject, observed: Observed) -> Observed:
        observed = self._doubting(observed)
        project, operations = await self._neon.rename_project(step.project_id, step.name)
        if step.name == observed.marker.released_name:
            if observed.tenant.deleting:
                return self._let_go(observed, step.project_id)
            # Not ours any more: its operations are none that we wait for.
            return self._seen(observed, lookup=_looked_up(observed).with_project(project))
        lookup = _looked_up(observed).with_project(project)
        knowledge = self._started(observed, step.project_id, operations)
        return self._remember(observed, knowledge, lookup=lookup)

    @perform.register
    async def _update_project(self, step: steps.UpdateProject, observed: Observed) -> Observed:
        observed = self._doubting(observed)
        project, operations = await self._neon.update_project(step.project_id, step.limits)
        lookup = _looked_up(observed).with_project(project)
        knowledge = self._started(observed, step.project_id, operations)
        observed = self._remember(observed, knowledge, lookup=lookup)
        return self._taken(observed, project_differences(step.limits, project))

    @perform.register
    async def _update_endpoint(self, step: steps.UpdateEndpoint, observed: Observed) -> Observed:
        observed = self._doubting(observed)
        changed, operations = await self._neon.update_endpoint(
            step.project_id,
            step.endpoint_id,
            compute=step.compute,
            differing=step.differing,
            disabled=step.disabled,
        )
        endpoints = tuple(changed if e.id == changed.id else e for e in observed.endpoints or ())
        knowledge = self._started(observed, step.project_id, operations)
        observed = self._remember(observed, knowledge, endpoints=endpoints)
        return self._taken(observed, compute_differences(step.compute, changed.compute))

    @perform.register
    async def _delete_project(self, step: steps.DeleteProject, observed: Observed) -> Observed:
        await self._neon.delete_project(step.project_id)
        # Gone only when a list says so (protocol, rule 10).
        return self._let_go(observed, step.project_id)

    # --- Kubernetes ----------------------------------------------------------------------------

    @perform.register
    async def _create_secret(self, step: steps.CreateSecret, observed: Observed) -> Observed:
        try:
            return self._with_secret(observed, await self._secrets.create(observed.tenant, step.content))
        except ForbiddenError:
            if not observed.tenant.deleting:
                raise
            # The namespace goes, too. A deletion that is held says so, and does not try for ever.
            return self._seen(observed, secret_refused=True)

    @perform.register
    async def _update_secret(self, step: steps.UpdateSecret, observed: Observed) -> Observed:
        assert isinstance(observed.secret, (Ours, LeftBehind))
        found = observed.secret.found
        return self._with_secret(observed, await self._secrets.update(observed.tenant, found, step.content))

    @perform.register
    async def _own_secret(self, _step: steps.OwnSecret, observed: Observed) -> Observed:
        assert isinstance(observed.secret, Ours)
        return self._with_secret(observed, await self._secrets.own(observed.tenant, observed.secret.found))

    @perform.register
    async def _add_finalizer(self, _step: steps.AddFinalizer, observed: Observed) -> Observed:
        return self._seen(observed, tenant=await self._tenants.add_finalizer(observed.tenant))

    @perform.register
    async def _remove_finalizer(self, _step: steps.RemoveFinalizer, observed: Observed) -> Observed:
        await self._tenants.remove_finalizer(observed.tenant)
        others = tuple(name for name in observed.tenant.finalizers if name != names.FINALIZER)
        return self._seen(observed, tenant=replace(observed.tenant, finalizers=others))

    # --- what is known then --------------------------------------------------------------------

    def _seen(self, observed: Observed, **changes: Any) -> Observed:
        return replace(observed, now=self._clock(), **changes)

    def _with_secret(self, observed: Observed, found: SecretObject | None) -> Observed:
        tenant = observed.tenant
        return self._seen(observed, secret=core_secret.state_of(found, uid=tenant.uid, name=tenant.name))

    def _let_go(self, observed: Observed, project_id: str) -> Observed:
        project = _looked_up(observed).find(project_id)
        assert project is not None
        return self._seen(observed, lookup=None, let_go={**observed.let_go, project_id: project.name})

    def _remember(self, observed: Observed, knowledge: Knowledge, **changes: Any) -> Observed:
        return self._seen(observed, knowledge=self._keep(observed, knowledge), **changes)

    def _keep(self, observed: Observed, knowledge: Knowledge) -> Knowledge:
        """Remembers it, whatever becomes of this pass."""
        self._memory.keep(observed.tenant.uid, knowledge)
        return knowledge

    def _doubting(self, observed: Observed) -> Observed:
        """A change is about to leave: whatever becomes of it, the POST's answer is no measure any more."""
        known = observed.knowledge
        if known.created is None and known.endpoints is None:
            return observed
        return self._remember(observed, replace(known, doubted=True, endpoints=None))

    def _started(
        self, observed: Observed, project_id: str, operations: Iterable[Operation], **changes: Any
    ) -> Knowledge:
        """What is known with the operations that a request started, to be looked at after a moment."""
        known = observed.knowledge
        running = (*(known.operations or ()), *_running(operations))
        now = self._clock()
        return replace(
            known,
            project_id=project_id,
            operations=running,
            polls=0,
            operations_since=now,
            poll_at=now + (self._pace(observed).first() if running else 0.0),
            failed=None,
            **changes,
        )

    def _pace(self, observed: Observed) -> Pace:
        return self._paces[observed.tenant.status.binding is None]

    def _taken(self, observed: Observed, differing: frozenset[str]) -> Observed:
        """Notes what Neon accepted and stored otherwise. It is known to do so with the suspend time only."""
        if left := differing - {SUSPEND}:
            raise unreachable(
                f"Neon accepted the change of {', '.join(sorted(left))} but does not show it yet.", Done.NO
            )
        known = observed.knowledge
        return self._remember(observed, replace(known, not_taken=known.not_taken | differing))


def _recorded_id(observed: Observed) -> str | None:
    in_secret = observed.secret.project_id if isinstance(observed.secret, Ours) else None
    return observed.tenant.status.project_id or observed.knowledge.created_id or in_secret


def _proves_gone(observed: Observed, recorded: str) -> bool:
    """Whether a list of the tenant's place that does not show this project proves that it is gone.

    Neon has confirmed that it was let go, and it bore a name that such a list shows (protocol, rule 10).
    """
    name = observed.let_go.get(recorded)
    return name is not None and observed.marker.in_place(name)


def _looked_up(observed: Observed) -> Lookup:
    assert observed.lookup is not None
    return observed.lookup


def _running(operations: Iterable[Operation]) -> tuple[str, ...]:
    return tuple(operation.id for operation in operations if operation.progress is Progress.RUNNING)
