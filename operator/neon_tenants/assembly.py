"""The operator's parts, put together: which of them knows which."""

from __future__ import annotations

import os
import random
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

from neon_tenants import handlers
from neon_tenants.api.fleet_operation import Operation
from neon_tenants.core.brake import BrakeLimits
from neon_tenants.core.key import Key
from neon_tenants.core.lane import Lane
from neon_tenants.core.shard import Scope, shard_of
from neon_tenants.core.staff import of_a_crowd
from neon_tenants.core.timestamp import stamp
from neon_tenants.fleet.brake import Brake
from neon_tenants.fleet.confirmations import Confirmations
from neon_tenants.fleet.consumption import Report
from neon_tenants.fleet.gauges import Gauges, Parts
from neon_tenants.fleet.operations import Deed, Operations
from neon_tenants.fleet.orphan_removal import OrphanRemoval
from neon_tenants.fleet.orphans import Orphans
from neon_tenants.fleet.overview import Overview
from neon_tenants.fleet.pauses import Pauses
from neon_tenants.fleet.preview import Previews
from neon_tenants.fleet.rebinding import Rebinding
from neon_tenants.fleet.rollout import Rollouts
from neon_tenants.fleet.sweep import Sweep
from neon_tenants.fleet.usage import UsageReader
from neon_tenants.kube.client import KubeClient
from neon_tenants.kube.events import Events
from neon_tenants.kube.fleet_operations import FleetOperations
from neon_tenants.kube.namespaces import Namespaces
from neon_tenants.kube.secrets import Secrets
from neon_tenants.kube.state import State
from neon_tenants.kube.tenants import Tenants
from neon_tenants.kube.tiers import Tiers
from neon_tenants.memory import Memory
from neon_tenants.metrics import Metrics
from neon_tenants.neon.budget import Budget
from neon_tenants.neon.client import NeonClient
from neon_tenants.neon.consumption import Consumption
from neon_tenants.neon.http import Http
from neon_tenants.neon.inventory import Inventory
from neon_tenants.neon.key import ApiKey
from neon_tenants.neon.limits import Rates
from neon_tenants.passes import Passes
from neon_tenants.perform import Identity, Performer
from neon_tenants.pulse import Pulse
from neon_tenants.queue import Queue
from neon_tenants.reconcile import Reconciler
from neon_tenants.roster import Roster
from neon_tenants.settings import Settings

REQUESTS_OF_A_PASS: Final = 2
"""That creates, deletes and changes take to Neon (docs/performance.md)."""

_clock = time.monotonic


@dataclass(frozen=True, slots=True)
class Operator:
    """The parts of a running operator."""

    settings: Settings
    kube: KubeClient
    tenants: Tenants
    key: ApiKey
    queue: Queue
    roster: Roster
    memory: Memory
    passes: Passes
    rollouts: Rollouts
    pulse: Pulse
    pauses: Pauses
    brake: Brake
    operations: Operations
    metrics: Metrics
    sweep: Sweep
    orphans: Orphans
    previews: Previews
    report: Report
    overview: Overview
    budget: Budget
    rates: Rates
    """Those of all shards together."""
    scope: Callable[[], Scope]
    """What this replica works on at the moment."""

    @property
    def granted(self) -> int:
        """Requests that were let go to Neon so far."""
        return self.budget.granted

    @property
    def waiting(self) -> int:
        """Requests that wait to be let go, and those of passes that wait for a worker meanwhile."""
        sending = sum(lane.depth for lane in self.budget.waiting().values())
        if not sending:
            return 0
        passes = sum(found.depth for lane, found in self.queue.waiting().items() if lane is not Lane.SWEEP)
        return sending + REQUESTS_OF_A_PASS * passes

    def keep_to(self, per_minute: int) -> None:
        """From now on no more than so many requests a minute."""
        self.budget.change(self.rates.part(per_minute))

    async def let_go(self, number: int) -> None:
        """Ends the passes that run over tenants of a shard that is not this replica's any more."""
        scope = self.scope()

        def was_ours(key: Key) -> bool:
            record = self.roster.record(key)
            return record is not None and shard_of(record.uid, scope.count) == number

        self.passes.give_up(was_ours)
        await self.queue.ended(was_ours)


@dataclass(frozen=True, slots=True)
class _Ground:
    """What all parts stand on."""

    settings: Settings
    holder: str
    kube: KubeClient
    http: Http
    key: ApiKey
    rates: Rates
    budget: Budget
    neon: NeonClient
    alive: Inventory
    deleted: Inventory
    tenants: Tenants
    namespaces: Namespaces
    events: Events
    memory: Memory
    roster: Roster
    queue: Queue
    metrics: Metrics
    scope: Callable[[], Scope]


