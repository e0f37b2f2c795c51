"""The create and delete of one resource by two replicas, on a Neon without idempotency keys.

Every order of micro-steps: read the resource (fresh, or one version stale), list Neon by the marker
(complete, or incomplete), act; a crash before or after any step; every POST's answer lost, the POST landing
late; the user deleting at any time. Attempt numbers stand for nonces. This is the model with which the
protocol was designed; `world` is the one of what was built since.

  S1  a recorded project is never deleted while the resource is wanted
  S2  the Secret never names a project other than the recorded one
  S3  a resource that is gone leaves no project behind and no POST in flight
  S4  there are never two projects
  L1  the goal can still be reached: one project, recorded, published; or, after a deletion, nothing
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeAlias

from model.explorer import Edge, Protocol

REPLICAS = ("A", "B")
MAX_ATTEMPTS = 3


class Intent(NamedTuple):
    """A declared create."""

    holder: str
    attempt: int
    expired: bool


class Resource(NamedTuple):
    """The TenantDatabase."""

    finalizer: bool = False
    deleting: bool = False
    intent: Intent | None = None
    recorded: int | None = None


class Action(NamedTuple):
    """What the planner wants."""

    name: str
    project: int = 0


WAIT = Action("wait")


class Idle(NamedTuple):
    """Between two passes."""


class HasRead(NamedTuple):
    """The resource was read; the list is next."""

    seen: Resource


class Decided(NamedTuple):
    """The action is next, on what was read."""

    action: Action
    seen: Resource


class Posting(NamedTuple):
    """The POST is next, from memory."""

    attempt: int


Doing: TypeAlias = Idle | HasRead | Decided | Posting
Projects: TypeAlias = frozenset[int]
"""Ids that carry our marker; the oldest is the lowest."""


class State(NamedTuple):
    """All that is."""

    resource: Resource | None
    stale: Resource | None
    """What a lagging read may still return."""
    secret: int | None
    projects: Projects
    next_id: int
    in_flight: tuple[int, ...]
    """Attempts of the POSTs sent but not landed."""
    doing: tuple[Doing, Doing]
    attempts: int


@dataclass(frozen=True, slots=True)
class Rules:
    """The protocol; each mutant switches one rule off, each variant one on."""

    intent: bool = True
    """Declare the intent before the POST."""
    cas: bool = True
    """... with a compare-and-swap."""
    wait_for_others: bool = True
    """Never POST on someone's unexpired intent."""
    error_is_not_failure: bool = True
    """A time-out does not clear the intent."""
    partial_is_unknown: bool = True
    """An incomplete list is not an empty list."""
    keep_intent_until_expiry: bool = True
    """Recording an id does not clear it."""
    delete_waits_for_intent: bool = True
    """The finalizer outlives the intent."""
    finalizer_first: bool = True
    relist_after_record: bool = True
    """Keep looking for duplicates by the marker."""
    bounded_pause: bool = True
    """ASSUMPTION: a POST is sent, lands and is listed before its deadline."""
    orphan_sweep: bool = False
    """Someone removes what the orphan report lists."""
    secret_records: bool = False
    """The id is recorded by creating the Secret, the status follows (one write less)."""


def is_live(intent: Intent | None) -> bool:
    """Whether its POST may be under way."""
    return intent is not None and not intent.expired


def decide(seen: Resource, listed: Projects | None, secret: int | None, rules: Rules) -> Action:
    """The pure planner. `listed` is None where the list was incomplete."""
    if seen.deleting:
        return _decide_deletion(seen, listed, rules)
    if rules.finalizer_first and not seen.finalizer:
        return Action("finalize")
    if seen.recorded is not None:
        return _decide_recorded(seen.recorded, listed, secret, rules)
    if rules.secret_records and secret is not None:
        return Action("record", secret)
    if listed is None:
        return WAIT
    if listed:
        return Action("create secret" if rules.secret_records else "record", min(listed))
    if not rules.intent:
        return Action("post")
    return WAIT if is_live(seen.intent) and rules.wait_for_others else Action("declare")


