"""What must hold in each state of the model, and where all of them must lead.

S1  a recorded project is never deleted while the resource is wanted
S2  our Secret names the recorded project, or one that was given up for it, until it is written anew
S3  a resource that the operator let go leaves no project of its name behind and no POST under way
S4  there are never two projects of one resource
N1  no project is renamed or deleted that is not ours: made for this life, or recorded in its status
N2  nothing is made while an earlier life's project stands that a person did not set aside
N3  an earlier life's project is bound by a person's word only; a living neighbor's never
N4  a project that was published goes only with its own resource; one that was given up never goes
L1  the goal can still be reached: one project, recorded, published, of our name; or nothing after a
    deletion; or, where an earlier life's project stands, the question to a person
"""

from __future__ import annotations

from model.state import NEIGHBOR, THEIRS, Resource, Secret, Sent, State


def unsafe(state: State, *, repairable: bool, rebinding: bool) -> str | None:
    """The property that a state violates.

    `repairable`: two projects are let pass, and so are orphans. `rebinding`: the Secret may name the project
    before, until it is written anew, which L1 asks for.
    """
    if state.wrong:
        return state.wrong
    resource = state.resource
    broken = (
        _broken_record(state, resource, rebinding) if resource is not None and resource.recorded else None
    )
    if broken:
        return broken
    if repairable:
        return None
    born = [project.born for project in state.projects]
    if len(born) != len(set(born)):
        return "S4 two projects for one resource"
    return _leak(state)


def _broken_record(state: State, resource: Resource, rebinding: bool) -> str | None:
    project = state.find(resource.recorded)
    if project is None:
        return None if resource.deleting else "S1 the recorded project was deleted"
    if project.born == NEIGHBOR:
        return "N3 two living resources are bound to one project"
    secret = state.secret
    if secret is None or secret.owner != resource.uid or secret.project in {THEIRS, resource.recorded}:
        return None
    if not rebinding:
        return "S2 the Secret names another project"
    return None


def _leak(state: State) -> str | None:
    for uid in state.ended:
        left = any(project.name == uid for project in state.projects)
        flying = any(owner == uid for _, owner in state.in_flight)
        posting = any(
            process.doing and process.doing.action and process.doing.action.name == "post"
            for process in state.processes
            if process.memory.uid == uid and process.memory.sent is Sent.NOT_YET
        )
        if left or flying or posting:
            return "S3 a project outlives its resource (leak)"
    return None


def goal(state: State) -> bool:
    """Whether all is as it should be, or waits for a person for a good reason."""
    resource = state.resource
    if resource is None:
        return not any(uid in state.ended for _, uid in state.in_flight)
    if resource.deleting:
        return False
    named = [project.id for project in state.projects if project.name == resource.uid]
    if resource.recorded:
        return named == [resource.recorded] and state.secret == Secret(resource.uid, resource.recorded)
    if state.secret == Secret(resource.uid, THEIRS):
        return True  # the tenant did that, and is told that its project is missing
    earlier = tuple(project.id for project in state.projects if project.in_place)
    return not named and bool(earlier) and state.aside != earlier
