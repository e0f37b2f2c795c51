"""An administrator's operation, target by target: what is understood, chosen and refused."""

from __future__ import annotations

import pytest

import builders as a
from neon_tenants.api.conditions import Condition
from neon_tenants.api.fleet_operation import (
    MAX_MESSAGE,
    FleetOperationSpec,
    FleetOperationStatus,
    Phase,
    Result,
)
from neon_tenants.core import operation
from neon_tenants.core.key import Key
from neon_tenants.core.operation import (
    Asked,
    End,
    OrphanTarget,
    PlaceTarget,
    choose,
    done,
    failed,
    orphan_of,
    place_of,
    refused_orphan,
    skipped,
)
from neon_tenants.core.orphans import Kind, Orphan, Survey
from neon_tenants.core.project import Project

ONE, TWO = a.project("one"), a.project("two")


def asked(name: str = "Rebind", *targets: str, results: tuple[Result, ...] = ()) -> Asked:
    return Asked(
        name="op",
        uid=a.UID,
        created=a.NOW,
        generation=1,
        spec=FleetOperationSpec.model_validate({"operation": name, "targets": list(targets)}),
        status=FleetOperationStatus(results=list(results)),
    )


def test_a_restarted_process_goes_on_with_what_has_no_result() -> None:
    told = asked("Rebind", "a/a", "a/b", "a/c", results=(done("").of("a/b"),))
    assert told.left == ("a/a", "a/c")
    assert asked("ReleaseDeletions").left == (operation.ALL,)


def test_results_are_counted_and_bounded() -> None:
    results = [done("").of("a"), skipped("").of("b"), failed("x" * 1000).of("c"), failed("").of("d")]
    counts = operation.counts(9, results)
    assert (counts.total, counts.done, counts.skipped, counts.failed) == (9, 1, 1, 2)
    assert len(results[2].message) == MAX_MESSAGE


@pytest.mark.parametrize(
    ("phase", "wanted"),
    [
        (Phase.PENDING, {"Ready": "False", "Reconciling": "True"}),
        (Phase.RUNNING, {"Ready": "False", "Reconciling": "True"}),
        (Phase.SUCCEEDED, {"Ready": "True"}),
        (Phase.FAILED, {"Ready": "False", "Stalled": "True"}),
    ],
)
def test_a_phase_is_told_in_the_conditions_that_tools_read(phase: Phase, wanted: dict[str, str]) -> None:
    found = operation.conditions([], phase, "why", generation=1, wall_time="now")
    assert {condition.type: condition.status.value for condition in found} == wanted
    assert {(c.reason, c.message, c.observed_generation) for c in found} == {(phase.value, "why", 1)}


def test_a_condition_keeps_its_time_while_it_stays_as_it_is() -> None:
    def then(before: list[Condition], phase: Phase, now: str) -> list[Condition]:
        return operation.conditions(before, phase, "", generation=1, wall_time=now)

    pending = then([], Phase.PENDING, "one")
    running = then(pending, Phase.RUNNING, "two")
    assert {condition.last_transition_time for condition in running} == {"one"}
    assert [c.last_transition_time for c in then(running, Phase.SUCCEEDED, "three")] == ["three"]


def test_an_operation_says_how_many_targets_are_done_or_failed() -> None:
    counts = operation.counts(3, [done("").of("a"), skipped("").of("b")])
    assert operation.told(counts) == "2 of 3 targets are done."
    counts = operation.counts(3, [done("").of("a"), failed("").of("b")])
    assert operation.told(counts) == "1 of 3 targets failed: status.results says why."


NO_PLACE = failed("Not understood. Write namespace/name, or namespace/name=project-id.")
PLACES = {
    "ns/acme": PlaceTarget(Key("ns", "acme"), None),
    "ns/acme.eu=cool-project-1": PlaceTarget(Key("ns", "acme.eu"), "cool-project-1"),
    "acme": NO_PLACE,
    "ns/../acme": NO_PLACE,
    "ns/acme=": NO_PLACE,
    "NS/acme": NO_PLACE,
}


