"""The page of measurements tells only what was measured, and what was missed."""

from __future__ import annotations

import json
from typing import Any

import yaml

from generators import performance
from generators.performance import Line


def line(label: str = "now", scenario: str = "burst", tenants: int = 1000, **figures: float) -> Line:
    text = {
        "label": label,
        "scenario": scenario,
        "settings": {"tenants": tenants},
        "runs": 2,
        "machine": {"cores": 2, "memory_gib": 8},
        "versions": {"kubernetes": "1.36.3"},
        "medians": figures,
        "spread": {name: [value - 1, value + 1] for name, value in figures.items()},
    }
    (found,) = performance.lines(json.dumps(text) + "\n\n")
    return found


def targets(found: list[Line], **target: Any) -> str:
    asked = {"what": "x", "scenario": "burst", "settings": {"tenants": 1000}, "figure": "seconds"}
    return performance._targets(found, [asked | target]).splitlines()[-1]


def test_a_target_tells_whether_it_was_reached() -> None:
    found = [line(seconds=7)]
    assert targets(found, most=7) == "| x | at most 7 | 7 (6-8) |"
    assert targets(found, most=6) == "| x | at most 6 | 7 (6-8), **missed** |"
    assert targets(found, least=7) == "| x | at least 7 | 7 (6-8) |"
    assert targets(found, least=8) == "| x | at least 8 | 7 (6-8), **missed** |"


def test_what_was_not_measured_says_so() -> None:
    others = [line("before", seconds=1), line(scenario="rest", seconds=1), line(tenants=10, seconds=1)]
    assert targets(others, most=1) == "| x | at most 1 | not measured |"


def test_the_last_measurement_counts() -> None:
    assert targets([line(seconds=9), line(seconds=3)], most=5) == "| x | at most 5 | 3 (2-4) |"


def test_the_page_names_no_host_and_each_target_once() -> None:
    told = yaml.safe_load(performance.TOLD.read_text())
    names = [target["what"] for target in told["targets"]]
    assert len(names) == len(set(names))
    assert all(("most" in target) != ("least" in target) for target in told["targets"])
    measured = performance.lines(performance.MEASURED.read_text())
    assert all(set(found.machine) == {"cores", "memory_gib"} for found in measured)
