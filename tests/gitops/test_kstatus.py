"""kstatus reads every state right: Flux, `helm --wait` and whoever else waits by it."""

from __future__ import annotations

import pytest

from cluster import Object
from kstatus import kstatus

EXPECTED = {
    "tenant fresh": "InProgress",
    "tenant provisioning": "InProgress",
    "tenant ready": "Current",
    "tenant suspended": "Current",
    "tenant stalled": "Failed",
    # It was settled when somebody said hands off, and still is.
    "tenant paused": "Current",
    # Nobody has looked at its new spec.
    "tenant paused, and then changed": "InProgress",
    "tenant paused before it was touched": "InProgress",
    # All is as the spec says; the tenant has used what it may.
    "tenant quota exceeded": "Current",
    "tenant deletion held": "Terminating",
    # Nobody uses it, so there is nothing to do.
    "tier fresh": "Current",
    "tier rolled out": "Current",
    "tier changed": "InProgress",
    "tier paused": "Failed",
    "operation fresh": "InProgress",
    "operation waiting": "InProgress",
    "operation succeeded": "Current",
    "operation dry run": "Current",
    "operation failed": "Failed",
}


@pytest.mark.proves("I6")
async def test_kstatus_reads_every_state_right(states: dict[str, Object]) -> None:
    assert dict(zip(states, await kstatus(states.values()), strict=True)) == EXPECTED
