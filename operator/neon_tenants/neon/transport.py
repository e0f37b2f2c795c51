"""aiohttp at httpx's seam: one request, one whole answer, or one of two failures.

    NotSentError       no connection was made, so nothing was sent
    LostError          it was sent, or a part of it may have been; no whole answer came

Nothing is repeated here, no redirect is followed, no cookie kept, no proxy of the environment asked.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Self

import aiohttp
import certifi
import httpx
from yarl import URL

MAX_BODY: Final = 16 * 1024 * 1024
"""Bytes. A full list page of 400 projects is under 1 MB."""
KEEP_ALIVE: Final = 5.0
"""Seconds for which an idle connection is used again. On one that Neon has closed a request gets lost."""
_DROPPED: Final = frozenset({b"content-encoding", b"content-length", b"transfer-encoding", b"set-cookie"})
"""Headers of an answer: what does not hold any more for a body that was read and unpacked; and cookies, of
which one with a letter that is not ASCII would break every request after it."""


class NotSentError(httpx.ConnectError):
    """The request was certainly not sent."""


class LostError(httpx.ReadError):
    """The request may have been carried out."""


class Transport(httpx.AsyncBaseTransport):
    """Requests as httpx makes them, sent by aiohttp.

    Deadlines are the caller's, but for that of a connect.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    @classmethod
    @asynccontextmanager
    async def open(
        cls, *, secure: bool, connect_timeout: float, ca_file: str | None = None
    ) -> AsyncIterator[Self]:
        """A transport for https (`secure`), or for http.

        The certificate authorities are those of `ca_file`, or else the public ones that certifi ships:
        what the machine trusts besides is nobody who may read the key.
        """
        # Loading two hundred certificates takes 20 ms, and only https asks for them.
        context = ssl.create_default_context(cafile=ca_file or certifi.where()) if secure else True
        async with aiohttp.ClientSession(
            # Workers bound how many there are at a time; one that waited here could not be told from one
            # that waits for an answer.
            connector=aiohttp.TCPConnector(limit=0, ssl=context, keepalive_timeout=KEEP_ALIVE),
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(_once,),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout),
            trust_env=False,
        ) as session:
            yield cls(session)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One request and its answer.

        Raises:
            NotSentError: it was not sent.
            LostError: no whole answer came, or one that is too large.
        """
        try:
            async with self._session.request(
                request.method,
                URL(str(request.url), encoded=True),
                data=await request.aread() or None,
                headers=[(name.decode(), value.decode()) for name, value in request.headers.raw],
                allow_redirects=False,
            ) as response:
                body = await _read(response)
        # A bad answer is a ValueError now and then, such as a Content-Length that is no number.
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise LostError(type(error).__name__) from None
        headers = [(name, value) for name, value in response.raw_headers if name.lower() not in _DROPPED]
        return httpx.Response(response.status, headers=headers, content=body)


async def _once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Says whether a request was sent, before aiohttp sends one again that it holds for idempotent.

    It repeats after errors of its own classes only. A connect that failed sent nothing, be it for the
    address, the time or the certificate; any other failure comes when the first byte may have left.
    """
    try:
        return await send(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise NotSentError(type(error).__name__) from None
    except (aiohttp.ClientError, OSError) as error:
        raise LostError(type(error).__name__) from None


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_BODY:
            raise LostError("the answer is too large")
    return bytes(body)
