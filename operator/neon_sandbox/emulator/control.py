"""What a test or a demo does to the emulator behind Neon's back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neon_sandbox.emulator import views
from neon_sandbox.emulator.state import QUOTAS, Project
from neon_sandbox.emulator.world import World


async def set_usage(world: World, project_id: str, meters: Mapping[str, int]) -> None:
    """Sets meters of a live project; past a quota its computes stop, at once and not an hour later.

    Raises ApiError 404, and ValueError for a meter that does not exist.
    """
    unknown = meters.keys() - set(QUOTAS)
    if unknown:
        raise ValueError(f"No such meter: {', '.join(sorted(unknown))}.")
    project = world.store.project(project_id)
    project.usage.update(meters)
    await world.enforce_quotas(project)


def dump(world: World) -> list[dict[str, Any]]:
    """The true state of all projects, deleted ones too, oldest first: no lag, no pages, no secrets."""
    return [describe(world, project) for project in world.store]


def describe(world: World, project: Project) -> dict[str, Any]:
    """The true state of one project."""
    return {
        "id": project.id,
        "name": project.name,
        "region_id": project.region_id,
        "pg_version": project.pg_version,
        "created_at": project.created_at,
        "deleted_at": project.deleted_at,
        "history_retention_seconds": project.history_retention_seconds,
        "quota": project.quota,
        "usage": dict(project.usage),
        "exceeded": project.exceeded(),
        "settings": project.settings,
        "default_endpoint_settings": project.default_endpoint_settings,
        "running_operations": project.running,
        "branches": [
            {
                "id": branch.id,
                "name": branch.name,
                "default": branch.default,
                "parent_id": branch.parent_id,
                "ready": branch.ready,
                "annotations": branch.annotations,
                "roles": sorted(branch.roles),
                "databases": sorted(branch.databases),
                "expires_at": branch.expires_at,
            }
            for branch in project.branches.values()
        ],
        "endpoints": [
            {
                **views.endpoint(world, endpoint),
                "port": world.hosting.address(endpoint).port,
                "sessions": world.computes.sessions(endpoint),
            }
            for endpoint in project.endpoints.values()
        ],
        "annotations": _first_annotations(project),
    }


def _first_annotations(project: Project) -> dict[str, str]:
    """Those of the first branch: where a client marks a project as its own."""
    for branch in project.branches.values():
        if branch.parent_id is None:
            return branch.annotations
    return {}
