"""Kopf's handlers: events in, keys out. Kopf is the trigger and holds none of our state.

Its own handlers and timers write up to seven patches a create, lose the finalizer when a delete handler
fails for good, and cost 25 KB a tenant (docs/decisions/0001-kopf-as-a-trigger.md). So there is one
`on.event` handler a kind, storages that store nothing, and our own finalizer and queue.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import aiohttp
import kopf
from pydantic import ValidationError

from neon_tenants.api import names
from neon_tenants.api.conditions import ConditionStatus
from neon_tenants.core.drift import is_held
from neon_tenants.core.key import Key
from neon_tenants.core.lane import Lane, lane_of
from neon_tenants.core.observed import is_pending, is_settled, is_untouched
from neon_tenants.core.record import Record
from neon_tenants.core.shard import Scope
from neon_tenants.fleet.operations import Operations
from neon_tenants.fleet.rollout import Rollouts
from neon_tenants.kube.access import Access
from neon_tenants.kube.fleet_operations import parse_operation
from neon_tenants.kube.tenants import parse_tenant, parse_tier
from neon_tenants.memory import Memory
from neon_tenants.pulse import Pulse
from neon_tenants.queue import Queue
from neon_tenants.roster import Roster

logger = logging.getLogger(__name__)

CHUNK: Final = 500
"""Objects on a page of the first list; a whole list of 100,000 cost 1.2 GB (decision 0001)."""
WATCH_TIMEOUT: Final = 300
"""Seconds until a watch is begun anew, so that one that died behind a load balancer is noticed."""
MAX_BACKOFF: Final = 30.0


class Wish(NamedTuple):
    """A pass that a tenant wants."""

    key: Key
    lane: Lane
    version: int = 0


class Triggers:
    """Turns what the watch tells into keys on the queue."""

    def __init__(
        self,
        *,
        queue: Queue,
        roster: Roster,
        memory: Memory,
        rollouts: Rollouts,
        operations: Operations,
        scope: Callable[[], Scope],
        became_ready: Callable[[Record], None],
    ) -> None:
        self._scope = scope
        self._operations = operations
        self._queue = queue
        self._roster = roster
        self._memory = memory
        self._rollouts = rollouts
        self._became_ready = became_ready

    def tenant(self, kind: str | None, body: Mapping[str, Any]) -> None:
        """A TenantDatabase was listed, changed or is gone. Our own writes' echoes ask for no pass."""
        metadata = body["metadata"]
        if not self._scope().sees(metadata["uid"]):
            return  # another replica's, which no status tells yet
        key = Key(metadata["namespace"], metadata["name"])
        before = self._roster.record(key)
        if before is not None:
            self._rollouts.note(before.tier)
        if kind == "DELETED":
            self.gone(key, metadata["uid"])
            return
        wish = self.meet(body)
        if (record := self._roster.record(key)) is not None:
            is_new = before is not None and before.applied is None
            if is_new and record.ready is ConditionStatus.TRUE and self._scope().holds(record.uid):
                self._became_ready(record)
            self._rollouts.note(record.tier)
        if wish is not None:
            self.ask(wish)

    def gone(self, key: Key, uid: str) -> None:
        """A TenantDatabase is gone, as the watch told or a list shows."""
        self._roster.drop(key)
        made = self._memory.unrecorded(key)
        if made is not None and made.uid == uid:
            self._queue.add(key, Lane.DELETE)  # perhaps it vanished under its finalizer
        else:
            self._memory.forget(key, uid)

    def meet(self, body: Mapping[str, Any]) -> Wish | None:
        """Notes a TenantDatabase as it is, and nothing else; the pass that it wants, if any.

        What is settled depends on the tiers: they must be known.
        """
        try:
            tenant = parse_tenant(body)
        except ValidationError:
            # Stored under another version's schema: the pass will fail, back off and say so.
            metadata = body["metadata"]
            if not self._scope().holds(metadata["uid"]):
                return None
            return Wish(Key(metadata["namespace"], metadata["name"]), Lane.REPAIR)
        record = Record.of(tenant)
        self._roster.put(record, tenant if is_untouched(tenant) else None)
        if record.project_id is not None:
            self._memory.recorded(record.key, record.uid)
        if record.applied is not None and record.applied.name == record.tier:
            self._memory.let_in(record.uid, None)  # now the roster knows
        tier = self._roster.tier(record.tier)
        scope = self._scope()
        if not scope.works_on(record, tier):
            return None
        # Who only waits for its tier's rollout is put on the queue by that.
        if is_settled(tenant, tier, admitted=False) and not scope.is_misplaced(record):
            return None
        return Wish(record.key, lane_of(tenant, tier), tenant.version)

    def ask(self, wish: Wish) -> None:
        """Asks for the pass."""
        self._queue.add(wish.key, wish.lane, version=wish.version)

    def gained(self) -> None:
        """Asks for passes over what is not as it should be, as when shards were taken over from another."""
        for record in self._roster.records():
            tier = self._roster.tier(record.tier)
            if not is_held(record, tier) and self._scope().works_on(record, tier):
                self._queue.add(record.key, Lane.REPAIR)

    def operation(self, kind: str | None, body: Mapping[str, Any]) -> None:
        """A FleetOperation was listed, changed or is gone."""
        if not self._scope().conducts:
            return
        if kind == "DELETED":
            self._operations.gone(body["metadata"]["name"])
            return
        try:
            self._operations.told(parse_operation(body))
        except ValidationError:
            name = body["metadata"]["name"]
            logger.warning("A FleetOperation of another version is left alone.", extra={"operation": name})

    def tier(self, kind: str | None, body: Mapping[str, Any]) -> None:
        """A DatabaseTier was listed, changed or is gone. A rollout brings its change to those who have it;
        those who wait for it without having it are looked at now.
        """
        name = body["metadata"]["name"]
        self._rollouts.note(name)
        is_new = self._roster.tier(name) is None
        if kind == "DELETED":
            self._roster.drop_tier(name)
        elif not self.meet_tier(body):
            return
        tier, scope = self._roster.tier(name), self._scope()
        for record in self._roster.records_of(name):
            waits = is_pending(record.applied, tier)
            if (is_new or not waits) and scope.works_on(record, tier):
                self._queue.add(record.key, Lane.ROLLOUT)

    def meet_tier(self, body: Mapping[str, Any]) -> bool:
        """Notes a DatabaseTier as it is, and nothing else; whether it is one of a new generation."""
        try:
            return self._roster.put_tier(parse_tier(body))
        except ValidationError:
            name = body["metadata"]["name"]
            logger.warning("A DatabaseTier of another version is left as it was.", extra={"tier": name})
            return False

    def hands(self) -> dict[str, Callable[[str | None, Mapping[str, Any]], None]]:
        """Who takes the events of which kind."""
        return {
            names.TENANT_DATABASES: self.tenant,
            names.DATABASE_TIERS: self.tier,
            names.FLEET_OPERATIONS: self.operation,
        }

    def listed(self, kind: str, body: Mapping[str, Any]) -> None:
        """An object of this kind stands in a list that was read beside the watch.

        It counts where no event has told of it, or only of an older state.
        """
        metadata = body["metadata"]
        match kind:
            case names.TENANT_DATABASES:
                known = self._roster.record(Key(metadata["namespace"], metadata["name"]))
                if known is None or known.version < int(metadata["resourceVersion"]):
                    self.tenant(None, body)
            case names.DATABASE_TIERS:
                tier = self._roster.tier(metadata["name"])
                if tier is None or int(tier.resource_version) < int(metadata["resourceVersion"]):
                    self.tier(None, body)
            case names.FLEET_OPERATIONS:
                self.operation(None, body)

    def unlisted_tier(self, name: str) -> None:
        """A tier that was known before a list began does not stand in it."""
        self.tier("DELETED", {"metadata": {"name": name}})


