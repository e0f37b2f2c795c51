"""Logins survive the way from Neon's URI to the Secret, whatever characters they hold."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import builders as a
from neon_tenants.core.connection import Connection, ConnectionUriError

words = st.text(min_size=1, max_size=40).filter(lambda text: text.isprintable())
hosts = st.from_regex(r"[a-z][a-z0-9-]{0,20}(\.[a-z][a-z0-9-]{0,20}){0,3}", fullmatch=True)
connections = st.builds(
    Connection,
    host=hosts,
    pooled_host=hosts,
    port=st.integers(1, 65535),
    database=words,
    username=words,
    password=words,
    parameters=st.lists(st.tuples(words, words), max_size=3).map(tuple),
)


@given(connections)
@pytest.mark.proves("T16")
def test_a_uri_can_be_read_back(connection: Connection) -> None:
    assert Connection.parse(connection.uri, pooled_host=connection.pooled_host) == connection
    pooled = Connection.parse(connection.pooled_uri, pooled_host=connection.pooled_host)
    assert pooled == replace(connection, host=connection.pooled_host)


def test_a_uri_looks_as_neon_hands_it_out() -> None:
    uri = (
        "postgresql://app_owner:npg_Secret123@ep-cool-1.us-east-2.aws.neon.tech/app"
        "?sslmode=require&channel_binding=require"
    )
    assert a.CONNECTION.uri == uri
    assert a.CONNECTION.pooled_uri == uri.replace("ep-cool-1.", "ep-cool-1-pooler.")


BROKEN = (
    "",
    "hello",
    "https://u:p@host/db",
    "postgresql://host/db",
    "postgresql://u:p@host/",
    "postgresql://u@host/db",
    "postgresql://u:p@/db",
    "postgresql://u:p@host:port/db",
    "postgresql://u:p@[::1/db",
)


@pytest.mark.proves("T16", "T9")
@pytest.mark.parametrize("uri", BROKEN)
def test_what_is_no_login_is_refused_without_quoting_it(uri: str) -> None:
    with pytest.raises(ConnectionUriError) as caught:
        Connection.parse(uri, pooled_host="x")
    assert "u:p" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.proves("T16")
def test_a_password_file_escapes_its_separators() -> None:
    connection = replace(a.CONNECTION, password="a:b\\c", pooled_host=a.CONNECTION.host)
    assert connection.pgpass == f"{a.CONNECTION.host}:5432:app:app_owner:a\\:b\\\\c\n"
    assert len(a.CONNECTION.pgpass.splitlines()) == 2
