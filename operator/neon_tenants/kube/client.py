"""The Kubernetes client: one request as JSON, sent by aiohttp.

The generated client takes longer to prepare one than aiohttp to send it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote, urlencode

import aiohttp
import orjson
from yarl import URL

from neon_tenants import __version__
from neon_tenants.core.failure import Done
from neon_tenants.kube import access
from neon_tenants.kube.access import Access
from neon_tenants.kube.errors import KubeError, NotFoundError, refused

_JSON_PATCH: Final = "application/json-patch+json"
PAGE: Final = "500"
"""Objects on a page of a list. Half of it made a start slower by a tenth, and saved 5 MB."""
REQUEST_TIMEOUT: Final = 30.0
"""Seconds for one request, all in all. The API server itself gives up after 60."""
CONNECTIONS: Final = 32
"""Each takes the API server a TLS handshake, and is free again after some 5 ms."""
CONNECTIONS_APART: Final = 4
"""For the Leases: where shards are many, a few are renewed at a time."""
DEFAULT_NAMESPACE: Final = "neon-tenant-operator"
"""The one of manifests/."""
_PEM: Final = re.compile("-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)


class KubeClient:
    """JSON requests to one API server. All methods raise KubeError."""

    def __init__(self, reached: Access, session: aiohttp.ClientSession) -> None:
        self.access = reached
        """How the API server is reached; also for others who watch (Kopf)."""
        self._session = session
        # What stands in a kubeconfig beside address and login.
        self._options: dict[str, Any] = {
            "proxy": reached.proxy,
            "proxy_headers": reached.proxy_headers,
            "server_hostname": reached.server_hostname,
        }

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        *,
        kubeconfig: Path | None = None,
        context: str | None = None,
        service_account: Path = access.SERVICE_ACCOUNT,
    ) -> AsyncIterator[Self]:
        """A client for the kubeconfig and its context if given, else for the cluster that this pod runs in,
        whose login stands in the folder `service_account`.

        Raises:
            NoClusterError: there is neither.
        """
        if kubeconfig is None and context is None and access.HOST in os.environ:
            reached = access.of_pod(os.environ, time.monotonic, service_account)
        else:
            reached = await access.of_kubeconfig(kubeconfig, context)
        async with _session(reached, connections=CONNECTIONS) as session:
            yield cls(reached, session)

    @asynccontextmanager
    async def apart(self) -> AsyncIterator[Self]:
        """Another client with the same login, for what must not wait for a connection behind all others."""
        async with _session(self.access, connections=CONNECTIONS_APART) as session:
            yield type(self)(self.access, session)

    def own_namespace(self, given: str | None) -> str:
        """The namespace for our own state: the given one, or this pod's, or the one that we ship."""
        return given or self.access.namespace or DEFAULT_NAMESPACE

    async def authorities(self) -> frozenset[str]:
        """Digests of the certificate authorities named for the API server; empty where none are."""
        path = self.access.ca_path
        if path is None:
            return frozenset()
        text = await asyncio.to_thread(Path(path).read_text)
        return frozenset(
            hashlib.sha256("".join(body.split()).encode()).hexdigest()[:32] for body in _PEM.findall(text)
        )

    async def serves(self, group: str, version: str, resources: frozenset[str]) -> bool:
        """Whether the API server serves all these resources, which is to say: are the CRDs installed?"""
        path = f"/apis/{group}/{version}"
        try:
            answer = await self.request("read the API's resources", "GET", path)
        except NotFoundError:
            return False
        return resources <= {resource["name"] for resource in answer["resources"]}

    async def version(self, path: str) -> int:
        """The version of what is stored now, from the list at this path; 0 if it is no number.

        It is never lower than one that was given before: no cache answers a list that names no version.
        """
        answer = await self.request("read the version of a list", "GET", path, query={"limit": "1"})
        found = str(answer["metadata"]["resourceVersion"])
        return int(found) if found.isdigit() else 0

    async def request(
        self,
        what: str,
        method: str,
        path: str,
        ids: Mapping[str, str] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        timeout: float = REQUEST_TIMEOUT,  # noqa: ASYNC109 - the deadline of the request, not of this call
    ) -> Any:
        """One request; the answer's JSON.

        `what` names it for people, as in "read the Secret"; `{x}` in the path is quoted from `ids`.
        """
        status, data = await self.exchange(
            what, method, path, ids, query=query, body=body, content_type=content_type, timeout=timeout
        )
        return _content(status, data, what)

    async def items(
        self,
        what: str,
        path: str,
        ids: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> AsyncIterator[dict[str, Any]]:
        """All objects of a list, read in pages."""
        async for page, _ in self.pages(what, path, ids, query):
            for item in page:
                yield item

    async def pages(
        self,
        what: str,
        path: str,
        ids: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> AsyncIterator[tuple[list[dict[str, Any]], str]]:
        """The pages of a list, each with the version of the list, which is the same for all of them.

        The next one is on its way while one is looked at: the API server takes as long for it as we do. One
        that was looked at is emptied: whoever loops over them holds it until the next is read.
        """

        def read(**more: str) -> asyncio.Task[Any]:
            asked = {**(query or {}), "limit": PAGE, **more}
            return asyncio.create_task(self.request(what, "GET", path, ids, query=asked))

        reading = read()
        try:
            while True:
                page = await reading
                metadata = page["metadata"]
                cursor = metadata.get("continue") or ""
                if cursor:
                    reading = read(**{"continue": cursor})
                    await asyncio.sleep(0)  # else it leaves only after the look, which waits for nothing
                yield page["items"], metadata["resourceVersion"]
                page["items"].clear()
                if not cursor:
                    return
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def patch(
        self,
        what: str,
        path: str,
        ids: Mapping[str, str],
        operations: list[dict[str, Any]],
        *,
        uid: str,
        version: str | None = None,
    ) -> Any:
        """A JSON patch of the object with this uid, and of no other that has its name; the object after it.

        With a `version` it is a compare-and-swap: ConflictError where somebody wrote since.
        """
        tests = [] if version is None else [_test("/metadata/resourceVersion", version)]
        body = [*tests, _test("/metadata/uid", uid), *operations]
        return await self.request(what, "PATCH", path, ids, body=body, content_type=_JSON_PATCH)

    async def exchange(
        self,
        what: str,
        method: str,
        path: str,
        ids: Mapping[str, str] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        timeout: float = REQUEST_TIMEOUT,  # noqa: ASYNC109 - the deadline of the request, not of this call
    ) -> tuple[int, bytes]:
        """One request; status and body of whatever answered, for who can tell the API server from others."""
        headers = {} if body is None else {"Content-Type": content_type}
        if who := await self.access.authorization():
            headers["Authorization"] = who
        try:
            async with (
                asyncio.timeout(timeout),
                self._session.request(
                    method,
                    URL(self.access.server + _filled(path, ids, query), encoded=True),
                    data=None if body is None else orjson.dumps(body),
                    headers=headers,
                    allow_redirects=False,
                    **self._options,
                ) as response,
            ):
                return response.status, await response.read()
        except aiohttp.ClientConnectorError:
            raise KubeError(f"The API server could not be reached to {what}.", Done.NO) from None
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise KubeError(f"The API server did not answer the request to {what}.", Done.MAYBE) from None


def _session(reached: Access, *, connections: int) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, ssl=reached.tls()),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={
            "Accept": "application/json",
            # Packed, a page of a list takes the API server longer than the network.
            "Accept-Encoding": "identity",
            "User-Agent": f"neon-tenant-operator/{__version__}",
        },
        timeout=aiohttp.ClientTimeout(total=None),
    )


def _filled(path: str, ids: Mapping[str, str] | None, query: Mapping[str, str] | None) -> str:
    """The path with what stands for its names, and the query."""
    for key, value in (ids or {}).items():
        # Quoted below; but what is no name at all would name another resource.
        if not value or value in (".", "..") or "/" in value:
            raise ValueError("not a name that may stand in a path")
        path = path.replace(f"{{{key}}}", quote(value, safe=""))
    return f"{path}?{urlencode(query)}" if query else path


def add(path: str, value: Any) -> dict[str, Any]:
    """An operation of a JSON patch: sets what stands at the path."""
    return {"op": "add", "path": path, "value": value}


def _test(path: str, value: str) -> dict[str, Any]:
    return {"op": "test", "path": path, "value": value}


def _content(status: int, data: bytes, what: str) -> Any:
    try:
        content = orjson.loads(data)
    except orjson.JSONDecodeError:
        content = None
    if 200 <= status < 300 and content is not None:
        return content
    reason = content.get("reason") if isinstance(content, dict) else None
    # Only the one-word reason: the message may quote the object, and so a Secret's data.
    raise refused(status, str(reason or ""), what)
