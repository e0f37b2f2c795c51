"""A failure: a request that did not succeed, classified once by what matters most: was it done?"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from neon_tenants.api.conditions import Reason


class Done(Enum):
    """Whether the other side carried out a request that did not succeed."""

    NO = "no"
    """Certainly not: it never left, or was refused by somebody who would know."""
    MAYBE = "maybe"
    """It may have been, or may still be (protocol, rule 6)."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What a failed request means for a tenant."""

    reason: Reason
    message: str
    """A sentence of ours for people. Never the text of an exception; Neon's own words only when bounded."""
    done: Done
    stalled: bool = False
    """Whether a person must act."""
    retry_after: float | None = None
    """Seconds that the other side asked for."""
