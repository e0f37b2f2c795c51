"""What the operator decides: `core.plan`, as far as the protocol reaches. `test_code` holds it to that.

The names of the rules are those of docs/protocol.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from model.state import NEIGHBOR, RELEASED, Action, Memory, Project, Resource, Secret, Sent, View

WAIT = Action("wait")
HOLD = Action("hold")
"""A person must act."""
LEAVE = Action("leave")
SETTLED = Action("settled")


@dataclass(frozen=True, slots=True)
class Rules:
    """The protocol; each mutant switches one rule off."""

    retain: bool = False
    """`deletionPolicy: Retain`."""
    awaits_nonce: bool = True
    """A holder whose patch got no answer reads the nonce back before it sends (rule 3)."""
    checks_gate: bool = True
    """The send gate is checked right before sending (rule 4)."""
    observes_expiry: bool = True
    """An intent is dead once its whole lifetime was watched, and not by what a clock says (rule 5)."""
    remembers_vanished: bool = True
    """An intent that was seen is honored although it vanished (rule 5)."""
    lost_is_unknown: bool = True
    """A lost answer is no refusal (rule 6)."""
    notes_resolved: bool = True
    """The status notes the nonce whose outcome is known (rule 8)."""
    resolved_with_record: bool = True
    """... in the same write that records the project (rule 8)."""
    withdraws_unsent: bool = True
    """Only a nonce on which nothing was sent is withdrawn (rule 6)."""
    awaits_others: bool = True
    """Nothing is declared, and no finalizer goes, while another's intent is alive (rules 3, 10)."""
    exact_names: bool = True
    """Only the very name makes a project ours, and not its place (rule 2)."""
    secret_needs_name: bool = True
    """An id that only the Secret tells needs the exact name (rule 2)."""
    secret_by_uid: bool = True
    """A Secret is ours by its owner's uid, and not by the resource's name."""
    checks_certificate: bool = True
    """A recorded project of another name is ours only by its birth certificate (rule 2)."""
    checks_predecessors: bool = True
    """Nothing is made while an earlier life's project stands (rule 13)."""
    token_names_projects: bool = True
    """`start-empty` holds for the projects whose token it is, and for no others (rule 13)."""
    rebind_checks_place: bool = True
    """Only a project of this place is bound again (rule 14)."""
    rebind_notes_given_up: bool = True
    """The project that is given up is noted by the write that records the other (rule 14)."""
    rebind_notes_unrecorded: bool = True
    """... also where the status did not record it."""
    forgets_other_project: bool = True
    """What a process remembers of its own POST's project is void once another is recorded (rule 14)."""
    rebind_awaits_create: bool = True
    """Nothing is bound while a create may be under way (rule 14)."""
    passes_end_first: bool = True
    """ASSUMPTION: no pass of an earlier life, and no DELETE of the very project, is under way any more when a
    person rebinds it."""


def intent_state(resource: Resource, memory: Memory) -> str:
    """What the intent allows this process: `free`, `mine` or `alive`."""
    if not memory.seen or memory.seen == resource.resolved:
        return "free"
    if memory.nonce == memory.seen:
        if memory.sent is Sent.UNKNOWN:
            return "alive"
        return "mine" if memory.sent is Sent.NOT_YET and resource.nonce == memory.nonce else "free"
    return "free" if memory.over else "alive"


def sight(memory: Memory, resource: Resource, rules: Rules) -> Memory:
    """What is remembered after a read of the resource."""
    if memory.uid != resource.uid:
        memory = Memory(resource.uid)
    if memory.created and resource.recorded not in {0, memory.created} and rules.forgets_other_project:
        memory = memory._replace(created=0)
    if not resource.nonce and not rules.remembers_vanished:
        return memory._replace(seen=0, over=False)
    if not resource.nonce or resource.nonce in {resource.resolved, memory.seen}:
        return memory
    # Whoever trusts a timestamp may find it over at once: clocks differ.
    return memory._replace(seen=resource.nonce, over=not rules.observes_expiry)


def left(resource: Resource, memory: Memory) -> Memory:
    """What need be remembered once all was applied."""
    return memory._replace(created=0) if intent_state(resource, memory) == "alive" else Memory()


def owns_secret(resource: Resource, secret: Secret | None, rules: Rules) -> bool:
    """Whether the Secret is this resource's."""
    return secret is not None and (secret.owner == resource.uid or not rules.secret_by_uid)


def recorded_id(view: View, rules: Rules) -> int:
    """The id in status, in our own POST's answer, or in our Secret."""
    trusted = view.resource.recorded or view.memory.created
    if trusted or view.secret is None or not owns_secret(view.resource, view.secret, rules):
        return trusted
    return view.secret.project


