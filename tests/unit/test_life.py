"""The verdict on a story finds what is broken, and a story or a seed is the same again from its text."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from life.ledger import Ledger, Object
from life.story import Act, Story
from life.verdict import HISTORY, QUOTAS, Seen, complaints, in_base32, left_behind, unanswered
from sweep.seeds import KILLED, MIXED, Seed

UID = str(uuid.UUID(int=7))
OTHER = str(uuid.UUID(int=8))


def project(**changes: Any) -> Object:
    return {
        "id": "red-bird-1",
        "name": f"ns-one-c-aaaaaaaaaa-{in_base32(UID)}",
        "deleted_at": None,
        "annotations": {"neontenants.io/name": "one", "neontenants.io/uid": UID},
        "quota": QUOTAS["free"],
        "history_retention_seconds": HISTORY["free"],
        "endpoints": [{"disabled": False}],
        **changes,
    }


def tenant(**changes: Any) -> Object:
    told = {"status": "True", "reason": "Provisioned", "message": "", "observedGeneration": 1}
    return {
        "metadata": {"name": "one", "uid": UID, "generation": 1, **changes},
        "spec": {"tier": "t1-free", "deletionPolicy": "Delete"},
        "status": {
            "observedGeneration": 1,
            "projectId": "red-bird-1",
            "conditions": [{"type": "Ready", **told}, {"type": "Available", **told}],
        },
    }


def seen(tenants: list[Object], projects: list[Object]) -> Seen:
    return Seen(tenants, {}, projects, "t1")


def ledger() -> Ledger:
    return Ledger(names={UID: "one"}, rows={"red-bird-1": "red-bird-1"})


def test_a_tenant_with_its_project_is_well() -> None:
    assert complaints(seen([tenant()], [project()]), ledger()) == []


BROKEN: dict[str, Callable[[], Seen]] = {
    "is gone": lambda: seen([tenant()], []),
    "deleted by nobody": lambda: seen([tenant()], [project(deleted_at=1.0)]),
    "is a double": lambda: seen([tenant()], [project(), project(id="red-bird-2")]),
    "left behind": lambda: seen([], [project()]),
    "is Ready in free": lambda: seen([tenant()], [project(quota=QUOTAS["pro"])]),
    "named": lambda: seen([tenant()], [project(name="mine")]),
    "not all computes": lambda: seen([tenant()], [project(endpoints=[{"disabled": True}])]),
    "two resources": lambda: seen([tenant(), tenant(uid=OTHER)], [project()]),
    "not gone": lambda: seen([tenant(deletionTimestamp="now")], [project()]),
}


@pytest.mark.parametrize("words", BROKEN)
def test_the_verdict_finds(words: str) -> None:
    found = complaints(BROKEN[words](), ledger())
    assert any(words in complaint for complaint in found), found


def test_a_reason_without_its_cause_is_no_excuse() -> None:
    stalled = tenant()
    for kind in stalled["status"]["conditions"]:
        kind |= {"status": "False", "reason": "ProjectMissing"}
    told = copy.deepcopy(stalled["status"]["conditions"][0]) | {"type": "Stalled", "status": "True"}
    stalled["status"]["conditions"].append(told)
    found = complaints(seen([stalled], [project()]), ledger())
    assert found == ["one says ProjectMissing without a cause: "]
    gone = ledger()
    gone.deleted_by_hand.add("red-bird-1")
    assert complaints(seen([stalled], [project(deleted_at=1.0)]), gone) == []


def test_everybody_is_looked_at_before_the_verdict_but_who_is_paused() -> None:
    paused, held = tenant(), tenant(deletionTimestamp="now")
    paused["status"]["conditions"].append({"type": "Reconciling", "status": "False", "reason": "Paused"})
    at_rest = seen([tenant(), held, paused], [project()])
    assert unanswered(at_rest, "first") == ["one was not looked at"] * 2
    held["status"]["lastHandledReconcileAt"] = "first"
    assert unanswered(at_rest, "first") == ["one was not looked at"]


def test_what_a_stripped_finalizer_leaves_must_be_reported() -> None:
    stripped = ledger()
    stripped.stripped.add(UID)
    assert complaints(seen([], [project()]), stripped) == []
    assert left_behind(seen([], [project()]), stripped) == {"red-bird-1"}


def test_what_the_race_of_a_delete_leaves_is_excused_after_a_crash_alone_and_must_be_reported() -> None:
    raced = ledger()
    raced.unmarked.add(UID)
    calm, crashed = seen([], [project()]), replace(seen([], [project()]), crashed=True)
    assert "left behind" in complaints(calm, raced)[0]
    assert left_behind(calm, raced) == set()
    assert complaints(crashed, raced) == []
    assert left_behind(crashed, raced) == {"red-bird-1"}
    assert "left behind" in complaints(crashed, ledger())[0]
    released = replace(crashed, projects=[project(name="ns-one-c-aaaaaaaaaa-released")])
    raced.releasable.add(UID)
    assert complaints(released, raced) == []
    assert left_behind(released, raced) == set()


def test_a_story_and_a_seed_are_the_same_again_from_their_texts() -> None:
    story = Story(7, (Act("create free Delete", "one"), Act("crash"), Act("console delete", "one")))
    assert Story.parse(str(story)) == story
    with pytest.raises(ValueError, match="no act"):
        Story.parse("faults 0 | one dances")
    for seed in (Seed(KILLED, 17), Seed(MIXED, 17)):
        assert Seed.parse(str(seed)) == seed
    assert Seed(KILLED, 17).kills() == Seed.parse("seed 17").kills()
    with pytest.raises(ValueError, match="neither"):
        Seed.parse("case 17")
