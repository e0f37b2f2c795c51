"""What Prometheus scrapes. Counters and histograms are told of what happens; gauges are asked at a scrape.

No label takes what a user chooses, but for the names of tiers that there are, of which `core.tally` bounds
the number.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import InfoMetricFamily
from prometheus_client.registry import Collector

from neon_tenants import __version__
from neon_tenants.core.again import Again
from neon_tenants.core.lane import Lane

PREFIX: Final = "neon_tenants_"
NO_ANSWER: Final = "none"

_PASS_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_READY_SECONDS: Final = (1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)


def outcome_of(again: Again | None) -> str:
    """How a pass ended: None is one that raised.

    | again | outcome |
    |---|---|
    | none | error |
    | backoff | retry |
    | after | wait |
    | gone | gone |
    | else | done |
    """
    if again is None:
        return "error"
    if again.backoff:
        return "retry"
    if again.gone:
        return "gone"
    return "done" if again.after is None else "wait"


class Metrics:
    """The operator's metrics, in a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._passes = Histogram(
            f"{PREFIX}reconcile_duration_seconds",
            "Duration of the passes over a tenant, by how they ended.",
            ["outcome"],
            buckets=_PASS_SECONDS,
            registry=self._registry,
        )
        self._ready = Histogram(
            f"{PREFIX}time_to_ready_seconds",
            "From a tenant's creation until it was Ready for the first time.",
            buckets=_READY_SECONDS,
            registry=self._registry,
        )
        self._requests = Counter(
            f"{PREFIX}neon_requests",
            "Requests sent to Neon, by route, class of the status (none: no answer came) and lane.",
            ["method", "route", "status", "lane"],
            registry=self._registry,
        )

    @contextmanager
    def showing(self, collector: Collector) -> Iterator[None]:
        """Asks for these gauges at each scrape until the block ends."""
        self._registry.register(collector)
        try:
            yield
        finally:
            self._registry.unregister(collector)

    def passed(self, again: Again | None, seconds: float) -> None:
        """A pass over a tenant ended; without an answer where it raised."""
        self._passes.labels(outcome_of(again)).observe(seconds)

    def became_ready(self, seconds: float) -> None:
        """A tenant became Ready for the first time, so long after its creation."""
        self._ready.observe(max(seconds, 0.0))

    def requested(self, route: str, method: str, status: int | None, lane: Lane) -> None:
        """A request was sent to Neon; `status` is None where no answer came."""
        known = NO_ANSWER if status is None else "429" if status == 429 else f"{status // 100}xx"
        self._requests.labels(method, route, known, lane.label).inc()

    def render(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self._registry)


def build_info() -> InfoMetricFamily:
    """Which operator this is."""
    return InfoMetricFamily(f"{PREFIX}build", "The operator's version.", {"version": __version__})
