"""HTTP to Neon, with aiohttp: one request, one whole answer, or one of two failures.

    NotSentError       no connection was made, so nothing was sent
    LostError          it was sent, or a part of it may have been; no whole answer came

Nothing is repeated here, no redirect is followed, no cookie kept, no proxy of the environment asked.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlencode

import aiohttp
import certifi
from yarl import URL

MAX_BODY: Final = 16 * 1024 * 1024
"""Bytes. A full list page of 400 projects is under 1 MB."""
KEEP_ALIVE: Final = 5.0
"""Seconds for which an idle connection is used again. On one that Neon has closed a request gets lost."""


class NotSentError(Exception):
    """The request was certainly not sent."""


class LostError(Exception):
    """The request may have been carried out."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    """By their names in any case."""
    body: bytes


class Transport:
    """Requests to one address. Deadlines are the caller's, but for that of a connect."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url.rstrip("/")

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str, *, connect_timeout: float, headers: Mapping[str, str], ca_file: str | None = None
    ) -> AsyncIterator[Self]:
        """Requests to what stands below `url`, each with these headers.

        The certificate authorities are those of `ca_file`, or else the public ones that certifi ships:
        what the machine trusts besides is nobody who may read the key.
        """
        # Loading two hundred certificates takes 20 ms, and only https asks for them.
        secure = url.startswith("https:")
        context = ssl.create_default_context(cafile=ca_file or certifi.where()) if secure else True
        async with aiohttp.ClientSession(
            # Workers bound how many there are at a time; one that waited here could not be told from one
            # that waits for an answer.
            connector=aiohttp.TCPConnector(limit=0, ssl=context, keepalive_timeout=KEEP_ALIVE),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
            middlewares=(_once,),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout),
            trust_env=False,
        ) as session:
            yield cls(session, url)

    async def exchange(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Reply:
        """One request and its answer.

        Raises:
            NotSentError: it was not sent.
            LostError: no whole answer came, or one that is too large.
        """
        query = f"?{urlencode(params)}" if params else ""
        try:
            async with self._session.request(
                method,
                URL(f"{self._url}{path}{query}", encoded=True),
                data=body,
                headers=headers,
                allow_redirects=False,
            ) as response:
                return Reply(response.status, response.headers, await _read(response))
        # A bad answer is a ValueError now and then, such as a Content-Length that is no number.
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise LostError(type(error).__name__) from None


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
