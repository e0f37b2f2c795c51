"""Logins survive the way from Neon's URI to the Secret, whatever characters they hold."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import builders as a
from neon_tenants.core.connection import Connection, ConnectionUriError

SOME = settings(max_examples=settings().max_examples // 2)
letters = st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r\n")
tricks = st.lists(st.sampled_from("@:/?#%&=+;\\ '\"[]{}~$"), min_size=1, max_size=12).map("".join)
words = st.text(letters, min_size=1, max_size=40) | tricks
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


@pytest.mark.proves("T16")
@SOME
@given(connections)
@pytest.mark.proves("T16")
def test_a_uri_can_be_read_back(connection: Connection) -> None:
    assert Connection.parse(connection.uri, pooled_host=connection.pooled_host) == connection
    pooled = Connection.parse(connection.pooled_uri, pooled_host=connection.pooled_host)
    assert pooled == replace(connection, host=connection.pooled_host)


@pytest.mark.proves("T16")
@SOME
@given(connections)
def test_a_jdbc_uri_holds_the_same_login(connection: Connection) -> None:
    parts = urlsplit(connection.jdbc_uri.removeprefix("jdbc:"))
    parameters = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True))
    found = (parts.hostname, parts.port, unquote(parts.path[1:]), parameters["user"])
    assert found == (connection.host, connection.port, connection.database, connection.username)
    assert connection.parameters or parameters["password"] == connection.password
    assert not parts.fragment


@pytest.mark.proves("T16")
@SOME
@given(connections)
def test_a_password_file_holds_the_same_login(connection: Connection) -> None:
    lines = connection.pgpass.split("\n")
    assert lines.pop() == ""
    for line, host in zip(lines, dict.fromkeys((connection.host, connection.pooled_host)), strict=True):
        fields = [re.sub(r"\\(.)", r"\1", each) for each in re.findall(r"((?:\\.|[^\\:])*)(?::|$)", line)[:5]]
        login = (connection.database, connection.username, connection.password)
        assert tuple(fields) == (host, str(connection.port), *login)


uris = st.text(max_size=60) | st.builds(
    "{}://{}:{}@{}{}/{}{}".format,
    st.sampled_from(["postgresql", "postgres", "POSTGRES", "jdbc:postgresql"]),
    st.sampled_from(["u", "%0A", "", "u%3Ax", "%ff"]),
    st.sampled_from(["p", "a%0Ab:c", "%00", "", "p@q"]),
    st.sampled_from(
        ["h.example", "[::1]", "[v1.x]", "a b", "h%20", "HOST", "a..b", "127.0.0.1", "\u2100", "a,b"]
    ),
    st.sampled_from(["", ":0", ":5432", ":99999", ":x", ":"]),
    st.sampled_from(["db", "", "a/b", "%2F", "d%0Ab"]),
    st.sampled_from(["", "?", "?sslmode=require", "?a=b&a=c", "#x", "?a=%00", "?options=-c%20x%3Dy"]),
)
pooled = st.sampled_from(["", "pooler.example", "a b", "x@evil.example", "[::1]", "a/b", "a:1"]) | st.text(
    max_size=9
)


@pytest.mark.proves("T16", "F19")
@given(uris, pooled)
def test_any_text_is_refused_or_a_login_that_its_own_uri_gives_back(uri: str, pooled_host: str) -> None:
    try:
        found = Connection.parse(uri, pooled_host=pooled_host)
    except ConnectionUriError:
        return
    assert Connection.parse(found.uri, pooled_host=pooled_host) == found
    if pooled_host:
        assert Connection.parse(found.pooled_uri, pooled_host=found.host).host == pooled_host.lower()
    assert (
        len(found.pgpass.splitlines()) <= 2
        or not (found.database + found.username + found.password).isprintable()
    )


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
    "postgresql://:p@host/db",
    "postgresql://u:p@/db",
    "postgresql://u:p@host:port/db",
    "postgresql://u:p@[::1/db",
    "postgresql://u:p@[::1]/db",
    "postgresql://u:p@a b/db",
    "postgresql://u:p%0Aevil:5432:*:*:x@host/db",
)


@pytest.mark.proves("T16", "T9")
@pytest.mark.parametrize("uri", BROKEN)
def test_what_is_no_login_is_refused_without_quoting_it(uri: str) -> None:
    with pytest.raises(ConnectionUriError) as caught:
        Connection.parse(uri, pooled_host="x")
    assert "u:p" not in str(caught.value)
    assert "connection URI of Neon" in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.proves("T16")
def test_a_password_file_escapes_its_separators() -> None:
    connection = replace(a.CONNECTION, password="a:b\\c", pooled_host=a.CONNECTION.host)
    assert connection.pgpass == f"{a.CONNECTION.host}:5432:app:app_owner:a\\:b\\\\c\n"
    assert len(a.CONNECTION.pgpass.splitlines()) == 2


@pytest.mark.proves("T16")
def test_no_character_of_a_part_reads_as_a_separator() -> None:
    """Whoever reads a query as a form takes + for a space: spaces are written as %20."""
    odd = Connection(
        host="h.example",
        pooled_host="p.example",
        port=6543,
        database="d/b ?",
        username="u/@ :",
        password="p/@ +:",
        parameters=(("options", "-c a=b/c"), ("channel_binding", "x y"), ("empty", "")),
    )
    direct = "u%2F%40%20%3A:p%2F%40%20%2B%3A@h.example:6543/d%2Fb%20%3F"
    query = "options=-c%20a%3Db%2Fc&channel_binding=x%20y&empty="
    assert odd.uri == f"postgresql://{direct}?{query}"
    assert odd.pooled_uri == odd.uri.replace("h.example", "p.example")
    assert odd.jdbc_uri == (
        "jdbc:postgresql://h.example:6543/d%2Fb%20%3F?user=u%2F%40%20%3A&password=p%2F%40%20%2B%3A"
        "&options=-c%20a%3Db%2Fc&channelBinding=x%20y&empty="
    )
    assert odd.pooled_jdbc_uri == odd.jdbc_uri.replace("h.example", "p.example")
    assert Connection.parse(odd.uri, pooled_host="p.example") == odd


def test_without_parameters_a_uri_has_no_query() -> None:
    plain = replace(a.CONNECTION, parameters=())
    assert plain.uri == f"postgresql://app_owner:npg_Secret123@{a.CONNECTION.host}/app"
    assert plain.jdbc_uri == (
        f"jdbc:postgresql://{a.CONNECTION.host}:5432/app?user=app_owner&password=npg_Secret123"
    )


def test_the_short_scheme_is_one_as_well() -> None:
    short = a.CONNECTION.uri.replace("postgresql:", "postgres:")
    assert Connection.parse(short, pooled_host=a.CONNECTION.pooled_host) == a.CONNECTION
