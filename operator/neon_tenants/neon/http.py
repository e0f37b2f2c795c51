"""One request to Neon, one classified outcome.

Every request passes the budget, carries the key of this moment, has a total deadline, follows no
redirect, and reads no more than `MAX_BODY` bytes. Only one that Neon refused with 429 is repeated here.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, Self, TypeVar
from urllib.parse import urlencode

import httpx
import orjson
from pydantic import SecretStr, ValidationError

from neon_tenants import __version__
from neon_tenants.core.failure import Done
from neon_tenants.core.lane import Lane
from neon_tenants.neon import models
from neon_tenants.neon.budget import Budget
from neon_tenants.neon.errors import Answer, refused, unreachable
from neon_tenants.neon.introduction import Introduction
from neon_tenants.neon.key import ApiKey
from neon_tenants.neon.transport import NotSentError, Transport
from neon_tenants.neon.turn import current_turn

CONNECT_TIMEOUT: Final = 5.0
"""Seconds to a connection, TLS included."""
MAX_RETRY_AFTER: Final = 300.0
"""Seconds. A longer Retry-After, or one as a date, is taken for this."""
UNSAID_RETRY_AFTER: Final = 1.0
"""Seconds that a route waits after a 429 that does not say how long."""
THROTTLED_ATTEMPTS: Final = 4
"""How often a request is sent to a Neon that says 429 with Retry-After, each time through the budget."""
TURN_HOLDS: Final = 0.25
"""Seconds between a turn that is taken beforehand and its request. What leaves later comes closer to what
follows: at our share of Neon's limit these are two requests a minute, of the six that `limits` leaves."""

_SEGMENT: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")

Observe = Callable[[str, str, int | None, Lane], None]
"""Told of each request that was sent: its route, method, status (None: no answer came) and lane."""

ModelT = TypeVar("ModelT", bound=models.Wire)
T = TypeVar("T")

_HEADERS: Final = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
    "User-Agent": f"neon-tenant-operator/{__version__}",
}


@dataclass(frozen=True, slots=True)
class Request:
    """A request. `what` names it for people, as in "create a project"; `{}` in the route takes the ids."""

    what: str
    method: str
    route: str
    ids: tuple[str, ...] = ()
    params: Mapping[str, str] | None = None
    json: Any = None
    send_before: float | None = None
    """On the clock: it leaves before, or never."""
    introduces: bool = False
    """Whether it asks whose the API key is: it needs no key that is known."""
    turn: float | None = None
    """On the clock: when its turn came, where that was waited for before (`Http.turn_of`)."""
    leaving: Callable[[], Mapping[str, str]] | None = None
    """Gives more `params` when its waits are over, right before it leaves; again where it is repeated."""

    @property
    def path(self) -> str:
        """The route with its ids.

        Raises:
            ValueError: an id is empty or would name another resource.
        """
        if not all(map(_SEGMENT.fullmatch, self.ids)):
            raise ValueError("not an id or name that may stand in a path")
        return self.route.format(*self.ids)

    @property
    def budgeted_as(self) -> str:
        """What Neon's limit of a route counts: the method and the template."""
        return f"{self.method} {self.route}"


_WHO: Final = Request("ask whose the API key is", "GET", "/auth", introduces=True)


