"""The page of arithmetic, docs/scale.md: `make pages`, from what `make bench` measured and Neon's limits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Final, Self

import yaml

from generators.markdown import table
from generators.performance import MEASURED, NOW, Line, lines
from neon_tenants.neon.client import PAGE
from neon_tenants.settings import Settings

TOLD: Final = Path(__file__).with_suffix(".yaml")
SIZES: Final = (1_000, 10_000, 100_000, 300_000, 1_000_000)
PROJECTS: Final = 30_000
"""Of one organization on Neon's plan for platforms, unless Neon grants more (docs/neon.md, Limits)."""
ETCD_DEFAULT: Final = 2 * 2**30
ETCD_MOST: Final = 8 * 2**30
"""Bytes: etcd's quota as it comes, and the most that its authors suggest."""
CHANGES: Final = 1 / 30
"""Of a tenant a day, on ordinary days: each comes, changes or goes once a month."""
MINUTES: Final = 24 * 60
"""Of a day."""
HEAD: Final = """# Scale

<!-- Generated from generators/ by `make pages`. Do not edit. -->
"""


@dataclass(frozen=True, slots=True)
class Constants:
    """What one tenant costs."""

    stored: float
    """Bytes in etcd: the resource and its Secret."""
    told: float
    """Bytes of an event that tells of a tenant."""
    fleet: int
    server_mb: float
    """The largest fleet that was measured, and the API server's memory at the peak of a start over it."""
    base_mb: float
    mb: float
    """Of the operator's memory at the peak of its start: without tenants, and for each."""
    start: float
    """Seconds of a start, for each tenant."""
    api_cpu_ms: float
    """Of the API server, for a create."""
    writes: float
    """To Kubernetes, a create."""
    requests: float
    """To Neon, a create whose operations take a second."""
    changes: float
    """To Neon, a change of the tier with one endpoint."""

    @classmethod
    def of(cls, found: Iterable[Line]) -> Self:
        """From the operator's lines of one replica: the starts of the smallest and the largest fleet, and the
        bursts.
        """
        others = {"operator", "replicas"}
        alone = [line for line in found if line.label == NOW and not others & line.settings.keys()]
        starts = _by(alone, "restart", "fleet")
        small, large = starts[0], starts[-1]
        bursts = _by(alone, "burst", "operation_seconds")
        per_mb = (large.medians["peak_mb"] - small.medians["peak_mb"]) / max(_more(small, large), 1)
        return cls(
            stored=sum(large.medians[f"stored_bytes_of_{what}"] for what in ("a_tenant", "its_secret")),
            told=large.medians["stored_bytes_of_a_tenant"],
            fleet=large.settings["fleet"],
            server_mb=large.medians["api_server_peak_mb"],
            base_mb=small.medians["peak_mb"] - per_mb * small.settings["fleet"],
            mb=per_mb,
            start=large.medians["seconds"] / large.settings["fleet"],
            api_cpu_ms=bursts[0].medians["api_server_cpu_ms_per_tenant"],
            writes=bursts[0].medians["kubernetes_writes_per_tenant"],
            requests=bursts[-1].medians["neon_requests_per_tenant"],
            changes=_by(alone, "change-all", "tenants")[-1].medians["neon_requests_per_tenant"],
        )

    @property
    def events(self) -> float:
        """Of a create, to each who watches: one for each write, and the user's own."""
        return self.writes + 1


def _by(found: Iterable[Line], scenario: str, setting: str) -> list[Line]:
    return sorted(
        (line for line in found if line.scenario == scenario), key=lambda line: line.settings[setting]
    )


def _more(small: Line, large: Line) -> int:
    more: int = large.settings["fleet"] - small.settings["fleet"]
    return more


def page() -> str:
    """The text of the page."""
    known = Constants.of(lines(MEASURED.read_text()))
    told = yaml.safe_load(TOLD.read_text())
    parts = [
        HEAD,
        told["head"],
        "## Constants",
        _constants(known),
        "## By size",
        _sizes(known),
        "## What ends first",
        told["ends"].format(**_ends(known)),
        "## What shards change",
        told["shards"],
    ]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _default(name: str) -> float:
    found: float = Settings.model_fields[name].default
    return found


