"""Any answer of Neon, by real sockets: a value, or the one error that says whether it was carried out."""

from __future__ import annotations

import copy
import itertools
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import builders as a
from answering import Server, answering
from neon_tenants.api.conditions import Reason
from neon_tenants.core.failure import Done
from neon_tenants.core.project import ComputeSettings
from neon_tenants.neon.budget import Budget
from neon_tenants.neon.client import NeonClient, NewProject
from neon_tenants.neon.errors import MAX_TEXT, Answer, NeonError, NotFoundError, refused
from neon_tenants.neon.http import MAX_RETRY_AFTER, Http
from neon_tenants.neon.key import ApiKey
from neon_tenants.neon.limits import Rates

SOME = settings(max_examples=settings().max_examples // 4)
"""As many as `make test` can pay for; `--hypothesis-profile=thorough` tries a hundred times as many."""

pytestmark = pytest.mark.proves("T15")

KEY = "napi_canary"
PASSWORD = "npg_canary"
HUGE = 10**400

PROJECT = {
    "id": "cool-project-1",
    "name": a.MARKER.project_name,
    "region_id": "aws-us-east-2",
    "pg_version": 17,
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-01T00:00:00Z",
    "settings": {"quota": {"active_time_seconds": 1, "logical_size_bytes": 2}},
    "default_endpoint_settings": {
        "autoscaling_limit_min_cu": 0.25,
        "autoscaling_limit_max_cu": 2,
        "suspend_timeout_seconds": 0,
    },
    "history_retention_seconds": 86_400,
    "active_time": 5,
}
ENDPOINT = {
    "id": "ep-cool-1",
    "branch_id": "br-main-1",
    "host": "ep-cool-1.us-east-2.aws.neon.tech",
    "type": "read_write",
    "autoscaling_limit_min_cu": 0.25,
    "autoscaling_limit_max_cu": 2,
    "suspend_timeout_seconds": 0,
    "disabled": False,
    "current_state": "idle",
}
OPERATIONS = [{"id": "op-1", "action": "start_compute", "status": "running"}]
CONNECTION = {
    "connection_uri": f"postgresql://app_owner:{PASSWORD}@ep-cool-1.us-east-2.aws.neon.tech/app?sslmode=require",
    "connection_parameters": {"pooler_host": "ep-cool-1-pooler.us-east-2.aws.neon.tech"},
}
BRANCHES = {
    "branches": [{"id": "br-main-1", "default": True, "logical_size": 7}],
    "annotations": {"br-main-1": {"value": a.certificate().annotations()}},
}
NEW = NewProject("n", None, 17, "app", "app_owner", a.certificate(), a.LIMITS)
SMALL = ComputeSettings(0.25, 0.25, 0)

ANSWERS: dict[str, Any] = {
    "list_projects": {"projects": [PROJECT], "pagination": {"cursor": "x"}, "unavailable_project_ids": []},
    "look for a project": {
        "projects": [PROJECT, {"id": "other", "name": "x"}],
        "pagination": {},
        "unavailable_project_ids": [],
    },
    "get_project": {"project": PROJECT},
    "largest_branch": BRANCHES,
    "create_project": {
        "project": PROJECT,
        "endpoints": [ENDPOINT],
        "operations": OPERATIONS,
        "connection_uris": [CONNECTION],
    },
    "rename_project": {"project": PROJECT, "operations": OPERATIONS},
    "delete_project": {"project": PROJECT},
    "certificate": BRANCHES,
    "endpoints": {"endpoints": [ENDPOINT]},
    "update_endpoint": {"endpoint": ENDPOINT, "operations": OPERATIONS},
    "operations": {"operations": OPERATIONS},
    "connection": {**BRANCHES, "password": PASSWORD, "uri": CONNECTION["connection_uri"]},
}
"""What Neon says, as far as we read it, to each request."""


async def ask(client: NeonClient, what: str) -> Any:
    match what:
        case "list_projects":
            return await client.list_projects()
        case "look for a project":
            return await client.list_projects(wanted=a.MARKER.in_place)
        case "create_project":
            return await client.create_project(NEW, send_before=time.monotonic() + 60)
        case "rename_project":
            return await client.rename_project("cool-project-1", "x")
        case "update_endpoint":
            return await client.update_endpoint(
                "cool-project-1", "ep-1", compute=SMALL, differing=frozenset({"maxCU"}), disabled=None
            )
        case "connection":
            return await client.connection("cool-project-1", database="app", role="app_owner")
    return await getattr(client, what)("cool-project-1")


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[Server]:
    async with answering() as server:
        yield server


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("neon") / "key"
    path.write_text(KEY)
    return path


@pytest.fixture(scope="module")
async def client(server: Server, key_file: Path) -> AsyncIterator[NeonClient]:
    clock = time.monotonic
    budget = Budget(Rates(10_000_000, 1_000_000), clock)
    url = server.url + "/api/v2"
    # A key that was rejected is tried again after a pause. For this one a moment is longer than that.
    moments = itertools.count(step=3600)
    key = ApiKey(key_file, lambda: float(next(moments)))
    async with Http.connect(url, key=key, budget=budget, clock=clock, timeout=5) as http:
        yield NeonClient(http, org_id=None)


async def outcome(client: NeonClient, what: str) -> NeonError | None:
    """The error, where it is one; anything but a NeonError is raised."""
    try:
        await ask(client, what)
    except NeonError as error:
        found = error
    else:
        return None
    told = found.failure.message
    assert told.isprintable()
    assert len(told) < MAX_TEXT + 200
    assert not any(secret in told for secret in (KEY, PASSWORD))
    assert found.__suppress_context__ or found.__context__ is None
    return found


# --- bodies ----------------------------------------------------------------------------------------------

jsons: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
odd: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        -1,
        HUGE,
        1e308,
        float("nan"),
        "",
        "x" * 5000,
        "\x00",
        "../x",
        [],
        {},
        [[]],
        "Infinity",
        "postgresql://",
    ]
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += places(inner, (*path, key))
    return found


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    result = copy.copy(value)
    result[path[0]] = put(value[path[0]], path[1:], new)
    return result


