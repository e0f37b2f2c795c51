"""The commands that write a FleetOperation and follow it: they never hold Neon's key."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module, util
from pathlib import Path
from typing import Any, Final, TypeAlias

import click

from neon_tenants.api import names
from neon_tenants.api.conditions import Reason
from neon_tenants.api.fleet_operation import MAX_TARGETS, FleetOperationStatus, Operation, Outcome, Phase
from neon_tenants.cli.options import CLUSTER, gathered, with_options
from neon_tenants.cli.output import CSV, JSON, as_csv, as_json, rows_output, show_table
from neon_tenants.cli.reading import Source, reads
from neon_tenants.core.record import Record
from neon_tenants.kube.access import NoClusterError
from neon_tenants.kube.client import KubeClient
from neon_tenants.kube.errors import ForbiddenError, KubeError
from neon_tenants.kube.tenants import Tenants
from neon_tenants.settings import ENVIRONMENT_PREFIX

POLL: Final = 0.5
"""Seconds between looks at an operation."""
_OPERATIONS: Final = f"/apis/{names.API_VERSION}/{names.FLEET_OPERATIONS}"

Show: TypeAlias = Callable[[FleetOperationStatus], None]


@dataclass(frozen=True, slots=True)
class Where:
    """Whose cluster, and how to carry it out there."""

    kubeconfig: Path | None
    context: str | None
    cluster: str | None
    dry_run: bool

    def carry_out(self, operation: Operation, targets: Sequence[str]) -> None:
        """Writes the operation, follows it, prints its results, and ends the command by its outcome."""
        try:
            ended = asyncio.run(self._carry_out(operation, targets))
        except NoClusterError as error:
            raise click.ClickException(str(error)) from None
        except ForbiddenError as error:
            message = f"{error} Your Kubernetes user needs the verbs create and get on fleetoperations."
            raise click.ClickException(message) from None
        except KubeError as error:
            raise click.ClickException(str(error)) from None
        for result in ended.results:
            if self.dry_run or result.outcome is not Outcome.DONE or len(ended.results) == 1:
                click.echo(f"{result.outcome.value:8}{result.target}  {result.message}")
        counts = ended.counts
        if counts is not None:
            what = "to be done" if self.dry_run else "done"
            click.echo(f"{counts.done} {what}, {counts.skipped} skipped, {counts.failed} failed")
        if ended.phase is not Phase.SUCCEEDED:
            sys.exit(1)

    async def _carry_out(self, operation: Operation, targets: Sequence[str]) -> FleetOperationStatus:
        async with KubeClient.connect(kubeconfig=self.kubeconfig, context=self.context) as kube:
            spec: dict[str, Any] = {"operation": operation.value}
            spec |= {"targets": list(targets)} if targets else {}
            spec |= {"dryRun": True} if self.dry_run else {}
            spec |= {"cluster": self.cluster} if self.cluster else {}
            body = {
                "apiVersion": names.API_VERSION,
                "kind": names.FLEET_OPERATION,
                "metadata": {"generateName": f"{operation.value.lower()}-"},
                "spec": spec,
            }
            created = await kube.request("create the FleetOperation", "POST", _OPERATIONS, body=body)
            name = created["metadata"]["name"]
            click.echo(f"FleetOperation {name} is created; it goes on without this command.", err=True)
            with _shown(len(targets) or 1) as show:
                async for status in _followed(kube, name):
                    show(status)
            return status

    def held(self) -> list[str]:
        """All resources that are held by an earlier project of their name."""
        try:
            return asyncio.run(self._held())
        except (NoClusterError, KubeError) as error:
            raise click.ClickException(str(error)) from None

    async def _held(self) -> list[str]:
        async with KubeClient.connect(kubeconfig=self.kubeconfig, context=self.context) as kube:
            tenants = [Record.of(tenant) async for tenant in Tenants(kube).all(None)]
        held = Reason.PREVIOUS_PROJECT_FOUND
        return [f"{t.key.namespace}/{t.key.name}" for t in tenants if t.reason == held]


async def _followed(kube: KubeClient, name: str) -> AsyncIterator[FleetOperationStatus]:
    """The status, again and again, until the operation has ended."""
    while True:
        body = await kube.request("read the FleetOperation", "GET", f"{_OPERATIONS}/{{name}}", {"name": name})
        status = FleetOperationStatus.model_validate(body.get("status") or {})
        yield status
        if status.phase in (Phase.SUCCEEDED, Phase.FAILED):
            return
        await asyncio.sleep(POLL)


@contextmanager
def _shown(total: int) -> Iterator[Show]:
    """A progress bar for people, lines without a terminal."""
    if sys.stderr.isatty() and util.find_spec("rich"):
        progress, console = import_module("rich.progress"), import_module("rich.console")
        with progress.Progress(console=console.Console(stderr=True)) as bar:
            task = bar.add_task("Pending", total=total)

            def draw(status: FleetOperationStatus) -> None:
                phase = status.phase.value if status.phase else "Pending"
                bar.update(task, completed=len(status.results), description=phase)

            yield draw
        return
    told = ""

    def tell(status: FleetOperationStatus) -> None:
        nonlocal told
        phase = status.phase.value if status.phase else "Pending"
        waits = f": {status.message}" if status.message else ""
        line = f"{phase} {len(status.results)}/{total}{waits}"
        if line != told:
            click.echo(line, err=True)
            told = line

    yield tell


_WRITING: Final = (
    click.option("--dry-run", is_flag=True, help="Check everything and change nothing."),
    click.option(
        "--cluster-id",
        envvar=f"{ENVIRONMENT_PREFIX}CLUSTER_ID",
        show_envvar=True,
        metavar="TEXT",
        help="The operator that is to do it, where several share this cluster.",
    ),
)


def _where(given: dict[str, Any]) -> Where:
    return Where(
        kubeconfig=given.pop("kubeconfig"),
        context=given.pop("kube_context"),
        cluster=given.pop("cluster_id"),
        dry_run=given.pop("dry_run"),
    )


_writes = gathered("where", (*_WRITING, *CLUSTER), _where)
"""The options of a command that writes an operation; the command gets them as `where`."""


@click.command()
@click.argument("targets", nargs=-1, metavar="[NAMESPACE/NAME[=PROJECT-ID]]...")
@click.option("--all", "all_held", is_flag=True, help="All that say PreviousProjectFound, up to 1,000.")
@_writes
def rebind(where: Where, targets: tuple[str, ...], *, all_held: bool) -> None:
    """Give resources their own earlier project back, with its data and password.

    For a cluster that was rebuilt from Git or from a backup. A project that a resource has already is
    released with its data, never deleted, and only where the one to bind is named.
    """
    if all_held == bool(targets):
        raise click.UsageError("Name the resources, or say --all.")
    if all_held and not (targets := tuple(where.held()[:MAX_TARGETS])):
        click.echo("No resource is held by an earlier project.")
        return
    where.carry_out(Operation.REBIND, targets)


@click.command()
@click.argument("targets", nargs=-1, required=True, metavar="NAMESPACE/NAME[=PROJECT-ID]...")
@_writes
def undelete(where: Where, targets: tuple[str, ...]) -> None:
    """Recover projects that were deleted within the last 7 days, and bind them to their resources."""
    where.carry_out(Operation.UNDELETE, targets)


@click.command("release-deletions")
@_writes
def release_deletions(where: Where) -> None:
    """Let go the deletions that the brake holds: all that were marked until now."""
    where.carry_out(Operation.RELEASE_DELETIONS, ())


@click.command("resume-rollout")
@click.argument("targets", nargs=-1, required=True, metavar="TIER@GENERATION...")
@_writes
def resume_rollout(where: Where, targets: tuple[str, ...]) -> None:
    """Let a paused rollout go on, with what was held back in it. The tier's conditions say what that is."""
    where.carry_out(Operation.RESUME_ROLLOUT, targets)


