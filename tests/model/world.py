"""Every order of everybody's steps: the replicas, Neon, time, the users, the administrator; and the faults.

A pass is: read resource and Secret; list Neon and decide; make one write. A process may crash, or be held
up for as long as it likes, between any two of these. A fault costs nothing and may come any number of times;
what ends the search is that nonces and uids are counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from model import protocol as p
from model.explorer import Edge, Protocol
from model.properties import goal, unsafe
from model.protocol import Rules
from model.state import (
    NEIGHBOR,
    THEIRS,
    Action,
    Doing,
    Memory,
    Process,
    Project,
    Resource,
    Secret,
    Sent,
    State,
    View,
)

Edges = Iterator[Edge[State]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is explored, and who may do what in it."""

    start: State
    max_nonces: int = 2
    max_uids: int = 1
    crashes: bool = True
    lost_answers: bool = True
    refusals: bool = False
    lag: bool = False
    """Whether Neon's list shows a project only a while after it was made."""
    time: bool = True
    """Whether the lifetime of an intent ever passes."""
    handed_over: bool = False
    """A replica may end its part, and withdraw what it has declared and not sent."""
    deletes: bool = False
    """The user deletes the resource."""
    replaces: bool = False
    """The user replaces the resource by one without annotations and finalizers."""
    strips: bool = False
    """The resource vanishes past us: a finalizer removed by hand, a cluster lost."""
    wipes: bool = False
    """Status and annotations are lost, as with a restored backup."""
    edits_secret: bool = False
    """The tenant writes the id of another's project into its Secret."""
    removes_secret: bool = False
    administrator: bool = False
    """Rebinds, and sets the annotation that starts empty."""
    repairable: bool = False
    """Whether two projects are let pass, as long as the second goes away again."""


def steps(state: State, rules: Rules, scenario: Scenario) -> Edges:
    """Whatever can happen next."""
    for edge in _all(state, rules, scenario):
        yield edge._replace(to=_tidy(edge.to))


def _all(state: State, rules: Rules, scenario: Scenario) -> Edges:
    if state.resource is not None:
        yield from _user(state, state.resource, scenario)
        if scenario.administrator:
            yield from _administrator(state, state.resource, rules)
    elif state.uids < scenario.max_uids:
        again = state._replace(resource=Resource(state.uids + 1), uids=state.uids + 1)
        yield Edge("the resource is made again", again, fault=True)
    yield from _neon(state, scenario)
    for k in range(len(state.processes)):
        if scenario.time:
            yield from _time(state, k)
        yield from _process(state, k, rules, scenario)


def _tidy(state: State) -> State:
    """Without what can never matter again, and with the replicas, which are all alike, in one order."""
    uid = state.resource.uid if state.resource else 0
    processes = tuple(
        process if process.doing or process.memory.uid == uid else Process() for process in state.processes
    )
    if len(processes) > 1:
        processes = tuple(sorted(processes, key=hash))
    return state if processes == state.processes else state._replace(processes=processes)


# --- people --------------------------------------------------------------------------------------


def _user(state: State, resource: Resource, scenario: Scenario) -> Edges:
    if scenario.deletes and not resource.deleting:
        gone = state._replace(resource=resource._replace(deleting=True) if resource.finalizer else None)
        yield Edge("the user deletes the resource", gone, fault=True)
    if scenario.replaces and (resource.nonce or resource.finalizer) and not resource.deleting:
        replaced = resource._replace(nonce=0, finalizer=False)
        yield Edge("the user replaces the resource", state._replace(resource=replaced), fault=True)
    if scenario.strips:
        yield Edge("the resource vanishes past us", state._replace(resource=None), fault=True)
    at_rest = resource.recorded and goal(state) and not any(process.doing for process in state.processes)
    if scenario.wipes and at_rest:
        wiped = resource._replace(recorded=0, resolved=0, given_up=(), nonce=0)
        yield Edge("status and annotations are lost", state._replace(resource=wiped), fault=True)
    secret = state.secret
    if secret is not None and secret.owner == resource.uid:
        if scenario.edits_secret:
            edited = state._replace(secret=Secret(resource.uid, THEIRS))
            yield Edge("the tenant writes another's project into its Secret", edited, fault=True)
        if scenario.removes_secret:
            yield Edge("the tenant deletes its Secret", state._replace(secret=None), fault=True)


