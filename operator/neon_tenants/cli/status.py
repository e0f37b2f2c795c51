"""`neon-tenant-operator status`: the fleet on one screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import click

from neon_tenants.cli import output as out
from neon_tenants.cli.reading import Source, reads

_GROUPS: Final = {
    "tier": "tier",
    "region": "region",
    "tenants": "tenants",
    "ready": "ready",
    "working": "working",
    "stalled": "stalled",
    "quota_near": "near quota",
    "quota_exceeded": "over quota",
}
_ROLLOUTS: Final = {
    "tier": "rollout",
    "phase": "phase",
    "updated": "updated",
    "total": "of",
    "waiting": "waiting",
    "failed": "failed",
    "paused_reason": "why paused",
}
_LANES: Final = {"lane": "lane", "tenants": "tenants", "requests": "requests", "oldest": "oldest (s)"}
_UNREADY: Final = {
    "namespace": "namespace",
    "name": "not ready",
    "tier": "tier",
    "reason": "reason",
    "since": "since",
}


@click.command()
@out.output(out.TABLE, out.JSON, help_text="A screen for people, or JSON for programs.")
@reads
def status(source: Source, output: str) -> None:
    """Show the fleet on one screen, from what the operator knows. Asks Neon for nothing."""
    answer = source.ask("status")
    if output == out.JSON:
        click.echo(out.as_json(answer))
        return
    for line in _headlines(answer):
        click.echo(line)
    for columns, rows in (
        (_GROUPS, answer["groups"]),
        (_ROLLOUTS, answer["rollouts"]),
        (_LANES, [lane for lane in answer["lanes"] if lane["tenants"] or lane["requests"]]),
        (_UNREADY, answer["unready"]),
    ):
        if rows:
            click.echo()
            out.show_table(list(columns.values()), [[row[name] for name in columns] for row in rows])


def _headlines(answer: Mapping[str, Any]) -> list[str]:
    budget, brake, orphans = answer["budget"], answer["brake"], answer["orphans"]
    waiting = sum(lane["requests"] for lane in answer["lanes"])
    free = f"{budget['left']} free now, {waiting} waiting"
    part = "" if budget["per_minute"] == budget["whole"] else f"{budget['per_minute']:.0f} of "
    lines = [
        f"{answer['tenants']} tenants, {answer['backing_off']} to be tried again after a failure.",
        f"Neon's budget: {part}{budget['whole']:.0f} requests a minute, {free}.",
    ]
    if not answer["complete"]:
        lines.insert(0, "The operator has not read all tenants yet: the numbers are too small.")
    if not answer["key_usable"]:
        lines.append("NEON REJECTED THE API KEY, or it is missing. Mount a valid one.")
    if brake["engaged"]:
        lines.append(
            f"THE BRAKE HOLDS {brake['held']} deletions ({', '.join(brake['engaged'])}). "
            "Their DeletionHeld condition says what to do."
        )
    if orphans is None:
        lines.append("No sweep has ended yet.")
    else:
        found = ", ".join(f"{count} {kind}" for kind, count in orphans.items())
        lines.append(f"Last sweep {answer['sweep_age']} s ago. Projects without an owner: {found}.")
    return lines
