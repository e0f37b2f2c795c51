"""Differences, as people read them."""

from __future__ import annotations

from dataclasses import replace

import pytest

import builders as a
from neon_tenants.core.difference import Difference, of_endpoint, of_name, of_project, reported, sentence
from neon_tenants.core.project import ComputeSettings, Project
from neon_tenants.core.quota import Quota

BIGGER = ComputeSettings(0.5, 2, -1)

PROJECTS: dict[str, tuple[Project, list[str]]] = {
    "as it should be": (a.project(), []),
    "unknown is not different": (a.project(quota=None, defaults=None, retention_seconds=None), []),
    "a quota": (
        a.project(quota=replace(a.LIMITS.quota, written_data_bytes=5 * 1024**3)),
        ["writtenData was 5Gi, not 1Gi"],
    ),
    "no quota at all": (
        a.project(quota=Quota()),
        [
            "computeTime was Unlimited, not 100h",
            "dataTransfer was Unlimited, not 5Gi",
            "storagePerBranch was Unlimited, not 512Mi",
            "writtenData was Unlimited, not 1Gi",
        ],
    ),
    "a retention": (a.project(retention_seconds=90), ["historyRetention was 1m30s, not 6h"]),
    "defaults of computes": (
        a.project(defaults=BIGGER),
        ["maxCU was 2, not 0.25", "minCU was 0.5, not 0.25", "suspendAfter was Never, not 5m"],
    ),
}


@pytest.mark.parametrize(("project", "texts"), PROJECTS.values(), ids=PROJECTS.keys())
def test_a_project_differs(project: Project, texts: list[str]) -> None:
    assert sorted(map(str, of_project(a.LIMITS, project, frozenset()))) == texts


def test_what_neon_did_not_take_is_no_difference() -> None:
    found = of_project(a.LIMITS, a.project(defaults=BIGGER), frozenset({"suspendAfter"}))
    assert {d.field for d in found} == {"minCU", "maxCU"}
    endpoint = a.endpoint(compute=BIGGER)
    assert {d.field for d in of_endpoint(a.LIMITS.compute, endpoint, frozenset({"minCU"}))} == {
        "maxCU",
        "suspendAfter",
    }


def test_a_compute_is_named() -> None:
    found = of_endpoint(a.LIMITS.compute, a.endpoint(compute=replace(BIGGER, min_cu=0.25)), frozenset())
    assert (
        sentence(found) == "maxCU of ep-cool-1 was 2, not 0.25; suspendAfter of ep-cool-1 was Never, not 5m"
    )


@pytest.mark.parametrize(("seconds", "shown"), [(-1, "Never"), (0, "0s"), (1, "1s")])
def test_a_suspend_time_is_shown(seconds: int, shown: str) -> None:
    wanted = ComputeSettings(0.25, 0.25, 60)
    found = of_endpoint(wanted, a.endpoint(compute=replace(wanted, suspend_seconds=seconds)), frozenset())
    assert sentence(found) == f"suspendAfter of ep-cool-1 was {shown}, not 1m"


def test_a_name_that_a_person_gave_is_shown_in_part() -> None:
    assert str(of_name("ours", "mine\n\x1b[2J" + "x" * 300)) == f"name was 'mine[2J{'x' * 57}', not 'ours'"


PROJECT = Difference("writtenData", "1Gi", "2Gi")
COMPUTE = Difference("maxCU", "1", "2", "ep-1")

Told = frozenset[Difference]
NONE: Told = frozenset()

REPORTED: dict[str, tuple[Told, list[Difference], bool, Told]] = {
    "found now": (NONE, [PROJECT, COMPUTE], True, frozenset({PROJECT, COMPUTE})),
    "of a compute, not read now": (
        frozenset({COMPUTE, PROJECT}),
        [PROJECT],
        False,
        frozenset({PROJECT, COMPUTE}),
    ),
    "of a compute, and gone": (frozenset({COMPUTE}), [], True, NONE),
    "of the project, and gone": (frozenset({PROJECT}), [], False, NONE),
}


@pytest.mark.parametrize(("before", "found", "read", "after"), REPORTED.values(), ids=REPORTED.keys())
def test_what_counts_as_said(before: Told, found: list[Difference], read: bool, after: Told) -> None:
    assert reported(before, found, endpoints_read=read) == after
