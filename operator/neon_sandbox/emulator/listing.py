"""The list of projects: search, pages, those that are unavailable, and how far it lags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from neon_sandbox.emulator import cursors, views
from neon_sandbox.emulator.plans import RECOVERY_SECONDS
from neon_sandbox.emulator.state import Project
from neon_sandbox.emulator.world import World


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list of projects."""

    items: list[dict[str, Any]]
    unavailable: list[str]
    cursor: str | None
    """Where to go on; None after an empty page only. A page that is not full has one, too: the
    clients of Neon's own CLI stop at such a page, others at the empty one."""


def remember(world: World, project: Project) -> None:
    """Must be called before a project changes in what lists show of it."""
    lag = world.knobs.list_lag
    if not lag:
        project.past.clear()
        return
    now = world.clock.now()
    while project.past and project.past[0][0] < now - lag:
        project.past.popleft()
    # A copy deep enough for what later requests replace: they never change a dictionary in place.
    project.past.append((now, dict(views.project_item(world, project))))


def page(world: World, *, cursor: str, limit: int, search: str, recoverable: bool) -> Page:
    """The projects after `cursor`, newest first, whose name or id contains `search`."""
    items: list[dict[str, Any]] = []
    unavailable: list[str] = []
    hidden = set(world.knobs.unavailable_project_ids)
    last: int | None = None
    for project in world.store.newest_first(cursors.number(cursor) if cursor else None):
        item = _seen(world, project, search, recoverable=recoverable)
        if item is None:
            continue
        if len(items) + len(unavailable) == limit:
            break
        last = project.seq
        if project.id in hidden:
            unavailable.append(project.id)
        else:
            items.append(item)
    return Page(items, unavailable, None if last is None else cursors.encode(last))


def _seen(world: World, project: Project, search: str, *, recoverable: bool) -> dict[str, Any] | None:
    """The item that the list shows of a project, if it shows it at all."""
    lag = world.knobs.list_lag
    as_of = world.clock.now() - lag
    if lag and project.created_at > as_of:
        return None
    for until, item in project.past if lag else ():
        if until > as_of:
            wanted = not recoverable and _matches(item["id"], item["name"], search)
            return item if wanted else None
    if not _matches(project.id, project.name, search):
        return None
    if project.deleted_at is None:
        return None if recoverable else views.project_item(world, project)
    if not recoverable or world.clock.now() >= project.deleted_at + RECOVERY_SECONDS:
        return None
    return views.project_item(world, project)


def _matches(project_id: str, name: str, search: str) -> bool:
    return not search or search in name or search in project_id