def _administrator(state: State, resource: Resource, rules: Rules) -> Edges:
    listed = [q for q in state.projects if q.listed and q.in_place]
    earlier = tuple(q.id for q in listed if q.born != NEIGHBOR)
    named = next((q.id for q in listed if q.name == resource.uid), 0)
    if not (resource.recorded or named) and earlier and state.aside != earlier:
        yield Edge("the token to start empty is set", state._replace(aside=earlier), fault=True)
    if resource.deleting:
        return
    unresolved = not resource.recorded and resource.nonce not in {0, resource.resolved}
    if unresolved and rules.rebind_awaits_create:
        return
    own = resource.recorded or named
    given_up = own if rules.rebind_notes_unrecorded else resource.recorded
    for project in listed if rules.rebind_checks_place else state.projects:
        if project.id == own or (rules.passes_end_first and _is_in_hand(state, resource, project.id)):
            continue
        kept = tuple(q for q in resource.given_up if q != project.id)
        if given_up and rules.rebind_notes_given_up:
            kept = (*kept, given_up)
        bound = resource._replace(recorded=project.id, given_up=kept)
        yield Edge(f"p{project.id} is bound again", state._replace(resource=bound), fault=True)


def _is_in_hand(state: State, resource: Resource, project: int) -> bool:
    """Whether a pass that began before may still delete it."""
    return any(
        process.doing.read.uid != resource.uid
        or (process.doing.action or p.WAIT)[:2] == Action("delete", project)[:2]
        for process in state.processes
        if process.doing
    )


# --- Neon and time -------------------------------------------------------------------------------


def _neon(state: State, scenario: Scenario) -> Edges:
    for k, (nonce, uid) in enumerate(state.in_flight):
        rest = state._replace(in_flight=state.in_flight[:k] + state.in_flight[k + 1 :])
        yield Edge(f"the POST of nonce {nonce} lands", _made(rest, uid, nonce, scenario), fault=False)
    for k, project in enumerate(state.projects):
        if not project.listed:
            shown = (*state.projects[:k], project._replace(listed=True), *state.projects[k + 1 :])
            yield Edge(f"p{project.id} appears in the list", state._replace(projects=shown), fault=False)


def _made(state: State, uid: int, nonce: int, scenario: Scenario) -> State:
    """A project's id is ten more than the nonce of its POST."""
    project = Project(nonce + 10, name=uid, born=uid, listed=not scenario.lag)
    return state._replace(projects=tuple(sorted((*state.projects, project))))


def _time(state: State, k: int) -> Edges:
    """ASSUMPTION: a POST is sent, lands and is listed within the lifetime of its intent."""
    memory = state.processes[k].memory
    mine = memory.nonce == memory.seen
    if mine and memory.sent is Sent.NOT_YET and memory.nonce:
        closed = _remembering(state, k, memory._replace(sent=Sent.CLOSED))
        yield Edge("half of a lifetime passes", closed, fault=True)
    watched = memory.sent is Sent.UNKNOWN if mine else not memory.over
    outstanding = any(nonce == memory.seen for nonce, _ in state.in_flight) or any(
        project.id == memory.seen + 10 and not project.listed for project in state.projects
    )
    if not memory.seen or not watched or outstanding:
        return
    over = memory._replace(sent=Sent.OVER) if mine else memory._replace(over=True)
    passed = _remembering(state, k, over)
    for j, process in enumerate(passed.processes):
        # Its gate closed long before: its clock started before anybody could see the nonce.
        if process.memory.nonce == memory.seen and process.memory.sent is Sent.NOT_YET:
            passed = _remembering(passed, j, process.memory._replace(sent=Sent.CLOSED))
    yield Edge(f"the lifetime of nonce {memory.seen} passes", passed, fault=False)


# --- the operator --------------------------------------------------------------------------------


def _process(state: State, k: int, rules: Rules, scenario: Scenario) -> Edges:
    process = state.processes[k]
    doing = process.doing
    if scenario.crashes and process != Process():
        yield Edge("a process crashes", _with(state, k, Process()), fault=True)
    if doing is None:
        if state.resource is not None:
            seen = Doing(state.resource, state.secret, None)
            memory = p.sight(process.memory, state.resource, rules)
            yield Edge("a process reads", _with(state, k, Process(seen, memory)), fault=False)
        return
    if scenario.handed_over:
        yield from _end_part(state, k, doing, rules)
    if doing.action is None:
        yield from _decide(state, k, doing, rules)
    else:
        yield from _perform(state, k, doing, doing.action, rules, scenario)


