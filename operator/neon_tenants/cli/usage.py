"""`neon-tenant-operator usage`: what each tenant used, for billing."""

from __future__ import annotations

import click

from neon_tenants.cli import output as out
from neon_tenants.cli.reading import Source, reads

_TABLE = ("start", "namespace", "tenant", "tier", "owner")


@click.command()
@click.option("--since", metavar="TIME", help="From when on, such as 2026-11-01; UTC where no zone is given.")
@click.option("--until", metavar="TIME", help="Until when; Neon rounds both to whole hours, days or months.")
@click.option(
    "--granularity",
    type=click.Choice(["hourly", "daily", "monthly"]),
    default="monthly",
    show_default=True,
    help="One row for each of them. Left out, the times are the last 24 hours, 30 days, or the last month.",
)
@out.rows_output
@reads
def usage(source: Source, since: str | None, until: str | None, granularity: str, output: str) -> None:
    """Show what each tenant used, from Neon's consumption history.

    It is complete, or an error. What Neon's version of the history does not have is empty, never 0; the
    notes on stderr say so. The tier is the one that is applied now. Neon's numbers of the last hour may
    still change.
    """
    answer = source.ask("usage", {"since": since, "until": until, "granularity": granularity})
    if output == out.JSON:
        click.echo(out.as_json(answer))
        return
    columns, rows = answer["columns"], answer["rows"]
    if output == out.CSV:
        click.echo(out.as_csv(columns, rows))
    else:
        metrics = [name for name in columns if any(isinstance(row[name], int) for row in rows)]
        shown = [*_TABLE, *metrics]
        out.show_table(shown, [[row[name] for name in shown] for row in rows])
    for note in answer["notes"]:
        click.echo(note, err=True)
