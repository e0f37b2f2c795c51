"""What a test, a demo or a benchmark may turn while the emulator runs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from neon_sandbox.emulator.plans import PLANS, Plan, PlanName

Seconds = Annotated[float, Field(ge=0, le=86_400)]
Count = Annotated[int, Field(ge=0)]


class Knobs(BaseModel):
    """The defaults are what is known of Neon; where its documents are silent, the worse is assumed."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    latency: Seconds = 0
    """Added to every answer."""
    jitter: dict[str, Seconds] = Field(default_factory=dict)
    """Up to so many seconds more, by route: {"POST /projects": 0.5}."""
    jitter_seed: int = 0
    operation_seconds: Seconds = 0.3
    """How long the operations that one request schedules take together, at the least."""
    operation_outcome: Literal["finished", "failed", "cancelled", "stuck"] = "finished"
    """What becomes of operations scheduled from now on. Stuck ones go on once this is turned back."""
    requests_per_minute: Count = 700
    """For the whole account; 0 is no limit, as with the next two."""
    requests_per_second_per_route: Count = 40
    consumption_requests_per_minute: Count = 30
    plan: PlanName = "scale"
    projects_limit: Annotated[int, Field(ge=0)] | None = None
    """None is the plan's own."""
    quota_patch: Literal["replace", "merge"] = "replace"
    """Whether PATCH replaces settings.quota as a whole, or key by key. Undocumented."""
    list_lag: Seconds = 0
    """How far lists of projects and of operations are behind the truth."""
    unavailable_project_ids: list[str] = Field(default_factory=list)
    """Projects that lists name as unavailable in place of describing them."""
    key_scope: Literal["organization", "personal"] = "organization"
    """With a personal key the organization must be named in the request."""

    @property
    def limits(self) -> Plan:
        """The chosen plan's limits."""
        return PLANS[self.plan]

    @property
    def effective_projects_limit(self) -> int:
        """How many live projects there may be."""
        return self.limits.projects if self.projects_limit is None else self.projects_limit
