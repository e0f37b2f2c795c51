"""What the emulator's tests have in common: a client, and tenants that it has made."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg

from neon_sandbox.emulator import Clock, Emulator, PostgresServer
from waiting import until

Connection = psycopg.AsyncConnection[tuple[Any, ...]]


@dataclass(frozen=True)
class Tenant:
    """A project, as the answer to its creation told it."""

    id: str
    branch_id: str
    endpoint_id: str
    role: str
    database: str
    password: str
    uri: str
    operation_ids: tuple[str, ...]

    @property
    def path(self) -> str:
        return f"/projects/{self.id}"

    @property
    def branch_path(self) -> str:
        return f"{self.path}/branches/{self.branch_id}"

    @property
    def endpoint_path(self) -> str:
        return f"{self.path}/endpoints/{self.endpoint_id}"

    @property
    def role_path(self) -> str:
        return f"{self.branch_path}/roles/{self.role}"


class Neon:
    """A client of the emulator, and the emulator itself."""

    def __init__(self, emulator: Emulator, client: httpx.AsyncClient) -> None:
        self.emulator = emulator
        self._client = client

    async def ask(
        self,
        method: str,
        path: str,
        json: Any = None,
        *,
        params: dict[str, Any] | None = None,
        status: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """The parsed answer of a request that must succeed, or answer with `status`."""
        response = await self.request(method, path, json, params=params, headers=headers)
        expected = response.is_success if status is None else response.status_code == status
        assert expected, f"{method} {path}: {response.status_code} {response.text}"
        return response.json() if response.content else None

    async def request(
        self,
        method: str,
        path: str,
        json: Any = None,
        *,
        params: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """The answer, whatever it is."""
        sent = {"authorization": f"Bearer {self.emulator.api_key}", **(headers or {})}
        return await self._client.request(
            method, self.emulator.url + path, json=json, params=params, headers=sent
        )

    async def control(self, method: str, path: str, json: Any = None, status: int = 200) -> Any:
        """The parsed answer of the sandbox's own routes."""
        response = await self._client.request(method, self.emulator.sandbox_url + path, json=json)
        assert response.status_code == status, response.text
        return response.json()

    async def page(self, **params: Any) -> Any:
        """A page of the list of projects."""
        return await self.ask("GET", "/projects", params=params)

    async def names(self, **params: Any) -> list[str]:
        """The names on a page."""
        return [project["name"] for project in (await self.page(**params))["projects"]]

    async def create(self, name: str = "tenant", *, wait: bool = True, **fields: Any) -> Tenant:
        """A project with the database `app`, ready unless `wait` is false."""
        branch = {"database_name": "app", **fields.pop("branch", {})}
        made = await self.ask("POST", "/projects", {"project": {"name": name, "branch": branch, **fields}})
        parameters = made["connection_uris"][0]["connection_parameters"]
        tenant = Tenant(
            id=made["project"]["id"],
            branch_id=made["branch"]["id"],
            endpoint_id=made["endpoints"][0]["id"],
            role=parameters["role"],
            database=parameters["database"],
            password=parameters["password"],
            uri=made["connection_uris"][0]["connection_uri"],
            operation_ids=tuple(operation["id"] for operation in made["operations"]),
        )
        if wait:
            await self.settled(tenant.id)
        return tenant

    async def settled(self, project_id: str) -> None:
        """Returns when no operation of the project is under way."""

        async def idle() -> bool:
            return not any(p.running for p in self.emulator.store if p.id == project_id)

        await until(idle, "the operations end")

    async def change(self, method: str, path: str, json: Any = None) -> Any:
        """A change, and the end of the operations that it schedules."""
        answer = await self.ask(method, path, json)
        await self.settled(path.split("/")[2])
        return answer

    async def endpoint(self, tenant: Tenant) -> Any:
        """The endpoint as it is now."""
        return (await self.ask("GET", tenant.endpoint_path))["endpoint"]


@asynccontextmanager
async def open_neon(
    postgres: PostgresServer | None = None, *, clock: Clock | None = None
) -> AsyncIterator[Neon]:
    """A new emulator, without rate limits and with quick operations."""
    async with (
        Emulator.start(postgres=postgres, clock=clock) as emulator,
        httpx.AsyncClient(timeout=60) as client,
    ):
        emulator.knobs.requests_per_minute = 0
        emulator.knobs.requests_per_second_per_route = 0
        emulator.knobs.operation_seconds = 0
        yield Neon(emulator, client)


@asynccontextmanager
async def login(uri: str, **more: Any) -> AsyncIterator[Connection]:
    """A connection that commits each statement."""
    connection = await psycopg.AsyncConnection.connect(uri, autocommit=True, connect_timeout=30, **more)
    try:
        yield connection
    finally:
        await connection.close()


async def value(connection: Connection, query: str) -> Any:
    """The one value that a query gives."""
    row = await (await connection.execute(query.encode())).fetchone()
    assert row is not None
    return row[0]


async def refusal(uri: str, **more: Any) -> str:
    """What is said to a login that fails."""
    try:
        async with login(uri, **more):
            pass
    except psycopg.OperationalError as error:
        return str(error)
    raise AssertionError("the login succeeded")