@asynccontextmanager
async def assemble(
    settings: Settings, *, kube: KubeClient, metrics: Metrics, scope: Callable[[], Scope]
) -> AsyncIterator[Operator]:
    """Puts the parts together; they are of use until the block ends, and show their gauges so long."""
    async with AsyncExitStack() as stack:
        ground = await _ground(stack, settings, kube, metrics, scope)
        state = State(
            ground.kube,
            namespace=ground.kube.own_namespace(settings.namespace),
            cluster=settings.cluster_id,
        )
        pauses = Pauses(
            kube=ground.kube,
            namespaces=ground.namespaces,
            state=state,
            roster=ground.roster,
            queue=ground.queue,
            paused=settings.paused,
        )
        brake = Brake(
            state=state,
            roster=ground.roster,
            queue=ground.queue,
            limits=_limits(settings),
            epoch=time.time,
        )
        rollouts = Rollouts(
            roster=ground.roster,
            queue=ground.queue,
            tiers=Tiers(ground.kube),
            events=ground.events,
            projects=ground.alive.whole,
            scope=scope,
            idle_interval=settings.idle_interval,
            clock=_clock,
            wall_time=_wall_time,
        )
        reconciler = _reconciler(ground, pauses=pauses, brake=brake, rollouts=rollouts)
        pulse = Pulse(handlers.streams(settings.watch_namespaces), _clock)
        orphans = _orphans(ground, pulse)
        usage = _usage(ground)
        sweep = _sweep(ground, usage=usage, orphans=orphans)
        parts = Parts(
            ground.roster,
            ground.queue,
            ground.budget,
            brake,
            pulse,
            ground.key,
            sweep,
            orphans,
            usage,
            reconciler,
            pauses,
        )
        gauges = Gauges(parts, conducts=scope().conducts, per_tenant=settings.tenant_metrics)
        stack.enter_context(metrics.showing(gauges))
        yield Operator(
            settings=settings,
            kube=ground.kube,
            tenants=ground.tenants,
            key=ground.key,
            queue=ground.queue,
            roster=ground.roster,
            memory=ground.memory,
            passes=Passes(reconciler=reconciler, roster=ground.roster, metrics=ground.metrics, clock=_clock),
            rollouts=rollouts,
            pulse=pulse,
            pauses=pauses,
            brake=brake,
            operations=_operations(ground, pauses=pauses, brake=brake, rollouts=rollouts),
            metrics=ground.metrics,
            sweep=sweep,
            orphans=orphans,
            previews=Previews(
                roster=ground.roster,
                projects=ground.alive.whole,
                requests_per_minute=settings.requests_per_minute,
            ),
            report=_report(ground, pulse),
            overview=Overview(parts),
            budget=ground.budget,
            rates=ground.rates,
            scope=scope,
        )


async def _ground(
    stack: AsyncExitStack, settings: Settings, kube: KubeClient, metrics: Metrics, scope: Callable[[], Scope]
) -> _Ground:
    key = ApiKey(settings.api_key_file, _clock, personal=settings.allow_personal_key)
    holder = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    rates = Rates(
        settings.requests_per_minute,
        settings.requests_per_second_per_route,
        settings.consumption_requests_per_minute,
    )
    budget = Budget(rates, _clock)
    http = await stack.enter_async_context(
        Http.connect(
            settings.api_url,
            key=key,
            budget=budget,
            clock=_clock,
            timeout=settings.request_timeout,
            observe=metrics.requested,
        )
    )
    neon = NeonClient(http, org_id=settings.org_id)
    queue = Queue(dice=random.random, max_delay=settings.retry_max)
    lookers = of_a_crowd(settings.workers)
    inventory = partial(Inventory, neon, _clock, lookers=lookers, at_work=queue.at_work, takes=budget.takes)
    return _Ground(
        settings=settings,
        holder=holder,
        kube=kube,
        http=http,
        key=key,
        rates=rates,
        budget=budget,
        neon=neon,
        alive=inventory(wait_for=settings.intent_lifetime),
        deleted=inventory(recoverable=True),
        tenants=Tenants(kube),
        namespaces=Namespaces(kube, _clock),
        events=Events(kube, instance=holder, clock=_clock, token=lambda: secrets.token_hex(8)),
        memory=Memory(),
        roster=Roster(),
        queue=queue,
        metrics=metrics,
        scope=scope,
    )


