"""What the fleet's own work leaves for a tenant's next pass, which alone acts on it and tells of it."""

from __future__ import annotations

from dataclasses import dataclass

from neon_tenants.core.project import Consumption


@dataclass(frozen=True, slots=True)
class Note:
    """Left by the sweep. Losing it costs time, never safety."""

    consumption: Consumption | None = None
    """What Neon's meters show."""
    check_endpoints: bool = False
    """Whether its computes may have been changed past us: no list shows their limits."""