def path_of(plural: str, namespace: str | None = None) -> str:
    """The path of a list."""
    within = "" if namespace is None else f"namespaces/{namespace}/"
    return f"/apis/{names.API_VERSION}/{within}{plural}"


def streams(namespaces: Iterable[str]) -> frozenset[str]:
    """The paths that are watched, with these namespaces or, where there are none, all."""
    tenants = [path_of(names.TENANT_DATABASES, namespace) for namespace in tuple(namespaces) or (None,)]
    return frozenset((*tenants, path_of(names.DATABASE_TIERS), path_of(names.FLEET_OPERATIONS)))


def registry(triggers: Triggers, access: Access, pulse: Pulse) -> kopf.OperatorRegistry:
    """The handlers, for `kopf.operator`."""
    handlers = kopf.OperatorRegistry()

    @kopf.on.login(registry=handlers, id="login")  # type: ignore[arg-type, unused-ignore]
    async def log_in(**_: Any) -> kopf.AiohttpSession:
        who = await access.authorization()
        # As Kopf would make it, and seen from outside. Kopf closes it.
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=access.tls()),
            headers={"Authorization": who} if who else {},
            trace_configs=[pulse.trace()],
        )
        return kopf.AiohttpSession(server=access.server, aiohttp_session=session)

    @kopf.on.event(names.GROUP, names.VERSION, names.TENANT_DATABASES, registry=handlers, id="tenant")
    async def tenant(event: kopf.RawEvent, **_: Any) -> None:
        triggers.tenant(event["type"], event["object"])

    @kopf.on.event(names.GROUP, names.VERSION, names.FLEET_OPERATIONS, registry=handlers, id="operation")
    async def operation(event: kopf.RawEvent, **_: Any) -> None:
        triggers.operation(event["type"], event["object"])

    @kopf.on.event(names.GROUP, names.VERSION, names.DATABASE_TIERS, registry=handlers, id="tier")
    async def tier(event: kopf.RawEvent, **_: Any) -> None:
        triggers.tier(event["type"], event["object"])

    return handlers


