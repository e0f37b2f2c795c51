"""What commands print: tables for people, JSON and CSV for programs."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module, util
from typing import Any, Final

import click
import orjson

from neon_tenants.cli.options import Option

TABLE: Final = "table"
JSON: Final = "json"
CSV: Final = "csv"


def output(*forms: str, help_text: str) -> Option:
    """The option of a command that prints in one of these forms; the first is the default."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(forms),
        default=forms[0],
        show_default=True,
        help=help_text,
    )


rows_output: Final = output(TABLE, JSON, CSV, help_text="A table for people, or JSON or CSV for programs.")
"""The option of a command that prints rows."""


def as_json(content: Any) -> str:
    """JSON, indented."""
    return orjson.dumps(content, option=orjson.OPT_INDENT_2).decode()


def as_csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """CSV with a header; what is None stays empty.

    A cell that a spreadsheet would take for a formula is quoted with an apostrophe: names of tenants are
    the tenants' choice.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return text.getvalue().rstrip("\n")


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value


def as_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table of plain text with aligned columns; numbers to the right."""
    texts = [[_text(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *texts, strict=True)]
    right = [all(isinstance(row[i], int | float | None) for row in rows) for i in range(len(columns))]

    def line(cells: Sequence[str]) -> str:
        return "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(cells, widths, right, strict=True)
        ).rstrip()

    return "\n".join(map(line, ([column.upper() for column in columns], *texts)))


def show_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, title: str = "") -> None:
    """Prints a table: with rich where it is installed and a person looks, else as plain text."""
    if not (sys.stdout.isatty() and util.find_spec("rich")):
        click.echo((f"{title}\n" if title else "") + as_table(columns, rows))
        return
    rich_table, rich_text = import_module("rich.table"), import_module("rich.text")
    table = rich_table.Table(title=title or None, title_justify="left", box=None, header_style="bold")
    for number, column in enumerate(columns):
        numeric = all(isinstance(row[number], int | float | None) for row in rows)
        table.add_column(column.upper(), justify="right" if numeric else "left")
    for row in rows:
        # As text: what stands in brackets in a name or message is no markup.
        table.add_row(*(rich_text.Text(_text(value)) for value in row))
    import_module("rich.console").Console().print(table)


def _text(value: Any) -> str:
    return "-" if value is None or value == "" else str(value)