class Http:
    """Requests to one Neon API. `call` raises NeonError."""

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        url: str,
        *,
        key: ApiKey,
        budget: Budget,
        clock: Callable[[], float],
        timeout: float,
        observe: Observe = lambda _route, _method, _status, _lane: None,
    ) -> None:
        # httpx's client would add what we do without: redirects, cookies, logins, and twice the time.
        self._transport = transport
        self._url = url.rstrip("/")
        self._key = key
        self._budget = budget
        self._clock = clock
        self._timeout = timeout
        self._observe = observe
        self._introduction = Introduction(key, lambda: self.call(_WHO, models.Auth))

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        url: str,
        *,
        key: ApiKey,
        budget: Budget,
        clock: Callable[[], float],
        timeout: float,  # noqa: ASYNC109 - the deadline of each request, not of this one
        observe: Observe = lambda _route, _method, _status, _lane: None,
    ) -> AsyncIterator[Self]:
        """Requests to the API at `url`, each within `timeout` seconds."""
        connect_timeout = min(timeout, CONNECT_TIMEOUT)
        async with Transport.open(
            secure=url.startswith("https:"), connect_timeout=connect_timeout
        ) as transport:
            connected = cls(
                transport, url, key=key, budget=budget, clock=clock, timeout=timeout, observe=observe
            )
            try:
                yield connected
            finally:
                connected._introduction.end()

    async def call(self, request: Request, model: type[ModelT]) -> ModelT:
        """Sends the request and reads its answer."""
        return await self.read(request, model.model_validate_json)

    async def read(self, request: Request, parse: Callable[[bytes], T]) -> T:
        """Sends the request; what `parse` makes of the answer, which raises ValueError if it cannot."""
        for attempt in range(1, THROTTLED_ATTEMPTS + 1):
            answer = await self._send(request)
            if isinstance(answer, bytes):
                return _parsed(answer, parse, request.what)
            wait = answer.retry_after
            if answer.status == 429:
                self._budget.pause(request.budgeted_as, UNSAID_RETRY_AFTER if wait is None else wait)
            # Refused before it was carried out: to wait here keeps what the pass has read so far. A pass
            # that needs two requests where only one is allowed at a time would else begin anew for ever.
            if answer.status != 429 or answer.code is None or wait is None or attempt == THROTTLED_ATTEMPTS:
                raise refused(answer, request.what)
            request = replace(request, turn=None)
        raise AssertionError("the last attempt returns or raises")

    @asynccontextmanager
    async def turn_of(self, request: Request) -> AsyncIterator[float]:
        """Waits for the turn of a request that is to be made right after the block, unless that fails.

        Gives when it came; it holds for `TURN_HOLDS` seconds.
        """
        await self._budget.acquire(request.budgeted_as)
        with ExitStack() as unused:
            unused.callback(self._budget.give_back, request.budgeted_as)
            yield self._clock()
            unused.pop_all()

    async def _send(self, request: Request) -> bytes | Answer:
        """The body of a success, or the answer that is none."""
        path, what = request.path, request.what
        key = await self._turn(request)
        # Checked after the waits for the budget, right before sending (protocol, rule 4).
        if request.send_before is not None and self._clock() >= request.send_before:
            raise unreachable(
                f"The request to {what} waited too long for its turn and was not sent.", Done.NO
            )
        if request.leaving is not None:
            request = replace(request, params={**(request.params or {}), **request.leaving()})
        status: int | None = None
        try:
            async with asyncio.timeout(self._timeout):
                status, headers, body = await self._exchange(request, path, key.get_secret_value())
        except NotSentError:
            raise unreachable(f"Neon could not be reached to {what}. It is tried again.", Done.NO) from None
        except (httpx.HTTPError, TimeoutError):
            raise unreachable(f"Neon did not answer the request to {what}.", Done.MAYBE) from None
        finally:
            self._observe(request.route, request.method, status, current_turn().lane)
        if 200 <= status < 300:
            self._key.accept()
            return body
        answer = _answer(status, headers, body)
        if status == 401 and answer.code is not None:
            self._key.reject(key)
        return answer

    async def _turn(self, request: Request) -> SecretStr:
        """Waits for the request's turn; the key with which it may leave."""
        if not request.introduces and self._key.is_new:
            await self._introduction.make()
        if request.turn is None:
            await self._budget.acquire(request.budgeted_as)
        elif self._clock() - request.turn > TURN_HOLDS:
            self._budget.give_back(request.budgeted_as)
            await self._budget.acquire(request.budgeted_as)
        while True:
            key = self._key.current()
            if request.introduces or self._key.may_use(key):
                return key
            # It was changed while this waited. All whose turn comes meanwhile wait for the answer, and must
            # not leave in one moment then.
            await self._introduction.make()
            await self._budget.acquire(request.budgeted_as)

    async def _exchange(self, request: Request, path: str, key: str) -> tuple[int, httpx.Headers, bytes]:
        query = f"?{urlencode(request.params)}" if request.params else ""
        headers = {**_HEADERS, "Authorization": f"Bearer {key}"}
        body = None
        if request.json is not None:
            headers["Content-Type"] = "application/json"
            body = orjson.dumps(request.json)
        sent = httpx.Request(request.method, _url(f"{self._url}{path}{query}"), headers=headers, content=body)
        response = await self._transport.handle_async_request(sent)
        return response.status_code, response.headers, await response.aread()


@lru_cache(maxsize=64)  # a create and a list always ask at the same address
def _url(text: str) -> httpx.URL:
    return httpx.URL(text)


def _parsed(body: bytes, parse: Callable[[bytes], T], what: str) -> T:
    try:
        return parse(body)
    except ValueError:
        # The error's text quotes the body, and so a password: it must not be chained.
        raise unreachable(f"Neon's answer to the request to {what} was not understood.", Done.MAYBE) from None


def _answer(status: int, headers: httpx.Headers, body: bytes) -> Answer:
    try:
        error = models.ErrorAnswer.model_validate_json(body)
    except ValidationError:
        return Answer(status, None, "", _retry_after(headers), None)
    return Answer(status, error.code, error.message, _retry_after(headers), error.request_id)


def _retry_after(headers: httpx.Headers) -> float | None:
    value = headers.get("retry-after")
    if value is None:
        return None
    seconds = float(value) if value.isascii() and value.isdigit() else MAX_RETRY_AFTER
    return min(seconds, MAX_RETRY_AFTER)
