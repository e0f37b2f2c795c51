"""/projects/{project_id}/branches."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from neon_sandbox.emulator import (
    bodies,
    branching,
    cursors,
    endpoints,
    errors,
    queries,
    store,
    views,
)
from neon_sandbox.emulator.routes import paths
from neon_sandbox.emulator.routing import Answer, Call, Route
from neon_sandbox.emulator.state import Branch, Endpoint


async def list_branches(call: Call) -> Answer:
    """GET /projects/{project_id}/branches."""
    query = call.query(queries.ListBranches)
    project = paths.project(call)

    def key(branch: Branch) -> tuple[str | float, str]:
        sort: dict[str, str | float] = {
            "name": branch.name,
            "created_at": branch.created_at,
            "updated_at": branch.updated_at,
        }
        return sort[query.sort_by], branch.id

    found = [b for b in project.branches.values() if query.search in b.name or query.search in b.id]
    found.sort(key=key, reverse=query.sort_order == "desc")
    if query.cursor:
        last = cursors.text(query.cursor)
        ids = [branch.id for branch in found]
        if last not in ids:
            raise errors.invalid("invalid cursor")
        found = found[ids.index(last) + 1 :]
    taken, more = cursors.page(found, query.limit)
    pagination: dict[str, str] = {"sort_by": query.sort_by, "sort_order": query.sort_order}
    if more:
        pagination["next"] = cursors.encode(taken[-1].id)
    return Answer(
        200,
        {
            "branches": [views.branch(branch, project) for branch in taken],
            "annotations": {branch.id: views.annotation(branch) for branch in taken if branch.annotations},
            "pagination": pagination,
        },
    )


async def get_branch(call: Call) -> Answer:
    """GET /projects/{project_id}/branches/{branch_id}."""
    project, branch = paths.branch(call)
    return Answer(200, {"branch": views.branch(branch, project), "annotation": views.annotation(branch)})


async def create_branch(call: Call) -> Answer:
    """POST /projects/{project_id}/branches."""
    world = call.world
    wanted = call.body(bodies.BranchCreate)
    project = paths.idle_project(call)
    parent = (
        store.branch(project, wanted.branch.parent_id) if wanted.branch.parent_id else project.default_branch
    )
    _check_possible(wanted.branch)
    branching.check_limits(project, world.knobs.limits, protected=wanted.branch.protected)
    branch = branching.child(world, parent, wanted.branch.name, wanted.annotation_value)
    branch.protected = wanted.branch.protected
    if "expires_at" in wanted.branch.model_fields_set:
        _expire_at(call, branch, wanted.branch.expires_at)
    endpoints.check_new(world, project, branch.id, wanted.endpoints)
    made = [endpoints.new(world, project, branch.id, e.type, e.given()) for e in wanted.endpoints]
    operations = branching.copy(world, project, parent, branch, made)
    body: dict[str, Any] = {
        "branch": views.branch(branch, project),
        "endpoints": [views.endpoint(world, endpoint) for endpoint in made],
        "operations": views.operations(world, operations),
        "roles": [views.role(role, branch) for role in branch.roles.values()],
        "databases": [views.database(database, branch) for database in branch.databases.values()],
    }
    uris = _connection_uris(call, branch, made)
    if uris:
        body["connection_uris"] = uris
    return Answer(201, body)


async def update_branch(call: Call) -> Answer:
    """PATCH /projects/{project_id}/branches/{branch_id}: annotations cannot be changed."""
    wanted = call.body(bodies.BranchUpdate).branch
    project, branch = paths.branch(call)
    call.world.operations.require_idle(project)
    given = wanted.model_fields_set
    if "protected" in given and wanted.protected and not branch.protected:
        branching.check_protected_limit(project, call.world.knobs.limits)
    if "expires_at" in given:
        _expire_at(call, branch, wanted.expires_at)
    if "name" in given:
        branch.name = wanted.name
    if "protected" in given:
        branch.protected = wanted.protected
    branch.updated_at = call.world.clock.now()
    return Answer(200, {"branch": views.branch(branch, project), "operations": []})


async def delete_branch(call: Call) -> Answer:
    """DELETE /projects/{project_id}/branches/{branch_id}: 204 if it is not there."""
    project = paths.project(call)
    branch = project.branches.get(call.path["branch_id"])
    if branch is None:
        return Answer(204)
    call.world.operations.require_idle(project)
    branching.check_removable(project, branch)
    operations = branching.remove(call.world, project, branch)
    return Answer(
        200,
        {
            "branch": views.branch(branch, project),
            "operations": views.operations(call.world, operations),
        },
    )


def _check_possible(wanted: bodies.NewBranch) -> None:
    """Refuses what would need Neon's storage, so that nobody takes the present for the past."""
    if wanted.parent_lsn or "parent_timestamp" in wanted.model_fields_set:
        raise errors.invalid("the sandbox keeps no history: parent_lsn and parent_timestamp are not possible")
    if wanted.archived or wanted.init_source != "parent-data":
        raise errors.invalid("the sandbox makes only branches with the data of their parent")


def _expire_at(call: Call, branch: Branch, moment: datetime | None) -> None:
    if moment is None:
        branch.expires_at = branch.ttl_seconds = None
        return
    if branch.default:
        raise errors.invalid("the default branch cannot have an expiration time")
    now = call.world.clock.now()
    if moment.timestamp() <= now:
        raise errors.invalid("expires_at must be in the future")
    branch.expires_at = moment.timestamp()
    branch.ttl_seconds = round(branch.expires_at - now)


def _connection_uris(call: Call, branch: Branch, made: list[Endpoint]) -> list[dict[str, Any]]:
    """None if it is not clear which role and database are meant, as in Neon."""
    if len(branch.roles) != 1 or len(branch.databases) != 1:
        return []
    role = next(iter(branch.roles.values()))
    database = next(iter(branch.databases.values()))
    if role.password is None:
        return []
    return [
        views.connection(call.world.hosting.address(endpoint), role.name, role.password, database.name)
        for endpoint in made
    ]


_ALL = "/projects/{project_id}/branches"
_ONE = "/projects/{project_id}/branches/{branch_id}"

ROUTES = (
    Route("GET", _ALL, list_branches, query=queries.ListBranches, refuses=frozenset({400, 404})),
    Route(
        "POST",
        _ALL,
        create_branch,
        body=bodies.BranchCreate,
        body_required=False,
        success=frozenset({201}),
        refuses=frozenset({400, 404, 422, 423}),
    ),
    Route("GET", _ONE, get_branch, refuses=frozenset({400, 404})),
    Route("PATCH", _ONE, update_branch, body=bodies.BranchUpdate, refuses=frozenset({400, 404, 422, 423})),
    Route(
        "DELETE",
        _ONE,
        delete_branch,
        query=queries.DeleteBranch,
        success=frozenset({200, 204}),
        refuses=frozenset({400, 404, 422, 423}),
    ),
)