def decide(view: View, rules: Rules) -> Action:
    """The one step that comes next."""
    resource = view.resource
    if resource.deleting:
        return _decide_deletion(view, rules) if resource.finalizer else LEAVE
    trusted = resource.recorded or view.memory.created
    if recorded := recorded_id(view, rules):
        project = _find(view, recorded)
        if project is None:
            return HOLD
        ours = _is_named_ours(project, resource, rules)
        if not ours and not trusted and rules.secret_needs_name:
            return HOLD
        if not ours and rules.checks_certificate and project.born == NEIGHBOR:
            return HOLD
        return _decide_bound(view, project, rules)
    named = [p for p in view.found if _is_named_ours(p, resource, rules)]
    return _decide_bound(view, named[0], rules) if named else _decide_unbound(view, rules)


def _decide_unbound(view: View, rules: Rules) -> Action:
    earlier = tuple(p.id for p in view.found if p.in_place and p.born != NEIGHBOR)
    aside = view.aside == earlier or (bool(view.aside) and not rules.token_names_projects)
    if earlier and rules.checks_predecessors and not aside:
        return HOLD
    match intent_state(view.resource, view.memory):
        case "alive" if rules.awaits_others:
            return WAIT
        case "mine":
            return Action("post")
        case _:
            return Action("declare")


def _decide_bound(view: View, project: Project, rules: Rules) -> Action:
    resource, secret = view.resource, view.secret
    if not resource.finalizer:
        return Action("finalize")
    others = [p for p in view.found if p.name == resource.uid and p.id != project.id]
    if given_up := [p for p in others if p.id in resource.given_up]:
        return Action("rename", given_up[0].id, RELEASED)
    if project.name != resource.uid:
        return Action("rename", project.id, resource.uid)
    published = secret.project if secret and owns_secret(resource, secret, rules) else 0
    for other in others:
        if other.born == resource.uid and other.id != published:
            return Action("delete", other.id)
    if secret is None:
        return Action("create secret", project.id)
    if not owns_secret(resource, secret, rules) or secret.project != project.id:
        return Action("update secret", project.id)
    tell = telling(view, project, rules)
    return SETTLED if (tell.project, tell.value) == (resource.recorded, resource.resolved) else tell


def telling(view: View, project: Project, rules: Rules) -> Action:
    """The write of the status: the project's id, and the nonce whose outcome is known."""
    resource = view.resource
    known = resource.nonce and intent_state(resource, view.memory) == "free" and rules.notes_resolved
    resolved = resource.nonce if known else resource.resolved
    if resolved != resource.resolved and not rules.resolved_with_record:
        return Action("tell", resource.recorded, resolved)
    return Action("tell", project.id, resolved)


def withdrawing(resource: Resource, memory: Memory, rules: Rules) -> Action | None:
    """What a process writes that ends its part and has declared what stands there; None where it has not."""
    if not memory.nonce or memory.nonce != resource.nonce:
        return None
    unsent = memory.sent in {Sent.NOT_YET, Sent.CLOSED}
    return Action("withdraw", value=resource.nonce) if unsent or not rules.withdraws_unsent else None


def tells_early(view: View, action: Action, rules: Rules) -> Action | None:
    """The status may record before the Secret does: where Neon's operations take long, or it is taken."""
    if action.name not in {"create secret", "update secret"}:
        return None
    project = _find(view, action.project)
    assert project is not None
    tell = telling(view, project, rules)
    known = (view.resource.recorded, view.resource.resolved)
    return None if (tell.project, tell.value) == known else tell


def _decide_deletion(view: View, rules: Rules) -> Action:
    resource = view.resource
    project = _find(view, resource.recorded or view.memory.created)
    if project is not None and project.name not in {resource.uid, RELEASED}:
        if project.born != NEIGHBOR or not rules.checks_certificate:
            return _let_go(project, rules)
        if not rules.retain:
            return HOLD
    named = [p for p in view.found if _is_named_ours(p, resource, rules)]
    if given_up := [p for p in named if p.id in resource.given_up]:
        return Action("rename", given_up[0].id, RELEASED)
    if named:
        return _let_go(named[0], rules)
    if intent_state(resource, view.memory) == "alive" and rules.awaits_others:
        return WAIT
    return Action("release")


def _let_go(project: Project, rules: Rules) -> Action:
    return Action("rename", project.id, RELEASED) if rules.retain else Action("delete", project.id)


def _is_named_ours(project: Project, resource: Resource, rules: Rules) -> bool:
    return project.name == resource.uid or (project.in_place and not rules.exact_names)


def _find(view: View, project: int) -> Project | None:
    return next((p for p in view.found if p.id == project), None)