def settings(selector: str) -> kopf.OperatorSettings:
    """Kopf's settings: watch in pages, reconnect for ever, store nothing, post nothing.

    `selector` is that of the tenants that are watched, by fields; empty for all.
    """
    chosen = kopf.OperatorSettings()
    chosen.posting.enabled = False
    chosen.scanning.disabled = True
    chosen.peering.standalone = True
    chosen.watching.chunk_size = CHUNK
    if selector:
        chosen.watching.field_selectors[names.GROUP, names.VERSION, names.TENANT_DATABASES] = selector
    chosen.watching.server_timeout = WATCH_TIMEOUT
    chosen.watching.client_timeout = WATCH_TIMEOUT + 10
    chosen.queueing.idle_timeout = 0.1  # a worker that idles holds memory
    chosen.networking.error_backoffs = _Backoffs()
    chosen.persistence.finalizer = f"{names.GROUP}/unused"  # Kopf removes its own where no handler needs it
    chosen.persistence.diffbase_storage = _NoDiffBase()
    chosen.persistence.progress_storage = _NoProgress()
    return chosen


class _Backoffs:
    """Endless delays with jitter: with Kopf's default the operator exits after 54 s without an API server."""

    def __iter__(self) -> Iterator[float]:
        delay = 1.0
        while True:
            yield delay * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
            delay = min(delay * 2, MAX_BACKOFF)


class _NoDiffBase(kopf.DiffBaseStorage):
    """Kopf's copy of each object would double it in etcd, and a Secret's data would stand in it."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        return None

    def store(self, **_: Any) -> None:
        return None


class _NoProgress(kopf.ProgressStorage):
    """There are no handlers whose progress could be kept."""

    def fetch(self, **_: Any) -> Any:
        return None

    def store(self, **_: Any) -> None:
        return None

    def purge(self, **_: Any) -> None:
        return None

    def touch(self, **_: Any) -> None:
        return None

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        return essence
