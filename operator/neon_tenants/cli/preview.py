"""`neon-tenant-operator preview`: what a changed tier would do, before it does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import yaml

from neon_tenants.cli import output as out
from neon_tenants.cli.reading import Source, reads

COLUMNS = ("namespace", "name", "changes", "then over its quota")


@click.command()
@click.option(
    "--tier",
    "file",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="The DatabaseTier as it would be applied, as YAML.",
)
@out.output(out.TABLE, out.JSON, help_text="A table for people, or JSON for programs.")
@reads
def preview(source: Source, file: Path, output: str) -> None:
    """Say what a changed tier would do to its tenants, without doing it.

    The operator answers from the tenants that it knows and one list of Neon's projects.
    """
    answer = source.ask("preview", {"tier": manifest(file.read_text())}, post=True)
    if output == out.JSON:
        click.echo(out.as_json(answer))
        return
    if answer["tenants"]:
        out.show_table(COLUMNS, [row(tenant) for tenant in answer["tenants"]])
    click.echo(summary(answer))


def manifest(text: str) -> Any:
    """The one DatabaseTier in a file."""
    try:
        documents = [document for document in yaml.safe_load_all(text) if document is not None]
    except yaml.YAMLError:
        raise click.UsageError("--tier: the file is no YAML.") from None
    tiers = [d for d in documents if isinstance(d, dict) and d.get("kind") == "DatabaseTier"]
    if len(tiers) != 1:
        raise click.UsageError(f"--tier: the file must hold one DatabaseTier, and it holds {len(tiers)}.")
    return {key: tiers[0].get(key) for key in ("metadata", "spec")}


def row(tenant: Mapping[str, Any]) -> tuple[str, ...]:
    """A tenant, as a line of the table."""
    changes = ", ".join(f"{c['field']} {c['old']} -> {c['new']}" for c in tenant["changes"])
    return (tenant["namespace"], tenant["name"], tenant["refused"] or changes, ", ".join(tenant["overQuota"]))


def summary(answer: Mapping[str, Any]) -> str:
    """What the table comes to."""
    tenants = answer["tenants"]
    refused = sum(tenant["refused"] is not None for tenant in tenants)
    over = sum(bool(tenant["overQuota"]) for tenant in tenants)
    shorter = sum(tenant["shorterHistory"] for tenant in tenants)
    lines = [f"{len(tenants) - refused} tenant(s) change, {answer['unchanged']} do not."]
    if refused:
        lines.append(f"{refused} would be refused and keep what they have.")
    if over:
        lines.append(f"{over} would be over a quota.")
    if shorter:
        lines.append(f"{shorter} would lose restore points.")
    if answer["unknown"]:
        lines.append(f"{answer['unknown']} have no project in Neon's list.")
    lines.append(f"It takes at least {answer['seconds']} s within the request budget.")
    if answer["needsConfirmation"]:
        lines.append("It would wait for a confirmation before it begins.")
    return "\n".join(lines)
