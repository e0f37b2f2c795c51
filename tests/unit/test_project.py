"""When Neon's settings differ from ours, and when a project must be read by itself."""

from __future__ import annotations

from typing import Any

import pytest

import builders as a
from neon_tenants.core.project import ComputeSettings, compute_differences, suspend_differs

SUSPENDS = {
    "the same": (60, 60, False),
    "the plan's default, as Neon stores it either way": (0, 300, False),
    "the same the other way round": (300, 0, False),
    "another": (60, 61, True),
    "never": (-1, 300, True),
    "another than the default": (60, 300, True),
}


@pytest.mark.parametrize(("wanted", "found", "differs"), SUSPENDS.values(), ids=SUSPENDS.keys())
def test_suspend_times_differ(wanted: int, found: int, differs: bool) -> None:
    assert suspend_differs(wanted, found) is differs


WANTED = ComputeSettings(0.25, 2, 60)
COMPUTES = {
    "the same": (WANTED, set()),
    "a smaller least": (ComputeSettings(0.5, 2, 60), {"minCU"}),
    "a larger most": (ComputeSettings(0.25, 4, 60), {"maxCU"}),
    "another time": (ComputeSettings(0.25, 2, 300), {"suspendAfter"}),
}


@pytest.mark.parametrize(("found", "differing"), COMPUTES.values(), ids=COMPUTES.keys())
def test_settings_of_computes_differ(found: ComputeSettings, differing: set[str]) -> None:
    assert compute_differences(WANTED, found) == differing


PARTIAL: dict[str, tuple[dict[str, Any], bool]] = {
    "the list told all": ({}, False),
    "it left out the quota": ({"quota": None}, True),
    "it left out the defaults": ({"defaults": None}, True),
    "it left out the retention": ({"retention_seconds": None}, True),
    "read by itself, and still without a quota": ({"quota": None, "complete": True}, False),
}


@pytest.mark.parametrize(("changes", "partial"), PARTIAL.values(), ids=PARTIAL.keys())
def test_reading_a_project_by_itself_would_tell_more(changes: dict[str, Any], partial: bool) -> None:
    assert a.project(**{"complete": False, **changes}).partial is partial
