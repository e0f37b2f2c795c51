"""The page of measurements, docs/performance.md: `make pages`, from lines that `make bench` has written.

`measured/measured.jsonl` holds the lines, `measured/profile.txt` what `make profile` has written, and
`measured/told.yaml` what was tried, and what else is said.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from generators.markdown import table

FOLDER: Final = Path(__file__).with_name("measured")
MEASURED: Final = FOLDER / "measured.jsonl"
TOLD: Final = FOLDER / "told.yaml"
PROFILE: Final = FOLDER / "profile.txt"
NOW: Final = "now"

HEAD: Final = """# Performance

<!-- Generated from generators/measured/ by `make pages`. Do not edit. -->

What work costs, on a real control plane with the operator under its own service account and an emulated Neon
without PostgreSQL; all of them, the load included, share the cores. Rates vary with the machine by 40 %;
**operator CPU divided by API server CPU in the same window by a tenth**, so that is what changes are judged
by. Medians; in brackets the least and the most of the runs.
"""


@dataclass(frozen=True, slots=True)
class Line:
    """One scenario, measured."""

    label: str
    scenario: str
    settings: dict[str, Any]
    runs: int
    machine: dict[str, Any]
    versions: dict[str, str]
    medians: dict[str, float]
    spread: dict[str, tuple[float, float]]


def lines(text: str) -> list[Line]:
    """What was measured, in the order in which it was."""
    return [Line(**json.loads(line)) for line in text.splitlines() if line.strip()]


def page() -> str:
    """The text of the page."""
    found = lines(MEASURED.read_text())
    told = yaml.safe_load(TOLD.read_text())
    parts = [
        HEAD,
        _machines(found),
        "## Targets",
        told["targets_note"],
        told["yardstick_note"],
        _targets(found, told["targets"]),
        "## What was tried",
        told["tried_note"],
        _tried(found, told["tried"]),
        told["findings"],
        "## Where the time goes",
        told["profile_note"],
        f"```\n{PROFILE.read_text().rstrip()}\n```",
        "## All figures",
        '`make bench BENCH="--help"` tells how to measure again.',
        *_all(found),
    ]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _machines(found: Iterable[Line]) -> str:
    machines = dict.fromkeys("{cores} cores, {memory_gib} GiB".format(**line.machine) for line in found)
    versions = dict.fromkeys(
        ", ".join(f"{name.removeprefix('python-')} {version}" for name, version in line.versions.items())
        for line in found
    )
    return "\n".join(
        ["", *(f"- {machine}" for machine in machines), *(f"- {version}" for version in versions)]
    )


def _targets(found: list[Line], targets: list[dict[str, Any]]) -> str:
    rows = []
    for target in targets:
        line = _find(found, NOW, target)
        reached = "not measured"
        if line is not None:
            met = _meets(target, line.medians[target["figure"]])
            reached = f"{_cell(line, target['figure'])}{'' if met else ', **missed**'}"
        others = (_find(found, NOW, target, operator=operator) for operator in ("go", "least"))
        beside = ("" if line is None else _cell(line, target["figure"]) for line in others)
        rows.append([target["what"], _goal(target), reached, *beside])
    return table(["What", "Target", "Measured", "A Go controller here", "The least in Python"], rows)


def _meets(target: dict[str, Any], value: float) -> bool:
    return bool(target.get("least", value) <= value <= target.get("most", value))


def _goal(target: dict[str, Any]) -> str:
    """Empty where a figure is only to be compared."""
    if "most" in target:
        return f"at most {target['most']:g}"
    return "" if "compared" in target else f"at least {target['least']:g}"


def _tried(found: list[Line], tried: list[dict[str, Any]]) -> str:
    columns = {
        "burst: operator / API server": ("burst", "operator_to_api_server_cpu"),
        "operator CPU ms a create": ("burst", "operator_cpu_ms_per_tenant"),
        "creates/s": ("burst", "tenants_per_second"),
        "change: ratio": ("change-all", "operator_to_api_server_cpu"),
        "restart with 10,000: s": ("restart", "seconds"),
        "peak MB then": ("restart", "peak_mb"),
    }
    rows = []
    for step in tried:
        row = [step["what"]]
        for scenario, figure in columns.values():
            line = _find(found, step["label"], {"scenario": scenario, "settings": _USUAL[scenario]})
            row.append("" if line is None else _cell(line, figure))
        rows.append(row)
    return table(["With", *columns], rows)


_USUAL: Final[dict[str, dict[str, Any]]] = {
    "burst": {"tenants": 500, "latency": 0.0, "operation_seconds": 0.0},
    "change-all": {"tenants": 500, "latency": 0.0, "operation_seconds": 0.0},
    "restart": {"fleet": 10_000},
}


_UNTOLD: Final[dict[str, Any]] = {"replicas": 1, "operator": "python"}
"""What a line means that says nothing of it."""


def _find(found: Iterable[Line], label: str, wanted: dict[str, Any], operator: str = "python") -> Line | None:
    """The last one of this label, scenario and settings, and of this operator."""
    settings = {**_UNTOLD, "operator": operator, **wanted.get("settings", {})}
    those = [
        line
        for line in found
        if (line.label, line.scenario) == (label, wanted["scenario"])
        and settings.items() <= {**_UNTOLD, **line.settings}.items()
    ]
    return those[-1] if those else None


def _cell(line: Line, figure: str) -> str:
    median = f"{line.medians[figure]:g}"
    if line.runs == 1:
        return median
    least, most = line.spread[figure]
    return f"{median} ({least:g}-{most:g})"


def _all(found: Iterable[Line]) -> Iterable[str]:
    for line in found:
        if line.label != NOW:
            continue
        settings = ", ".join(
            f"{name.replace('_', ' ')} {_text(value)}" for name, value in line.settings.items()
        )
        yield f"### {line.scenario}: {settings}; runs: {line.runs}"
        names = (name for name in line.medians if any(line.spread[name]))
        yield table(["Figure", "Median"], ([name.replace("_", " "), _cell(line, name)] for name in names))


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"
