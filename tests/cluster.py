"""A cluster as its users see it: objects in, objects out, and waiting for what must come."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Self

import aiohttp
import yaml

from neon_sandbox.controlplane import ControlPlane
from waiting import PATIENCE, until

Object = dict[str, Any]

_PATHS: Final = {
    "TenantDatabase": "/apis/neontenants.io/v1alpha1/namespaces/{namespace}/tenantdatabases",
    "DatabaseTier": "/apis/neontenants.io/v1alpha1/databasetiers",
    "FleetOperation": "/apis/neontenants.io/v1alpha1/fleetoperations",
    "Secret": "/api/v1/namespaces/{namespace}/secrets",
    "Namespace": "/api/v1/namespaces",
    "Pod": "/api/v1/namespaces/{namespace}/pods",
    "Deployment": "/apis/apps/v1/namespaces/{namespace}/deployments",
    "ConfigMap": "/api/v1/namespaces/{namespace}/configmaps",
    "Event": "/apis/events.k8s.io/v1/namespaces/{namespace}/events",
}


_TIMES: Final = aiohttp.ClientTimeout(total=None, sock_connect=20, sock_read=20)
_WATCH_TIMES: Final = aiohttp.ClientTimeout(total=None, sock_connect=20)
_LONGEST_LINE: Final = 2**22
"""Of a watch: an object, which the API server takes up to 1.5 MiB of."""
_AGAIN: Final = 0.25
"""Seconds after which a condition is asked anew although its object did not change."""
_CHANGES: Final = frozenset({"ADDED", "MODIFIED", "DELETED"})


class RefusedError(Exception):
    """The API server refused; the text is what it would tell a user of kubectl."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Cluster:
    """One namespace of a cluster, as somebody with this token sees it."""

    def __init__(self, http: aiohttp.ClientSession, namespace: str, *, may_watch: bool) -> None:
        self._http = http
        self._may_watch = may_watch
        self.namespace = namespace

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, plane: ControlPlane, namespace: str, *, token: str | None = None, user: str | None = None
    ) -> AsyncIterator[Self]:
        """As cluster-admin, as the owner of `token`, or as a user whom cluster-admin impersonates."""
        may_watch = token is None and user is None
        if token is None:
            config = yaml.safe_load(plane.kubeconfig.read_text())
            token = config["users"][0]["user"]["token"]
        headers = {"Authorization": f"Bearer {token}", "User-Agent": "test"}
        if user is not None:
            headers["Impersonate-User"] = user
        async with aiohttp.ClientSession(
            plane.url,
            connector=aiohttp.TCPConnector(ssl=_trust(plane.ca_file, plane.ca_file.stat().st_mtime_ns)),
            headers=headers,
            timeout=_TIMES,
            read_bufsize=_LONGEST_LINE,
        ) as http:
            yield cls(http, namespace, may_watch=may_watch)

    async def request(self, method: str, path: str, **options: Any) -> Any:
        """One request; raises RefusedError with the API server's words.

        It is sent again while the API server asks for that, as client-go does: after a CRD has changed,
        and in the middle of other requests, its storage is begun anew for a moment.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            async with self._http.request(method, path, **options) as answer:
                if answer.status < 400:
                    return await answer.json()
                body = await answer.json(content_type=None)
                again = answer.headers.get("Retry-After") if answer.status == 429 else None
            if again is None or time.monotonic() > deadline:
                raise RefusedError(answer.status, body.get("message", ""))
            await asyncio.sleep(float(again))

    def _path(self, kind: str, name: str | None = None) -> str:
        path = _PATHS[kind].format(namespace=self.namespace)
        return path if name is None else f"{path}/{name}"

    async def create(self, manifest: Object) -> Object:
        """Creates an object."""
        result: Object = await self.request("POST", self._path(manifest["kind"]), json=manifest)
        return result

    async def get(self, kind: str, name: str) -> Object | None:
        """An object; None where there is none."""
        try:
            found: Object = await self.request("GET", self._path(kind, name))
        except RefusedError as error:
            if error.status != 404:
                raise
            return None
        return found

    async def until(self, kind: str, name: str, check: Callable[[Object | None], Any], what: str) -> Any:
        """Waits until the object is as `check` wants it, which gets None where there is none; its answer."""
        if not self._may_watch:

            async def look() -> Any:
                return check(await self.get(kind, name))

            return await until(look, what)
        try:
            async with asyncio.timeout(PATIENCE), aclosing(self._versions(kind, name)) as versions:
                async for found in versions:
                    # What the watch tells may be over, and stands a moment before the audit log tells it.
                    if check(found) and (answer := check(await self.get(kind, name))):
                        return answer
        except TimeoutError:
            raise AssertionError(f"waited in vain until {what}") from None

    async def _versions(self, kind: str, name: str) -> AsyncGenerator[Object | None, None]:
        """The object as it is, and at each change; and as it was, where a while passes without one."""
        selected = {"fieldSelector": f"metadata.name={name}"}
        while True:
            listed = await self.request("GET", self._path(kind), params=selected)
            found: Object | None = next(iter(listed["items"]), None)
            yield found
            following = {**selected, "watch": "1", "resourceVersion": listed["metadata"]["resourceVersion"]}
            async with self._http.get(self._path(kind), params=following, timeout=_WATCH_TIMES) as answer:
                async for line in _lines(answer.content):
                    if line is not None:
                        event = json.loads(line)
                        if event.get("type") not in _CHANGES:
                            break  # an error, or a refusal: it is listed anew, which waits or says why
                        found = None if event["type"] == "DELETED" else event["object"]
                    yield found

    async def list(self, kind: str) -> list[Object]:
        """All objects of a kind."""
        items: list[Object] = (await self.request("GET", self._path(kind)))["items"]
        return items

    async def patch(self, kind: str, name: str, change: Object, *, subresource: str = "") -> Object:
        """A merge patch, as `kubectl patch --type=merge` sends it."""
        path = self._path(kind, name) + subresource
        headers = {"Content-Type": "application/merge-patch+json"}
        patched: Object = await self.request("PATCH", path, json=change, headers=headers)
        return patched

    async def replace(self, manifest: Object) -> Object:
        """Replaces an object, as `kubectl replace` does."""
        path = self._path(manifest["kind"], manifest["metadata"]["name"])
        replaced: Object = await self.request("PUT", path, json=manifest)
        return replaced

    async def delete(self, kind: str, name: str, **options: Any) -> Object:
        """Deletes an object. The answer is the object, where finalizers keep it, else a Status."""
        answer: Object = await self.request("DELETE", self._path(kind, name), **options)
        return answer

    # --- tenants -------------------------------------------------------------------------------

    async def strip_and_delete(self, name: str = "acme") -> None:
        """The TenantDatabase goes, and nobody lets its project go before."""
        await self.patch("TenantDatabase", name, {"metadata": {"finalizers": []}})
        await self.delete("TenantDatabase", name)

    async def tenant(self, name: str = "acme") -> Object:
        """A TenantDatabase that must be there."""
        found = await self.get("TenantDatabase", name)
        assert found is not None, f"no TenantDatabase {name}"
        return found

    async def until_tenant(self, name: str, check: Callable[[Object], Any], what: str) -> Object:
        """Waits until the TenantDatabase is as `check` wants it."""
        last: Object | None = None

        def look(found: Object | None) -> Object | None:
            nonlocal last
            last = found
            return found if found is not None and check(found) else None

        try:
            met: Object = await self.until("TenantDatabase", name, look, what)
        except AssertionError as error:
            seen = last or {}
            seen.get("metadata", {}).pop("managedFields", None)
            raise AssertionError(f"{error}; it is\n{yaml.safe_dump(seen)}") from None
        return met

    async def until_ready(self, name: str = "acme") -> Object:
        """Waits until the spec of this moment is applied."""
        return await self.until_tenant(name, is_ready, f"{name} is Ready")

    async def until_reason(self, reason: str, name: str = "acme") -> Object:
        """Waits until Ready is not True, for this reason."""
        return await self.until_tenant(
            name,
            lambda found: (c := condition(found, "Ready"))["status"] != "True" and c["reason"] == reason,
            f"{name} says {reason}",
        )

    async def until_gone(self, kind: str, name: str) -> None:
        """Waits until there is no such object."""
        await self.until(kind, name, lambda found: found is None, f"{kind} {name} is gone")

    async def until_event(self, reason: str) -> Object:
        """Waits for an event with this reason; a status is written before its event."""

        async def told() -> Object | None:
            return next((e for e in await self.list("Event") if e["reason"] == reason), None)

        return await until(told, f"an event says {reason}")

    async def secret(self, name: str = "acme-database") -> dict[str, str]:
        """The text in a Secret that must be there."""
        found = await self.get("Secret", name)
        assert found is not None, f"no Secret {name}"
        return decoded(found)


async def _lines(content: aiohttp.StreamReader) -> AsyncGenerator[bytes | None, None]:
    """Each line until the end; None where a while passes without one."""
    line = asyncio.ensure_future(content.readline())
    try:
        while True:
            done, _ = await asyncio.wait({line}, timeout=_AGAIN)
            if not done:
                yield None
            elif text := line.result():
                line = asyncio.ensure_future(content.readline())
                yield text
            else:
                return
    finally:
        line.cancel()


@lru_cache(maxsize=4)  # to read what is trusted takes longer than a request
def _trust(ca_file: Path, _written: int) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file)


def decoded(secret: Object) -> dict[str, str]:
    """The text in a Secret."""
    return {key: base64.b64decode(value).decode() for key, value in secret.get("data", {}).items()}


def condition(found: Object, kind: str) -> Object:
    """A condition of a resource; an empty one where there is none."""
    conditions = found.get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == kind), {"status": "", "reason": "", "message": ""})


def is_ready(found: Object) -> bool:
    """As `kubectl wait --for=condition=Ready` sees it."""
    generation = found["metadata"]["generation"]
    ready = condition(found, "Ready")
    seen = (ready.get("observedGeneration"), found["status"].get("observedGeneration"))
    return ready["status"] == "True" and seen == (generation, generation)
