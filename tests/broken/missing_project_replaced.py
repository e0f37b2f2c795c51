"""A recorded project that vanished is made anew, empty (rule 11)."""

from __future__ import annotations

from collections.abc import Callable

from broken import breaks
from neon_tenants.core import identity
from neon_tenants.core.identity import Missing, Unbound
from neon_tenants.core.observed import Lookup
from neon_tenants.core.steps import LookUpDeleted

Gone = Callable[[Lookup, str], Missing | LookUpDeleted]


def _broken(_original: Gone) -> Callable[[Lookup, str], Unbound]:
    return lambda _lookup, _project_id: Unbound()


breaks(identity, "_missing", _broken)