@st.composite
def near_answers(draw: st.DrawFn) -> tuple[str, bytes]:
    """What is asked, and what Neon says to it with one place changed."""
    what = draw(st.sampled_from(sorted(ANSWERS)))
    path = draw(st.sampled_from(places(ANSWERS[what])))
    body = put(ANSWERS[what], path, draw(odd | jsons))
    return what, json.dumps(body).encode()


@pytest.mark.parametrize("what", ANSWERS)
async def test_the_answers_that_are_changed_below_are_understood(
    server: Server, client: NeonClient, what: str
) -> None:
    server.says(json.dumps(ANSWERS[what]).encode())
    assert await outcome(client, what) is None


@pytest.mark.proves("F19")
@SOME
@given(near_answers())
async def test_an_answer_that_is_nearly_right_is_a_value_or_not_understood(
    server: Server, client: NeonClient, near: tuple[str, bytes]
) -> None:
    what, body = near
    server.says(body)
    error = await outcome(client, what)
    if error is not None:
        assert error.failure.reason in (Reason.NEON_UNREACHABLE, Reason.PASSWORD_UNAVAILABLE)


@pytest.mark.proves("F19")
@SOME
@given(
    st.sampled_from(sorted(ANSWERS)), st.binary(max_size=200) | jsons.map(lambda j: json.dumps(j).encode())
)
@example("list_projects", b"[" * 100_000)
@example("create_project", b"\xff\xfe")
@example("get_project", b'{"project": "\\ud800"}')
async def test_any_success_is_a_value_or_not_understood(
    server: Server, client: NeonClient, what: str, body: bytes
) -> None:
    server.says(body)
    error = await outcome(client, what)
    if error is not None:
        assert error.failure.reason is Reason.NEON_UNREACHABLE
        assert error.failure.done is Done.MAYBE or what == "connection"


@SOME
@given(
    st.binary(max_size=300)
    | st.binary(max_size=200).map(lambda tail: b"HTTP/1.1 302 Found\r\nLocation: " + tail)
)
@example(b"HTTP/1.1 302 Found\r\nLocation: http://[\r\nContent-Length: 0\r\n\r\n")
@example(b"HTTP/1.1 307 x\r\nLocation: \xff\xfe//\x01\r\nContent-Length: 0\r\n\r\n")
@example(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc")
@example(b"HTTP/1.1 200 OK\r\nContent-Encoding: zstd, br, gzip, x\r\nContent-Length: 3\r\n\r\nabc")
@example(b"HTTP/1.1 200 OK\r\nSet-Cookie: \x7f=\xff; expires=never\r\nContent-Length: 2\r\n\r\n{}")
@example(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n")
@example(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
@example(b"HTTP/1.1 999 \r\n\r\n")
@example(b"HTTP/0.9\r\n\r\n")
async def test_any_bytes_in_place_of_an_answer_are_an_error(
    server: Server, client: NeonClient, answer: bytes
) -> None:
    server.answer = answer
    error = await outcome(client, "create_project")
    assert error is not None
    assert (error.failure.reason, error.failure.done) == (Reason.NEON_UNREACHABLE, Done.MAYBE)


# --- refusals --------------------------------------------------------------------------------------------

error_bodies = st.fixed_dictionaries(
    {"code": st.text(max_size=30) | st.just("PROJECTS_LIMIT_EXCEEDED"), "message": st.text(max_size=600)}
) | st.fixed_dictionaries({}, optional={"code": jsons, "message": jsons, "request_id": jsons})


@SOME
@given(
    status=st.integers(300, 599).filter(lambda status: status not in (304, 429)),
    body=error_bodies.map(lambda found: json.dumps(found).encode()) | st.binary(max_size=100),
    retry=st.sampled_from(["", "0", "7", "-1", "9" * 400, "1.5", "Fri, 31 Dec 1999 23:59:59 GMT", "٣"]),
)
async def test_any_refusal_is_one_error_with_one_documented_reason(
    server: Server, client: NeonClient, status: int, body: bytes, retry: str
) -> None:
    headers = [f"Retry-After: {retry}"] if retry.isascii() and retry else []
    server.says(body, f"{status} x", *headers)
    error = await outcome(client, "rename_project")
    assert error is not None
    assert isinstance(error, NotFoundError) <= (status == 404)
    wait = error.failure.retry_after
    assert wait is None or 0 <= wait <= MAX_RETRY_AFTER
    if status >= 500 and status != 503:
        assert error.failure.done is Done.MAYBE


@SOME
@given(
    status=st.integers(100, 999),
    code=st.none() | st.text(max_size=40),
    message=st.text(max_size=2000),
    retry_after=st.none() | st.floats(0, MAX_RETRY_AFTER),
)
def test_an_answer_in_no_form_of_neon_is_never_a_refusal(
    status: int, code: str | None, message: str, retry_after: float | None
) -> None:
    """Only Neon's own form proves that nothing was done (docs/protocol.md, rule 6)."""
    error = refused(Answer(status, code, message, retry_after, None), "create a project")
    if code is None or status == 408 or (status >= 500 and status != 503):
        assert (error.failure.reason, error.failure.done) == (Reason.NEON_UNREACHABLE, Done.MAYBE)
    else:
        assert error.failure.done is Done.NO
    assert error.failure.message.isprintable()
    assert len(error.failure.message) < MAX_TEXT + 200
