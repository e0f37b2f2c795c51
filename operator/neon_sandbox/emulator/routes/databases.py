"""/projects/{project_id}/branches/{branch_id}/databases."""

from __future__ import annotations

from functools import partial

from neon_sandbox.emulator import bodies, endpoints, errors, projects, store, views
from neon_sandbox.emulator.plans import DATABASES_PER_BRANCH
from neon_sandbox.emulator.routes import paths
from neon_sandbox.emulator.routing import Answer, Call, Route
from neon_sandbox.emulator.state import Branch, Database, Operation


async def list_databases(call: Call) -> Answer:
    """GET .../databases."""
    _, branch = paths.branch(call)
    return Answer(200, {"databases": [views.database(it, branch) for it in branch.databases.values()]})


async def get_database(call: Call) -> Answer:
    """GET .../databases/{database_name}."""
    _, branch = paths.branch(call)
    return Answer(
        200, {"database": views.database(store.database(branch, call.path["database_name"]), branch)}
    )


async def create_database(call: Call) -> Answer:
    """POST .../databases."""
    world = call.world
    wanted = call.body(bodies.DatabaseCreate).database
    project, branch = paths.branch(call)
    world.operations.require_idle(project)
    projects.check_database_name(wanted.name)
    owner = store.role(branch, wanted.owner_name)
    if wanted.name in branch.databases:
        raise errors.conflict(f"database already exists; database_name:{wanted.name}")
    if len(branch.databases) >= DATABASES_PER_BRANCH:
        raise errors.limit_exceeded(
            "DATABASES_LIMIT_EXCEEDED", "databases", DATABASES_PER_BRANCH, len(branch.databases)
        )
    now = world.clock.now()
    database = Database(world.names.number(), wanted.name, owner.name, now, now)
    branch.databases[database.name] = database
    steps = endpoints.configure(
        world,
        project,
        branch.id,
        store.read_write_endpoint(project, branch.id),
        work=partial(world.hosting.create_database, branch, database),
    )
    return _answer(call, database, branch, world.operations.schedule(project, steps), status=201)


async def delete_database(call: Call) -> Answer:
    """DELETE .../databases/{database_name}: 204 if it is not there."""
    world = call.world
    project, branch = paths.branch(call)
    database = branch.databases.get(call.path["database_name"])
    if database is None:
        return Answer(204)
    world.operations.require_idle(project)
    del branch.databases[database.name]
    steps = endpoints.configure(
        world,
        project,
        branch.id,
        store.read_write_endpoint(project, branch.id),
        work=partial(world.hosting.drop_database, branch, database),
    )
    return _answer(call, database, branch, world.operations.schedule(project, steps))


def _answer(
    call: Call, database: Database, branch: Branch, operations: list[Operation], *, status: int = 200
) -> Answer:
    return Answer(
        status,
        {
            "database": views.database(database, branch),
            "operations": views.operations(call.world, operations),
        },
    )


_ALL = "/projects/{project_id}/branches/{branch_id}/databases"
_ONE = _ALL + "/{database_name}"

ROUTES = (
    Route("GET", _ALL, list_databases, refuses=frozenset({400, 404})),
    Route("GET", _ONE, get_database, refuses=frozenset({400, 404})),
    Route(
        "POST",
        _ALL,
        create_database,
        body=bodies.DatabaseCreate,
        success=frozenset({201}),
        refuses=frozenset({400, 404, 422, 423}),
    ),
    Route("DELETE", _ONE, delete_database, success=frozenset({200, 204}), refuses=frozenset({400, 404, 423})),
)
