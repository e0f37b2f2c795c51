"""Projects by the ten thousand, made without a request each: the ground of a benchmark of restarts."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from neon_sandbox.emulator.state import Project
from neon_sandbox.emulator.world import World


@dataclass(frozen=True, slots=True)
class Copy:
    """What is the copy's own."""

    project_id: str
    branch_id: str
    endpoint_id: str
    name: str
    annotations: Mapping[str, str]
    """Of its branch."""


def copy(world: World, project_id: str, copies: Iterable[Copy]) -> None:
    """Adds a project for each copy. What does not change by itself is shared, for the memory's sake."""
    template = world.store.project(project_id)
    for wanted in copies:
        world.store.add(_copy(template, wanted, world.store.next_seq()))


def _copy(template: Project, wanted: Copy, seq: int) -> Project:
    (endpoint,) = template.endpoints.values()
    branch = replace(template.default_branch, id=wanted.branch_id, annotations=dict(wanted.annotations))
    compute = replace(
        endpoint, id=wanted.endpoint_id, project_id=wanted.project_id, branch_id=wanted.branch_id
    )
    return replace(
        template,
        id=wanted.project_id,
        seq=seq,
        name=wanted.name,
        usage=dict(template.usage),
        branches={branch.id: branch},
        endpoints={compute.id: compute},
        operations=deque(maxlen=template.operations.maxlen),
        past=deque(),
    )
