"""Tenants by the ten thousand, stored as the operator leaves a settled one: copies of it, put into etcd.

A create each through the API server and Neon would take longer than what is measured afterwards.
"""

from __future__ import annotations

import asyncio
import base64
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Self

import aiohttp
import orjson

from neon_sandbox.bench.ground import Ground
from neon_sandbox.emulator.copying import Copy
from neon_tenants.core.marker import Certificate, Marker
from neon_tenants.core.secret import digest

NAMESPACE: Final = "fleet"
CLUSTER: Final = "bench"
_TEMPLATE: Final = "t0000000"
_KEYS: Final = (
    f"/registry/neontenants.io/tenantdatabases/{NAMESPACE}/{_TEMPLATE}",
    f"/registry/secrets/{NAMESPACE}/{_TEMPLATE}-database",
)
_AT_ONCE: Final = 32


@dataclass(frozen=True, slots=True)
class _Ids:
    """What tells one tenant from another. All of a kind have one length, since Secrets are protobuf."""

    name: str
    uid: str
    project: str
    branch: str
    endpoint: str

    @classmethod
    def of(cls, number: int, template: _Ids) -> _Ids:
        """Those of a copy."""
        return cls(
            f"t{number:07}",
            str(uuid.UUID(int=number, version=4)),
            *(_numbered(text, number) for text in (template.project, template.branch, template.endpoint)),
        )

    def instead(self, template: _Ids) -> Callable[[bytes], bytes]:
        """Puts them where the template's stand."""
        pairs = [
            (getattr(template, part).encode(), getattr(self, part).encode())
            for part in ("name", "uid", "project", "branch", "endpoint")
        ]

        def replace(text: bytes) -> bytes:
            for before, after in pairs:
                text = text.replace(before, after)
            return text

        return replace


def _numbered(text: str, number: int) -> str:
    return f"{text[:-7]}{number:07}"


async def seed(ground: Ground, tenants: int) -> None:
    """Makes so many settled tenants, each with its Secret and its project. No operator may run meanwhile."""
    async with ground.unlimited("seed"):
        await ground.create(NAMESPACE, _TEMPLATE)
        await ground.until(lambda: (NAMESPACE, _TEMPLATE) in ground.ready)
    path = f"/apis/neontenants.io/v1alpha1/namespaces/{NAMESPACE}/tenantdatabases/{_TEMPLATE}"
    found = await ground.request("GET", path)
    status = found["status"]
    template = _Ids(
        _TEMPLATE, found["metadata"]["uid"], status["projectId"], status["branchId"], status["endpointId"]
    )
    secret = await ground.request("GET", f"/api/v1/namespaces/{NAMESPACE}/secrets/{_TEMPLATE}-database")
    data = {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
    copies = [_Ids.of(number, template) for number in range(1, tenants)]
    ground.neon.copy_project(template.project, map(_project, copies))
    async with _Etcd(ground) as etcd:
        values = [await etcd.get(key) for key in _KEYS]
        await etcd.put_all(_copied(copies, template, values, data))
    ground.stored = tuple(len(value) for value in values)
    await ground.until(lambda: ground.readied[NAMESPACE] >= tenants)


def _copied(
    copies: list[_Ids], template: _Ids, values: list[bytes], data: dict[str, str]
) -> Iterator[tuple[str, bytes]]:
    """Keys and values in etcd. A Secret's digest is that of its own data, or each would be put right."""
    before = digest(data).encode()
    for ids in copies:
        replace = ids.instead(template)
        after = digest({key: replace(text.encode()).decode() for key, text in data.items()}).encode()
        for key, value in zip(_KEYS, values, strict=True):
            yield key.replace(_TEMPLATE, ids.name), replace(value).replace(before, after)


def _project(ids: _Ids) -> Copy:
    marker = Marker(CLUSTER, NAMESPACE, ids.name, ids.uid)
    return Copy(
        project_id=ids.project,
        branch_id=ids.branch,
        endpoint_id=ids.endpoint,
        name=marker.project_name,
        annotations=Certificate.of(marker).annotations(),
    )


class _Etcd:
    """etcd's own HTTP gateway."""

    def __init__(self, ground: Ground) -> None:
        self._http = aiohttp.ClientSession(
            base_url="http://etcd",
            connector=aiohttp.UnixConnector(str(ground.plane.etcd_socket), limit=_AT_ONCE),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def get(self, key: str) -> bytes:
        """The value of a key that is there."""
        answer = await self._ask("/v3/kv/range", {"key": _text(key.encode())})
        return base64.b64decode(answer["kvs"][0]["value"])

    async def put_all(self, pairs: Iterator[tuple[str, bytes]]) -> None:
        """One write each, as the API server makes them: all of one transaction would be of one version."""

        async def work() -> None:
            for key, value in pairs:
                await self._ask("/v3/kv/put", {"key": _text(key.encode()), "value": _text(value)})

        async with asyncio.TaskGroup() as tasks:
            for _ in range(_AT_ONCE):
                tasks.create_task(work())

    async def _ask(self, path: str, body: dict[str, str]) -> Any:
        async with self._http.post(path, data=orjson.dumps(body)) as answer:
            answer.raise_for_status()
            return orjson.loads(await answer.read())


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