def _end_part(state: State, k: int, doing: Doing, rules: Rules) -> Edges:
    """A pass is given up where it waits for Neon. It goes no further, but withdraws its declaration."""
    memory = state.processes[k].memory
    if withdrawal := p.withdrawing(doing.read, memory, rules):
        # Forgotten first: whatever becomes of the write, nothing is sent on that nonce any more.
        memory = memory._replace(nonce=0, sent=Sent.NOT_YET)
        doing = doing._replace(action=withdrawal)
        yield Edge("a process withdraws its create", _with(state, k, Process(doing, memory)), fault=True)


def view(state: State, k: int, doing: Doing, rules: Rules) -> View:
    """What a process knows once it has listed Neon."""
    memory, resource = state.processes[k].memory, doing.read
    if memory.created and not resource.deleting:
        # Our own POST's answer is as good as a list.
        found: tuple[Project, ...] = (Project(memory.created, name=resource.uid, born=resource.uid),)
        return View(resource, doing.secret, memory, found, state.aside)
    know = View(resource, doing.secret, memory, (), state.aside)
    recorded = p.recorded_id(know, rules)
    shown = (q for q in state.projects if (q.listed and q.in_place) or q.id == recorded)
    # What the decision hangs on, so that equal views compare equal.
    return know._replace(found=tuple(q._replace(published=False, listed=True) for q in shown))


def _decide(state: State, k: int, doing: Doing, rules: Rules) -> Edges:
    seen = view(state, k, doing, rules)
    action = p.decide(seen, rules)
    early = p.tells_early(seen, action, rules)
    for choice in (action, early) if early else (action,):
        if choice in {p.WAIT, p.HOLD}:
            then = _turn(state, k, None)
        elif choice in {p.SETTLED, p.LEAVE}:
            memory = p.left(doing.read, seen.memory) if choice == p.SETTLED else Memory()
            then = _with(state, k, Process(None, memory))
        else:
            then = _turn(state, k, doing._replace(action=choice))
        listed = ", ".join(f"p{q.id}" for q in seen.found) or "none"
        yield Edge(f"a process finds {listed} -> {choice.name}", then, fault=False)


def _perform(state: State, k: int, doing: Doing, action: Action, rules: Rules, scenario: Scenario) -> Edges:
    match action.name:
        case "declare":
            yield from _declare(state, k, doing, rules, scenario)
        case "post":
            yield from _post(state, k, doing.read.uid, rules, scenario)
        case "delete" | "rename":
            yield Edge(
                f"p{action.project}: {action.name}", _change(state, k, doing.read, action), fault=False
            )
        case "create secret" | "update secret":
            yield Edge(f"the Secret names p{action.project}", _publish(state, k, doing, action), fault=False)
        case _:
            yield Edge(f"a process does: {action.name}", _write(state, k, doing.read, action), fault=False)


def _declare(state: State, k: int, doing: Doing, rules: Rules, scenario: Scenario) -> Edges:
    if state.nonces >= scenario.max_nonces and state.resource == doing.read:
        return  # `_cut_off`
    nonce = state.nonces + 1
    memory = state.processes[k].memory._replace(nonce=nonce, sent=Sent.NOT_YET, created=0)
    base = state._replace(nonces=nonce)
    if scenario.lost_answers and nonce <= scenario.max_nonces:
        nothing = _with(base, k, Process(None, memory))
        if not rules.awaits_nonce:
            nothing = _with(base, k, Process(Doing(doing.read, doing.secret, Action("post")), memory))
        yield Edge(f"the declaration of nonce {nonce} is lost", nothing, fault=True)
    if state.resource != doing.read:
        refused = _with(state, k, Process(None, memory._replace(nonce=0)))
        yield Edge("a process loses the compare-and-swap", refused, fault=False)
        return
    declared = doing.read._replace(nonce=nonce, finalizer=True)
    base = base._replace(resource=declared)
    if scenario.lost_answers:
        unaware = _with(base, k, Process(None, memory))
        yield Edge(f"nonce {nonce} is declared, the answer lost", unaware, fault=True)
    # The same pass goes on to the POST, without another look.
    won = Process(Doing(declared, doing.secret, Action("post")), memory._replace(seen=nonce, over=False))
    yield Edge(f"nonce {nonce} is declared", _with(base, k, won), fault=False)


