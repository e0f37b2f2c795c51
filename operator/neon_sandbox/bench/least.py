"""The least that Python takes for a create: what the operator takes beyond it is the price of its promises.

It makes the operator's requests for a create, as raw as aiohttp allows: the Secret read, finalizer and
intent, the POST, the Secret, the status. Besides, it watches.

NEVER USE IT FOR ANYTHING BUT A MEASUREMENT. It recovers from nothing, asks for no list, has no budget,
follows no change, and deletes nothing.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import os
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson
import uvloop

from neon_tenants.api import names
from neon_tenants.core.marker import MAX_PROJECT_NAME
from neon_tenants.kube import access
from neon_tenants.kube.client import add

WORKERS: Final = 64
"""Creates at a time. More make no more a second."""
_YOUNG: Final = 10_000
"""Objects between two looks for cycles of garbage, as in the operator."""
_TENANTS: Final = f"/apis/{names.API_VERSION}/{names.TENANT_DATABASES}"
_JSON_PATCH: Final = "application/json-patch+json"

Body = dict[str, Any]


class RefusedError(Exception):
    """Somebody did not do what was asked; the process ends with it."""


@dataclass(frozen=True, slots=True)
class Login:
    """Where both servers are, and who we are there."""

    kubernetes: str
    tls: ssl.SSLContext
    token: str
    neon: str
    key: str

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> Login:
        """From the operator's own variables, as in a pod."""
        folder = Path(variables["NEON_TENANTS_SERVICE_ACCOUNT_PATH"])
        return cls(
            kubernetes=f"https://{variables[access.HOST]}:{variables[access.PORT]}",
            tls=ssl.create_default_context(cafile=str(folder / "ca.crt")),
            token=(folder / "token").read_text().strip(),
            neon=variables["NEON_TENANTS_API_URL"].rstrip("/"),
            key=Path(variables["NEON_TENANTS_API_KEY_FILE"]).read_text().strip(),
        )


@dataclass(slots=True)
class Least:
    """Creates, and nothing else."""

    login: Login
    kubernetes: aiohttp.ClientSession
    neon: aiohttp.ClientSession
    known: set[str] = field(default_factory=set)
    """The uids that were seen."""
    tiers: dict[str, int] = field(default_factory=dict)
    """Generations by name, read once."""
    new: asyncio.Queue[Body] = field(default_factory=lambda: asyncio.Queue(maxsize=1000))

    async def run(self) -> None:
        """Creates what is new, until an error."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(WORKERS):
                tasks.create_task(self._work())
            while True:  # the API server ends each watch after a while
                listed = await self._ask("GET", _TENANTS)
                for tenant in listed["items"]:
                    await self._meet(tenant)
                async for event in self._events(listed["metadata"]["resourceVersion"]):
                    await self._meet(event["object"])

    async def _meet(self, tenant: Body) -> None:
        metadata = tenant["metadata"]
        if metadata["uid"] in self.known:
            return  # our own writes come back, too
        self.known.add(metadata["uid"])
        if "deletionTimestamp" not in metadata and "projectId" not in tenant.get("status", {}):
            await self.new.put(tenant)

    async def _events(self, version: str) -> AsyncIterator[Body]:
        address = f"{self.login.kubernetes}{_TENANTS}?watch=1&resourceVersion={version}"
        unfinished = b""
        async with self.kubernetes.get(address) as answer:
            async for piece in answer.content.iter_any():
                *lines, unfinished = (unfinished + piece).split(b"\n")
                for line in lines:
                    yield orjson.loads(line)

    async def _work(self) -> None:
        while True:
            await self._create(await self.new.get())

    async def _create(self, tenant: Body) -> None:
        metadata, tier = tenant["metadata"], tenant["spec"]["tier"]
        secrets = f"/api/v1/namespaces/{metadata['namespace']}/secrets"
        tenants = f"/apis/{names.API_VERSION}/namespaces/{metadata['namespace']}/{names.TENANT_DATABASES}"
        path = f"{tenants}/{metadata['name']}"
        await self._ask("GET", f"{secrets}/{metadata['name']}-database", absent=True)
        if tier not in self.tiers:
            found = await self._ask("GET", f"/apis/{names.API_VERSION}/{names.DATABASE_TIERS}/{tier}")
            self.tiers[tier] = found["metadata"]["generation"]
        declared = await self._patch(path, metadata, _declaration(metadata["uid"]))
        made = await self._make(f"{metadata['namespace']}-{metadata['uid']}")
        await self._ask("POST", secrets, _secret(metadata, made))
        status = _status(declared["metadata"], made, {"name": tier, "generation": self.tiers[tier]})
        await self._patch(f"{path}/status", declared["metadata"], [add("/status", status)])

    async def _make(self, name: str) -> Body:
        """A project with limits of Neon's own: what limits it has, costs nothing here."""
        wanted = {
            "name": name[:MAX_PROJECT_NAME],
            "branch": {"database_name": "app", "role_name": "app_owner"},
        }
        body, kind = orjson.dumps({"project": wanted}), {"Content-Type": "application/json"}
        async with self.neon.post(f"{self.login.neon}/projects", data=body, headers=kind) as answer:
            if answer.status != 201:
                raise RefusedError(f"Neon answered {answer.status} to POST /projects")
            made: Body = orjson.loads(await answer.read())
            return made

    async def _patch(self, path: str, metadata: Body, operations: list[Body]) -> Body:
        tests = [
            {"op": "test", "path": f"/metadata/{name}", "value": metadata[name]}
            for name in ("resourceVersion", "uid")
        ]
        return await self._ask("PATCH", path, [*tests, *operations], _JSON_PATCH)

    async def _ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        kind: str = "application/json",
        *,
        absent: bool = False,
    ) -> Body:
        async with self.kubernetes.request(
            method,
            f"{self.login.kubernetes}{path}",
            data=None if body is None else orjson.dumps(body),
            headers=None if body is None else {"Content-Type": kind},
        ) as answer:
            data = await answer.read()
            if answer.status >= 300 and not (absent and answer.status == 404):
                raise RefusedError(f"the API server answered {answer.status} to {method} {path}")
            found: Body = orjson.loads(data)
            return found


