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
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from neon_tenants import serve, term
from neon_tenants.assembly import assemble
from neon_tenants.core.lease import Terms
from neon_tenants.election import Election
from neon_tenants.kube.client import KubeClient
from neon_tenants.kube.leases import Leases
from neon_tenants.metrics import Metrics
from neon_tenants.replica import Replica
from neon_tenants.settings import Settings

logger = logging.getLogger(__name__)

LEASE: Final = "neon-tenant-operator"
"""Name of the Lease. The chart's Role names it, too."""


async def run(settings: Settings, *, stop: asyncio.Event) -> None:
    """Runs the operator until `stop` is set or a signal asks for the end."""
    _take_signals(stop)
    async with AsyncExitStack() as stack:
        kube = await stack.enter_async_context(
            KubeClient.connect(kubeconfig=settings.kubeconfig, context=settings.kube_context)
        )
        election = _election(settings, kube) if settings.leader_elect else None
        metrics, replica = Metrics(), Replica(election)
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
        if election is None:
            await work.one_term(asyncio.Event())
        else:
            await _take_part(election, work)
    logger.info("The operator has stopped.")


@dataclass(frozen=True, slots=True)
class _Work:
    settings: Settings
    kube: KubeClient
    metrics: Metrics
    replica: Replica
    stop: asyncio.Event

    async def one_term(self, lost: asyncio.Event) -> None:
        """Works until the process is to end, or the lead is lost.

        Each term begins with parts of its own, as a process does: what was known when the last one ended
        is old, and the request budget must begin empty, since another may have used it up.
        """
        end = term.End(self.stop, lost, lambda: _take_signals(self.stop))
        async with assemble(self.settings, kube=self.kube, metrics=self.metrics) as operator:
            self.replica.operator = operator
            try:
                await term.work(operator, end)
            finally:
                self.replica.operator = None
        if not lost.is_set():
            self.stop.set()


async def _take_part(election: Election, work: _Work) -> None:
    """Stands by until this replica leads, works as long as it does, and stands by again."""
    work.replica.installed = await term.until_served(work.kube, work.stop)
    while await election.acquire(work.stop):
        await _lead(election, work)


async def _lead(election: Election, work: _Work) -> None:
    lost = asyncio.Event()
    renewing = asyncio.create_task(election.renew())
    renewing.add_done_callback(lambda _: lost.set())
    try:
        await work.one_term(lost)
    finally:
        renewing.cancel()
        await asyncio.wait({renewing})
        if election.leads:
            # All work has ended, so the next one need not wait.
            await election.release()
    if not renewing.cancelled():
        renewing.result()


def _election(settings: Settings, kube: KubeClient) -> Election:
    return Election(
        leases=Leases(kube, namespace=kube.own_namespace(settings.namespace), name=LEASE),
        # Begins with the pod's name, and no two processes have it.
        identity=f"{socket.gethostname()}_{secrets.token_hex(8)}",
        terms=Terms(
            duration=settings.leader_elect_lease_duration,
            deadline=settings.leader_elect_renew_deadline,
            retry=settings.leader_elect_retry_period,
        ),
        clock=time.monotonic,
        dice=random.random,
        wall_time=_micro_time,
    )


def _micro_time() -> str:
    """As metav1.MicroTime."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _take_signals(stop: asyncio.Event) -> None:
    if threading.current_thread() is threading.main_thread():
        for sign in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(sign, stop.set)
