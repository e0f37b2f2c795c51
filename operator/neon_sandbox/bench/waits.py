"""The scenarios of waits: how long a single create takes beside much else, and how the budget is used."""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from neon_sandbox.bench import scenarios
from neon_sandbox.bench.figures import percentile
from neon_sandbox.bench.ground import Ground
from neon_sandbox.bench.scenarios import Load, Measured
from neon_sandbox.bench.window import Figures

GOAL_SECONDS: Final = 2.0
"""Beyond Neon's own time, for 99 of 100 single creates."""
GOAL_SHARE: Final = 0.95

SCENARIOS: Final[dict[str, tuple[str, Callable[..., Awaitable[Measured]]]]] = {
    "alone": ("created with nothing else to do", scenarios.alone),
    "tier-change": ("created in the middle of a tier change", scenarios.tier_change),
    "crowd": ("created beside a namespace that creates all of its own", scenarios.crowd),
}


async def measure(ground: Ground, names: tuple[str, ...], load: Load, console: Console) -> dict[str, Figures]:
    """Runs these of the scenarios, prints their tables, and returns their figures."""
    for namespace in ("alone", scenarios.CROWD, scenarios.QUIET):
        await ground.create_namespace(namespace)
    for namespace in (scenarios.CROWD, scenarios.QUIET):
        await ground.create_namespace(f"{namespace}-2")
    own = ground.neon.knobs.operation_seconds
    measured: dict[str, Measured] = {}
    with _bar(console) as bar:
        if "tier-change" in names:
            await scenarios.settle(ground, load, _teller(bar, "tier-change"))
        for name in names:
            measured[name] = await SCENARIOS[name][1](ground, load, _teller(bar, name))
    console.print(_latencies(measured, load, own))
    console.print(_usage(measured, load))
    return {name: _figures(found, load, own) for name, found in measured.items()}


def _figures(found: Measured, load: Load, own: float) -> Figures:
    beyond = [wait - own for wait in found.waits]
    return {
        "trials": len(beyond),
        "ready_p50_seconds_over_neon": statistics.median(beyond),
        "ready_p99_seconds_over_neon": percentile(beyond, 99),
        "share_used": found.served / (load.requests_per_minute * found.seconds / 60),
        "neon_refused": found.refused,
    }


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )


def _teller(bar: Progress, name: str) -> scenarios.Progress:
    known: dict[str, TaskID] = {}

    def tell(what: str, done: int, total: int) -> None:
        if what not in known:
            known[what] = bar.add_task(f"{name}: {what}", total=total)
        bar.update(known[what], completed=done)

    return tell


def _latencies(measured: dict[str, Measured], load: Load, own: float) -> Table:
    table = Table(
        title=f"Seconds until a single tenant is Ready, beyond Neon's own {own:g} s "
        f"({load.tenants} tenants, {load.requests_per_minute} requests a minute)"
    )
    for column in ("A tenant", "Trials", "Median", "p99", "Most", "p99 is at most"):
        table.add_column(column, justify="left" if column == "A tenant" else "right")
    for name, found in measured.items():
        beyond = [wait - own for wait in found.waits]
        p99 = percentile(beyond, 99)
        table.add_row(
            SCENARIOS[name][0],
            str(len(beyond)),
            f"{statistics.median(beyond):.2f}",
            f"{p99:.2f}",
            f"{max(beyond):.2f}",
            f"{GOAL_SECONDS:g}: {'yes' if p99 <= GOAL_SECONDS else 'NO'}",
        )
    return table


def _usage(measured: dict[str, Measured], load: Load) -> Table:
    table = Table(title=f"The request budget: {load.requests_per_minute} a minute")
    for column in ("While", "Requests", "Seconds", "Share used", "at least 95 %", "Most in 60 s", "Refused"):
        table.add_column(column, justify="left" if column == "While" else "right")
    for name, found in measured.items():
        if name == "alone":
            continue
        share = found.served / (load.requests_per_minute * found.seconds / 60)
        table.add_row(
            name,
            str(found.served),
            f"{found.seconds:.0f}",
            f"{share:.1%}",
            "yes" if share >= GOAL_SHARE else "NO",
            f"{found.busiest_minute}",
            str(found.refused),
        )
    return table
