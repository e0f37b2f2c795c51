"""Gauges of the fleet, computed when somebody scrapes: at rest they cost nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from neon_tenants.api.database_tier import RolloutPhase
from neon_tenants.core.drift import Drift
from neon_tenants.core.orphans import Kind
from neon_tenants.core.quota import QUOTA_KINDS
from neon_tenants.core.record import Record
from neon_tenants.core.tally import tally
from neon_tenants.fleet.brake import Brake
from neon_tenants.fleet.orphans import Orphans
from neon_tenants.fleet.pauses import Pauses
from neon_tenants.fleet.sweep import Sweep
from neon_tenants.fleet.usage import UsageReader
from neon_tenants.metrics import PREFIX
from neon_tenants.neon.budget import Budget
from neon_tenants.neon.key import ApiKey
from neon_tenants.pulse import Pulse
from neon_tenants.queue import Queue
from neon_tenants.reconcile import Reconciler
from neon_tenants.roster import Roster


def gauge(name: str, help_text: str, values: Mapping[tuple[str, ...], float], *labels: str) -> Metric:
    """A gauge with these values by their labels."""
    family = GaugeMetricFamily(f"{PREFIX}{name}", help_text, labels=labels)
    for of, value in values.items():
        family.add_metric(of, value)
    return family


@dataclass(frozen=True, slots=True)
class Parts:
    """Whose state is shown."""

    roster: Roster
    queue: Queue
    budget: Budget
    brake: Brake
    pulse: Pulse
    key: ApiKey
    sweep: Sweep
    orphans: Orphans
    usage: UsageReader
    reconciler: Reconciler
    pauses: Pauses


class Gauges(Collector):
    """All gauges; of a replica that does not conduct, those of its own work alone: others count the fleet."""

    def __init__(self, parts: Parts, *, conducts: bool, per_tenant: bool) -> None:
        self._parts = parts
        self._conducts = conducts
        self._per_tenant = per_tenant

    def collect(self) -> Iterator[Metric]:
        """Asked at each scrape."""
        parts = self._parts
        yield from _queue(parts.queue)
        yield from _budget(parts.budget)
        yield gauge(
            "watch_age_seconds",
            "Since the API server last answered the watch that was answered "
            "longest ago. A watch begins anew within 310 s.",
            {(): parts.pulse.heard_ago},
        )
        yield gauge(
            "api_key_rejected",
            "1 while the API key is missing, or Neon rejected it when it was last sent.",
            {(): not parts.key.usable},
        )
        if not self._conducts:
            return
        yield from _tenants(parts.roster)
        yield from _brake(parts.brake)
        yield from _standing_still(parts)
        yield from _sweep(parts)
        if self._per_tenant:
            yield from _usage(parts.roster.records())


def _tenants(roster: Roster) -> Iterator[Metric]:
    found = tally(roster.records(), (tier.name for tier in roster.tiers()))
    yield gauge(
        "tenants", "Tenants by tier, status of Ready and its reason.", found.states, "tier", "ready", "reason"
    )
    yield gauge(
        "tenant_conditions", "Tenants of which a condition is True.", found.conditions, "tier", "condition"
    )


def _queue(queue: Queue) -> Iterator[Metric]:
    waiting = {(lane.label,): found for lane, found in queue.waiting().items()}
    yield gauge(
        "queue_depth",
        "Tenants that wait for a worker.",
        {lane: found.depth for lane, found in waiting.items()},
        "lane",
    )
    yield gauge(
        "queue_oldest_seconds",
        "How long the first of them has waited.",
        {lane: found.oldest for lane, found in waiting.items()},
        "lane",
    )
    yield gauge(
        "queue_backing_off",
        "Tenants whose last pass failed, and that wait to be tried again.",
        {(): queue.backing_off()},
    )


def _budget(budget: Budget) -> Iterator[Metric]:
    rates = budget.rates
    waiting = {(lane.label,): found for lane, found in budget.waiting().items()}
    yield gauge(
        "budget_limit",
        "Our share of Neon's request limit: requests in any 60 seconds.",
        {("all",): rates.per_minute, ("consumption",): rates.consumption_per_minute},
        "requests",
    )
    yield gauge("budget_left", "Requests that may leave at once.", {(): budget.left()})
    yield gauge(
        "budget_waiting",
        "Requests to Neon that wait for their turn.",
        {lane: found.depth for lane, found in waiting.items()},
        "lane",
    )
    yield gauge(
        "budget_oldest_seconds",
        "How long the first of them has waited.",
        {lane: found.oldest for lane, found in waiting.items()},
        "lane",
    )


def _brake(brake: Brake) -> Iterator[Metric]:
    figures = brake.figures()
    yield gauge(
        "brake_engaged",
        "Scopes (the fleet, a tier, a namespace) in which further deletions are held.",
        {(): len(figures.engaged)},
    )
    yield gauge("deletions_held", "Deletions that wait for a person.", {(): figures.held})
    yield gauge(
        "deletions_counted",
        "Deletions within the brake's window that went on by themselves.",
        {(): figures.counted},
    )


def _standing_still(parts: Parts) -> Iterator[Metric]:
    yield gauge(
        "paused",
        "1 while nothing is changed anywhere: by the setting, or because of an API server "
        "that is not the recorded one.",
        {
            ("setting",): parts.pauses.by_setting,
            ("api_server",): parts.pauses.report_only is not None,
        },
        "by",
    )
    rollouts = [tier.status.rollout for tier in parts.roster.tiers()]
    phases = Counter(rollout.phase for rollout in rollouts if rollout is not None)
    yield gauge(
        "rollouts",
        "Tiers by the phase of their latest rollout.",
        {(phase.value,): phases[phase] for phase in RolloutPhase},
        "phase",
    )


def _sweep(parts: Parts) -> Iterator[Metric]:
    yield gauge(
        "sweep_age_seconds",
        "Since a sweep last compared all tenants with Neon.",
        {(): parts.sweep.age},
    )
    found = CounterMetricFamily(
        f"{PREFIX}drift_found", "What sweeps found to be other than it should be.", labels=("finding",)
    )
    for drift in Drift:
        found.add_metric((drift.value,), parts.sweep.found[drift])
    yield found
    repaired = CounterMetricFamily(f"{PREFIX}drift_repaired", "Requests that put back what somebody changed.")
    repaired.add_metric((), parts.reconciler.repaired)
    yield repaired
    report = parts.orphans.latest
    yield gauge(
        "orphans",
        "Projects of this cluster without an owner, as the last sweep found them.",
        {(kind.value,): report.count(kind) if report else 0 for kind in Kind},
        "kind",
    )
    yield gauge(
        "usage_reads_waiting",
        "Tenants that were active and whose meters wait for a later sweep.",
        {(): parts.usage.waiting},
    )


def _usage(records: Iterable[Record]) -> Iterator[Metric]:
    used: dict[tuple[str, ...], float] = {}
    limits: dict[tuple[str, ...], float] = {}
    for record in records:
        for kind in QUOTA_KINDS:
            meter = getattr(record.usage, kind.attribute) if record.usage else None
            if meter is not None:
                labels = (record.key.namespace, record.key.name, record.tier, kind.name)
                used[labels] = meter.used
                if meter.limit is not None:
                    limits[labels] = meter.limit
    labels = ("namespace", "name", "tier", "quota")
    yield gauge(
        "tenant_usage",
        "What a tenant has used of a quota, in seconds or bytes, as in status.usage. "
        "Only with --tenant-metrics.",
        used,
        *labels,
    )
    yield gauge(
        "tenant_usage_limit",
        "The quota, in seconds or bytes; unlimited ones are left out. Only with --tenant-metrics.",
        limits,
        *labels,
    )
