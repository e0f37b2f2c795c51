"""What was measured, as tables for people and as lines of JSON for `docs/performance.md`."""

from __future__ import annotations

import os
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import orjson
from rich.table import Table

from neon_sandbox.bench.window import Figures

_DIGITS: Final = 4
"""Significant ones."""


def line(
    scenario: str,
    runs: Sequence[Figures],
    settings: dict[str, Any],
    *,
    label: str,
    versions: Mapping[str, str],
) -> bytes:
    """One line of JSON: the medians, and between which values they lie."""
    return orjson.dumps(
        {
            "label": label,
            "scenario": scenario,
            "settings": settings,
            "runs": len(runs),
            "machine": {"cores": os.cpu_count(), "memory_gib": _memory_gib()},
            "versions": versions,
            "medians": {name: _short(statistics.median(values)) for name, values in _by_name(runs).items()},
            "spread": {
                name: [_short(min(values)), _short(max(values))] for name, values in _by_name(runs).items()
            },
        }
    )


def table(scenario: str, runs: Sequence[Figures], settings: dict[str, Any]) -> Table:
    """The same for a terminal."""
    told = ", ".join(f"{name} {value}" for name, value in settings.items())
    found = Table(title=f"{scenario}: {told}")
    found.add_column("Figure")
    for column in ("Median", "Least", "Most"):
        found.add_column(column, justify="right")
    for name, values in _by_name(runs).items():
        numbers = (statistics.median(values), min(values), max(values))
        found.add_row(name.replace("_", " "), *(f"{_short(number):g}" for number in numbers))
    return found


def _by_name(runs: Sequence[Figures]) -> dict[str, list[float]]:
    return {name: [run[name] for run in runs] for name in runs[0]}


def _short(number: float) -> float:
    return float(f"{number:.{_DIGITS}g}")


def _memory_gib() -> int:
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return round(pages * size / 2**30)


def append(file: Path | None, text: bytes) -> None:
    """Adds a line to a file, if there is one to add to."""
    if file is not None:
        with file.open("ab") as output:
            output.write(text + b"\n")
