"""Is this the API server that the operator worked on before?"""

from __future__ import annotations

import re

import pytest

from neon_tenants.core.api_server import ApiServer

HERE = ApiServer("uid-1", frozenset({"ca-1"}))

SAME = {
    "the same": (HERE, True),
    "another uid: the objects were made anew": (ApiServer("uid-2", frozenset({"ca-1"})), False),
    "another authority: a copy of etcd elsewhere": (ApiServer("uid-1", frozenset({"ca-2"})), False),
    "an authority that is being rotated": (ApiServer("uid-1", frozenset({"ca-1", "ca-2"})), True),
    "authorities that nobody names": (ApiServer("uid-1"), True),
}


@pytest.mark.proves("T21")
@pytest.mark.parametrize(("found", "same"), SAME.values(), ids=SAME.keys())
def test_it_is_the_same_or_not(found: ApiServer, same: bool) -> None:
    assert HERE.is_same(found) is same
    assert found.is_same(HERE) is same


def test_authorities_are_recorded_as_they_are_now() -> None:
    rotated = ApiServer("uid-1", frozenset({"ca-1", "ca-2"}))
    assert HERE.merged(rotated) == rotated
    assert HERE.merged(ApiServer("uid-1")) == HERE


def test_it_is_stored_and_read() -> None:
    assert ApiServer.decode(HERE.encode()) == HERE
    assert ApiServer.decode(None) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"uid": "x"}'])
def test_what_cannot_be_read_is_no_api_server(text: str) -> None:
    stored = ApiServer.decode(text)
    assert stored is not None
    assert not stored.is_same(HERE)
    assert stored == ApiServer("unreadable")


def test_the_code_is_of_exactly_this_one() -> None:
    assert HERE.code == ApiServer("uid-1", frozenset({"ca-1"})).code
    assert re.fullmatch("[0-9a-f]{10}", HERE.code)
    assert HERE.code != ApiServer("uid-1", frozenset({"ca-2"})).code
