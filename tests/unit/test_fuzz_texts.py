"""Any text where a text of ours is expected: read, or refused in the one way that is documented."""

from __future__ import annotations

import contextlib
import json
import string
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlsplit

import durationpy
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kubernetes.utils import parse_quantity
from pydantic import ValidationError
from yarl import URL

import builders as a
from neon_sandbox.emulator import cursors
from neon_sandbox.emulator.errors import ApiError
from neon_tenants.api import names
from neon_tenants.api.database_tier import RolloutPhase, RolloutStatus
from neon_tenants.api.quantity import (
    MAX_INT64,
    TOO_MANY_BYTES,
    QuantityError,
    parse_bytes,
    parse_seconds,
)
from neon_tenants.api.tenant_database import PLACEHOLDERS, SECRET_KEYS, ConnectionSecret
from neon_tenants.core import brake, form, timestamp
from neon_tenants.core.api_server import ApiServer
from neon_tenants.core.brake import FLEET, Ledger, held_by
from neon_tenants.core.intent import MAX_LIFETIME, IntentState, decode, intent_state, sight
from neon_tenants.core.marker import (
    MAX_PROJECT_NAME,
    OWNER_LENGTH,
    PLACE_LENGTH,
    RELEASED,
    Certificate,
    owner_in,
    place_in,
)
from neon_tenants.core.rollout import heard
from neon_tenants.core.secret import Ours, render, state_of
from neon_tenants.settings import Settings