@click.command("confirm-api-server")
@click.argument("code")
@_writes
def confirm_api_server(where: Where, code: str) -> None:
    """Let the operator work on an API server that is not the one of before.

    CODE stands in the operator's log and in the conditions. Do not confirm a copy of a cluster whose
    original still runs: both would act on the same projects.
    """
    where.carry_out(Operation.CONFIRM_API_SERVER, (code,))


@click.command()
@click.argument("targets", nargs=-1, metavar="[PROJECT-ID[=released]]...")
@click.option("--delete", is_flag=True, help="Delete the named projects. Neon keeps them for 7 days.")
@with_options(_WRITING)
@rows_output
@reads
def orphans(  # noqa: PLR0917
    source: Source,
    targets: tuple[str, ...],
    delete: bool,
    dry_run: bool,
    cluster_id: str | None,
    output: str,
) -> None:
    """List the projects of this cluster that have no resource, or delete those that are named."""
    if delete:
        if not targets:
            raise click.UsageError("Name the projects that are to be deleted.")
        where = Where(source.kubeconfig, source.context, cluster_id, dry_run)
        where.carry_out(Operation.DELETE_ORPHANS, targets)
        return
    if targets:
        raise click.UsageError("Say --delete to delete the named projects.")
    answer = source.ask("orphans")
    columns = ("project_id", "kind", "namespace", "name", "age", "project_name")
    if output == JSON:
        click.echo(as_json(answer))
    elif output == CSV:
        click.echo(as_csv(columns, answer["orphans"]))
    else:
        show_table(
            columns, [[_hours(column, row[column]) for column in columns] for row in answer["orphans"]]
        )
    if not answer["complete"]:
        click.echo("This is not all: the operator is still looking. Ask again in a minute.", err=True)


def _hours(column: str, value: Any) -> Any:
    return f"{value / 3600:.0f}h" if column == "age" else value
