"""A project that was found while a POST may be under way is not looked at again."""

from __future__ import annotations

from collections.abc import Callable

from broken import breaks
from neon_tenants.core import upkeep
from neon_tenants.core.observed import Observed
from neon_tenants.core.steps import Rest

Until = Callable[[Observed, Rest], Rest]


def _broken(_original: Until) -> Until:
    return lambda _observed, verdict: verdict


breaks(upkeep, "_until_resolved", _broken)
