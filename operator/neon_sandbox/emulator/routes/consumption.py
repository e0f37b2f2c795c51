"""/consumption_history."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from neon_sandbox.emulator import consumption, cursors, errors, projects, queries, views
from neon_sandbox.emulator.routing import Answer, Call, Route
from neon_sandbox.emulator.state import Project

_PERIODS = uuid.UUID("9a1c0b7e-7c83-4c1c-9f9d-0e7f4c1f2f3d")
"""Namespace of the ids of billing periods: the same period has the same id in each answer."""


async def list_v1(call: Call) -> Answer:
    """GET /consumption_history/projects."""
    query = call.query(queries.ConsumptionV1)
    projects.check_organization(call.world, query.org_id)
    if not call.world.knobs.limits.consumption_v1:
        raise errors.not_available_on_plan("Scale, Business, and Enterprise")
    metrics = list(query.metrics)
    if query.include_v1_metrics and not metrics:
        metrics = ["data_storage_bytes_hour"]
    first, last = _window(call, query)
    return _answer(
        call,
        query,
        lambda project: consumption.v1(
            consumption.timeframes(project, first, last, query.granularity), metrics
        ),
    )


async def list_v2(call: Call) -> Answer:
    """GET /consumption_history/v2/projects."""
    query = call.query(queries.ConsumptionV2)
    projects.check_organization(call.world, query.org_id)
    if not call.world.knobs.limits.consumption_v2:
        raise errors.not_available_on_plan("Launch, Scale, Agent, Business, and Enterprise")
    first, last = _window(call, query)
    return _answer(
        call,
        query,
        lambda project: consumption.v2(
            consumption.timeframes(project, first, last, query.granularity), query.metrics
        ),
    )


_AnyQuery = queries.ConsumptionV1 | queries.ConsumptionV2


def _window(call: Call, query: _AnyQuery) -> tuple[int, int]:
    return consumption.window(
        query.begin.timestamp(), query.end.timestamp(), query.granularity, call.world.clock.now()
    )


def _answer(call: Call, query: _AnyQuery, frames: Callable[[Project], Any]) -> Answer:
    """One page: the newest project first."""
    start = cursors.number(query.cursor) if query.cursor else None
    wanted = set(query.project_ids)
    found = (
        project
        for project in call.world.store.newest_first(start)
        if project.deleted_at is None and (not wanted or project.id in wanted)
    )
    taken, _ = cursors.page(found, query.limit)
    period_start, _ = views.period(call.world.clock.now())
    body: dict[str, Any] = {
        "projects": [
            {
                "project_id": project.id,
                "periods": [
                    {
                        "period_id": str(uuid.uuid5(_PERIODS, views.stamp(period_start))),
                        "period_plan": call.world.knobs.plan,
                        "period_start": views.stamp(period_start),
                        "consumption": frames(project),
                    }
                ],
            }
            for project in taken
        ]
    }
    if taken:
        body["pagination"] = {"cursor": cursors.encode(taken[-1].seq)}
    return Answer(200, body)


_REFUSES = frozenset({400, 403, 404, 406})

ROUTES = (
    Route("GET", "/consumption_history/projects", list_v1, query=queries.ConsumptionV1, refuses=_REFUSES),
    Route("GET", "/consumption_history/v2/projects", list_v2, query=queries.ConsumptionV2, refuses=_REFUSES),
)
