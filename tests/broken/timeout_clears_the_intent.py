"""A create that got no answer counts as one that failed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from broken import breaks
from neon_tenants.core.failure import Done
from neon_tenants.neon.client import Created, NeonClient, NewProject
from neon_tenants.neon.errors import NeonError

Create = Callable[..., Awaitable[Created]]


def _broken(original: Create) -> Create:
    async def create_project(self: NeonClient, new: NewProject, **when: float | None) -> Created:
        try:
            return await original(self, new, **when)
        except NeonError as error:
            raise NeonError(replace(error.failure, done=Done.NO), status=error.status) from None

    return create_project


breaks(NeonClient, "create_project", _broken)
