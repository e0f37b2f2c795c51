"""What each of Neon's plans allows: https://neon.com/docs/introduction/plans, as of January 2026."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PlanName = Literal["free", "launch", "scale"]


@dataclass(frozen=True, slots=True)
class Plan:
    """The limits of one plan."""

    name: PlanName
    projects: int
    branches: int
    protected_branches: int
    read_replicas: int | None
    """Read-only endpoints of a project; None is unlimited."""
    history_retention_seconds: int
    default_history_retention_seconds: int
    autoscaling_cu: float
    """The largest size that autoscaling reaches."""
    fixed_cu: float
    """The largest size of a compute that does not scale."""
    suspend_timeout: Literal["fixed", "on-off", "any"]
    branch_size_bytes: int
    consumption_v1: bool
    consumption_v2: bool


_MIB = 1 << 20
_TIB = 1 << 40

PLANS: dict[PlanName, Plan] = {
    "free": Plan(
        name="free",
        projects=100,
        branches=10,
        protected_branches=0,
        read_replicas=3,
        history_retention_seconds=21_600,
        default_history_retention_seconds=21_600,
        autoscaling_cu=2,
        fixed_cu=2,
        suspend_timeout="fixed",
        branch_size_bytes=512 * _MIB,
        consumption_v1=False,
        consumption_v2=False,
    ),
    "launch": Plan(
        name="launch",
        projects=100,
        branches=5_000,
        protected_branches=2,
        read_replicas=None,
        history_retention_seconds=604_800,
        default_history_retention_seconds=86_400,
        autoscaling_cu=16,
        fixed_cu=16,
        suspend_timeout="on-off",
        branch_size_bytes=16 * _TIB,
        consumption_v1=False,
        consumption_v2=True,
    ),
    "scale": Plan(
        name="scale",
        projects=1_000,
        branches=5_000,
        protected_branches=5,
        read_replicas=None,
        history_retention_seconds=2_592_000,
        default_history_retention_seconds=86_400,
        autoscaling_cu=16,
        fixed_cu=56,
        suspend_timeout="any",
        branch_size_bytes=16 * _TIB,
        consumption_v1=True,
        consumption_v2=True,
    ),
}

DATABASES_PER_BRANCH = 500
RECOVERY_SECONDS = 7 * 86_400
"""How long a deleted project can be recovered."""