def _declaration(uid: str) -> list[Body]:
    intent = {"form": 1, "nonce": uid, "holder": "least", "uid": uid, "lifetime": 300, "started": _now()}
    return [
        add("/metadata/finalizers", [names.FINALIZER]),
        add("/metadata/annotations", {names.INTENT: json.dumps(intent)}),
    ]


def _secret(metadata: Body, made: Body) -> Body:
    login = made["connection_uris"][0]
    uri, parts = login["connection_uri"], login["connection_parameters"]
    data = {
        "type": "postgresql",
        "provider": "neon",
        "host": parts["host"],
        "port": "5432",
        "dbname": parts["database"],
        "database": parts["database"],
        "username": parts["role"],
        "password": parts["password"],
        "uri": uri,
        "jdbc-uri": f"jdbc:{uri}",
        "pgpass": uri,
        "pooled-host": parts["pooler_host"],
        "pooled-uri": uri,
        "pooled-jdbc-uri": f"jdbc:{uri}",
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": names.SECRET_TYPE,
        "metadata": {
            "name": f"{metadata['name']}-database",
            "annotations": {
                names.OWNER_UID: metadata["uid"],
                names.OWNER_NAME: metadata["name"],
                names.PROJECT_ID: made["project"]["id"],
            },
        },
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
    }


def _status(metadata: Body, made: Body, tier: Body) -> Body:
    generation, now = metadata["generation"], _now()
    return {
        "observedGeneration": generation,
        "projectId": made["project"]["id"],
        "tier": tier,
        "conditions": [
            {
                "type": kind,
                "status": "True",
                "reason": "Provisioned",
                "message": "The database is there, with all settings of its tier.",
                "lastTransitionTime": now,
                "observedGeneration": generation,
            }
            for kind in ("Ready", "Available")
        ],
    }


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


@asynccontextmanager
async def _session(limit: int, who: str, tls: ssl.SSLContext | bool) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=limit, ssl=tls),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Authorization": f"Bearer {who}", "Accept-Encoding": "identity"},
        timeout=aiohttp.ClientTimeout(total=None),
    ) as session:
        yield session


async def _run(login: Login) -> None:
    async with (
        _session(WORKERS + 1, login.token, login.tls) as kubernetes,
        _session(WORKERS, login.key, tls=True) as neon,
    ):
        await Least(login, kubernetes, neon).run()


if __name__ == "__main__":
    gc.freeze()
    gc.set_threshold(_YOUNG)
    uvloop.run(_run(Login.of(os.environ)))
