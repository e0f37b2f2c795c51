"""What an operator left in the cluster and at Neon, read by another version of it (docs/upgrade.md).

The texts here are what version 0.1.0 writes. They stay: a later version must read them, and adds its own.
"""

from __future__ import annotations

import json

import pytest

import builders as a
from neon_tenants.api import names
from neon_tenants.core import brake, form
from neon_tenants.core.api_server import ApiServer
from neon_tenants.core.brake import Counted, Ledger, Mark, held_by
from neon_tenants.core.intent import (
    MAX_LIFETIME,
    Intent,
    IntentState,
    SeenIntent,
    decode,
    intent_state,
    sight,
)
from neon_tenants.core.marker import Certificate, Marker
from neon_tenants.core.secret import digest

MARKER = Marker("prod", "shop", "acme", a.UID)
PROJECT_NAME = "shop-acme-prod-5d7tlxgywp-rqpv6dq5frftvgsoaerukz4jvm"
RELEASED_NAME = "shop-acme-prod-5d7tlxgywp-released"
CERTIFICATE = {
    "neontenants.io/cluster": "prod",
    "neontenants.io/namespace": "shop",
    "neontenants.io/name": "acme",
    "neontenants.io/uid": a.UID,
}
INTENT = (
    '{"form":1,"nonce":"n1","holder":"pod-1","uid":"8c1f5f0e-1d2c-4b3a-9a4e-0123456789ab",'
    '"lifetime":180.0,"started":"2026-11-22T10:00:00Z"}'
)
LEDGER = (
    '{"form":1,"counted":[["uid-1",1000.0,"free","shop",1001.0]],'
    '"engaged":{"fleet":1002.0},"releasedUntil":900.0}'
)
API_SERVER = '{"form":1,"uid":"uid-1","authorities":["ca-1"]}'


def test_the_names_at_neon_are_forever() -> None:
    """Other names would orphan every project that there is."""
    assert (MARKER.project_name, MARKER.released_name) == (PROJECT_NAME, RELEASED_NAME)
    assert Certificate.of(MARKER).annotations() == CERTIFICATE


def test_the_names_in_the_cluster_are_forever() -> None:
    assert {
        names.FINALIZER,
        names.INTENT,
        names.PAUSED,
        names.START_EMPTY,
        names.RECONCILE_REQUESTED_AT,
        names.ROLLOUT_CONFIRMED,
        names.OWNER_UID,
        names.OWNER_NAME,
        names.PROJECT_ID,
        names.DATA_DIGEST,
    } == {
        "neontenants.io/project",
        "neontenants.io/create-intent",
        "neontenants.io/paused",
        "neontenants.io/start-empty",
        "neontenants.io/reconcile-requested-at",
        "neontenants.io/rollout-confirmed",
        "neontenants.io/owner-uid",
        "neontenants.io/owner-name",
        "neontenants.io/project-id",
        "neontenants.io/data-digest",
    }
    assert names.SECRET_TYPE == "servicebinding.io/postgresql"


def test_the_digest_of_a_secret_is_as_it_was() -> None:
    """Another digest would take every Secret for edited, and ask Neon for every password at once."""
    assert digest({"b": "2", "a": "1"}) == "37664b19301f46515688d5a22cb9ee1852e0b6443e28c7f36340a13962f0c4f7"


def test_an_intent_is_read_and_written_as_it_was() -> None:
    assert decode(INTENT, a.UID) == SeenIntent("n1", 180.0)
    assert Intent("n1", "pod-1", a.UID, 180.0, "2026-11-22T10:00:00Z").encode() == INTENT


def test_the_ledger_of_deletions_is_read_and_written_as_it_was() -> None:
    ledger = Ledger((Counted(Mark("uid-1", 1000.0, "free", "shop"), 1001.0),), {"fleet": 1002.0}, 900.0)
    assert brake.decode(LEDGER) == ledger
    assert brake.encode(ledger) == LEDGER


def test_the_record_of_the_api_server_is_read_and_written_as_it_was() -> None:
    recorded = ApiServer("uid-1", frozenset({"ca-1"}))
    assert ApiServer.decode(API_SERVER) == recorded
    assert recorded.encode() == API_SERVER


def newer(text: str) -> str:
    """The same text, in a form of the future that looks like ours."""
    return json.dumps({**json.loads(text), "form": 2})


@pytest.mark.proves("F53")
def test_an_intent_of_a_newer_operator_is_alive() -> None:
    """Even of another uid and with a short lifetime: nobody here knows what these words mean then."""
    for text in (newer(INTENT), newer(INTENT).replace(a.UID, a.OTHER_UID)):
        seen = decode(text, a.UID)
        assert seen == SeenIntent(text, MAX_LIFETIME)
        sighting = sight(None, seen, None, now=0)
        for now, state in ((MAX_LIFETIME - 1, IntentState.ALIVE), (MAX_LIFETIME, IntentState.FREE)):
            found = intent_state(seen=seen, sighting=sighting, attempt=None, resolved="n1", now=now)
            assert found is state


def test_a_ledger_of_a_newer_operator_holds_every_deletion() -> None:
    assert held_by(brake.decode(newer(LEDGER)), Mark("uid-9", 1.0, "pro", "other")) == brake.FLEET


def test_a_newer_operators_record_of_the_api_server_asks_a_person() -> None:
    stored = ApiServer.decode(newer(API_SERVER))
    assert stored is not None
    assert not stored.is_same(ApiServer("uid-1", frozenset({"ca-1"})))


def test_a_text_of_before_forms_is_of_the_first() -> None:
    assert form.decode(1, '{"a": 1}') == {"a": 1}
    with pytest.raises(ValueError, match="form"):
        form.decode(2, '{"a": 1}')


@pytest.mark.parametrize("text", ["", "[]", "1", "[" * 100_000])
def test_what_is_no_object_has_no_form(text: str) -> None:
    with pytest.raises(ValueError, match=r"form|Expecting"):
        form.decode(1, text)
