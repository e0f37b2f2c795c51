"""Markdown that is written by a program: tables, and parts of a page that people write."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; its cells may hold any character but a line's end."""
    lines = [head, ["---"] * len(head), *rows]
    cells = ([cell.replace("|", r"\|") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def renewed(page: str, part: str, begin: str, end: str) -> str:
    """The page with `part` between its two marks.

    Raises:
        ValueError: it has not each mark once.
    """
    before, rest = page.split(begin)
    _, after = rest.split(end)
    return f"{before}{begin}{part}{end}{after}"
