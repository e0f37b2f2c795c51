"""How the demo looks: headings, commands as one would type them, a live table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

COLUMNS = ("Tenant", "Tier", "Ready", "Status", "Neon project")


class Screen:
    """Where the story is told. On a terminal the table is live; elsewhere each change is a line."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._act = 0

    def act(self, title: str) -> None:
        """A new part of the story."""
        self._act += 1
        self.console.print()
        self.console.print(Text(f"{self._act}. {title}", style="bold"))

    def say(self, text: str) -> None:
        """A sentence."""
        self.console.print(Text(f"   {text}"), soft_wrap=True)

    def good(self, text: str) -> None:
        """Something that was claimed and checked."""
        self.console.print(Text(f"   ✓ {text}", style="green"), soft_wrap=True)

    def command(self, text: str) -> None:
        """What one would type."""
        self.console.print(Text(f"   $ {text}", style="cyan"), soft_wrap=True)

    def output(self, text: str) -> None:
        """What a command prints."""
        for line in text.rstrip().splitlines():
            self.console.print(Text(f"   {line}", style="dim"), soft_wrap=True)

    def live(self) -> TenantTable:
        """A table of tenants that follows them; a context manager."""
        return TenantTable(self.console)


class TenantTable:
    """The tenants as `kubectl get tenantdatabases --watch` shows them."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=10, transient=False)
        self._shown: dict[str, Sequence[str]] = {}

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def show(self, tenants: Sequence[Mapping[str, Any]]) -> None:
        """The state of this moment."""
        rows = {tenant["metadata"]["name"]: row(tenant) for tenant in tenants}
        if self._console.is_terminal:
            table = Table(*COLUMNS, box=None, padding=(0, 2), header_style="bold")
            for cells in rows.values():
                table.add_row(*cells, style="green" if cells[2] == "True" else None)
            self._live.update(table)
            return
        for name, cells in rows.items():
            if self._shown.get(name) != cells:
                self._console.print(Text("   " + "  ".join(f"{cell:<12}" for cell in cells)), soft_wrap=True)
        self._shown = dict(rows)


def row(tenant: Mapping[str, Any]) -> Sequence[str]:
    """One tenant's cells."""
    status = tenant.get("status", {})
    ready: Mapping[str, str] = next((c for c in status.get("conditions", ()) if c["type"] == "Ready"), {})
    return (
        tenant["metadata"]["name"],
        tenant["spec"]["tier"],
        ready.get("status", ""),
        ready.get("reason", ""),
        status.get("projectId", ""),
    )
