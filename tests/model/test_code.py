"""The code decides as the model does: the real plan, asked in every situation that the model can reach.

What the model proves of its own planner, it so proves of `core.plan`, `core.identity`, `core.intent`,
`core.removal` and of what `core.status` records; within the bounds of its scenarios.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import pytest

import builders as a
from model import variants, world
from model.explorer import states
from model.protocol import HOLD, LEAVE, SETTLED, WAIT, Rules, decide, tells_early, withdrawing
from model.protocol import sight as sight_of_model
from model.state import NEIGHBOR, RELEASED, Action, Memory, Project, Resource, Sent, View
from model.world import Scenario
from neon_tenants.api import names
from neon_tenants.api.tenant_database import TenantDatabaseStatus
from neon_tenants.core import plan, steps
from neon_tenants.core import status as core_status
from neon_tenants.core.intent import Attempt, Sighting, decode, sight
from neon_tenants.core.intent import Sent as CodeSent
from neon_tenants.core.knowledge import Knowledge
from neon_tenants.core.marker import Certificate, Marker, start_empty_token
from neon_tenants.core.observed import Observed
from neon_tenants.core.project import Project as CodeProject
from neon_tenants.core.secret import Absent, SecretState, state_of
from neon_tenants.core.status import Verdict

SENT = {
    Sent.NOT_YET: (CodeSent.NOT_YET, 1.0),
    Sent.CLOSED: (CodeSent.NOT_YET, a.LIFETIME * 0.6),
    Sent.UNKNOWN: (CodeSent.UNKNOWN, 1.0),
    Sent.OVER: (CodeSent.UNKNOWN, a.LIFETIME + 1),
    Sent.DONE: (CodeSent.DONE, 1.0),
}
"""What each means to the code, and how many seconds ago the attempt was declared."""


def marker(uid: int) -> Marker:
    if uid == NEIGHBOR:
        return Marker(a.CLUSTER, "others", "acme", a.OTHER_UID)
    return Marker(a.CLUSTER, "tenants", "acme", f"00000000-0000-4000-8000-{uid:012}")


def project_id(number: int) -> str:
    return f"p-{number}"


def number_of(project: str) -> int:
    return int(project.removeprefix("p-"))


def nonce(number: int) -> str:
    return f"nonce-{number}"


def project(found: Project) -> CodeProject:
    released = marker(1).released_name
    name = released if found.name == RELEASED else marker(found.name).project_name
    return a.project(project_id(found.id), name=name, created_at=f"2026-01-01T00:00:{found.id:02}Z")


def knowledge(memory: Memory) -> Knowledge:
    sent, ago = SENT[memory.sent]
    created = Project(memory.created, name=memory.uid, born=memory.uid)
    seen_for = a.LIFETIME + 1 if memory.over else 1.0
    return Knowledge(
        sighting=Sighting(nonce(memory.seen), a.NOW - seen_for, a.LIFETIME) if memory.seen else None,
        attempt=Attempt(nonce(memory.nonce), a.NOW - ago, a.LIFETIME, sent) if memory.nonce else None,
        created=project(created) if memory.created else None,
        connection=a.CONNECTION,
        operations=(),
    )


def secret(view: View) -> SecretState:
    if view.secret is None:
        return Absent()
    owner, uid = marker(view.secret.owner).uid, marker(view.resource.uid).uid
    found = a.secret_object(uid=owner, project_id=project_id(view.secret.project), owner_uids=(owner,))
    return state_of(found, uid=uid, name="acme")


def observed(view: View, *, retain: bool) -> Observed:
    resource, uid = view.resource, marker(view.resource.uid).uid
    annotations = {}
    if resource.nonce:
        annotations[names.INTENT] = a.intent(nonce(resource.nonce), uid=uid).encode()
    if view.aside:
        annotations[names.START_EMPTY] = start_empty_token([project_id(id_) for id_ in view.aside])
    tenant = a.tenant(
        {"deletionPolicy": "Retain" if retain else "Delete"},
        uid=uid,
        deleting=resource.deleting,
        finalizers=(names.FINALIZER,) if resource.finalizer else (),
        annotations=annotations,
        status=TenantDatabaseStatus(
            project_id=project_id(resource.recorded) if resource.recorded else None,
            resolved_intent=nonce(resource.resolved) if resource.resolved else None,
            released_projects=[project_id(id_) for id_ in resource.given_up],
        ),
    )
    return a.observed(
        tenant=tenant,
        secret=secret(view),
        knowledge=knowledge(view.memory),
        lookup=a.lookup(*map(project, view.found), recoverable=()),
        certificates={project_id(p.id): Certificate.of(marker(p.born)) for p in view.found},
        endpoints=(a.endpoint(),),
    )


def told(world_: Observed, pause: steps.Rest | steps.Wait) -> Action:
    """What the status would record after this."""
    new = core_status.updated(world_, Verdict.of(pause), "2026-01-01T00:00:00Z")
    old = world_.tenant.status
    if (new.project_id, new.resolved_intent) == (old.project_id, old.resolved_intent):
        return SETTLED
    assert new.project_id is not None
    resolved = int(new.resolved_intent.removeprefix("nonce-")) if new.resolved_intent else 0
    return Action("tell", number_of(new.project_id), resolved)


def decided(world_: Observed, view: View) -> Action:  # noqa: C901
    """The code's step, in the model's words."""
    match plan.next_step(world_):
        case steps.CreateProject():
            return Action("post")
        case steps.DeclareIntent():
            return Action("declare")
        case steps.AddFinalizer():
            return Action("finalize")
        case steps.RenameProject(id_, name):
            released = name == world_.marker.released_name
            assert released or name == world_.marker.project_name
            return Action("rename", number_of(id_), RELEASED if released else view.resource.uid)
        case steps.DeleteProject(id_):
            return Action("delete", number_of(id_))
        case steps.CreateSecret(content):
            return Action("create secret", number_of(content.annotations[names.PROJECT_ID]))
        case steps.UpdateSecret(content):
            return Action("update secret", number_of(content.annotations[names.PROJECT_ID]))
        case steps.RemoveFinalizer():
            return Action("release")
        case steps.Leave():
            return LEAVE
        case steps.Wait():
            return WAIT
        case steps.Rest() as rest:
            return told(world_, rest) if rest.applied else HOLD
        case step:
            raise AssertionError(step)


@dataclass(frozen=True, slots=True)
class Situations:
    """Of all states of a scenario."""

    views: frozenset[View]
    """In which some process decides."""
    reads: frozenset[tuple[Memory, Resource]]
    """What a process remembers, and what it reads then."""


@cache
def situations(scenario: Scenario, rules: Rules) -> Situations:
    views, reads = set(), set()
    for state in states(world.protocol(rules, scenario)):
        for k, process in enumerate(state.processes):
            if process.doing is not None and process.doing.action is None:
                views.add(world.view(state, k, process.doing, rules))
            if state.resource is not None and process.memory.uid in {0, state.resource.uid}:
                reads.add((process.memory, state.resource))
    return Situations(frozenset(views), frozenset(reads))


SCENARIOS = {
    "create and delete": variants.CREATE,
    "refusals and lag": variants.LAG,
    "handed over": variants.HAND_OVER,
    "replaced and restarted": replace(variants.REPLACE_CRASH, deletes=True),
    "tampered with": variants.TAMPER,
    "made again": variants.AGAIN,
    "made again, status wiped": variants.WIPE,
}
CASES = [
    pytest.param(scenario, Rules(retain=retain), id=f"{name}, {'Retain' if retain else 'Delete'}")
    for name, scenario in SCENARIOS.items()
    for retain in (False, True)
]


@pytest.mark.parametrize(("scenario", "rules"), CASES)
def test_the_plan_decides_as_the_model_in_every_situation_that_it_reaches(
    scenario: Scenario, rules: Rules
) -> None:
    for view in situations(scenario, rules).views:
        assert decided(observed(view, retain=rules.retain), view) == decide(view, rules), view


@pytest.mark.parametrize(("scenario", "rules"), CASES)
def test_the_status_may_record_before_the_secret_as_the_model_says(scenario: Scenario, rules: Rules) -> None:
    for view in situations(scenario, rules).views:
        if early := tells_early(view, decide(view, rules), rules):
            world_ = observed(view, retain=rules.retain)
            busy = replace(world_.knowledge, operations=("op-1",), poll_at=a.NOW + 1)
            working = replace(world_, knowledge=busy)
            step = plan.next_step(working)
            assert isinstance(step, steps.Wait)
            assert told(working, step) == early, view


@pytest.mark.parametrize(("scenario", "rules"), CASES)
def test_who_ends_its_part_withdraws_what_the_model_says(scenario: Scenario, rules: Rules) -> None:
    for view in situations(scenario, rules).views:
        world_ = observed(view, retain=rules.retain)
        status = core_status.withdrawn(world_.tenant, world_.knowledge.attempt)
        withdrawal = withdrawing(view.resource, view.memory, rules)
        assert (status and status.resolved_intent) == (withdrawal and nonce(withdrawal.value)), view


@pytest.mark.parametrize(("scenario", "rules"), CASES)
def test_a_read_is_remembered_as_the_model_says(scenario: Scenario, rules: Rules) -> None:
    for memory, resource in situations(scenario, rules).reads:
        before = observed(View(resource, None, memory, (), ()), retain=rules.retain)
        seen = decode(before.tenant.annotations.get(names.INTENT), before.tenant.uid)
        resolved = before.tenant.status.resolved_intent
        known = sight(before.knowledge.sighting, seen, resolved, a.NOW)
        after = knowledge(sight_of_model(memory, resource, rules)).sighting
        # A first sighting is now; the model's is a moment old.
        assert (known and known.nonce) == (after and after.nonce), (memory, resource)
        over = [one is not None and one.until <= a.NOW for one in (known, after)]
        assert over[0] == over[1], (memory, resource)
