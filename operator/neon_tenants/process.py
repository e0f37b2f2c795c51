"""The operator as one process: its parts put together, its watch started, its end in order."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import secrets
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import kopf

from neon_tenants import handlers, serve
from neon_tenants.api import names
from neon_tenants.api.fleet_operation import Operation
from neon_tenants.core.again import Again
from neon_tenants.core.brake import BrakeLimits
from neon_tenants.core.health import Signs, not_alive, not_ready
from neon_tenants.core.key import Key
from neon_tenants.core.lane import Lane
from neon_tenants.core.record import Record
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
from neon_tenants.fleet.sweep import Sweep, trickle
from neon_tenants.fleet.usage import UsageReader
from neon_tenants.kube.client import KubeClient
from neon_tenants.kube.errors import KubeError
from neon_tenants.kube.events import Events
from neon_tenants.kube.fleet_operations import FleetOperations
from neon_tenants.kube.namespaces import Namespaces
from neon_tenants.kube.secrets import Secrets
from neon_tenants.kube.state import State
from neon_tenants.kube.tenants import Tenants
from neon_tenants.kube.tiers import Tiers
from neon_tenants.memory import Memory
from neon_tenants.metrics import Metrics
from neon_tenants.neon.budget import Budget, Turn, taking_turns
from neon_tenants.neon.client import NeonClient
from neon_tenants.neon.consumption import Consumption
from neon_tenants.neon.http import Http
from neon_tenants.neon.inventory import Inventory
from neon_tenants.neon.key import ApiKey
from neon_tenants.neon.limits import Rates
from neon_tenants.perform import Identity, Performer
from neon_tenants.pulse import Pulse
from neon_tenants.queue import Queue
from neon_tenants.reconcile import Reconciler
from neon_tenants.roster import Roster
from neon_tenants.settings import Settings

logger = logging.getLogger(__name__)

KEY_POLL: Final = 2.0
"""Seconds between looks at the API key's file. A mounted Secret sends no event."""
START_DELAYS: Final = (1.0, 2.0, 5.0, 10.0)
"""Seconds between tries while the API server or the CRDs are not there; the last one repeats."""


@dataclass(frozen=True, slots=True)
class Operator:
    """The parts of a running operator."""

    settings: Settings
    kube: KubeClient
    tenants: Tenants
    key: ApiKey
    budget: Budget
    queue: Queue
    roster: Roster
    memory: Memory
    reconciler: Reconciler
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

    async def reconcile(self, key: Key, lane: Lane) -> Again:
        """One pass for a key of the queue."""
        began, again = time.monotonic(), None
        try:
            with taking_turns(Turn(lane, key.namespace)):
                again = await self.reconciler.reconcile(key.namespace, key.name)
        finally:
            self.metrics.passed(again, time.monotonic() - began)
        if again.gone:
            # The watch may have missed it: Kopf notices no deletion across a new list.
            self.roster.drop(key)
        return again