def _reconciler(ground: _Ground, *, pauses: Pauses, brake: Brake, rollouts: Rollouts) -> Reconciler:
    settings = ground.settings
    identity = Identity(settings.cluster_id, ground.holder, settings.intent_lifetime)
    performer = Performer(
        identity=identity,
        tenants=ground.tenants,
        secrets=Secrets(ground.kube),
        neon=ground.neon,
        alive=ground.alive,
        deleted=ground.deleted,
        memory=ground.memory,
        # A list must outlive the time to the next sweep, else settled tenants would ask for their own.
        list_max_age=2 * settings.sweep_interval,
        clock=_clock,
        wall_time=_wall_time,
        nonce=lambda: secrets.token_hex(8),
    )
    return Reconciler(
        identity=identity,
        tenants=ground.tenants,
        namespaces=ground.namespaces,
        events=ground.events,
        performer=performer,
        memory=ground.memory,
        tier=ground.roster.tier,
        claims=ground.roster.claims,
        admits=rollouts.admits,
        take_new=ground.roster.take_new,
        version=ground.roster.version,
        scope=ground.scope,
        pause=pauses.of,
        brake=brake.held,
        clock=_clock,
        epoch=time.time,
        wall_time=_wall_time,
    )


def _operations(ground: _Ground, *, pauses: Pauses, brake: Brake, rollouts: Rollouts) -> Operations:
    settings = ground.settings
    rebinding = Rebinding(
        cluster=settings.cluster_id,
        namespaces=settings.watch_namespaces,
        tenants=ground.tenants,
        neon=ground.neon,
        alive=ground.alive,
        deleted=ground.deleted,
        roster=ground.roster,
        queue=ground.queue,
        pause=pauses.of,
        clock=_clock,
    )
    removal = OrphanRemoval(
        cluster=settings.cluster_id,
        kube=ground.kube,
        tenants=ground.tenants,
        neon=ground.neon,
        roster=ground.roster,
        epoch=time.time,
    )
    return Operations(
        store=FleetOperations(ground.kube),
        deeds=_deeds(rebinding, removal, Confirmations(brake=brake, pauses=pauses, rollouts=rollouts)),
        cluster=settings.cluster_id,
        blocked=lambda: pauses.everywhere,
        wall_time=_wall_time,
    )


def _orphans(ground: _Ground, pulse: Pulse) -> Orphans:
    return Orphans(
        cluster=ground.settings.cluster_id,
        namespaces=ground.settings.watch_namespaces,
        roster=ground.roster,
        complete=lambda: pulse.complete,
        tenants=ground.tenants,
        neon=ground.neon,
        inventory=ground.alive,
        epoch=time.time,
    )


def _usage(ground: _Ground) -> UsageReader:
    return UsageReader(
        roster=ground.roster,
        memory=ground.memory,
        queue=ground.queue,
        neon=ground.neon,
        reads=ground.settings.usage_reads_per_sweep,
        clock=_clock,
    )


def _sweep(ground: _Ground, *, usage: UsageReader, orphans: Orphans) -> Sweep:
    return Sweep(
        cluster=ground.settings.cluster_id,
        roster=ground.roster,
        queue=ground.queue,
        memory=ground.memory,
        inventory=ground.alive,
        usage=usage,
        orphans=orphans,
        endpoint_checks=ground.settings.endpoint_checks_per_sweep,
        clock=_clock,
    )


def _report(ground: _Ground, pulse: Pulse) -> Report:
    return Report(
        consumption=Consumption(ground.http),
        alive=ground.alive,
        roster=ground.roster,
        cluster=ground.settings.cluster_id,
        org_id=ground.settings.org_id,
        complete=lambda: pulse.complete,
        epoch=time.time,
    )


def _deeds(
    rebinding: Rebinding, orphans: OrphanRemoval, confirmations: Confirmations
) -> dict[Operation, Deed]:
    return {
        Operation.REBIND: rebinding.rebind,
        Operation.UNDELETE: rebinding.undelete,
        Operation.DELETE_ORPHANS: orphans.remove,
        Operation.RELEASE_DELETIONS: confirmations.release_deletions,
        Operation.RESUME_ROLLOUT: confirmations.resume_rollout,
        Operation.CONFIRM_API_SERVER: confirmations.confirm_api_server,
    }


def _limits(settings: Settings) -> BrakeLimits:
    return BrakeLimits(
        window=settings.deletion_window,
        fleet=settings.deletions_per_window,
        per_tier=settings.deletions_per_tier,
        per_namespace=settings.deletions_per_namespace,
    )


def _wall_time() -> str:
    """RFC 3339 in whole seconds, as metav1.Time."""
    return stamp(datetime.now(UTC))
