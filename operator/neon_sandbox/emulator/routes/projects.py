"""/projects."""

from __future__ import annotations

from typing import Any

from neon_sandbox.emulator import bodies, errors, listing, projects, queries, store, views
from neon_sandbox.emulator.routes import paths
from neon_sandbox.emulator.routing import Answer, Call, Route


async def list_projects(call: Call) -> Answer:
    """GET /projects."""
    query = call.query(queries.ListProjects)
    projects.check_organization(call.world, query.org_id)
    page = listing.page(
        call.world,
        cursor=query.cursor,
        limit=query.limit,
        search=query.search,
        recoverable=query.recoverable,
    )
    body: dict[str, Any] = {"projects": page.items, "applications": {}, "integrations": {}}
    if page.unavailable:
        body["unavailable_project_ids"] = page.unavailable
    if page.cursor is not None:
        body["pagination"] = {"cursor": page.cursor}
    return Answer(200, body)


async def create_project(call: Call) -> Answer:
    """POST /projects."""
    world = call.world
    made = projects.create(world, call.body(bodies.ProjectCreate).project)
    database = next(iter(made.branch.databases.values()))
    address = world.hosting.address(made.endpoint)
    return Answer(
        201,
        {
            "project": views.project(world, made.project),
            "connection_uris": [views.connection(address, made.role.name, made.password, database.name)],
            "roles": [views.role(made.role, made.branch, password=made.password)],
            "databases": [views.database(database, made.branch)],
            "operations": views.operations(world, made.operations),
            "branch": views.branch(made.branch, made.project),
            "endpoints": [views.endpoint(world, made.endpoint)],
        },
    )


async def get_project(call: Call) -> Answer:
    """GET /projects/{project_id}."""
    return Answer(200, {"project": views.project(call.world, paths.project(call))})


async def update_project(call: Call) -> Answer:
    """PATCH /projects/{project_id}."""
    world = call.world
    project = paths.idle_project(call)
    operations = projects.update(world, project, call.body(bodies.ProjectUpdate).project)
    await world.enforce_quotas(project)
    return Answer(
        200,
        {"project": views.project(world, project), "operations": views.operations(world, operations)},
    )


async def delete_project(call: Call) -> Answer:
    """DELETE /projects/{project_id}: allowed while operations are under way."""
    project = paths.project(call)
    await projects.delete(call.world, project)
    return Answer(200, {"project": views.project(call.world, project)})


async def recover_project(call: Call) -> Answer:
    """POST /projects/{project_id}/recover."""
    project = call.world.store.recoverable(call.path["project_id"])
    projects.recover(call.world, project)
    return Answer(
        200,
        {
            "project": views.project(call.world, project),
            "branches": [views.branch(branch, project) for branch in project.branches.values()],
        },
    )


async def get_connection_uri(call: Call) -> Answer:
    """GET /projects/{project_id}/connection_uri: without the password where none is stored."""
    query = call.query(queries.ConnectionUri)
    project = paths.project(call)
    if query.endpoint_id is not None:
        endpoint = store.endpoint(project, query.endpoint_id)
        branch = store.branch(project, query.branch_id or endpoint.branch_id)
        if endpoint.branch_id != branch.id:
            raise errors.not_found("endpoint")
    else:
        branch = project.default_branch if query.branch_id is None else store.branch(project, query.branch_id)
        found = store.read_write_endpoint(project, branch.id)
        if found is None:
            raise errors.not_found("endpoint")
        endpoint = found
    role = store.role(branch, query.role_name)
    database = store.database(branch, query.database_name)
    address = call.world.hosting.address(endpoint)
    return Answer(
        200, {"uri": views.uri(address, role.name, role.password, database.name, pooled=query.pooled)}
    )


ROUTES = (
    Route("GET", "/projects", list_projects, query=queries.ListProjects, refuses=frozenset({400, 404})),
    Route(
        "POST",
        "/projects",
        create_project,
        body=bodies.ProjectCreate,
        success=frozenset({201}),
        refuses=frozenset({400, 404, 422}),
    ),
    Route("GET", "/projects/{project_id}", get_project, refuses=frozenset({400, 404})),
    Route(
        "PATCH",
        "/projects/{project_id}",
        update_project,
        body=bodies.ProjectUpdate,
        refuses=frozenset({400, 404, 423}),
    ),
    Route("DELETE", "/projects/{project_id}", delete_project, refuses=frozenset({400, 404})),
    Route("POST", "/projects/{project_id}/recover", recover_project, refuses=frozenset({400, 404, 422})),
    Route(
        "GET",
        "/projects/{project_id}/connection_uri",
        get_connection_uri,
        query=queries.ConnectionUri,
        refuses=frozenset({400, 404}),
    ),
)
