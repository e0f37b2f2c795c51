"""`python -m neon_sandbox.bench`: measures, and prints tables. Into the repository it writes nothing."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import click
import uvloop
from rich.console import Console

from neon_sandbox.bench import costs, report, stacks, waits
from neon_sandbox.bench.costs import Size
from neon_sandbox.bench.ground import WARM_UP, Ground
from neon_sandbox.bench.program import LEAST, OPERATOR, NoYardstickError, Program, yardstick
from neon_sandbox.bench.scenarios import Load
from neon_sandbox.bench.seeding import NAMESPACE, seed
from neon_sandbox.bench.stacks import Stack
from neon_sandbox.bench.window import Figures
from neon_sandbox.child import ChildFailedError
from neon_sandbox.controlplane import (
    KUBERNETES_VERSION,
    Binaries,
    MissingProgramsError,
    NotReadyError,
    Report,
    VersionError,
    prepare,
)
from neon_sandbox.installation import KubectlError

_Measure = Callable[[Ground, Size, int], Awaitable[dict[str, Figures]]]


@dataclass(frozen=True, slots=True)
class _Group:
    """Scenarios that are measured together, on a ground of their own."""

    names: tuple[str, ...]
    measure: _Measure
    seeded: bool = False
    ours: bool = False
    """Of work that the operator alone does."""


_GROUPS: Final = (
    _Group(("burst", "change-all", "delete-all"), costs.life),
    _Group(("trickle",), costs.trickle),
    _Group(("restart",), costs.restart, seeded=True),
    _Group(("sweep",), costs.sweep, seeded=True, ours=True),
    _Group(("rest",), costs.rest, seeded=True, ours=True),
)
_COSTS: Final = tuple(name for group in _GROUPS for name in group.names)
_NAMES: Final = (*_COSTS, *waits.SCENARIOS)
_OF: Final = {
    "go": tuple(name for group in _GROUPS if not group.ours for name in group.names),
    "least": ("burst", "trickle"),
}
"""What else than the operator can be measured by."""


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.argument("names", nargs=-1, type=click.Choice(_NAMES), metavar="[SCENARIO]...")
@click.option(
    "--operator",
    default="python",
    show_default=True,
    type=click.Choice(["python", *_OF]),
    help="What is measured. go: a minimal Go controller, to compare with, in burst, change-all, delete-all, "
    "trickle and restart. least: the requests of a create, as raw as Python can make them, in burst and "
    "trickle.",
)
@click.option(
    "--tenants",
    default=1000,
    show_default=True,
    type=click.IntRange(1, 100_000),
    help="Created, changed and deleted; also the crowd.",
)
@click.option(
    "--fleet",
    default=10_000,
    show_default=True,
    type=click.IntRange(2, 300_000),
    help="Tenants that are there in restart, sweep and rest.",
)
@click.option(
    "--runs", default=3, show_default=True, type=click.IntRange(1, 20), help="Of each, but of waits one."
)
@click.option(
    "--rate",
    default=5.0,
    show_default=True,
    type=click.FloatRange(0.1, 200),
    help="Of the trickle, a second.",
)
@click.option(
    "--seconds", default=60.0, show_default=True, type=click.FloatRange(1, 3600), help="Of the trickle."
)
@click.option(
    "--latency",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 10),
    help="Seconds that Neon takes to answer: burst, change-all, delete-all, trickle. Really about 0.2.",
)
@click.option(
    "--operation-seconds",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 60),
    help="Seconds that Neon works on after its answer: the same. Really about 1.",
)
@click.option(
    "--replicas",
    default=1,
    show_default=True,
    type=click.IntRange(1, 32),
    help="Operators that share the tenants, each with a shard: burst, change-all, delete-all, and waits.",
)
@click.option(
    "--requests-per-minute",
    default=560,
    show_default=True,
    type=click.IntRange(60, 100_000),
    help="The operator's share in waits. Neon's own limit is a quarter larger, as it is by default.",
)
@click.option(
    "--every",
    default=3.0,
    show_default=True,
    type=click.FloatRange(0.2, 600),
    help="Seconds between two single creates in waits.",
)
@click.option("--json", "file", type=click.Path(path_type=Path), help="Where a line a scenario is added.")
@click.option(
    "--profile",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Measures nothing: writes there where the operator's time goes in burst, change-all and delete-all.",
)
@click.option("--label", default="now", show_default=True, help="What is measured, in that line.")
@click.option("--k8s-version", envvar="K8S_VERSION", show_envvar=True, help="Kubernetes version.")
def main(
    names: tuple[str, ...],
    *,
    operator: str,
    runs: int,
    requests_per_minute: int,
    every: float,
    file: Path | None,
    profile: Path | None,
    label: str,
    k8s_version: str | None,
    **sizes: Any,
) -> None:
    """Measure what work costs and how long a single create waits beside much else.

    \b
    Costs, without limits on either side:
      burst       all at once; then change-all: a new tier for all; then delete-all
      trickle     a few creates a second
      restart     over a settled fleet, until a new tenant is Ready
      sweep       the fleet compared with Neon
      rest        an hour of rest, pressed into half a minute
    Waits, within Neon's real limits:
      alone, tier-change, crowd

    All of them, unless some are named. On a real control plane, with the operator under its shipped
    permissions and an emulated Neon without PostgreSQL. All take about half an hour. Each prints a table, and
    a line of JSON with medians and spread. Raw rates vary with the machine: compare operator CPU / API server
    CPU.
    """  # noqa: D301  # click's mark of a paragraph that is not wrapped
    size = Size(
        tenants=sizes["tenants"],
        fleet=sizes["fleet"],
        rate=sizes["rate"],
        trickle_seconds=sizes["seconds"],
        latency=sizes["latency"],
        operation_seconds=sizes["operation_seconds"],
        replicas=sizes["replicas"],
    )
    load = Load(size.tenants, requests_per_minute, every, size.replicas)
    if operator in _OF:
        names = names or _OF[operator]
        _refuse_what_is_ours(operator, names, size, profile)
    try:
        program = {"python": OPERATOR, "least": LEAST}.get(operator) or uvloop.run(yardstick())
        bench = _Bench(size, load, program, runs, file, label, k8s_version or KUBERNETES_VERSION)
        if profile is None:
            uvloop.run(bench.run(names or _NAMES, k8s_version))
        else:
            profile.write_text(stacks.report(uvloop.run(bench.profile(k8s_version))))
            bench.console.print(f"Written: {profile}")
    except KeyboardInterrupt:
        sys.exit(130)
    except (
        ChildFailedError,
        FileNotFoundError,
        KubectlError,
        MissingProgramsError,
        NotReadyError,
        NoYardstickError,
        VersionError,
    ) as error:
        raise click.ClickException(str(error)) from None


def _refuse_what_is_ours(operator: str, names: tuple[str, ...], size: Size, profile: Path | None) -> None:
    """Raises click.UsageError for what only the operator can be measured by."""
    if profile is not None:
        raise click.UsageError(f"--profile samples stacks of the operator: leave out --operator {operator}.")
    if size.replicas != 1:
        raise click.UsageError(f"--operator {operator} knows no shards: leave out one of it and --replicas.")
    if ours := [name for name in names if name not in _OF[operator]]:
        raise click.UsageError(
            f"--operator {operator} has no {', '.join(ours)}: choose of {', '.join(_OF[operator])}."
        )
    if "trickle" in names and (size.latency or size.operation_seconds):
        # What a trickle takes off as Neon's own time is a list, the POST and its operations.
        raise click.UsageError(
            f"--operator {operator} lists nothing and waits for no operations: for its trickle, leave out "
            "--latency and --operation-seconds."
        )


@dataclass(frozen=True, slots=True)
class _Bench:
    """One call of the command."""

    size: Size
    load: Load
    program: Program
    runs: int
    file: Path | None
    label: str
    kubernetes: str
    console: Console = field(default_factory=Console)

    async def run(self, names: tuple[str, ...], version: str | None) -> None:
        binaries = await prepare(version or None, report=Report())
        for group in _GROUPS:
            if asked := [name for name in group.names if name in names]:
                await self._measure(binaries, group, asked)
        if waiting := tuple(name for name in waits.SCENARIOS if name in names):
            async with Ground.prepare(binaries) as ground:
                await ground.create_namespace(WARM_UP)
                found = await waits.measure(ground, waiting, self.load, self.console)
            for name, figures in found.items():
                self._tell(name, [figures], asdict(self.load), table=False)

    async def profile(self, version: str | None) -> dict[str, list[Stack]]:
        """Where the operator's time goes."""
        binaries = await prepare(version or None, report=Report())
        async with Ground.prepare(binaries) as ground:
            await ground.create_namespace(WARM_UP)
            return await costs.profile(ground, self.size)

    async def _measure(self, binaries: Binaries, group: _Group, names: list[str]) -> None:
        found: list[dict[str, Figures]] = []
        async with Ground.prepare(binaries) as ground:
            await ground.create_namespace(WARM_UP)
            if group.seeded:
                await ground.create_namespace(NAMESPACE)
                await seed(ground, self.size.fleet)
            # Only now: a fleet is what the operator leaves behind, whoever is started over it.
            ground.program = self.program
            for run in range(self.runs):
                self.console.print(f"{', '.join(names)}: run {run + 1} of {self.runs}")
                found.append(await group.measure(ground, self.size, run))
        for name in names:
            settings = {**self.program.settings, **self._settings(group)}
            self._tell(name, [each[name] for each in found], settings)

    def _settings(self, group: _Group) -> dict[str, Any]:
        size = self.size
        if group.seeded:
            return {"fleet": size.fleet}
        slow = {"latency": size.latency, "operation_seconds": size.operation_seconds}
        if "trickle" in group.names:
            return {"rate": size.rate, "seconds": size.trickle_seconds, **slow}
        shared = {} if size.replicas == 1 else {"replicas": size.replicas}
        return {"tenants": size.tenants, **shared, **slow}

    def _tell(self, name: str, runs: list[Figures], settings: dict[str, Any], *, table: bool = True) -> None:
        if table:
            self.console.print(report.table(name, runs, settings))
        versions = {"kubernetes": self.kubernetes, **self.program.versions}
        text = report.line(name, runs, settings, label=self.label, versions=versions)
        print(text.decode())
        report.append(self.file, text)


if __name__ == "__main__":
    main()
