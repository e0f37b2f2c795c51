"""Sampled stacks are counted by the part of the operator that they belong to."""

from __future__ import annotations

from neon_sandbox.bench.stacks import PARTS, Part, Stack, heaviest, parse, report, shares

RAW = """\
run (loop.py:1);Passes.run (neon_tenants/passes.py:7);send (http.py:1) 6
run (loop.py:1);Passes.run (neon_tenants/passes.py:9);send (http.py:2) 2
run (loop.py:1);send (http.py:3) 1
run (loop.py:1) 1
"""
OURS = Part("passes", ("Passes.run (neon_tenants/",))


def test_lines_of_one_function_are_one_frame() -> None:
    assert parse(RAW) == [
        Stack(("run (loop.py)", "Passes.run (neon_tenants/passes.py)", "send (http.py)"), 8),
        Stack(("run (loop.py)", "send (http.py)"), 1),
        Stack(("run (loop.py)",), 1),
    ]


def test_a_part_within_another_counts_only_there() -> None:
    parts = (OURS, Part("sent", ("send (",), within="passes"), Part("all sent", ("send (",)))
    assert shares(parse(RAW), parts) == {"passes": 80.0, "sent": 80.0, "all sent": 90.0}
    assert shares([], (OURS,)) == {"passes": 0.0}


def test_the_heaviest_are_those_in_which_most_samples_ended() -> None:
    assert heaviest(parse(RAW), 1) == [("send (http.py)", 90.0)]
    assert heaviest(parse(RAW)) == [("send (http.py)", 90.0), ("run (loop.py)", 10.0)]


def test_the_report_has_a_column_for_each_scenario_and_names_each_part_once() -> None:
    text = report({"burst": parse(RAW), "delete-all": []})
    head, *rest = text.splitlines()
    assert head.split() == ["percent", "of", "the", "samples", "burst", "delete-all"]
    assert [line.split()[-2:] for line in rest if line.startswith("passes over")] == [["80.0", "0.0"]]
    assert all(text.count(part.name) == 1 for part in PARTS)
    assert "  90.0  send (http.py)" in rest
