"""What the path of a request names, looked up. Raises ApiError 404 for what is not there."""

from __future__ import annotations

from neon_sandbox.emulator import branching, store
from neon_sandbox.emulator.routing import Call
from neon_sandbox.emulator.state import Branch, Endpoint, Project


def project(call: Call) -> Project:
    """The live project."""
    found = call.world.store.project(call.path["project_id"])
    branching.expire(call.world, found)
    return found


def branch(call: Call) -> tuple[Project, Branch]:
    """The branch and its project."""
    owner = project(call)
    return owner, store.branch(owner, call.path["branch_id"])


def endpoint(call: Call) -> tuple[Project, Endpoint]:
    """The endpoint and its project."""
    owner = project(call)
    return owner, store.endpoint(owner, call.path["endpoint_id"])


def idle_project(call: Call) -> Project:
    """The project, for a call that schedules operations. Raises ApiError 423 if there are some already."""
    found = project(call)
    call.world.operations.require_idle(found)
    return found
