"""What the operator shows of its own health, for the probes and for metrics."""

from __future__ import annotations

from neon_tenants.core.health import Signs
from neon_tenants.pulse import Pulse
from neon_tenants.queue import Queue


def signs_of(pulse: Pulse, queue: Queue) -> Signs:
    """The signs of this moment."""
    return Signs(
        installed=pulse.beats,
        unlisted=pulse.unlisted,
        heard_ago=pulse.heard_ago,
        tried_ago=pulse.tried_ago,
        waiting=sum(lane.depth for lane in queue.waiting().values()),
        moved_ago=queue.moved_ago,
    )
