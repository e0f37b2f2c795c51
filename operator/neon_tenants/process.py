"""The operator as one process: its connections, its pages, and its terms of work."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, AsyncExitStack, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime

from neon_tenants import serve, term
from neon_tenants.assembly import Operator, assemble
from neon_tenants.core.lease import Terms
from neon_tenants.core.shard import WHOLE, Scope
from neon_tenants.election import Election
from neon_tenants.kube.client import KubeClient
from neon_tenants.kube.leases import Leases
from neon_tenants.metrics import Metrics
from neon_tenants.replica import Replica
from neon_tenants.settings import Settings
from neon_tenants.shards import Shards

logger = logging.getLogger(__name__)


async def run(settings: Settings, *, stop: asyncio.Event) -> None:
    """Runs the operator until `stop` is set or a signal asks for the end."""
    _take_signals(stop)
    async with AsyncExitStack() as stack:
        kube = await stack.enter_async_context(
            KubeClient.connect(
                kubeconfig=settings.kubeconfig,
                context=settings.kube_context,
                service_account=settings.service_account_path,
            )
        )
        shards = None
        if settings.leader_elect:
            # Who waits behind all passes for a connection leads no more, just when there is most to do.
            shards = _shards(settings, await stack.enter_async_context(kube.apart()), stop)
        metrics, replica = Metrics(), Replica(shards)
        stack.enter_context(metrics.showing(replica))
        await stack.enter_async_context(
            serve.serving(
                settings.listen,
                reads=replica.reads(),
                probes={"healthz": replica.alive, "readyz": replica.ready},
                metrics=metrics.render,
            )
        )
        work = _Work(settings, kube, metrics, replica, stop)
        if shards is None:
            await work.one_term(_Sole())
        else:
            await _take_part(shards, work)
    logger.info("The operator has stopped.")


@dataclass(frozen=True, slots=True)
class _Sole:
    """What a replica works on that no other shares: all, without a Lease, for as long as it lives."""

    scope: Scope = WHOLE
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def working(self, _work: Operator) -> AbstractContextManager[asyncio.Event]:
        """As that of `Shards`; the event is never set."""
        return nullcontext(asyncio.Event())


@dataclass(frozen=True, slots=True)
class _Work:
    settings: Settings
    kube: KubeClient
    metrics: Metrics
    replica: Replica
    stop: asyncio.Event

    async def one_term(self, share: Shards | _Sole) -> None:
        """Works until the process is to end, or the replica's part ends.

        Each term begins with parts of its own, as a process does: what was known when the last one ended
        is old, and the request budget must begin empty, since another may have used it up.
        """
        async with assemble(
            self.settings, kube=self.kube, metrics=self.metrics, scope=lambda: share.scope
        ) as operator:
            with share.working(operator) as lost:
                end = term.End(self.stop, lost, share.moved, lambda: _take_signals(self.stop))
                self.replica.operator = operator
                try:
                    await term.work(operator, end)
                finally:
                    self.replica.operator = None
        if not lost.is_set():
            self.stop.set()


async def _take_part(shards: Shards, work: _Work) -> None:
    """Stands by until this replica has something to work on, works as long as it has, and stands by again."""
    work.replica.installed = await term.until_served(work.kube, work.stop)
    async with shards.sharing():
        while await shards.hold_some():
            await work.one_term(shards)


def _shards(settings: Settings, kube: KubeClient, stop: asyncio.Event) -> Shards:
    # Begins with the pod's name, and no two processes have it.
    identity = f"{socket.gethostname()}_{secrets.token_hex(8)}"
    terms = Terms(
        duration=settings.leader_elect_lease_duration,
        deadline=settings.leader_elect_renew_deadline,
        retry=settings.leader_elect_retry_period,
    )

    def elect(
        name: str,
        eager: Callable[[], bool],
        notes: Callable[[], Mapping[str, str]],
        noticed: Callable[[], None],
    ) -> Election:
        return Election(
            leases=Leases(kube, namespace=kube.own_namespace(settings.namespace), name=name),
            identity=identity,
            terms=terms,
            clock=time.monotonic,
            dice=random.random,
            wall_time=_micro_time,
            eager=eager,
            notes=notes,
            noticed=noticed,
        )

    return Shards(
        count=settings.shards,
        whole=settings.requests_per_minute,
        identity=identity,
        terms=terms,
        elect=elect,
        stop=stop,
        clock=time.monotonic,
        dice=random.random,
    )


def _micro_time() -> str:
    """As metav1.MicroTime."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _take_signals(stop: asyncio.Event) -> None:
    if threading.current_thread() is threading.main_thread():
        for sign in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(sign, stop.set)
