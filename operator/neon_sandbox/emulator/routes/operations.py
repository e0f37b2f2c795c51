"""/projects/{project_id}/operations."""

from __future__ import annotations

from typing import Any

from neon_sandbox.emulator import cursors, errors, queries, views
from neon_sandbox.emulator.routes import paths
from neon_sandbox.emulator.routing import Answer, Call, Route


async def list_operations(call: Call) -> Answer:
    """GET /projects/{project_id}/operations: newest first, and as late as `list_lag` says."""
    query = call.query(queries.ListOperations)
    project = paths.project(call)
    after = cursors.text(query.cursor) if query.cursor else None
    now = call.world.clock.now()
    visible = [o for o in project.operations if o.created_at <= now - call.world.knobs.list_lag]
    if after is not None:
        ids = [operation.id for operation in visible]
        if after not in ids:
            raise errors.invalid("invalid cursor")
        visible = visible[ids.index(after) + 1 :]
    taken, _ = cursors.page(visible, query.limit)
    body: dict[str, Any] = {"operations": [views.operation(it, now) for it in taken]}
    if taken:
        body["pagination"] = {"cursor": cursors.encode(taken[-1].id)}
    return Answer(200, body)


async def get_operation(call: Call) -> Answer:
    """GET /projects/{project_id}/operations/{operation_id}: never late."""
    project = paths.project(call)
    for operation in project.operations:
        if operation.id == call.path["operation_id"]:
            return Answer(200, {"operation": views.operation(operation, call.world.clock.now())})
    raise errors.not_found("operation")


ROUTES = (
    Route(
        "GET",
        "/projects/{project_id}/operations",
        list_operations,
        query=queries.ListOperations,
        refuses=frozenset({400, 404}),
    ),
    Route(
        "GET",
        "/projects/{project_id}/operations/{operation_id}",
        get_operation,
        refuses=frozenset({400, 404}),
    ),
)