@pytest.mark.parametrize(("target", "place"), PLACES.items(), ids=PLACES.keys())
def test_a_place_is_understood_or_refused(target: str, place: PlaceTarget | End) -> None:
    assert place_of(target) == place


def test_a_tier_is_named_with_its_generation() -> None:
    assert operation.tier_of("pro@7") == ("pro", 7)
    assert operation.tier_of("pro") == failed("Not understood. Write tier@generation.")


def test_an_orphan_is_named_alone_or_as_released() -> None:
    assert orphan_of("cool-1") == OrphanTarget("cool-1", released=False)
    assert orphan_of("cool-1=released") == OrphanTarget("cool-1", released=True)
    refused = failed("Not understood. Write project-id, or project-id=released.")
    assert orphan_of("cool-1=other") == refused


CHOICES: dict[str, tuple[tuple[str | None, str | None, bool], list[Project], Project | End]] = {
    "it has the named one": (
        ("one", "one", False),
        [TWO],
        skipped("It has the project one already."),
    ),
    "it has its earlier one": (("one", None, True), [TWO], skipped("It has the project one already.")),
    "it has one of its own": (
        ("one", None, False),
        [TWO],
        failed("It has a project of its own (one). Name the one that it is to get: =project-id."),
    ),
    "the named one, in place of its own": (("one", "two", False), [TWO], TWO),
    "the named one, in place of its earlier one": (("one", "two", True), [TWO], TWO),
    "the named one": ((None, "two", False), [ONE, TWO], TWO),
    "a named one that is not of its place": (
        (None, "three", False),
        [ONE],
        failed("The project three is none of its earlier ones."),
    ),
    "the only one": ((None, None, False), [ONE], ONE),
    "none": ((None, None, False), [], failed("There is no earlier project of this resource.")),
    "several": (
        (None, None, False),
        [ONE, TWO],
        failed("Several earlier projects come into question. Name one with =project-id: one, two"),
    ),
}


@pytest.mark.parametrize(("facts", "candidates", "expected"), CHOICES.values(), ids=CHOICES.keys())
def test_a_resource_gets_the_project(
    facts: tuple[str | None, str | None, bool], candidates: list[Project], expected: Project | End
) -> None:
    own, named, returned = facts
    found = choose(candidates, own=own, named=named, returned=returned, what="earlier")
    assert found == expected


def orphan(kind: Kind) -> Survey:
    return Survey((Orphan("one", "name", kind, "ns", "acme", a.OTHER_UID, 9000.0),), ())


NAMED, AS_RELEASED = OrphanTarget("one", released=False), OrphanTarget("one", released=True)
REFUSED: dict[str, tuple[Survey, OrphanTarget, bool, str | None]] = {
    "not proven to be of this cluster": (
        orphan(Kind.ORPHAN),
        NAMED,
        False,
        "Its name and birth certificate do not prove that it is of this cluster. Not deleted.",
    ),
    "owned, or too young": (
        Survey((), ()),
        NAMED,
        True,
        "It has an owner, or is younger than an hour. Not deleted.",
    ),
    "a resource of its name stands": (
        orphan(Kind.CLAIMABLE),
        AS_RELEASED,
        True,
        "The resource ns/acme stands and could have it back. Not deleted.",
    ),
    "released, and not named so": (
        orphan(Kind.RELEASED),
        NAMED,
        True,
        "It was released with its data. If it is meant, name one=released.",
    ),
    "released, and named so": (orphan(Kind.RELEASED), AS_RELEASED, True, None),
    "an orphan": (orphan(Kind.ORPHAN), NAMED, True, None),
}


@pytest.mark.parametrize(("survey", "target", "ours", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_only_a_true_orphan_is_deleted(
    survey: Survey, target: OrphanTarget, ours: bool, why: str | None
) -> None:
    assert refused_orphan(survey, target, ours=ours) == (why and failed(why))
