"""When to look at a tenant again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Again:
    """The end of a pass, for the queue.

    | after | backoff | meaning |
    |---|---|---|
    | None | no | when something happens |
    | seconds | no | after this time |
    | any | yes | with growing delays, at least `after` and at most `within` |
    """

    after: float | None = None
    backoff: bool = False
    within: float | None = None
    version: int = 0
    """The newest resourceVersion that the pass read or wrote: events up to it are no news."""
    gone: bool = False
    """The resource does not exist any more."""