@asynccontextmanager
async def assemble(settings: Settings) -> AsyncIterator[Operator]:
    """Puts the parts together."""
    clock = time.monotonic
    key = ApiKey(settings.api_key_file, clock)
    memory, roster, metrics = Memory(), Roster(), Metrics()
    holder = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    rates = Rates(
        settings.requests_per_minute,
        settings.requests_per_second_per_route,
        settings.consumption_requests_per_minute,
    )
    budget = Budget(rates, clock)
    identity = Identity(settings.cluster_id, holder, settings.intent_lifetime)
    async with AsyncExitStack() as stack:
        kube = await stack.enter_async_context(
            KubeClient.connect(kubeconfig=settings.kubeconfig, context=settings.kube_context)
        )
        http = await stack.enter_async_context(
            Http.connect(
                settings.api_url,
                key=key,
                budget=budget,
                clock=clock,
                timeout=settings.request_timeout,
                observe=metrics.requested,
            )
        )
        neon = NeonClient(http, org_id=settings.org_id)
        alive = Inventory(neon, clock)
        tenants, secret_store = Tenants(kube), Secrets(kube)
        performer = Performer(
            identity=identity,
            tenants=tenants,
            secrets=secret_store,
            neon=neon,
            alive=alive,
            memory=memory,
            # A list must outlive the time to the next sweep, else settled tenants would ask for their own.
            list_max_age=2 * settings.sweep_interval,
            clock=clock,
            wall_time=_wall_time,
            nonce=lambda: secrets.token_hex(8),
        )
        queue = Queue(dice=random.random, max_delay=settings.retry_max)
        state = State(kube, namespace=kube.own_namespace(settings.namespace), cluster=settings.cluster_id)
        pauses = Pauses(
            kube=kube,
            namespaces=Namespaces(kube, clock),
            state=state,
            roster=roster,
            queue=queue,
            paused=settings.paused,
        )
        brake = Brake(state=state, roster=roster, queue=queue, limits=_limits(settings), epoch=time.time)
        events = Events(kube, instance=holder, clock=clock, token=lambda: secrets.token_hex(8))
        rollouts = Rollouts(
            roster=roster,
            queue=queue,
            tiers=Tiers(kube),
            events=events,
            projects=alive.whole,
            idle_interval=settings.idle_interval,
            clock=clock,
            wall_time=_wall_time,
        )
        rebinding = Rebinding(
            cluster=settings.cluster_id,
            namespaces=settings.watch_namespaces,
            tenants=tenants,
            neon=neon,
            alive=alive,
            deleted=Inventory(neon, clock, recoverable=True),
            roster=roster,
            queue=queue,
            pause=pauses.of,
            clock=clock,
        )
        operations = Operations(
            store=FleetOperations(kube),
            deeds=_deeds(
                rebinding,
                OrphanRemoval(
                    cluster=settings.cluster_id,
                    kube=kube,
                    tenants=tenants,
                    neon=neon,
                    roster=roster,
                    epoch=time.time,
                ),
                Confirmations(brake=brake, pauses=pauses, rollouts=rollouts),
            ),
            cluster=settings.cluster_id,
            blocked=lambda: pauses.everywhere,
            wall_time=_wall_time,
        )
        reconciler = Reconciler(
            identity=identity,
            tenants=tenants,
            secrets=secret_store,
            events=events,
            performer=performer,
            memory=memory,
            tier=roster.tier,
            admits=rollouts.admits,
            pause=pauses.of,
            brake=brake.held,
            clock=clock,
            epoch=time.time,
            wall_time=_wall_time,
        )
        pulse = Pulse(handlers.streams(settings.watch_namespaces), clock)
        previews = Previews(
            roster=roster, projects=alive.whole, requests_per_minute=settings.requests_per_minute
        )
        orphans = Orphans(
            cluster=settings.cluster_id,
            namespaces=settings.watch_namespaces,
            roster=roster,
            complete=lambda: pulse.complete,
            tenants=tenants,
            neon=neon,
            inventory=alive,
            epoch=time.time,
        )
        usage = UsageReader(
            roster=roster,
            memory=memory,
            queue=queue,
            neon=neon,
            reads=settings.usage_reads_per_sweep,
            clock=clock,
        )
        sweep = Sweep(
            cluster=settings.cluster_id,
            roster=roster,
            queue=queue,
            memory=memory,
            inventory=alive,
            usage=usage,
            orphans=orphans,
            endpoint_checks=settings.endpoint_checks_per_sweep,
            clock=clock,
        )
        report = Report(
            consumption=Consumption(http),
            alive=alive,
            roster=roster,
            cluster=settings.cluster_id,
            org_id=settings.org_id,
            complete=lambda: pulse.complete,
            epoch=time.time,
        )
        parts = Parts(roster, queue, budget, rates, brake, pulse, key, sweep, orphans, usage, reconciler)
        metrics.add(Gauges(parts, per_tenant=settings.tenant_metrics))
        yield Operator(
            settings,
            kube,
            tenants,
            key,
            budget,
            queue,
            roster,
            memory,
            reconciler,
            rollouts,
            pulse,
            pauses,
            brake,
            operations,
            metrics,
            sweep,
            orphans,
            previews,
            report,
            Overview(parts),
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


async def run(settings: Settings, *, stop: asyncio.Event, ready: asyncio.Event | None = None) -> None:
    """Runs the operator until `stop` is set or a signal asks for the end; sets `ready` when it watches."""
    _take_signals(stop)
    async with AsyncExitStack() as stack:
        operator = await stack.enter_async_context(assemble(settings))
        # All of our tasks start before Kopf: when it ends, it cancels whatever began after it.
        await stack.enter_async_context(
            operator.queue.working(operator.reconcile, workers=settings.workers, grace=settings.grace)
        )
        await stack.enter_async_context(
            serve.serving(
                settings.listen,
                reads={
                    "orphans": operator.orphans.read,
                    "preview": operator.previews.read,
                    "status": operator.overview.answer,
                    "usage": operator.report.answer,
                },
                probes=_probes(operator),
                metrics=operator.metrics.render,
            )
        )
        chores = await stack.enter_async_context(_chores(operator))
        watch = asyncio.create_task(_watch(operator, stop, ready))
        await asyncio.wait({watch, *chores}, return_when=asyncio.FIRST_COMPLETED)
        for task in (watch, *chores):
            if task.done():
                task.result()  # a chore ends only by an error, which ends the process
        stop.set()
        await watch
    logger.info("The operator has stopped.")


async def _watch(operator: Operator, stop: asyncio.Event, ready: asyncio.Event | None) -> None:
    """Lets Kopf watch; starts it again when its watch breaks for good."""
    triggers = handlers.Triggers(
        queue=operator.queue,
        roster=operator.roster,
        memory=operator.memory,
        operations=operator.operations,
        became_ready=lambda record: operator.metrics.became_ready(time.time() - record.created),
        rollouts=operator.rollouts,
    )
    namespaces = operator.settings.watch_namespaces
    while not stop.is_set():
        if not await _cluster_is_ready(operator, stop):
            return
        started = asyncio.Event()
        starting = asyncio.create_task(_started(started, stop, ready))
        operator.pulse.begin()
        try:
            await kopf.operator(
                registry=handlers.registry(triggers, operator.kube.login, operator.pulse),
                settings=handlers.settings(),
                standalone=True,
                clusterwide=not namespaces,
                namespaces=namespaces,
                stop_flag=stop,
                ready_flag=started,
            )
        # Kopf ends with whatever error its watch met: an expired list, a CRD that went away.
        except Exception as error:  # noqa: BLE001
            logger.error("The watch ended and is started again.", extra={"error": type(error).__name__})  # noqa: TRY400
            await _pause(stop, START_DELAYS[0])
        else:
            return  # a signal, or the stop flag
        finally:
            starting.cancel()
            operator.pulse.end()


async def _started(started: asyncio.Event, stop: asyncio.Event, ready: asyncio.Event | None) -> None:
    """Takes the signals back from Kopf, which after one of its own waits 5 s for our stop flag's waiter."""
    await started.wait()
    _take_signals(stop)
    logger.info("The operator is watching.")
    if ready is not None:
        ready.set()


def _probes(operator: Operator) -> dict[str, serve.Probe]:
    return {"healthz": lambda: not_alive(_signs(operator)), "readyz": lambda: not_ready(_signs(operator))}


def _signs(operator: Operator) -> Signs:
    pulse, queue = operator.pulse, operator.queue
    return Signs(
        installed=pulse.beats,
        unlisted=pulse.unlisted,
        heard_ago=pulse.heard_ago,
        tried_ago=pulse.tried_ago,
        waiting=sum(lane.depth for lane in queue.waiting().values()),
        moved_ago=queue.moved_ago,
    )


def _take_signals(stop: asyncio.Event) -> None:
    if threading.current_thread() is threading.main_thread():
        for sign in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(sign, stop.set)


async def _cluster_is_ready(operator: Operator, stop: asyncio.Event) -> bool:
    """Waits until the API server serves our resources, and reads them; false when asked to stop."""
    kinds = frozenset({names.TENANT_DATABASES, names.DATABASE_TIERS, names.FLEET_OPERATIONS})
    delays = iter(START_DELAYS)
    delay = START_DELAYS[0]
    while not stop.is_set():
        try:
            if await operator.kube.serves(names.GROUP, names.VERSION, kinds):
                await operator.pauses.meet()
                await operator.brake.load()
                await _read_all(operator)
                return True
            logger.warning("The CRDs are not installed. Install them with: kubectl apply -f crds/ (waiting)")
        except KubeError as error:
            logger.warning("The cluster is not ready (waiting).", extra={"why": str(error)})
        delay = next(delays, delay)
        await _pause(stop, delay)
    return False


async def _read_all(operator: Operator) -> None:
    """Tiers before tenants: whether one is settled depends on its tier. And both before the watch: a rollout
    that does not know all tenants would choose its canaries among the first that are told.
    """
    for tier in await operator.tenants.tiers():
        operator.roster.put_tier(tier)
    for namespace in operator.settings.watch_namespaces or (None,):
        async for tenant in operator.tenants.all(namespace):
            operator.roster.put(Record.of(tenant))
    for tier in operator.roster.tiers():
        operator.rollouts.note(tier.name)


@asynccontextmanager
async def _chores(operator: Operator) -> AsyncIterator[set[asyncio.Task[None]]]:
    tasks = {
        asyncio.create_task(_watch_key(operator)),
        asyncio.create_task(operator.rollouts.run()),
        asyncio.create_task(operator.sweep.run(operator.settings.sweep_interval, random.random)),
        asyncio.create_task(trickle(operator.roster, operator.queue, operator.settings.resync_interval)),
        asyncio.create_task(operator.operations.run()),
    }
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _watch_key(operator: Operator) -> None:
    """Ends every back-off when the API key's file changes: its old content may have been the cause."""
    known = operator.key.fingerprint()
    while True:
        await asyncio.sleep(KEY_POLL)
        found = operator.key.fingerprint()
        if found != known:
            known = found
            logger.info("The API key's file has changed.")
            operator.queue.expedite()


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


def _wall_time() -> str:
    """RFC 3339 in whole seconds, as metav1.Time."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