SOME = settings(max_examples=settings().max_examples // 2)
"""As many as `make test` can pay for; `--hypothesis-profile=thorough` tries a hundred times as many."""

texts = st.text(max_size=60)
jsons: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
HUGE = "1" + "0" * 400
"""A whole number that is no float."""
LONGER = "9" * 5_000
"""One that Python does not even read."""


def forms(*keys: str) -> st.SearchStrategy[str]:
    """Texts that look like a stored form with these keys, more or less."""
    values = jsons | st.sampled_from([10**400, -1, 1e308, a.UID])
    close = st.fixed_dictionaries({}, optional={"form": values, **dict.fromkeys(keys, values)})
    ours = st.fixed_dictionaries({"form": st.just(1)}, optional=dict.fromkeys(keys, values))
    return st.one_of(texts, jsons.map(json.dumps), close.map(json.dumps), ours.map(json.dumps))


# --- quantities ------------------------------------------------------------------------------------------

UNITS = (
    "",
    *("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"),
    *("k", "M", "G", "T", "P", "E"),
    *("e0", "e9", "E18", "e99"),
)
quantities = st.builds("{}{}".format, st.integers(0, 10**18), st.sampled_from(UNITS))
parts = st.none() | st.integers(0, 10**6)
durations = st.tuples(parts, parts, parts).map(
    lambda found: "".join(
        f"{number}{unit}" for number, unit in zip(found, "hms", strict=True) if number is not None
    )
)


@SOME
@given(quantities)
def test_a_quantity_is_what_kubernetes_takes_it_for(text: str) -> None:
    theirs = parse_quantity(text)
    try:
        assert parse_bytes(text) == theirs
    except QuantityError:
        assert theirs >= TOO_MANY_BYTES


@SOME
@given(durations.filter(bool))
def test_a_duration_is_what_go_takes_it_for(text: str) -> None:
    theirs = durationpy.from_str(text).total_seconds()
    try:
        assert parse_seconds(text) == theirs
    except QuantityError:
        assert theirs > MAX_INT64 // 10**9


@SOME
@given(st.text(max_size=40) | st.text("0123456789hmsKMGTPEiek.+- ", max_size=40))
@example(LONGER)
@example(f"{LONGER}h")
@example("٣h")
def test_any_text_is_a_whole_quantity_or_refused(text: str) -> None:
    for parse in (parse_bytes, parse_seconds):
        with contextlib.suppress(QuantityError):
            value = parse(text)
            assert 0 <= value <= MAX_INT64
            assert set(text) <= set(string.ascii_letters + string.digits)


# --- what stands in annotations and in our own ConfigMap -------------------------------------------------


@pytest.mark.proves("F53")
@SOME
@given(forms("nonce", "holder", "uid", "lifetime", "started"))
@example("[" * 100_000)
@example(f'{{"form":1,"nonce":"n","uid":"{a.UID}","lifetime":{HUGE}}}')
@example(f'{{"form":1,"nonce":"n","uid":"{a.UID}","lifetime":{LONGER}}}')
@example(f'{{"form":1,"nonce":{"[" * 900}{"]" * 900},"uid":"{a.UID}","lifetime":1}}')
@example(f'{{"form":1,"nonce":"n","uid":"{a.UID}","lifetime":NaN}}')
def test_any_annotation_is_an_intent_of_another_or_alive(text: str) -> None:
    """A tenant that writes there itself can make itself wait, for an hour at most, and nothing else."""
    seen = decode(text, a.UID)
    if seen is None:
        assert form.decode(1, text)["uid"] != a.UID
        return
    assert 0 <= seen.lifetime <= MAX_LIFETIME
    sighting = sight(None, seen, None, now=0)
    for now, state in ((seen.lifetime - 0.1, IntentState.ALIVE), (seen.lifetime, IntentState.FREE)):
        if now >= 0:
            found = intent_state(seen=seen, sighting=sighting, attempt=None, resolved=None, now=now)
            assert found is state


@SOME
@given(forms("counted", "engaged", "releasedUntil"))
@example(f'{{"form":1,"counted":[],"engaged":{{}},"releasedUntil":{HUGE}}}')
@example(f'{{"form":1,"counted":[["u",{HUGE},"t","n",1]],"engaged":{{}},"releasedUntil":0}}')
@example('{"form":1,"counted":[[]],"engaged":{},"releasedUntil":0}')
@example('{"form":1,"counted":[],"engaged":[],"releasedUntil":0}')
def test_any_ledger_of_deletions_is_read_or_holds_all(text: str) -> None:
    ledger = brake.decode(text)
    if ledger == Ledger(engaged={FLEET: 0.0}):
        assert held_by(ledger, brake.Mark("uid", 1.0, "free", "shop")) == FLEET
    else:
        assert brake.decode(brake.encode(ledger)) == ledger or "NaN" in text


@SOME
@given(forms("uid", "authorities"))
def test_any_record_of_an_api_server_is_read_or_is_no_api_server(text: str) -> None:
    stored = ApiServer.decode(text)
    assert stored is not None
    assert ApiServer.decode(stored.encode()) == stored


@SOME
@given(st.text(max_size=30) | st.from_regex(r"\A\d{1,20}(-\d{1,20})?\Z"))
def test_any_confirmation_lets_go_only_the_generation_that_it_names(text: str) -> None:
    paused = RolloutStatus(
        generation=7,
        phase=RolloutPhase.PAUSED,
        started="2026-01-01T00:00:00Z",
        updated=0,
        total=9,
        failed=3,
        paused_reason="CanaryFailed",
    )
    found = heard(paused, replace(a.tier(generation=7), annotations={names.ROLLOUT_CONFIRMED: text}))
    if found != paused:
        assert int(text.partition("-")[0]) == 7


offsets = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(timezones=offsets)


@SOME
@given(texts | moments.map(lambda moment: moment.isoformat()))
@example("0001-01-01T00:00:00")
@example("9999-12-31T23:59:59")
@example("0001-01-01T00:00:00+23:59")
def test_any_text_is_a_moment_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(timestamp.seconds(text), float)


@SOME
@given(moments.filter(lambda moment: 1 < moment.year < 9999))
def test_a_moment_survives_its_text(moment: datetime) -> None:
    assert timestamp.seconds(timestamp.stamp(moment)) == int(moment.timestamp() // 1)


# --- names on Neon ---------------------------------------------------------------------------------------

near_names = st.one_of(
    st.text(max_size=80),
    st.from_regex(r"\A[a-z0-9.-]{0,30}-[a-z2-7]{10}-[A-Za-z2-9=]{20,30}\Z"),
    st.builds(lambda tail: f"{a.MARKER.project_name[:-8]}{tail}", st.text(min_size=0, max_size=12)),
)


@pytest.mark.proves("F18")
@SOME
@given(near_names)
@example(a.MARKER.project_name.upper())
@example(a.MARKER.released_name + "\n")
def test_any_name_is_of_our_place_only_if_it_is_spelled_so(name: str) -> None:
    if a.MARKER.in_place(name):
        assert name.startswith(f"{a.MARKER.released_name.removesuffix(RELEASED)}")
        assert place_in(name) == a.MARKER.place
    owner = owner_in(name, a.CLUSTER)
    if owner is not None:
        place = place_in(name)
        assert place is not None
        assert len(place) == PLACE_LENGTH
        assert owner == RELEASED or len(name.rpartition("-")[2]) == OWNER_LENGTH


@SOME
@given(st.uuids())
def test_the_owner_in_a_name_is_who_it_was_made_for(uid: Any) -> None:
    marker = replace(a.MARKER, uid=str(uid))
    assert owner_in(marker.project_name, marker.cluster) == str(uid)
    assert len(marker.project_name) <= MAX_PROJECT_NAME


@SOME
@given(st.dictionaries(texts | st.sampled_from(list(a.certificate().annotations())), texts, max_size=6))
def test_any_annotations_of_a_branch_are_a_whole_certificate_or_none(annotations: dict[str, str]) -> None:
    found = Certificate.read(annotations)
    assert found is None or found.annotations().items() <= annotations.items()


# --- the Secret ------------------------------------------------------------------------------------------

PIECES = st.lists(
    st.text(max_size=8).filter(lambda text: not set(text) & set("{}"))
    | st.sampled_from([f"{{{name}}}" for name in PLACEHOLDERS]),
    max_size=6,
)


@SOME
@given(PIECES)
def test_a_template_is_its_pieces_with_the_login_in_place_of_placeholders(pieces: list[str]) -> None:
    wishes = ConnectionSecret(extra={"X": "".join(pieces)})
    content = render(a.CONNECTION, wishes, uid=a.UID, name="acme", project_id="p-1")
    login = {"uri", "jdbc_uri", "pooled_uri", "pooled_jdbc_uri"}
    values = {
        f"{{{name}}}": getattr(a.CONNECTION, name) if name in login else str(getattr(a.CONNECTION, name))
        for name in PLACEHOLDERS
    }
    assert content.data["X"] == "".join(values.get(piece, piece) for piece in pieces)
    assert set(content.data) == {*SECRET_KEYS, "X"}


@SOME
@given(
    data=st.dictionaries(st.sampled_from([*SECRET_KEYS, "x"]), texts, max_size=4),
    annotations=st.dictionaries(
        st.sampled_from([names.OWNER_UID, names.OWNER_NAME, names.PROJECT_ID, names.DATA_DIGEST, "x"]),
        texts | st.sampled_from([a.UID, "../x", "cool-project-1"]),
    ),
    kind=st.sampled_from([names.SECRET_TYPE, "Opaque", ""]),
)
@pytest.mark.proves("T5")
def test_any_secret_of_a_tenant_is_ours_only_with_our_type_and_uid(
    data: dict[str, str], annotations: dict[str, str], kind: str
) -> None:
    found = a.secret_object(type=kind, data=data, annotations=annotations)
    state = state_of(found, uid=a.UID, name="acme")
    ours = kind == names.SECRET_TYPE and annotations.get(names.OWNER_UID) == a.UID
    assert isinstance(state, Ours) == ours
    if isinstance(state, Ours) and state.project_id is not None:
        assert set(state.project_id) <= set(string.ascii_lowercase + string.digits + "-")


# --- cursors of the emulator ---------------------------------------------------------------------------


@SOME
@given(texts | texts.map(cursors.encode) | st.integers().map(cursors.encode))
@example(cursors.encode(LONGER))
@example(cursors.encode("٣"))
def test_any_cursor_is_a_position_or_a_bad_request(cursor: str) -> None:
    for read in (cursors.text, cursors.number):
        with contextlib.suppress(ApiError):
            position = read(cursor)
            assert read(cursors.encode(position)) == position


# --- settings --------------------------------------------------------------------------------------------

URLS = st.one_of(
    texts,
    st.builds(
        "{}://{}{}{}".format,
        st.sampled_from(["https", "http", "HTTP", "ftp", "http+unix"]),
        st.sampled_from(
            ["localhost", "127.0.0.1", "[::1]", "console.neon.tech", "u:p@localhost", "", "[v1.x]"]
        )
        | st.text("localhost.@:/\\#?%[]\t\n127", max_size=20),
        st.sampled_from(["", ":80", ":0", ":99999", ":x", ":"]),
        st.sampled_from(["", "/", "/api/v2", "/api/v2/", "?x=1", "#x", "\\@evil.example", "/a b", "/\x00"]),
    ),
)


@pytest.mark.proves("T7")
@SOME
@given(URLS)
@example("https://console.neon.tech:99999/api/v2")
@example("https://console.neon.tech:port")
@example("http://localhost\\@evil.example")
@example("http://localhost\x00.evil.example")
def test_any_api_url_is_refused_or_means_the_same_to_who_sends_the_key_there(url: str) -> None:
    """Two parsers that see two hosts in one address are how a key gets to a third."""
    try:
        settings = Settings(cluster_id="prod", api_key_file="key", api_url=url)
    except ValidationError:
        return
    sent_to = URL(f"{settings.api_url}/projects", encoded=True)
    assert sent_to.host == urlsplit(settings.api_url).hostname
    assert sent_to.scheme == "https" or sent_to.host in ("localhost", "127.0.0.1", "::1")
    assert sent_to.path.endswith("/projects")
    assert (sent_to.user, sent_to.password, sent_to.query_string, sent_to.fragment) == (None, None, "", "")
