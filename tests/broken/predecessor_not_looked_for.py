"""A resource without an id gets a project, whatever an earlier one of its name left (rule 13)."""

from __future__ import annotations

from collections.abc import Callable

from broken import breaks
from neon_tenants.core import identity
from neon_tenants.core.identity import Identity, Unbound
from neon_tenants.core.observed import Lookup, Observed

Unrecorded = Callable[[Observed, Lookup], Identity]


def _broken(_original: Unrecorded) -> Unrecorded:
    return lambda _observed, _lookup: Unbound()


breaks(identity, "_unrecorded", _broken)
