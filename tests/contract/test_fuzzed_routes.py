"""Requests that schemathesis makes from Neon's published document, right and wrong, to the emulator's routes.

No answer is a fault of the emulator (5xx), each has a status and a body that the document knows, and what the
document forbids never succeeds.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode

from contract import document
from contract.examples import NEW_PROJECT
from contract.referee import Referee
from neon_sandbox.emulator import Emulator
from neon_sandbox.emulator.routes import ROUTES
from neon_sandbox.emulator.routing import Route

AnyCase = Case[Any]
Operations = dict[tuple[str, str], Any]
STANDING, FITTING, DELETED, DICE = "standing", "fitting", "deleted", "dice"
METRICS: Final = {
    "/consumption_history/projects": "active_time_seconds",
    "/consumption_history/v2/projects": "compute_unit_seconds",
}
"""One that each has: the document names them in prose alone."""
FEW: Final = 6
MANY: Final = 200
START: Final = 10.0
"""Seconds within which an emulator starts or ends."""


def named(route: Route) -> str:
    return f"{route.method} {route.path}"


@pytest.fixture(scope="module")
def operations() -> Operations:
    """What the document says of each route of the emulator, for schemathesis."""
    specification = document.load()
    paths: dict[str, Any] = {}
    for route in ROUTES:
        item = specification["paths"][route.path]
        shared = {"parameters": item.get("parameters", [])}
        paths.setdefault(route.path, shared)[route.method.lower()] = item[route.method.lower()]
    schema = schemathesis.openapi.from_dict({**specification, "paths": paths})
    return {(route.method, route.path): schema[route.path][route.method] for route in ROUTES}


@contextmanager
def serving() -> Iterator[Emulator]:
    """An emulator in a thread of its own, since schemathesis sends and waits in this one."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    ended = threading.Event()
    started: Future[Emulator] = Future()

    async def serve() -> None:
        async with Emulator.start(seed=1) as emulator:
            started.set_result(emulator)
            await asyncio.to_thread(ended.wait)

    running = asyncio.run_coroutine_threadsafe(serve(), loop)
    try:
        emulator = started.result(START)
        knobs = emulator.knobs
        knobs.operation_seconds = 0
        knobs.requests_per_minute = knobs.requests_per_second_per_route = 0
        knobs.consumption_requests_per_minute = 0
        knobs.projects_limit = 1_000_000
        yield emulator
    finally:
        ended.set()
        running.result(START)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class Player:
    """Sends the cases of one route and judges the answers."""

    def __init__(self, emulator: Emulator, route: Route, referee: Referee, session: requests.Session) -> None:
        self.emulator = emulator
        self.route = route
        self.referee = referee
        self.session = session
        self.seen: Counter[int] = Counter()
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {emulator.api_key}"

    def ids(self) -> dict[str, str]:
        """Of a new project, and of what is in it."""
        made = self.session.post(f"{self.emulator.url}/projects", json=NEW_PROJECT)
        assert made.status_code == 201, made.text
        body = made.json()
        return {
            "project_id": body["project"]["id"],
            "branch_id": body["branch"]["id"],
            "endpoint_id": body["endpoints"][0]["id"],
            "role_name": body["roles"][0]["name"],
            "database_name": body["databases"][0]["name"],
            "operation_id": body["operations"][0]["id"],
            "org_id": self.emulator.organization_id,
        }

    def fitting(self, ids: dict[str, str]) -> dict[str, str]:
        """Ids with which those requests can succeed, too, for which it is not enough that a thing is there.

        They need a branch that may go, a role of that branch, or a time and a metric that Neon has.
        """
        path = f"{self.emulator.url}/projects/{ids['project_id']}/branches"
        made = self.session.post(path, json={"endpoints": [{"type": "read_write"}]})
        assert made.status_code == 201, made.text
        body, now = made.json(), datetime.now(UTC).replace(microsecond=0)
        return {
            **ids,
            "branch_id": body["branch"]["id"],
            "endpoint_id": body["endpoints"][0]["id"],
            "operation_id": body["operations"][0]["id"],
            "owner_name": ids["role_name"],
            "project_ids": ids["project_id"],
            "metrics": METRICS.get(self.route.path, ""),
            "from": (now - timedelta(hours=3)).isoformat(),
            "to": now.isoformat(),
        }

    def send(self, case: AnyCase, *, to: str) -> None:
        """Sends it to what is there, to what fits, to what was deleted, or to ids that dice made."""
        ids = self.ids() if to != DICE else {}
        if to == FITTING:
            ids = self.fitting(ids)
        if to == DELETED:
            self.session.delete(f"{self.emulator.url}/projects/{ids['project_id']}")
        for name in case.path_parameters:
            case.path_parameters[name] = ids.get(name, case.path_parameters[name])
        for name in ids.keys() & case.query.keys():
            case.query[name] = ids[name]
        if isinstance(case.body, dict):
            case.body = filled(case.body, {**ids, "parent_id": ids["branch_id"]}) if ids else case.body
        headers = {"Authorization": f"Bearer {self.emulator.api_key}"}
        answer = case.call(base_url=self.emulator.url, session=self.session, headers=headers)
        self.seen[answer.status_code] += 1
        try:
            self._judge(answer)
        except AssertionError as error:
            command = case.as_curl_command().replace(self.emulator.api_key, "KEY")
            raise AssertionError(f"{command}\n{error}\n{answer.text}") from None

    def _judge(self, answer: Any) -> None:
        status = answer.status_code
        assert status < 500
        body = json.loads(answer.content) if answer.content else None
        self.referee.check_response(self.route.method, self.route.path, status, body)
        if status >= 400:
            assert status in self.route.refuses | {400, 401, 404, 405}
            return
        assert status in self.route.success
        sent = answer.request
        url = urlsplit(sent.url)
        path = url.path.removeprefix(urlsplit(self.emulator.url).path)
        query = parse_qsl(url.query, keep_blank_values=True)
        self.referee.check_request(sent.method, path, query, json.loads(sent.body) if sent.body else None)


def filled(body: dict[str, Any], ids: dict[str, str]) -> dict[str, Any]:
    """The body with ids of things that are there, where it has others."""
    return {
        key: filled(value, ids) if isinstance(value, dict) else ids.get(key, value)
        for key, value in body.items()
    }


def play(route: Route, operations: Operations, referee: Referee, *, examples: int, fixed: bool) -> Player:
    """So many cases to one route, right and wrong."""
    operation = operations[route.method, route.path]
    with serving() as emulator, requests.Session() as session:
        player = Player(emulator, route, referee, session)
        cases = st.one_of([operation.as_strategy(generation_mode=mode) for mode in GenerationMode])

        @settings(
            max_examples=examples,
            derandomize=fixed,
            deadline=None,
            database=None,
            print_blob=True,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=cases, to=st.sampled_from([STANDING, FITTING, DELETED, DICE]))
        def sent(case: AnyCase, to: str) -> None:
            player.send(case, to=to)

        sent()
    return player


@pytest.mark.parametrize("route", ROUTES, ids=named)
def test_no_request_makes_a_route_fail_or_answer_what_the_document_does_not_know(
    route: Route, operations: Operations, referee: Referee
) -> None:
    player = play(route, operations, referee, examples=FEW, fixed=True)
    assert player.seen


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("route", ROUTES, ids=named)
def test_no_request_of_hundreds_makes_a_route_fail(
    route: Route, operations: Operations, referee: Referee
) -> None:
    player = play(route, operations, referee, examples=MANY, fixed=False)
    assert player.seen.keys() & route.success
