"""The answer to `/v1/status`: the fleet on one screen, from what the operator knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from neon_tenants.core.lane import Lane
from neon_tenants.core.orphans import Kind
from neon_tenants.core.overview import groups, unready
from neon_tenants.core.turns import Waiting
from neon_tenants.fleet.gauges import Parts
from neon_tenants.fleet.orphans import Orphans
from neon_tenants.question import Question
from neon_tenants.roster import Roster


class Overview:
    """Asks Neon and Kubernetes for nothing."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def answer(self, _question: Question) -> Any:
        """All of it."""
        parts = self._parts
        brake = parts.brake.figures()
        return {
            "complete": parts.pulse.complete,
            "tenants": len(parts.roster),
            "groups": [asdict(group) for group in groups(parts.roster.records())],
            "unready": [asdict(one) for one in unready(parts.roster.records())],
            "rollouts": _rollouts(parts.roster),
            "budget": {
                "per_minute": parts.budget.rates.per_minute,
                "whole": parts.budget.whole.per_minute,
                "left": parts.budget.left(),
            },
            "lanes": _lanes(parts.queue.waiting(), parts.budget.waiting()),
            "backing_off": parts.queue.backing_off(),
            "brake": {"engaged": sorted(brake.engaged), "held": brake.held},
            "orphans": _orphans(parts.orphans),
            "sweep_age": round(parts.sweep.age),
            "key_usable": parts.key.usable,
        }


def _rollouts(roster: Roster) -> list[dict[str, Any]]:
    """Of the tiers that there are; each has at most one."""
    return [
        {"tier": tier.name, **tier.status.rollout.model_dump(mode="json")}
        for tier in sorted(roster.tiers(), key=lambda tier: tier.name)
        if tier.status.rollout is not None
    ]


def _lanes(tenants: Mapping[Lane, Waiting], requests: Mapping[Lane, Waiting]) -> list[dict[str, Any]]:
    return [
        {
            "lane": lane.label,
            "tenants": tenants[lane].depth,
            "requests": requests[lane].depth,
            "oldest": round(max(tenants[lane].oldest, requests[lane].oldest), 1),
        }
        for lane in Lane
    ]


def _orphans(orphans: Orphans) -> dict[str, int] | None:
    """None before the first sweep."""
    latest = orphans.latest
    return None if latest is None else {kind.value.lower(): latest.count(kind) for kind in Kind}
