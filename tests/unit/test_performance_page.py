"""The page of measurements tells only what was measured, and what was missed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import yaml

from generators import performance, scale
from generators.performance import Line


def line(
    label: str = "now", scenario: str = "burst", tenants: int = 1000, operator: str = "", **figures: float
) -> Line:
    text = {
        "label": label,
        "scenario": scenario,
        "settings": {**({"operator": operator} if operator else {}), "tenants": tenants},
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
    assert targets(found, most=7) == "| x | at most 7 | 7 (6-8) |  |  |"
    assert targets(found, most=6) == "| x | at most 6 | 7 (6-8), **missed** |  |  |"
    assert targets(found, least=7) == "| x | at least 7 | 7 (6-8) |  |  |"
    assert targets(found, least=8) == "| x | at least 8 | 7 (6-8), **missed** |  |  |"


def test_what_is_only_to_be_compared_has_no_target_to_miss() -> None:
    assert targets([line(seconds=7)], compared=True) == "| x |  | 7 (6-8) |  |  |"


def test_what_was_not_measured_says_so() -> None:
    others = [line("before", seconds=1), line(scenario="rest", seconds=1), line(tenants=10, seconds=1)]
    assert targets(others, most=1) == "| x | at most 1 | not measured |  |  |"


def test_the_last_measurement_counts() -> None:
    assert targets([line(seconds=9), line(seconds=3)], most=5) == "| x | at most 5 | 3 (2-4) |  |  |"


def test_what_is_compared_with_stands_beside_what_was_measured_and_misses_no_target() -> None:
    found = [line(seconds=7), line(operator="go", seconds=9), line(operator="least", seconds=10)]
    assert targets(found, most=8) == "| x | at most 8 | 7 (6-8) | 9 (8-10) | 10 (9-11) |"
    assert targets(found[1:], most=8) == "| x | at most 8 | not measured | 9 (8-10) | 10 (9-11) |"


def test_beside_a_target_stands_only_what_go_did_of_the_same() -> None:
    others = [
        line("before", operator="go", seconds=1),
        line(scenario="rest", operator="go", seconds=1),
        line(tenants=10, operator="go", seconds=1),
    ]
    assert targets([line(seconds=7), *others], most=8) == "| x | at most 8 | 7 (6-8) |  |  |"


def test_what_was_tried_is_the_operator_s_alone() -> None:
    ours = line(tenants=500, operator_to_api_server_cpu=2, operator_cpu_ms_per_tenant=3, tenants_per_second=4)
    found = [ours, line(tenants=500, operator="go", seconds=1)]
    for each in found:
        each.settings.update(latency=0.0, operation_seconds=0.0)
    row = performance._tried(found, [{"label": "now", "what": "x"}]).splitlines()[-1]
    assert row == "| x | 2 (1-3) | 3 (2-4) | 4 (3-5) |  |  |  |"


def test_all_figures_tell_whose_they_are() -> None:
    headings = [
        text for text in performance._all([line(seconds=7), line(operator="go", seconds=9)]) if "#" in text
    ]
    assert headings == ["### burst: tenants 1000; runs: 2", "### burst: operator go, tenants 1000; runs: 2"]


def test_a_page_of_arithmetic_is_the_operator_s_alone() -> None:
    measured = performance.lines(performance.MEASURED.read_text())
    ours = [found for found in measured if "operator" not in found.settings]
    theirs = [replace(found, settings={"operator": "go", **found.settings}, medians={}) for found in ours]
    assert scale.Constants.of([*ours, *theirs]) == scale.Constants.of(ours)


def test_the_page_names_no_host_and_each_target_once() -> None:
    told = yaml.safe_load(performance.TOLD.read_text())
    names = [target["what"] for target in told["targets"]]
    assert len(names) == len(set(names))
    assert all(len({"most", "least", "compared"} & target.keys()) == 1 for target in told["targets"])
    measured = performance.lines(performance.MEASURED.read_text())
    assert all(set(found.machine) == {"cores", "memory_gib"} for found in measured)
