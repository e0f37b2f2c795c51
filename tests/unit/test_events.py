"""Which events are worth a write."""

from __future__ import annotations

from dataclasses import replace

from neon_tenants.api.conditions import Reason
from neon_tenants.core.event import Event
from neon_tenants.kube.events import BURST, REMEMBERED, REPEAT_AFTER, EventFilter

EVENT = Event(Reason.TIER_NOT_FOUND, "There is no such tier.", warning=True)


def test_the_same_words_are_said_once_for_a_while() -> None:
    events = EventFilter(now=0.0)
    assert events.passes("uid", EVENT, 0.0)
    assert not events.passes("uid", EVENT, REPEAT_AFTER - 1)
    assert events.passes("uid", EVENT, REPEAT_AFTER)


def test_other_words_and_other_resources_are_news() -> None:
    events = EventFilter(now=0.0)
    assert events.passes("uid", EVENT, 0.0)
    assert events.passes("uid", replace(EVENT, message="Another."), 0.0)
    assert events.passes("uid", replace(EVENT, reason=Reason.TIER_FULL), 0.0)
    assert events.passes("other", EVENT, 0.0)


def test_a_flood_is_cut_to_a_burst_and_then_one_a_second() -> None:
    events = EventFilter(now=0.0)
    assert sum(events.passes(f"uid-{number}", EVENT, 0.0) for number in range(1000)) == BURST
    assert sum(events.passes(f"more-{number}", EVENT, 10.0) for number in range(1000)) == 10


def test_what_is_remembered_is_bounded() -> None:
    events = EventFilter(now=0.0)
    for number in range(2 * REMEMBERED):
        events.passes(f"uid-{number}", EVENT, float(number))
    assert len(events._said) == REMEMBERED
