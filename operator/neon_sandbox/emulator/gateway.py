"""The gate of the API: what every request goes through before and after its route."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from time import perf_counter
from typing import Any
from urllib.parse import parse_qsl

import orjson
from pydantic import ValidationError
from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from neon_sandbox.emulator import effects, errors
from neon_sandbox.emulator.bodies import Body
from neon_sandbox.emulator.httpserver import HttpServer
from neon_sandbox.emulator.journal import DROPPED, Entry
from neon_sandbox.emulator.outage import Kind
from neon_sandbox.emulator.routing import Answer, Call, Route
from neon_sandbox.emulator.scripts import Script
from neon_sandbox.emulator.world import World

MAX_BODY_BYTES = 1 << 20
_HANG_SECONDS = 3_600.0
_CDN_TIMEOUT_PAGE = (
    "<!DOCTYPE html>\n<html><head><title>console.neon.tech | 524: A timeout occurred</title></head>\n"
    "<body><h1>A timeout occurred</h1><p>Error code 524</p></body></html>\n"
)
_NO_SCRIPT = Script()


class _Dropped(Exception):  # noqa: N818  # a way out, not a fault
    """The connection is to be closed without an answer."""


@dataclass(frozen=True, slots=True)
class _Request:
    """What the gate knows of a request."""

    method: str
    template: str
    path: str
    query: str
    headers: Headers
    client: tuple[str, int]
    request_id: str
    parameters: dict[str, str]


class Gateway:
    """Latency, scripted answers, outages, keys, rate limits; then the route; then the journal."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._dice = random.Random(world.knobs.jitter_seed)
        self._dice_seed = world.knobs.jitter_seed
        self._closing = asyncio.Event()
        self.server: HttpServer | None = None
        """Set before the first request; it closes connections that a script drops."""

    def close(self) -> None:
        """Ends every wait: the requests that hang are dropped."""
        self._closing.set()

    async def serve(
        self, scope: Scope, receive: Receive, send: Send, *, template: str, routes: dict[str, Route]
    ) -> None:
        """Answers one request to a path of the API; no routes means that there is no such path."""
        started = perf_counter()
        headers = Headers(scope=scope)
        request = _Request(
            method=scope["method"],
            template=template,
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
            headers=headers,
            client=scope["client"],
            request_id=headers.get("x-request-id") or str(uuid.uuid4()),
            parameters=scope.get("path_params", {}),
        )
        body = await _read(receive)
        try:
            with effects.caused_by(headers.get("user-agent", "")):
                response = await self._respond(request, routes, body)
        except _Dropped:
            self._record(request, DROPPED, started)
            assert self.server is not None
            await self.server.drop(request.client, receive)
            return
        # Recorded before it is sent, so that whoever has the answer finds the request in the journal.
        self._record(request, response.status_code, started)
        await response(scope, receive, send)

    async def _respond(self, request: _Request, routes: dict[str, Route], body: bytes | None) -> Response:
        world = self._world
        script = world.scripts.take(request.method, request.template, request.path) or _NO_SCRIPT
        if script is not _NO_SCRIPT:
            world.effects.tell(
                "answer_scripted", method=request.method, route=request.template, mode=script.mode
            )
        # Counted from here: a clock that is moved once a script has met its request ends the delay.
        due = world.clock.now() + script.delay_before + self._latency(request)
        await self._pause(due)
        response: Response | None = None
        if script.executes:
            outage = world.outage.meet(request.method, request.template)
            if outage is None:
                response = await self._execute(request, routes, body)
            else:
                response = await self._out(outage, request)
        await self._pause(due + script.delay_after)
        if script.drop:
            raise _Dropped
        if script.status is not None or response is None:
            return _scripted(script)
        return response

    async def _execute(self, request: _Request, routes: dict[str, Route], body: bytes | None) -> Response:
        try:
            if not self._world.keys.accepts(request.headers.get("authorization", "")):
                raise errors.unauthorized()
            wait = self._world.limits.take(request.method, request.template)
            if wait > 0:
                raise errors.too_many_requests(wait)
            if not routes:
                raise errors.not_found("route")
            route = routes.get(request.method)
            if route is None:
                raise errors.method_not_allowed()
            call = _parse(self._world, route, request, body)
            return _success(await route.handler(call), request.request_id)
        except errors.ApiError as error:
            return _refusal(error, request.request_id)

    async def _out(self, kind: Kind, request: _Request) -> Response:
        if kind == "hang":
            await self._pause(self._world.clock.now() + _HANG_SECONDS)
            raise _Dropped
        if kind == "524":
            return HTMLResponse(_CDN_TIMEOUT_PAGE, status_code=524)
        return _refusal(errors.unavailable(), request.request_id)

    def _latency(self, request: _Request) -> float:
        knobs = self._world.knobs
        if not knobs.jitter:
            return knobs.latency
        if knobs.jitter_seed != self._dice_seed:
            self._dice_seed = knobs.jitter_seed
            self._dice.seed(knobs.jitter_seed)
        most = knobs.jitter.get(f"{request.method} {request.template}", 0.0)
        return knobs.latency + self._dice.uniform(0, most)

    async def _pause(self, until: float) -> None:
        """Waits; raises _Dropped if the emulator closes meanwhile."""
        if until <= self._world.clock.now():
            return
        sleeping = asyncio.ensure_future(self._world.clock.sleep_until(until))
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            await asyncio.wait({sleeping, closing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            closing.cancel()
        if self._closing.is_set():
            raise _Dropped

    def _record(self, request: _Request, status: int, started: float) -> None:
        self._world.journal.add(
            Entry(
                at=self._world.clock.now(),
                method=request.method,
                route=request.template,
                path=request.path,
                query=request.query,
                status=status,
                seconds=perf_counter() - started,
            )
        )


async def _read(receive: Receive) -> bytes | None:
    """The body; None if it is too large."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b""
        part = message.get("body", b"")
        size += len(part)
        if size <= MAX_BODY_BYTES:
            parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts) if size <= MAX_BODY_BYTES else None


def _parse(world: World, route: Route, request: _Request, body: bytes | None) -> Call:
    """Raises ApiError 400 if the query or the body is not what the route takes."""
    try:
        query = route.query.read(parse_qsl(request.query, keep_blank_values=True))
        parsed: Body | None = None
        if route.body is not None:
            if body is None:
                raise errors.invalid("request body is too large")
            parsed = route.body.model_validate_json(body or (b"" if route.body_required else b"{}"))
    except ValidationError as error:
        raise errors.invalid(_describe(error)) from error
    return Call(world, request.parameters, query, parsed)


def _describe(error: ValidationError) -> str:
    """What is wrong, by field. Without the values: a body can hold a secret."""
    problems: Iterable[Any] = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or 'request'}: {problem['msg']}" for problem in problems
    )


def _success(answer: Answer, request_id: str) -> Response:
    if answer.body is None:
        return Response(status_code=answer.status, headers={"x-request-id": request_id})
    return _json(answer.status, answer.body, {"x-request-id": request_id})


def _refusal(error: errors.ApiError, request_id: str) -> Response:
    headers = {"x-request-id": request_id}
    if error.retry_after is not None:
        headers["retry-after"] = str(error.retry_after)
    body = {"request_id": request_id, "code": error.code, "message": error.message}
    return _json(error.status, body, headers)


def _scripted(script: Script) -> Response:
    status = script.status or 200
    if isinstance(script.body, str):
        return HTMLResponse(script.body, status_code=status, headers=script.headers)
    if script.body is None:
        return Response(status_code=status, headers=script.headers)
    return _json(status, script.body, script.headers)


def _json(status: int, body: Any, headers: dict[str, str]) -> Response:
    return Response(orjson.dumps(body), status_code=status, headers=headers, media_type="application/json")
