"""A project that was found while a POST may be under way is not looked at again before an hour is over.

Not never: then the queue would know nothing of it any more, and take the echo of its own status for news.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from broken import breaks
from neon_tenants.core import upkeep
from neon_tenants.core.observed import Observed
from neon_tenants.core.steps import Rest

Until = Callable[[Observed, Rest], Rest]


def _broken(_original: Until) -> Until:
    return lambda _observed, verdict: replace(verdict, again=3600.0)


breaks(upkeep, "_until_resolved", _broken)