def _decide_deletion(seen: Resource, listed: Projects | None, rules: Rules) -> Action:
    if not seen.finalizer or listed is None:
        return WAIT
    if listed:
        return Action("delete", min(listed))
    return WAIT if rules.delete_waits_for_intent and is_live(seen.intent) else Action("release")


def _decide_recorded(recorded: int, listed: Projects | None, secret: int | None, rules: Rules) -> Action:
    if secret != recorded:
        return Action("publish", recorded)
    extra = (listed or frozenset()) - {recorded}
    return Action("delete", min(extra)) if extra and rules.relist_after_record else WAIT


def _steps(state: State, rules: Rules) -> Iterator[Edge[State]]:
    yield from _user_and_time(state, rules)
    # Neon carries out a POST that is on its way, whether or not anyone listens.
    for k, attempt in enumerate(state.in_flight):
        landed = state._replace(
            in_flight=state.in_flight[:k] + state.in_flight[k + 1 :],
            projects=state.projects | {state.next_id},
            next_id=state.next_id + 1,
        )
        yield Edge(f"POST of attempt {attempt} lands as p{state.next_id}", landed, fault=False)
    if rules.orphan_sweep and state.resource is None and state.projects:
        yield Edge("the orphan sweep", state._replace(projects=frozenset()), fault=False)
    for k in range(len(REPLICAS)):
        yield from _replica(state, k, rules)


def _user_and_time(state: State, rules: Rules) -> Iterator[Edge[State]]:
    resource = state.resource
    if resource is None:
        return
    if not resource.deleting:
        deleted = resource._replace(deleting=True) if resource.finalizer else None
        yield Edge("user deletes the resource", _write(state, deleted), fault=True)
    intent = resource.intent
    if intent is None or intent.expired:
        return
    outstanding = intent.attempt in state.in_flight or any(
        isinstance(doing, Posting) and doing.attempt == intent.attempt for doing in state.doing
    )
    if not (rules.bounded_pause and outstanding):
        expired = resource._replace(intent=intent._replace(expired=True))
        yield Edge("the intent expires", _write(state, expired), fault=outstanding)


def _replica(state: State, k: int, rules: Rules) -> Iterator[Edge[State]]:
    me, doing = REPLICAS[k], state.doing[k]
    if not isinstance(doing, Idle):
        yield Edge(f"{me} crashes", _turn(state, k, Idle()), fault=True)
    match doing:
        case Idle():
            if state.resource is not None:
                yield Edge(f"{me} reads the resource", _turn(state, k, HasRead(state.resource)), fault=False)
            if state.stale is not None and state.stale != state.resource:
                stale = _turn(state, k, HasRead(state.stale))
                yield Edge(f"{me} reads a stale resource", stale, fault=True)
        case HasRead(seen):
            yield from _list(state, k, seen, rules)
        case Decided(action, seen):
            yield from _perform(state, k, action, seen, rules)
        case Posting(attempt):
            sent = _turn(state, k, Idle())._replace(in_flight=tuple(sorted((*state.in_flight, attempt))))
            yield Edge(f"{me} sends the POST (answer lost)", sent, fault=False)
            if not rules.error_is_not_failure and state.resource is not None and state.resource.intent:
                cleared = _write(sent, state.resource._replace(intent=None))
                yield Edge(f"{me} sends the POST, times out, clears the intent", cleared, fault=False)


def _list(state: State, k: int, seen: Resource, rules: Rules) -> Iterator[Edge[State]]:
    listings: list[Projects | None] = [state.projects]
    if state.projects:
        listings.append(None if rules.partial_is_unknown else frozenset())
    for fault, listed in enumerate(listings):
        action = decide(seen, listed, state.secret, rules)
        then = _turn(state, k, Idle() if action == WAIT else Decided(action, seen))
        shown = "an incomplete list" if fault else f"{sorted(state.projects)}"
        yield Edge(f"{REPLICAS[k]} lists {shown} -> {action.name}", then, fault=bool(fault))


