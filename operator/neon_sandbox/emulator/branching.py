"""Branches: made, copied, removed, and expired."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from neon_sandbox.emulator import errors, store
from neon_sandbox.emulator.operations import Step
from neon_sandbox.emulator.plans import Plan
from neon_sandbox.emulator.state import Branch, Database, Endpoint, Operation, Project, Role
from neon_sandbox.emulator.world import World


def root(world: World, name: str, role: Role, database_name: str, annotations: dict[str, str]) -> Branch:
    """The record of a project's first branch."""
    now = world.clock.now()
    database = Database(
        id=world.names.number(),
        name=database_name,
        owner_name=role.name,
        created_at=now,
        updated_at=now,
    )
    return Branch(
        id=world.names.branch_id(),
        name=name,
        created_at=now,
        updated_at=now,
        state_changed_at=now,
        default=True,
        annotations=annotations,
        roles={role.name: role},
        databases={database.name: database},
    )


def child(world: World, parent: Branch, name: str, annotations: dict[str, str]) -> Branch:
    """The record of a branch of `parent`, with copies of its roles and databases."""
    now = world.clock.now()
    branch_id = world.names.branch_id()
    return Branch(
        id=branch_id,
        name=name or branch_id,
        created_at=now,
        updated_at=now,
        state_changed_at=now,
        parent_id=parent.id,
        parent_timestamp=now,
        annotations=annotations,
        roles={r.name: Role(r.name, r.password, now, now) for r in parent.roles.values()},
        databases={
            d.name: Database(world.names.number(), d.name, d.owner_name, now, now)
            for d in parent.databases.values()
        },
    )


def mark_ready(world: World, branch: Branch) -> None:
    """It can be used from now on."""
    branch.ready = True
    branch.state_changed_at = world.clock.now()


def copy(
    world: World, project: Project, parent: Branch, branch: Branch, endpoints: Sequence[Endpoint]
) -> list[Operation]:
    """Adds `branch` with its endpoints, and copies the data.

    Neon copies on write and disturbs nobody. PostgreSQL copies a database only while nobody is in
    it, so here the parent's connections are ended, and new ones wait until the copy is there.
    """
    project.branches[branch.id] = branch
    for endpoint in endpoints:
        project.endpoints[endpoint.id] = endpoint
        world.hosting.open(endpoint)
    disturbed = store.endpoints_of(project, parent.id)

    async def work() -> None:
        await world.hosting.drop_sessions(disturbed)
        await world.hosting.copy_branch(parent, branch)

    steps = [
        Step("create_branch", branch.id, work=work, done=partial(mark_ready, world, branch)),
        *(
            Step("start_compute", branch.id, e.id, done=partial(world.computes.start, e))
            for e in endpoints
            if not e.disabled
        ),
    ]
    if world.hosting.physical:
        world.computes.hold(disturbed)
    return world.operations.schedule(project, steps, settled=partial(world.computes.release, disturbed))


def check_limits(project: Project, plan: Plan, *, protected: bool) -> None:
    """Raises ApiError 422 if the plan does not have one more branch, or one more that is protected."""
    if len(project.branches) >= plan.branches:
        raise errors.limit_exceeded(
            "BRANCHES_LIMIT_EXCEEDED", "branches", plan.branches, len(project.branches)
        )
    if protected:
        check_protected_limit(project, plan)


def check_protected_limit(project: Project, plan: Plan) -> None:
    """Raises ApiError 422 if the plan does not have one more protected branch."""
    count = sum(branch.protected for branch in project.branches.values())
    if count >= plan.protected_branches:
        raise errors.limit_exceeded(
            "BRANCHES_PROTECTED_LIMIT_EXCEEDED", "protected branches", plan.protected_branches, count
        )


def check_removable(project: Project, branch: Branch) -> None:
    """Raises ApiError 422 for a branch that must stay."""
    if branch.default or branch.parent_id is None:
        raise errors.conflict("cannot delete the root or default branch of a project")
    if branch.protected:
        raise errors.conflict("cannot delete a protected branch")
    if any(other.parent_id == branch.id for other in project.branches.values()):
        raise errors.conflict("cannot delete a branch that has children")


def remove(world: World, project: Project, branch: Branch) -> list[Operation]:
    """Takes the branch and its endpoints out of the project, and drops their databases."""
    endpoints = store.endpoints_of(project, branch.id)
    active = [e for e in endpoints if world.computes.settle(e).state == "active"]
    del project.branches[branch.id]
    for endpoint in endpoints:
        del project.endpoints[endpoint.id]

    async def work() -> None:
        await world.stop_computes(endpoints)
        for endpoint in endpoints:
            world.hosting.close(endpoint)
        await world.hosting.drop_branch(branch)

    steps = [
        *(Step("suspend_compute", branch.id, e.id, work=partial(world.stop_computes, [e])) for e in active),
        Step("delete_timeline", branch.id, work=work),
    ]
    return world.operations.schedule(project, steps)


def expire(world: World, project: Project) -> None:
    """Removes the branches whose time has come. Called when somebody looks; Neon's job may be late, too."""
    now = world.clock.now()
    for branch in list(project.branches.values()):
        if branch.expires_at is None or now < branch.expires_at or project.running:
            continue
        try:
            check_removable(project, branch)
        except errors.ApiError:
            continue  # A child, protection or being the default keeps it, here as with Neon.
        remove(world, project, branch)
