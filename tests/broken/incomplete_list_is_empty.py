"""What an incomplete list does not show is not there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from broken import breaks
from neon_tenants.neon.client import NeonClient, ProjectPage

List = Callable[..., Awaitable[ProjectPage]]


def _broken(original: List) -> List:
    async def list_projects(self: NeonClient, **asked: Any) -> ProjectPage:
        return replace(await original(self, **asked), complete=True)

    return list_projects


breaks(NeonClient, "list_projects", _broken)
