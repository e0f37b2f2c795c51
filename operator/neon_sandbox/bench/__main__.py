"""`python -m neon_sandbox.bench`: measures, and prints a table. It writes nothing to the repository."""

from __future__ import annotations

import asyncio
import statistics
import sys
from collections.abc import Awaitable, Callable

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from neon_sandbox.bench import scenarios
from neon_sandbox.bench.figures import percentile
from neon_sandbox.bench.ground import Ground
from neon_sandbox.bench.scenarios import Load, Measured
from neon_sandbox.child import ChildFailedError
from neon_sandbox.controlplane import MissingProgramsError, NotReadyError, Report, VersionError, prepare
from neon_sandbox.installation import KubectlError

GOAL_SECONDS = 2.0
"""Beyond Neon's own time, for 99 of 100 single creates."""
GOAL_SHARE = 0.95

_SCENARIOS: dict[str, tuple[str, Callable[..., Awaitable[Measured]]]] = {
    "alone": ("created with nothing else to do", scenarios.alone),
    "tier-change": ("created in the middle of a tier change", scenarios.tier_change),
    "crowd": ("created beside a namespace that creates all of its own", scenarios.crowd),
}


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.argument(
    "names", nargs=-1, type=click.Choice(list(_SCENARIOS)), metavar="[alone|tier-change|crowd]..."
)
@click.option(
    "--tenants", default=1000, show_default=True, type=click.IntRange(1, 100_000), help="In the crowd."
)
@click.option(
    "--requests-per-minute",
    default=560,
    show_default=True,
    type=click.IntRange(60, 100_000),
    help="The operator's share. Neon's own limit is a quarter larger, as it is by default.",
)
@click.option(
    "--every",
    default=3.0,
    show_default=True,
    type=click.FloatRange(0.2, 600),
    help="Seconds between two single creates.",
)
@click.option("--k8s-version", envvar="K8S_VERSION", show_envvar=True, help="Kubernetes version.")
def main(
    names: tuple[str, ...], tenants: int, requests_per_minute: int, every: float, k8s_version: str | None
) -> None:
    """Measure how long a single create takes while there is much else to do, and how the budget is used.

    All scenarios, unless some are named. On a real control plane, with the operator under its shipped
    permissions and an emulated Neon without PostgreSQL. The default takes about fifteen minutes.
    """
    load = Load(tenants, requests_per_minute, every)
    try:
        asyncio.run(_run(names or tuple(_SCENARIOS), load, k8s_version))
    except KeyboardInterrupt:
        sys.exit(130)
    except (ChildFailedError, KubectlError, MissingProgramsError, NotReadyError, VersionError) as error:
        raise click.ClickException(str(error)) from None


async def _run(names: tuple[str, ...], load: Load, version: str | None) -> None:
    console = Console()
    binaries = await prepare(version or None, report=Report())
    measured: dict[str, Measured] = {}
    async with Ground.prepare(binaries) as ground:
        for namespace in ("warm-up", "alone", scenarios.CROWD, scenarios.QUIET):
            await ground.create_namespace(namespace)
        for namespace in (scenarios.CROWD, scenarios.QUIET):
            await ground.create_namespace(f"{namespace}-2")
        own = ground.neon.knobs.operation_seconds
        with _bar(console) as bar:
            if "tier-change" in names:
                await scenarios.settle(ground, load, _teller(bar, "tier-change"))
            for name in names:
                measured[name] = await _SCENARIOS[name][1](ground, load, _teller(bar, name))
    console.print(_latencies(measured, load, own))
    console.print(_usage(measured, load))


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
            _SCENARIOS[name][0],
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


if __name__ == "__main__":
    main()
