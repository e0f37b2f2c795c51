"""Each configuration and each broken variant of the protocol, and what exploring it must show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from model import baseline, world
from model.explorer import Verdict, explore
from model.protocol import Rules
from model.state import NEIGHBOR, THEIRS, Process, Project, Resource, Secret, State
from model.world import Scenario


@dataclass(frozen=True, slots=True)
class Variant:
    """One row of the table."""

    name: str
    run: Callable[[], Verdict]
    broken: str | None = None
    """The property that must be seen violated; None where all must hold."""
    states: int | None = None
    """How many states there are, where that was counted before."""
    steps: int | None = None
    """How long the shortest way into the violation is."""
    long: bool = False
    """Whether it takes more than a few seconds."""


def _baseline(**rules: bool) -> Callable[[], Verdict]:
    return partial(_explore_baseline, baseline.Rules(**rules))


def _explore_baseline(rules: baseline.Rules) -> Verdict:
    return explore(baseline.protocol(rules))


# Timing dropped, and a person removes what the orphan report lists: S3 and S4 are not checked.
_LATE: dict[str, Any] = {"bounded_pause": False, "orphan_sweep": True}

BASELINE = (
    Variant("the protocol", _baseline(), states=34_673),
    Variant("without the intent", _baseline(intent=False), "S3", steps=10),
    Variant("the intent without compare-and-swap", _baseline(cas=False), "S4", steps=13),
    Variant("a POST on another's living intent", _baseline(wait_for_others=False), "S4", steps=13),
    Variant("a time-out clears the intent", _baseline(error_is_not_failure=False), "S3", steps=11),
    Variant("an incomplete list read as empty", _baseline(partial_is_unknown=False), "S3", steps=13),
    Variant("let go while an intent is alive", _baseline(delete_waits_for_intent=False), "S3", steps=10),
    Variant("the finalizer is not first", _baseline(finalizer_first=False), "S3", steps=4),
    Variant(
        "the intent cleared on recording", _baseline(keep_intent_until_expiry=False), states=21_593, long=True
    ),
    Variant("the Secret records, the status follows", _baseline(secret_records=True), states=37_311),
    Variant("no second look after recording", _baseline(relist_after_record=False), states=34_673, long=True),
    Variant("a POST may leave after its deadline", _baseline(bounded_pause=False), "S3", steps=11),
    Variant("... and orphans are removed by hand", _baseline(**_LATE), states=361_811, long=True),
    Variant(
        "... and the Secret records",
        _baseline(**_LATE, secret_records=True),
        states=426_113,
        long=True,
    ),
    Variant(
        "... and no second look after recording",
        _baseline(**_LATE, relist_after_record=False),
        "L1",
        long=True,
    ),
)


# --- The protocol as it is built -----------------------------------------------------------------

NEW = State(Resource(1))
TWO_REPLICAS = NEW._replace(processes=(Process(), Process()))
SETTLED = State(
    Resource(1, finalizer=True, nonce=1, recorded=11, resolved=1),
    Secret(1, 11),
    (Project(11, 1, 1, published=True), Project(THEIRS, NEIGHBOR, NEIGHBOR, published=True)),
    nonces=1,
)

CREATE = Scenario(TWO_REPLICAS, max_nonces=1, deletes=True)
"""Create and delete, two replicas."""
LAG = Scenario(NEW, deletes=True, refusals=True, lag=True, max_nonces=3)
"""... one replica, with refusals and a list that lags."""
LONG = Scenario(TWO_REPLICAS, max_nonces=2, deletes=True, refusals=True, lag=True)
"""... two replicas, with all of that."""
SMOOTH = Scenario(TWO_REPLICAS, max_nonces=1, crashes=False, lost_answers=False, time=False, deletes=True)
"""No fault, and no lifetime of an intent ever passes: all must be done without waiting for one."""
HAND_OVER = replace(CREATE, max_nonces=2, handed_over=True)
"""... and replicas that end their part, and withdraw what they have declared and not sent."""
SMOOTH_HAND_OVER = replace(SMOOTH, max_nonces=2, handed_over=True, deletes=False)
"""... without any other fault, and no lifetime of an intent ever passes. Without deletions: one that comes
between wins the compare-and-swap against a withdrawal."""
REPLACE = Scenario(NEW, crashes=False, replaces=True)
"""The annotation vanishes, and the process remembers it."""
REPLACE_CRASH = Scenario(NEW, replaces=True)
TAMPER = Scenario(SETTLED, deletes=True, edits_secret=True, removes_secret=True, wipes=True)
"""The tenant edits its Secret; status and annotations are lost."""
AGAIN = Scenario(SETTLED, max_uids=2, strips=True, deletes=True, administrator=True)
"""The resource vanishes and is made again; an administrator binds again, or starts empty."""
AGAIN_TWO = replace(AGAIN, start=SETTLED._replace(processes=(Process(), Process())), repairable=True)
"""... two replicas. One that slept may rename back what was released, so that S3 is not looked at."""
AGAIN_TWICE = Scenario(SETTLED, max_uids=3, max_nonces=3, crashes=False, strips=True, administrator=True)
"""... twice."""
WIPE = Scenario(SETTLED, max_uids=2, strips=True, wipes=True, administrator=True)
"""... and status and annotations are lost."""


def _built(scenario: Scenario, **rules: bool) -> Callable[[], Verdict]:
    return partial(_explore_built, scenario, Rules(**rules))


def _explore_built(scenario: Scenario, rules: Rules) -> Verdict:
    return explore(world.protocol(rules, scenario))


BUILT = (
    Variant("built: create and delete", _built(CREATE), states=11_558),
    Variant("built: ... with refusals and a lagging list", _built(LAG), states=1_397),
    Variant("built: ... and all of it with two replicas", _built(LONG), long=True),
    Variant("built: ... Retain, one replica", _built(replace(LAG, max_nonces=2), retain=True), states=984),
    Variant("Retain, and a replica that slept renames it back", _built(CREATE, retain=True), "S3"),
    Variant("built: without faults, no lifetime is waited for", _built(SMOOTH), states=1_395),
    Variant("built: replicas hand over", _built(HAND_OVER), states=95_457),
    Variant("built: ... without faults, no lifetime is waited for", _built(SMOOTH_HAND_OVER), states=823),
    Variant("a nonce is withdrawn though it was sent", _built(HAND_OVER, withdraws_unsent=False), "S3"),
    Variant("nonces whose outcome is known are not noted", _built(SMOOTH, notes_resolved=False), "L1"),
    Variant("... noted without recording the project", _built(LAG, resolved_with_record=False), "S3"),
    Variant("an ambiguous declaration is taken for won", _built(LAG, awaits_nonce=False), "S4"),
    Variant("the send gate is not checked at sending", _built(CREATE, checks_gate=False), "S3"),
    Variant("an intent expires by a timestamp", _built(CREATE, observes_expiry=False), "S3"),
    Variant("a lost answer is taken for a refusal", _built(LAG, lost_is_unknown=False), "S3"),
    Variant("another's living intent is not awaited", _built(CREATE, awaits_others=False), "S3"),
    Variant("built: the annotation vanishes", _built(REPLACE), states=557),
    Variant("a vanished annotation is forgotten", _built(REPLACE, remembers_vanished=False), "S4"),
    Variant("the annotation vanishes, and a restart", _built(REPLACE_CRASH), "S4"),
    Variant(
        "... the second project goes again",
        _built(replace(REPLACE_CRASH, repairable=True, max_nonces=3)),
        states=13_540,
    ),
    Variant("built: an edited Secret, a wiped status", _built(TAMPER), states=185),
    Variant(
        "the Secret's id is trusted as the status's is",
        _built(TAMPER, secret_needs_name=False, checks_certificate=False),
        "N1",
    ),
    Variant("built: made again, bound again, started empty", _built(AGAIN), states=7_152),
    Variant("built: ... Retain", _built(AGAIN, retain=True), states=10_049),
    Variant("built: ... two replicas", _built(AGAIN_TWO), long=True),
    Variant("built: ... two replicas, Retain", _built(AGAIN_TWO, retain=True), long=True),
    Variant("built: ... made again twice", _built(AGAIN_TWICE), long=True),
    Variant("built: ... with a wiped status", _built(WIPE), states=3_458),
    Variant("the place makes a project ours, not the name", _built(AGAIN, exact_names=False), "N1"),
    Variant("the Secret is ours by the resource's name", _built(AGAIN, secret_by_uid=False), "L1"),
    Variant("predecessors are not looked for", _built(AGAIN, checks_predecessors=False), "N2"),
    Variant("start-empty holds for whatever stands", _built(AGAIN_TWICE, token_names_projects=False), "N2"),
    Variant("any project may be bound", _built(AGAIN, rebind_checks_place=False), "N3"),
    Variant("the project given up is not noted", _built(AGAIN, rebind_notes_given_up=False), "S1"),
    Variant("... where the status was wiped", _built(WIPE, rebind_notes_unrecorded=False), "N4"),
    Variant("bound while a create is under way", _built(AGAIN, rebind_awaits_create=False), "S1"),
    Variant("an own POST's answer outlives a rebind", _built(AGAIN, forgets_other_project=False), "L1"),
    Variant("a deletion is under way while it is bound", _built(AGAIN, passes_end_first=False), "S1"),
)
VARIANTS = (*BASELINE, *BUILT)
