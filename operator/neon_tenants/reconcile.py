"""The reconcile loop: observe, ask the plan for one step, perform it, ask again; then tell the reader.

Whatever starts a pass (an event, a tier that changed, a retry, a deletion, the clock) calls the same
function with the same argument.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

from neon_tenants.api import names
from neon_tenants.api.conditions import Reason
from neon_tenants.core import event as core_event
from neon_tenants.core import plan, room, shard
from neon_tenants.core import status as core_status
from neon_tenants.core.again import Again
from neon_tenants.core.difference import reported
from neon_tenants.core.entitlement import Tier
from neon_tenants.core.failure import Failure
from neon_tenants.core.intent import IntentState, decode, sight
from neon_tenants.core.key import Key
from neon_tenants.core.knowledge import Knowledge
from neon_tenants.core.observed import Lookup, Observed, Tenant, is_pending, is_settled
from neon_tenants.core.record import Record
from neon_tenants.core.room import Claim
from neon_tenants.core.secret import Absent, SecretState
from neon_tenants.core.shard import Scope
from neon_tenants.core.status import Verdict
from neon_tenants.core.steps import Leave, Rest, Wait
from neon_tenants.kube.errors import ConflictError
from neon_tenants.kube.errors import NotFoundError as GoneError
from neon_tenants.kube.events import Events, Regarding
from neon_tenants.kube.namespaces import Namespaces
from neon_tenants.kube.tenants import Tenants
from neon_tenants.memory import Memory
from neon_tenants.neon.errors import GivenUpError, NeonError, NotFoundError
from neon_tenants.neon.turn import current_turn
from neon_tenants.perform import Identity, Performer

logger = logging.getLogger(__name__)


class Reconciler:
    """Brings one tenant to where its spec wants it, and keeps it there."""

    def __init__(
        self,
        *,
        identity: Identity,
        tenants: Tenants,
        namespaces: Namespaces,
        events: Events,
        performer: Performer,
        memory: Memory,
        tier: Callable[[str], Tier | None],
        claims: Callable[[str, str], Iterable[Record]],
        admits: Callable[[Tier, Key], bool],
        take_new: Callable[[Key], Tenant | None],
        version: Callable[[Key], int],
        scope: Callable[[], Scope],
        pause: Callable[[str], Awaitable[str | None]],
        brake: Callable[[Tenant, Tier | None], Awaitable[str | None]],
        clock: Callable[[], float],
        epoch: Callable[[], float],
        wall_time: Callable[[], str],
    ) -> None:
        self._identity = identity
        self._tenants = tenants
        self._namespaces = namespaces
        self._events = events
        self._perform = performer.perform
        self._memory = memory
        self._tier = tier
        self._claims = claims
        self._admits = admits
        self._take_new = take_new
        self._version = version
        self._scope = scope
        self._resting: dict[Key, tuple[Tenant, SecretState | None]] = {}
        """Who waits for Neon, as its last pass left it: creates, and who follows its tier."""
        self._pause = pause
        self._brake = brake
        self._clock = clock
        self._epoch = epoch
        self._wall_time = wall_time
        self.repaired = 0
        """How often drift was put back so far."""

    async def reconcile(self, namespace: str, name: str) -> Again:
        """One pass. Returns when to look again.

        Raises:
            KubeError: the API server could not be asked or told. Nothing is lost: the next pass reads again.
        """
        observed = await self._observe(namespace, name)
        if observed is None:
            return Again(gone=True)
        try:
            while True:
                step = plan.next_step(observed)
                if isinstance(step, (Rest, Wait, Leave)):
                    return await self._end(observed, step)
                logger.debug("step", extra={"step": type(step).__name__, "tenant": f"{namespace}/{name}"})
                observed = await self._perform(step, observed)
                if event := core_event.of_step(step):
                    self.repaired += event.reason is Reason.DRIFT_REPAIRED
                    await self._events.post(Regarding.of_tenant(observed.tenant), event)
                    observed = replace(observed, now=self._clock())
        except (ConflictError, GoneError):
            # Somebody wrote in between, or deleted: what was decided is void.
            return Again(backoff=True)
        except GivenUpError:
            return await self._given_up(observed)
        except NeonError as error:
            return await self._failed(observed, error)

    async def _observe(self, namespace: str, name: str) -> Observed | None:
        """What the plan needs at least: the resource, its tier, and our memory of it.

        None where the resource is gone, or another replica's to work on.
        """
        key = Key(namespace, name)
        tenant, secret = self._resting.pop(key, (None, None))
        if tenant is None or tenant.version != self._version(key):
            tenant, secret = await self._read(key), None
        if tenant is None:
            return None
        if tenant.vanished:
            # Whoever comes next knows nothing of it.
            current_turn().insist()
        now = self._clock()
        tier = self._tier(tenant.spec.tier) or await self._tenants.tier(tenant.spec.tier)
        scope = self._scope()
        if not (tenant.vanished or scope.conducts or scope.works_on(Record.of(tenant), tier)):
            return None
        seen = decode(tenant.annotations.get(names.INTENT), tenant.uid)
        knowledge = self._memory.of(tenant.uid).about(tenant.status.project_id)
        admitted = self._is_admitted(tenant, tier)
        settled = is_settled(tenant, tier, admitted=admitted) and not knowledge.wrote
        since = knowledge.waiting_since
        knowledge = replace(
            knowledge,
            sighting=sight(knowledge.sighting, seen, tenant.status.resolved_intent, now),
            waiting_since=now if since is None and not settled else since,
        )
        self._memory.keep(tenant.uid, knowledge)
        created = knowledge.created
        return Observed(
            cluster=self._identity.cluster,
            now=self._clock(),
            intent_lifetime=self._identity.intent_lifetime,
            age=self._epoch() - tenant.created,
            tenant=tenant,
            tier=tier,
            namespace_labels=await self._labels(tenant, tier),
            older_tenants=self._older(tenant, tier),
            secret=secret,
            knowledge=knowledge,
            note=self._memory.note(tenant.uid),
            shard=shard.told(tenant.uid, scope.count),
            pause=await self._pause(namespace),
            brake=await self._brake(tenant, tier) if tenant.deleting and tenant.has_finalizer else None,
            # Our own POST's answer is as good as a list that begins now, except for a release, and where
            # somebody may have deleted it meanwhile.
            lookup=Lookup((created,), fresh=True)
            if created and not (tenant.deleting or knowledge.doubted)
            else None,
            endpoints=knowledge.endpoints,
            admitted=admitted,
        )

    async def has_vanished(self, key: Key) -> bool:
        """Whether a POST of ours left for a resource that is gone since, so that nobody else knows of it.

        Raises KubeError; and ValidationError where another stands there that is not understood.
        """
        tenant = await self._read(key)
        return tenant is not None and tenant.vanished

    async def _read(self, key: Key) -> Tenant | None:
        """The resource; or the one before it in its place, which vanished while we made its project."""
        made = self._memory.unrecorded(key)
        if made is None:
            return self._take_new(key) or await self._tenants.get(*key)
        # What the watch told may be older than what vanished, and a bare 404 may mean no more than that the
        # API server does not serve this kind at the moment.
        tenant = await self._tenants.get(*key) or await self._tenants.listed(*key)
        if tenant is not None and tenant.status.project_id is not None:
            self._memory.recorded(key, tenant.uid)
            return tenant
        if tenant is not None and tenant.uid == made.uid:
            return tenant
        return replace(made, deleting=True, vanished=True)

    def _is_admitted(self, tenant: Tenant, tier: Tier | None) -> bool:
        if tier is None or not is_pending(tenant.status.tier, tier):
            return True
        return self._admits(tier, tenant.key)

    async def _labels(self, tenant: Tenant, tier: Tier | None) -> dict[str, str] | None:
        asks = tier is not None and tier.spec.namespace_selector is not None
        return await self._namespaces.labels(tenant.namespace) if asks else None

    def _older(self, tenant: Tenant, tier: Tier | None) -> int | None:
        """Who comes before the tenant in a tier that takes only so many; it is let in with the same look.

        No `await` in between: of many that are looked at in one moment, as many are let in as there is room.
        """
        most = None if tier is None else tier.spec.max_tenants_per_namespace
        if tier is None or most is None:
            self._memory.let_in(tenant.uid, None)
            return None
        if not room.asks(tenant):
            return None
        older = room.before(
            self._claim(tenant, tier),
            (self._claim(record, tier) for record in self._claims(tenant.namespace, tier.name)),
        )
        self._memory.let_in(tenant.uid, tier.name if older < most else None)
        return older

    def _claim(self, found: Tenant | Record, tier: Tier) -> Claim:
        return Claim.of(found, tier.name, let_in=self._memory.is_let_in(found.uid, tier.name))

    async def _end(self, observed: Observed, pause: Rest | Wait | Leave) -> Again:
        """Tells the reader, drops what need not be remembered, and says when to look again."""
        tenant = observed.tenant
        if isinstance(pause, Leave):
            self._memory.forget(tenant.key, tenant.uid)
            return Again(after=0.0) if tenant.vanished else Again()
        if tenant.vanished:
            return self._end_unseen(observed, pause)
        version = await self._tell(observed, Verdict.of(pause))
        if isinstance(pause, Wait):
            self._rest(observed)
            return Again(after=pause.again, backoff=pause.again is None, within=pause.within, version=version)
        if event := core_event.of_drift(observed, pause):
            await self._events.post(Regarding.of_tenant(observed.tenant), event)
        if pause.applied:
            self._memory.take(tenant.uid, observed.note)
            self._memory.keep(tenant.uid, _left(observed, pause))
        return Again(after=pause.again, version=version)

    def _end_unseen(self, observed: Observed, pause: Rest | Wait) -> Again:
        """The end of a pass for a resource that vanished: there is no status to tell it.

        Where its project may not be let go now, it is left to the orphan report.
        """
        if isinstance(pause, Wait):
            return Again(after=pause.again, backoff=pause.again is None, within=pause.within)
        tenant = observed.tenant
        logger.warning(
            "A resource vanished while its project was made. The project is left.",
            extra={"tenant": f"{tenant.namespace}/{tenant.name}", "reason": pause.reason},
        )
        self._memory.forget(tenant.key, tenant.uid)
        return Again(after=0.0)

    def _rest(self, observed: Observed) -> None:
        """Keeps what need not be read again while Neon works, as long as the watch tells nothing newer.

        What comes next for a create is written as a compare-and-swap, and its Secret by a POST: both fail if
        this is old. Who only follows its tier gets other limits at most, and a status by compare-and-swap.
        """
        tenant = observed.tenant
        if observed.only_follows:
            self._resting[tenant.key] = (tenant, None)
        elif observed.knowledge.connection and isinstance(observed.secret, Absent) and not tenant.deleting:
            self._resting[tenant.key] = (tenant, observed.secret)

    async def _given_up(self, observed: Observed) -> Again:
        """This replica ends its part. A create that it declared and did not send is withdrawn, so that
        whoever comes next need not wait for it (protocol, rule 6).
        """
        tenant = observed.tenant
        knowledge = self._memory.of(tenant.uid)
        withdrawn = core_status.withdrawn(tenant, knowledge.attempt)
        if withdrawn is not None:
            # Forgotten before: whatever becomes of the write, nothing is sent on it any more.
            self._memory.keep(tenant.uid, replace(knowledge, attempt=None))
            try:
                await self._tenants.write_status(tenant, withdrawn)
            except (ConflictError, GoneError):
                logger.info(
                    "A create was not withdrawn: its resource has changed.",
                    extra={"tenant": f"{tenant.namespace}/{tenant.name}"},
                )
        return Again(backoff=True)

    async def _failed(self, observed: Observed, error: NeonError) -> Again:
        """A request to Neon failed: back off alone. Only a tenant that is not as it should be says so."""
        failure = error.failure
        if isinstance(error, NotFoundError):
            message = "A part of the project went away while it was looked at. It is looked at again."
            failure = Failure(Reason.NEON_UNREACHABLE, message, failure.done)
            known = self._memory.of(observed.tenant.uid)
            if known.created is not None:
                self._memory.keep(observed.tenant.uid, replace(known, doubted=True))
        tenant = observed.tenant
        logger.info(
            "pass failed",
            extra={
                "tenant": f"{tenant.namespace}/{tenant.name}",
                "reason": failure.reason,
                "why": failure.message,
            },
        )
        # A step may have put more into the memory before its request failed.
        observed = replace(observed, knowledge=self._memory.of(tenant.uid), now=self._clock())
        version = tenant.version
        if not observed.settled and not tenant.vanished:
            version = await self._tell(observed, Verdict.failed(failure))
        return Again(after=failure.retry_after, backoff=True, version=version)

    async def _tell(self, observed: Observed, verdict: Verdict) -> int:
        """Writes the status where a reader would notice; returns the newest version that we know."""
        new = core_status.updated(observed, verdict, self._wall_time())
        if not core_status.is_due(observed, verdict) or new == observed.tenant.status:
            return observed.tenant.version
        tenant = await self._tenants.write_status(observed.tenant, new)
        if tenant.status.project_id is not None:
            self._memory.recorded(tenant.key, tenant.uid)
        if event := core_event.of_verdict(observed, verdict):
            await self._events.post(Regarding.of_tenant(tenant), event)
        for event in core_event.of_usage(observed.tenant.status, new):
            await self._events.post(Regarding.of_tenant(tenant), event)
        return tenant.version


def _left(observed: Observed, rest: Rest) -> Knowledge:
    """What need be remembered of a tenant to which all was applied."""
    knowledge = observed.knowledge
    told = reported(knowledge.reported, rest.drift, endpoints_read=observed.endpoints is not None)
    if observed.intent_state is IntentState.ALIVE:
        return Knowledge(knowledge.sighting, knowledge.attempt, reported=told)
    return Knowledge(reported=told)
