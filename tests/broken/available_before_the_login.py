"""Nobody waits for Neon's operations: the Secret and Available=True are written at once."""

from __future__ import annotations

from collections.abc import Callable

from broken import breaks
from neon_tenants.core import upkeep
from neon_tenants.core.observed import Observed
from neon_tenants.core.project import Project
from neon_tenants.core.steps import Step

Operations = Callable[[Observed, Project], Step | None]


def _broken(_original: Operations) -> Operations:
    return lambda _observed, _project: None


breaks(upkeep, "_operations", _broken)