def _post(state: State, k: int, uid: int, rules: Rules, scenario: Scenario) -> Edges:
    memory = state.processes[k].memory
    if memory.sent is not Sent.NOT_YET and rules.checks_gate:
        yield Edge("the send gate is closed", _turn(state, k, None), fault=False)
        return
    nonce = memory.nonce
    broken = _broken_by_post(state, uid)
    answered = _made(state, uid, nonce, scenario)._replace(wrong=broken)
    done = Process(None, memory._replace(sent=Sent.DONE, created=nonce + 10))
    yield Edge(f"the POST of nonce {nonce} is answered", _with(answered, k, done), fault=False)
    if scenario.lost_answers:
        flying = state._replace(in_flight=tuple(sorted((*state.in_flight, (nonce, uid)))), wrong=broken)
        sent = Sent.UNKNOWN if rules.lost_is_unknown else Sent.NOT_YET
        lost = Process(None, memory._replace(sent=sent))
        yield Edge(f"the answer to the POST of nonce {nonce} is lost", _with(flying, k, lost), fault=True)
    if scenario.refusals:
        yield Edge(f"Neon refuses the POST of nonce {nonce}", _turn(state, k, None), fault=True)


def _broken_by_post(state: State, uid: int) -> str:
    for project in state.projects:
        if project.published and project.in_place and project.born != uid and project.id not in state.aside:
            return "N2 an empty database instead of an earlier one"
    return ""


def _change(state: State, k: int, read: Resource, action: Action) -> State:
    idle = _turn(state, k, None)
    project = state.find(action.project)
    if project is None:
        return idle  # 404: it is gone
    theirs = project.born != read.uid and project.id not in {read.recorded, *read.given_up}
    if project.born == NEIGHBOR or (theirs and project.name != read.uid):
        return idle._replace(wrong="N1 a project that is not ours was changed")
    rest = tuple(q for q in state.projects if q.id != project.id)
    if action.name == "rename":
        renamed = project._replace(name=action.value)
        return idle._replace(projects=tuple(sorted((*rest, renamed))))
    if state.resource is not None and project.id in state.resource.given_up:
        return idle._replace(wrong="N4 a project that was given up was deleted")
    if project.published and not read.deleting:
        return idle._replace(wrong="N4 a project that was published was deleted")
    return idle._replace(projects=rest)


def _publish(state: State, k: int, doing: Doing, action: Action) -> State:
    idle = _turn(state, k, None)
    if state.secret != doing.secret:
        return idle  # it exists by now, or its resourceVersion is another
    named = tuple(q._replace(published=True) if q.id == action.project else q for q in state.projects)
    return idle._replace(secret=Secret(doing.read.uid, action.project), projects=named)


def _write(state: State, k: int, read: Resource, action: Action) -> State:
    idle = _turn(state, k, None)
    if state.resource != read:
        return idle  # the compare-and-swap is lost
    match action.name:
        case "finalize":
            return idle._replace(resource=read._replace(finalizer=True))
        case "withdraw":
            return idle._replace(resource=read._replace(resolved=action.value))
        case "release":
            owned = state.secret is not None and state.secret.owner == read.uid
            secret = None if owned else state.secret
            return idle._replace(resource=None, secret=secret, ended=(*state.ended, read.uid))
        case _:
            project = state.find(action.project)
            adopted = project is not None and read.uid not in {project.born, project.name}
            told = read._replace(recorded=action.project, resolved=action.value)
            # Not yet rested: while Neon's operations run, or the Secret is not written, more is remembered.
            memory = state.processes[k].memory
            settled = state.secret == Secret(read.uid, action.project)
            memory = p.left(told, memory) if settled else memory
            wrong = (
                "N3 an earlier life's project was bound by nobody's word"
                if adopted and not read.recorded
                else ""
            )
            return _with(state, k, Process(None, memory))._replace(resource=told, wrong=wrong)


def _turn(state: State, k: int, doing: Doing | None) -> State:
    return _with(state, k, state.processes[k]._replace(doing=doing))


def _remembering(state: State, k: int, memory: Memory) -> State:
    return _with(state, k, state.processes[k]._replace(memory=memory))


def _with(state: State, k: int, process: Process) -> State:
    return state._replace(processes=(*state.processes[:k], process, *state.processes[k + 1 :]))


def protocol(rules: Rules, scenario: Scenario) -> Protocol[State]:
    """A scenario under these rules."""
    return Protocol(
        scenario.start,
        steps=partial(steps, rules=rules, scenario=scenario),
        unsafe=partial(unsafe, repairable=scenario.repairable, rebinding=scenario.administrator),
        goal=lambda state: goal(state) or _cut_off(state, scenario),
        exhausted=lambda _: False,
    )


def _cut_off(state: State, scenario: Scenario) -> bool:
    """Whether only the bound of the search keeps a process from going on."""
    return state.nonces >= scenario.max_nonces and any(
        process.doing is not None
        and process.doing.read == state.resource
        and process.doing.action == Action("declare")
        for process in state.processes
    )
