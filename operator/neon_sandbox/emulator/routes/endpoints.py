"""/projects/{project_id}/endpoints."""

from __future__ import annotations

from neon_sandbox.emulator import bodies, endpoints, errors, store, views
from neon_sandbox.emulator.routes import paths
from neon_sandbox.emulator.routing import Answer, Call, Route
from neon_sandbox.emulator.state import Endpoint, Operation


async def list_endpoints(call: Call) -> Answer:
    """GET /projects/{project_id}/endpoints."""
    project = paths.project(call)
    return Answer(200, {"endpoints": [views.endpoint(call.world, e) for e in project.endpoints.values()]})


async def list_branch_endpoints(call: Call) -> Answer:
    """GET /projects/{project_id}/branches/{branch_id}/endpoints."""
    project, branch = paths.branch(call)
    found = store.endpoints_of(project, branch.id)
    return Answer(200, {"endpoints": [views.endpoint(call.world, e) for e in found]})


async def create_endpoint(call: Call) -> Answer:
    """POST /projects/{project_id}/endpoints."""
    wanted = call.body(bodies.EndpointCreate).endpoint
    project = paths.idle_project(call)
    branch = store.branch(project, wanted.branch_id)
    if wanted.region_id not in ("", project.region_id):
        raise errors.invalid("region_id must be the region of the project")
    endpoints.check_new(call.world, project, branch.id, [wanted])
    endpoint = endpoints.new(call.world, project, branch.id, wanted.type, wanted.given())
    return _answer(call, endpoint, endpoints.add(call.world, project, endpoint), status=201)


async def get_endpoint(call: Call) -> Answer:
    """GET /projects/{project_id}/endpoints/{endpoint_id}."""
    _, endpoint = paths.endpoint(call)
    return Answer(200, {"endpoint": views.endpoint(call.world, endpoint)})


async def update_endpoint(call: Call) -> Answer:
    """PATCH /projects/{project_id}/endpoints/{endpoint_id}."""
    project, endpoint = paths.endpoint(call)
    call.world.operations.require_idle(project)
    given = call.body(bodies.EndpointUpdate).endpoint.given()
    return _answer(call, endpoint, endpoints.update(call.world, project, endpoint, given))


async def delete_endpoint(call: Call) -> Answer:
    """DELETE /projects/{project_id}/endpoints/{endpoint_id}: 204 if it is not there."""
    project = paths.project(call)
    endpoint = project.endpoints.get(call.path["endpoint_id"])
    if endpoint is None:
        return Answer(204)
    call.world.operations.require_idle(project)
    return _answer(call, endpoint, endpoints.remove(call.world, project, endpoint))


async def start_endpoint(call: Call) -> Answer:
    """POST /projects/{project_id}/endpoints/{endpoint_id}/start."""
    project, endpoint = paths.endpoint(call)
    call.world.operations.require_idle(project)
    return _answer(call, endpoint, endpoints.start(call.world, project, endpoint))


async def suspend_endpoint(call: Call) -> Answer:
    """POST /projects/{project_id}/endpoints/{endpoint_id}/suspend."""
    project, endpoint = paths.endpoint(call)
    call.world.operations.require_idle(project)
    return _answer(call, endpoint, endpoints.suspend(call.world, project, endpoint))


async def restart_endpoint(call: Call) -> Answer:
    """POST /projects/{project_id}/endpoints/{endpoint_id}/restart."""
    project, endpoint = paths.endpoint(call)
    call.world.operations.require_idle(project)
    return _answer(call, endpoint, endpoints.restart(call.world, project, endpoint))


def _answer(call: Call, endpoint: Endpoint, operations: list[Operation], *, status: int = 200) -> Answer:
    return Answer(
        status,
        {
            "endpoint": views.endpoint(call.world, endpoint),
            "operations": views.operations(call.world, operations),
        },
    )


_ALL = "/projects/{project_id}/endpoints"
_ONE = "/projects/{project_id}/endpoints/{endpoint_id}"

ROUTES = (
    Route("GET", _ALL, list_endpoints, refuses=frozenset({400, 404})),
    Route(
        "GET",
        "/projects/{project_id}/branches/{branch_id}/endpoints",
        list_branch_endpoints,
        refuses=frozenset({400, 404}),
    ),
    Route(
        "POST",
        _ALL,
        create_endpoint,
        body=bodies.EndpointCreate,
        success=frozenset({201}),
        refuses=frozenset({400, 404, 422, 423}),
    ),
    Route("GET", _ONE, get_endpoint, refuses=frozenset({400, 404})),
    Route(
        "PATCH",
        _ONE,
        update_endpoint,
        body=bodies.EndpointUpdate,
        refuses=frozenset({400, 404, 423}),
    ),
    Route("DELETE", _ONE, delete_endpoint, success=frozenset({200, 204}), refuses=frozenset({400, 404, 423})),
    Route("POST", f"{_ONE}/start", start_endpoint, refuses=frozenset({400, 404, 422, 423})),
    Route("POST", f"{_ONE}/suspend", suspend_endpoint, refuses=frozenset({400, 404, 423})),
    Route("POST", f"{_ONE}/restart", restart_endpoint, refuses=frozenset({400, 404, 422, 423})),
)
