"""The resource goes as soon as a list shows nothing, whatever is still under way."""

from __future__ import annotations

from collections.abc import Callable

from broken import breaks
from neon_tenants.core import removal
from neon_tenants.core.observed import Observed
from neon_tenants.core.steps import RemoveFinalizer, Step

Release = Callable[[Observed], Step]


def _broken(_original: Release) -> Release:
    return lambda _observed: RemoveFinalizer()


breaks(removal, "_release", _broken)