def _perform(state: State, k: int, action: Action, seen: Resource, rules: Rules) -> Iterator[Edge[State]]:  # noqa: C901
    me, idle = REPLICAS[k], _turn(state, k, Idle())
    current = state.resource
    fresh = current == seen  # the resourceVersion still matches
    match action.name:
        case "finalize":
            held = _write(idle, seen._replace(finalizer=True)) if fresh else idle
            yield Edge(f"{me} adds the finalizer", held, fault=False)
        case "declare" if state.attempts < MAX_ATTEMPTS:
            if current is None or (rules.cas and not fresh):
                yield Edge(f"{me} loses the compare-and-swap", idle, fault=False)
                return
            n = state.attempts + 1
            won = _turn(state, k, Posting(n))._replace(attempts=n)
            declared = _write(won, current._replace(intent=Intent(me, n, expired=False)))
            yield Edge(f"{me} declares attempt {n}", declared, fault=False)
        case "post" if state.attempts < MAX_ATTEMPTS:
            n = state.attempts + 1
            yield Edge(f"{me} POSTs at once", _turn(state, k, Posting(n))._replace(attempts=n), fault=False)
        case "record" if fresh and current is not None:
            keep = current.intent if rules.keep_intent_until_expiry else None
            recorded = _write(idle, current._replace(recorded=action.project, intent=keep))
            yield Edge(f"{me} records p{action.project}", recorded, fault=False)
        case "record":
            yield Edge(f"{me} loses the compare-and-swap", idle, fault=False)
        case "create secret":
            # A POST of a Secret is refused where one exists.
            made = idle if state.secret is not None else idle._replace(secret=action.project)
            yield Edge(f"{me} creates the Secret for p{action.project}", made, fault=False)
        case "publish":
            yield Edge(f"{me} writes the Secret", idle._replace(secret=action.project), fault=False)
        case "delete":
            deleted = idle._replace(projects=state.projects - {action.project})
            yield Edge(f"{me} DELETEs p{action.project}", deleted, fault=False)
        case "release":
            yield Edge(f"{me} removes the finalizer", _write(idle, None) if fresh else idle, fault=False)


def _turn(state: State, k: int, doing: Doing) -> State:
    a, b = state.doing
    return state._replace(doing=(doing, b) if k == 0 else (a, doing))


def _write(state: State, resource: Resource | None) -> State:
    return state._replace(stale=state.resource, resource=resource)


def _unsafe(state: State, rules: Rules) -> str | None:
    resource = state.resource
    recorded = resource.recorded if resource is not None else None
    if resource is not None and recorded is not None:
        if not resource.deleting and recorded not in state.projects:
            return "S1 the recorded project was deleted"
        if state.secret not in {None, recorded}:
            return "S2 the Secret names another project"
    if rules.orphan_sweep:
        return None  # S3 and S4 are what the sweep and the second look repair
    if len(state.projects) > 1:
        return "S4 two projects for one resource"
    posting = any(isinstance(doing, Posting) for doing in state.doing)
    if resource is None and (state.projects or state.in_flight or posting):
        return "S3 a project outlives its resource (leak)"
    return None


def _goal(state: State) -> bool:
    resource = state.resource
    if resource is None:
        return not state.projects and not state.in_flight
    if resource.deleting or resource.recorded is None:
        return False
    return state.projects == {resource.recorded} and state.secret == resource.recorded


START = State(Resource(), None, None, frozenset(), 1, (), (Idle(), Idle()), 0)


def protocol(rules: Rules) -> Protocol[State]:
    """The baseline under these rules."""
    return Protocol(
        START,
        steps=partial(_steps, rules=rules),
        unsafe=partial(_unsafe, rules=rules),
        goal=_goal,
        exhausted=lambda state: state.attempts >= MAX_ATTEMPTS,
    )
