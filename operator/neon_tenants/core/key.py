"""A tenant's name among all tenants."""

from __future__ import annotations

from typing import NamedTuple


class Key(NamedTuple):
    """A TenantDatabase."""

    namespace: str
    name: str