def _constants(known: Constants) -> str:
    memory = f"{known.base_mb:.0f} MB and {known.mb * 1000:.1f} KB a tenant"
    return table(
        ["What", "How much"],
        [
            ["Stored in etcd: a resource and its Secret", f"{known.stored / 1000:.1f} KB"],
            ["Memory of the operator, at the peak of a start", memory],
            [
                f"The API server's memory, at the peak of a start of {known.fleet:,}",
                _bytes(known.server_mb * 1e6),
            ],
            ["A start", f"{known.start * 1e6:.0f} microseconds a tenant"],
            ["A create: CPU of the API server", f"{known.api_cpu_ms:.1f} ms"],
            ["A create: events to each who watches", f"{known.events:.0f} of {known.told / 1000:.1f} KB"],
            ["A create: writes to Kubernetes", f"{known.writes:.1f}"],
            ["A create: requests to Neon, with operations of a second", f"{known.requests:.2f}"],
            ["A changed tier: requests to Neon, a tenant", f"{known.changes:.2f}"],
            ["A sweep: requests to Neon", f"1 for {PAGE} tenants, in {_default('sweep_interval'):g} seconds"],
            ["Looks in passing: reads", f"2 a tenant, in {_default('resync_interval'):g} seconds"],
            ["The request budget", f"{_default('requests_per_minute'):g} a minute, of one organization"],
            ["Projects of one organization", f"{PROJECTS:,}, on Neon's plan for platforms"],
        ],
    )


def _sizes(known: Constants) -> str:
    budget = _default("requests_per_minute")

    def swept(tenants: int) -> float:
        """Requests a minute."""
        return ceil(tenants / PAGE) * 60 / _default("sweep_interval")

    rows: list[tuple[str, Callable[[int], str]]] = [
        ("Objects in Kubernetes", lambda n: f"{2 * n:,}"),
        ("In etcd, after compaction", lambda n: _bytes(n * known.stored)),
        ("The operator's memory", lambda n: _bytes((known.base_mb + n * known.mb) * 1e6)),
        ("A start, or a take-over by who conducts", lambda n: _time(n * known.start)),
        ("Told to each who watches, a day", lambda n: _bytes(n * CHANGES * known.events * known.told)),
        ("Reads a second by looks in passing", lambda n: f"{_looks(n):.3g}"),
        ("Neon requests a day by sweeps", lambda n: f"{swept(n) * MINUTES:,.0f}"),
        ("... of the budget", lambda n: f"{swept(n) / budget:.1%}"),
        ("To create them all, by the budget", lambda n: _time(n * known.requests / budget * 60)),
        ("A changed tier for all, by the budget", lambda n: _time(n * known.changes / budget * 60)),
        ("Organizations", lambda n: f"{ceil(n / PROJECTS)}"),
    ]
    head = ["Tenants", *(f"{size:,}" for size in SIZES)]
    return table(head, ([name, *map(cell, SIZES)] for name, cell in rows))


def _looks(tenants: int) -> float:
    return 2 * tenants / _default("resync_interval")


def _ends(known: Constants) -> dict[str, str]:
    budget = _default("requests_per_minute")
    sweeps = ceil(10**6 / PAGE) * 60 / _default("sweep_interval")
    return {
        "projects": f"{PROJECTS:,}",
        "creates": f"{budget / known.requests:.0f}",
        "etcd_default": f"{ETCD_DEFAULT / known.stored:,.0f}",
        "etcd_most": f"{ETCD_MOST / known.stored:,.0f}",
        "server": _bytes(known.server_mb * 1e6),
        "fleet": f"{known.fleet:,}",
        "looks": f"{_looks(10**6):.0f}",
        "sweeps": f"{sweeps / budget:.0%}",
        "events": f"{10**6 * CHANGES * known.events / MINUTES:.0f}",
        "start": _time(10**6 * known.start),
    }


def _bytes(count: float) -> str:
    return f"{count / 1e9:.3g} GB" if count >= 1e9 else f"{count / 1e6:.3g} MB"


def _time(seconds: float) -> str:
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.2g} {unit}"
    return f"{seconds:.2g} s"
