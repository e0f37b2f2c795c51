"""The connection Secret: whose it is, what stands in it."""

from __future__ import annotations

from typing import Any

import pytest

import builders as a
from neon_tenants.api import names
from neon_tenants.api.tenant_database import PLACEHOLDERS, SECRET_KEYS, Binding, ConnectionSecret
from neon_tenants.core.observed import Tenant
from neon_tenants.core.secret import (
    Absent,
    Conflict,
    Foreign,
    LeftBehind,
    Ours,
    SecretObject,
    SecretState,
    differs,
    render,
    state_of,
)

OTHERS = a.secret_object(type="Opaque")
UNPROVEN = a.secret_object(annotations={names.OWNER_NAME: "acme"})
EARLIER = a.secret_object(uid=a.OTHER_UID)
NAMELESS = a.secret_object(annotations={names.OWNER_UID: a.OTHER_UID})
SIBLING = a.secret_object(uid=a.OTHER_UID, name="sibling")
MISNAMED = a.secret_object(uid=a.OTHER_UID, name="\x1b[31m\n" + "x" * 10_000)

STATES: dict[str, tuple[SecretObject | None, SecretState]] = {
    "none": (None, Absent()),
    "another type": (OTHERS, Foreign()),
    "our type without our annotation": (UNPROVEN, Foreign()),
    "an earlier resource's": (EARLIER, LeftBehind(EARLIER)),
    "a sibling's that does not say its name": (NAMELESS, Conflict("")),
    "a sibling's": (SIBLING, Conflict("sibling")),
    "a sibling's, whose name is no name": (MISNAMED, Conflict("")),
}


@pytest.mark.proves("T5")
@pytest.mark.parametrize(("found", "state"), STATES.values(), ids=STATES.keys())
def test_a_secret_is_known_by_its_proof(found: SecretObject | None, state: SecretState) -> None:
    assert state_of(found, uid=a.UID, name="acme") == state


def test_ours_tells_its_project_and_its_login() -> None:
    state = a.ours()
    assert state.project_id == "cool-project-1"
    assert state.connection == a.CONNECTION
    assert not state.owned
    assert a.ours(owner_uids=(a.UID,)).owned


EDITED: dict[str, dict[str, Any]] = {
    "another password": {"data": {**a.secret_object().data, "password": "guess"}},
    "a missing key": {"data": {}},
    "no digest": {"annotations": {names.OWNER_UID: a.UID}},
}


@pytest.mark.parametrize("changes", EDITED.values(), ids=EDITED.keys())
def test_an_edited_secret_tells_no_login(changes: dict[str, Any]) -> None:
    assert a.ours(**changes).connection is None


def test_a_digest_over_data_that_is_no_login_tells_none() -> None:
    from neon_tenants.core.secret import digest

    data = {"uri": "hello"}
    annotations = {names.OWNER_UID: a.UID, names.DATA_DIGEST: digest(data)}
    assert a.ours(data=data, annotations=annotations).connection is None


@pytest.mark.parametrize(
    ("data", "pooled_host"),
    [({}, None), ({"uri": a.CONNECTION.uri}, ""), ({"pooled-host": "x"}, None)],
    ids=["no keys", "no pooled host", "no URI"],
)
def test_a_digest_over_missing_keys_tells_what_is_there(
    data: dict[str, str], pooled_host: str | None
) -> None:
    from neon_tenants.core.secret import digest

    annotations = {names.OWNER_UID: a.UID, names.DATA_DIGEST: digest(data)}
    connection = a.ours(data=data, annotations=annotations).connection
    assert (connection and connection.pooled_host) == pooled_host


@pytest.mark.proves("T6")
@pytest.mark.parametrize("text", ["", "../users", "Cool", "x" * 61])
def test_what_cannot_be_an_id_is_none(text: str) -> None:
    annotations = {names.OWNER_UID: a.UID, names.PROJECT_ID: text}
    assert a.ours(annotations=annotations).project_id is None


def test_every_key_and_every_placeholder_is_filled() -> None:
    wishes = ConnectionSecret(extra={name.upper(): f"<{{{name}}}>" for name in PLACEHOLDERS})
    content = render(a.CONNECTION, wishes, uid=a.UID, name="acme", project_id="p-1")
    assert set(SECRET_KEYS) < set(content.data)
    assert all(content.data.values())
    for name in PLACEHOLDERS:
        assert content.data[name.upper()] == f"<{content.data[name.replace('_', '-')]}>"
    assert content.data["POOLED_URI"] == f"<{a.CONNECTION.pooled_uri}>"
    assert content.data["PASSWORD"] == f"<{a.CONNECTION.password}>"
    assert content.data["jdbc-uri"].startswith(
        "jdbc:postgresql://ep-cool-1.us-east-2.aws.neon.tech:5432/app?"
    )
    assert "channelBinding=require" in content.data["jdbc-uri"]


def test_our_annotations_win_over_wished_ones() -> None:
    wishes = ConnectionSecret(annotations={"team": "x", names.OWNER_UID: "forged"})
    content = render(a.CONNECTION, wishes, uid=a.UID, name="acme", project_id="p-1")
    assert content.annotations["team"] == "x"
    assert content.annotations[names.OWNER_UID] == a.UID


def test_no_password_shows_in_a_representation() -> None:
    state: Ours = a.ours()
    for thing in (a.CONNECTION, state, state.found, a.bound(connection=a.CONNECTION)):
        assert a.CONNECTION.password not in repr(thing)


DIFFERENCES: dict[str, tuple[dict[str, Any], bool]] = {
    "nothing": ({}, False),
    "a label of others": ({"labels": {"theirs": "x"}}, False),
    "an annotation of others": ({"annotations": {**a.secret_object().annotations, "theirs": "x"}}, False),
    "data": ({"data": {"uri": "x"}}, True),
    "an annotation of ours": (
        {"annotations": {**a.secret_object().annotations, names.PROJECT_ID: "other-2"}},
        True,
    ),
}


@pytest.mark.parametrize(("changes", "expected"), DIFFERENCES.values(), ids=DIFFERENCES.keys())
def test_a_secret_differs_in(changes: dict[str, Any], expected: bool) -> None:
    content = render(a.CONNECTION, ConnectionSecret(), uid=a.UID, name="acme", project_id="cool-project-1")
    assert differs(content, a.secret_object(**changes)) is expected


def test_a_wished_label_that_is_missing_is_a_difference() -> None:
    wishes = ConnectionSecret(labels={"team": "x"})
    content = render(a.CONNECTION, wishes, uid=a.UID, name="acme", project_id="cool-project-1")
    assert differs(content, a.secret_object())
    assert not differs(content, a.secret_object(labels={"team": "x"}))


UNREAD = frozenset({"connectionSecret"})
NAMES: dict[str, tuple[Tenant, str]] = {
    "a name of its own": (a.tenant({"connectionSecret": {"name": "login"}}), "login"),
    "no name of its own": (a.tenant(), "acme-database"),
    "no name of its own, and told under another": (
        a.tenant(status=a.status(binding=Binding(name="told"))),
        "acme-database",
    ),
    "a name that is not understood": (a.tenant(unread=UNREAD), "acme-database"),
    "a name that is not understood, and was told": (
        a.tenant(unread=UNREAD, status=a.status(binding=Binding(name="told"))),
        "told",
    ),
}


@pytest.mark.parametrize(("tenant", "name"), NAMES.values(), ids=NAMES.keys())
def test_a_secret_stays_where_it_is_also_when_its_name_is_not_understood(tenant: Tenant, name: str) -> None:
    assert tenant.secret_name == name
