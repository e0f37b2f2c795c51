"""The create intent: what the annotation means to this process at this moment."""

from __future__ import annotations

import json

import pytest

import builders as a
from neon_tenants.core.intent import (
    MAX_LIFETIME,
    Attempt,
    IntentState,
    SeenIntent,
    Sent,
    Sighting,
    alive_until,
    decode,
    intent_state,
    sight,
)

SEEN = SeenIntent("nonce-1", a.LIFETIME)
SIGHT = a.sighting()

ROWS: dict[str, tuple[SeenIntent | None, Sighting | None, Attempt | None, str | None, float, IntentState]] = {
    "none": (None, None, None, None, 0, IntentState.FREE),
    "noted as resolved": (SEEN, SIGHT, None, "nonce-1", 1, IntentState.FREE),
    "mine, unsent, the gate open": (SEEN, SIGHT, a.attempt(), None, 1, IntentState.MINE),
    "mine, unsent, the gate still open": (SEEN, SIGHT, a.attempt(), None, 149, IntentState.MINE),
    "mine, unsent, the gate closed": (SEEN, SIGHT, a.attempt(), None, 150, IntentState.FREE),
    "mine, unsent, the annotation gone": (None, SIGHT, a.attempt(), None, 1, IntentState.FREE),
    "mine, unsent, another's in its place": (
        SeenIntent("nonce-2", a.LIFETIME),
        a.sighting("nonce-2"),
        a.attempt(),
        None,
        1,
        IntentState.ALIVE,
    ),
    "mine, unsent, one that is resolved put back in its place": (
        SeenIntent("nonce-0", a.LIFETIME),
        SIGHT,
        a.attempt(),
        "nonce-0",
        1,
        IntentState.FREE,
    ),
    "mine, done": (SEEN, SIGHT, a.attempt(sent=Sent.DONE), None, 1, IntentState.FREE),
    "mine, unknown": (SEEN, SIGHT, a.attempt(sent=Sent.UNKNOWN), None, 299, IntentState.ALIVE),
    "mine, unknown, lifetime over": (SEEN, SIGHT, a.attempt(sent=Sent.UNKNOWN), None, 300, IntentState.FREE),
    "another's, alive": (SEEN, SIGHT, None, None, 299, IntentState.ALIVE),
    "another's, dead": (SEEN, SIGHT, None, None, 300, IntentState.FREE),
    "another's, alive, though it disappeared": (None, SIGHT, None, None, 299, IntentState.ALIVE),
}


@pytest.mark.parametrize(
    ("seen", "sighting", "attempt", "resolved", "later", "state"), ROWS.values(), ids=ROWS.keys()
)
def test_an_intent_allows(
    seen: SeenIntent | None,
    sighting: Sighting | None,
    attempt: Attempt | None,
    resolved: str | None,
    later: float,
    state: IntentState,
) -> None:
    found = intent_state(seen=seen, sighting=sighting, attempt=attempt, resolved=resolved, now=a.NOW + later)
    assert found is state


def test_an_intent_survives_its_annotation() -> None:
    written = a.intent().encode()
    assert decode(written, a.UID) == SeenIntent("nonce-1", a.LIFETIME)


def test_an_intent_of_another_resource_is_none() -> None:
    assert decode(a.intent(uid=a.OTHER_UID).encode(), a.UID) is None
    assert decode(None, a.UID) is None


@pytest.mark.parametrize("text", ["", "later", "[]", "{}", '{"nonce": 1, "uid": 2, "lifetime": "soon"}'])
def test_an_intent_of_an_unknown_form_is_alive_for_long(text: str) -> None:
    seen = decode(text, a.UID)
    assert seen is not None
    assert seen.lifetime == MAX_LIFETIME


@pytest.mark.parametrize("lifetime", [-1, 1e12, float("inf"), float("nan")])
def test_a_lifetime_out_of_bounds_is_the_longest(lifetime: float) -> None:
    text = json.dumps({"nonce": "n", "uid": a.UID, "lifetime": lifetime})
    assert decode(text, a.UID) == SeenIntent("n", MAX_LIFETIME)


@pytest.mark.parametrize("lifetime", [0.0, 0.5, MAX_LIFETIME])
def test_a_lifetime_within_bounds_is_kept(lifetime: float) -> None:
    assert decode(a.intent(lifetime=lifetime).encode(), a.UID) == SeenIntent("nonce-1", lifetime)


def test_what_is_awaited_ends_by_the_clock_that_began_it() -> None:
    seen_later = a.sighting(since=a.NOW + 50)
    assert alive_until(seen_later, a.attempt()) == a.NOW + a.LIFETIME
    assert alive_until(seen_later, a.attempt("nonce-0")) == a.NOW + 50 + a.LIFETIME
    assert alive_until(seen_later, None) == a.NOW + 50 + a.LIFETIME


def test_a_sighting_begins_once_for_each_nonce() -> None:
    first = sight(None, SEEN, None, now=1)
    assert first == Sighting("nonce-1", 1, a.LIFETIME)
    assert sight(first, SEEN, None, now=2) == first
    assert sight(first, SeenIntent("nonce-2", 5), None, now=3) == Sighting("nonce-2", 3, 5)
    assert sight(first, None, None, now=4) == first


def test_a_resolved_intent_is_not_remembered() -> None:
    assert sight(None, SEEN, "nonce-1", now=1) is None
