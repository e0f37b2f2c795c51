"""/projects/{project_id}/branches/{branch_id}/roles."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from neon_sandbox.emulator import endpoints, errors, store, views
from neon_sandbox.emulator.operations import Step
from neon_sandbox.emulator.routes import paths
from neon_sandbox.emulator.routing import Answer, Call, Route


async def list_roles(call: Call) -> Answer:
    """GET .../roles."""
    _, branch = paths.branch(call)
    return Answer(200, {"roles": [views.role(role, branch) for role in branch.roles.values()]})


async def get_role(call: Call) -> Answer:
    """GET .../roles/{role_name}."""
    _, branch = paths.branch(call)
    return Answer(200, {"role": views.role(store.role(branch, call.path["role_name"]), branch)})


async def reveal_password(call: Call) -> Answer:
    """GET .../roles/{role_name}/reveal_password."""
    project, branch = paths.branch(call)
    role = store.role(branch, call.path["role_name"])
    if not project.store_passwords or role.password is None:
        raise errors.passwords_not_stored()
    return Answer(200, {"password": role.password})


async def reset_password(call: Call) -> Answer:
    """POST .../roles/{role_name}/reset_password: the old one is valid until the operation is finished."""
    world = call.world
    project, branch = paths.branch(call)
    world.operations.require_idle(project)
    role = store.role(branch, call.path["role_name"])
    password = world.names.password()
    affected = store.endpoints_of(project, branch.id)

    def done() -> None:
        role.password = password if project.store_passwords else None
        role.updated_at = world.clock.now()
        world.effects.tell("password_reset", project=project.id, branch=branch.id, role=role.name)

    async def work() -> None:
        await world.hosting.set_password(branch, role.name, password)
        await world.hosting.drop_sessions(affected)

    steps = endpoints.configure(world, project, branch.id, store.read_write_endpoint(project, branch.id))
    operations = world.operations.schedule(project, _at_the_end(steps, work, done))
    return Answer(
        200,
        {
            "role": views.role(role, branch, password=password),
            "operations": views.operations(world, operations),
        },
    )


def _at_the_end(
    steps: list[Step], work: Callable[[], Awaitable[None]], done: Callable[[], None]
) -> list[Step]:
    """The steps, with the work done when the last of them finishes and not before."""
    *before, last = steps

    async def all_work() -> None:
        await work()
        if last.work is not None:
            await last.work()

    def all_done() -> None:
        done()
        if last.done is not None:
            last.done()

    return [*before, replace(last, work=all_work, done=all_done, late=True)]


_ALL = "/projects/{project_id}/branches/{branch_id}/roles"
_ONE = _ALL + "/{role_name}"

ROUTES = (
    Route("GET", _ALL, list_roles, refuses=frozenset({400, 404})),
    Route("GET", _ONE, get_role, refuses=frozenset({400, 404})),
    Route("GET", f"{_ONE}/reveal_password", reveal_password, refuses=frozenset({400, 404, 412})),
    Route("POST", f"{_ONE}/reset_password", reset_password, refuses=frozenset({400, 404, 423})),
)
