"""An emulator with a referee beside it: every request and every answer is judged."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from contract.referee import Referee
from neon_sandbox.emulator import Emulator

Json = dict[str, Any]


@dataclass
class Made:
    """What a test works on."""

    project_id: str
    branch_id: str
    endpoint_id: str
    role: str
    database: str
    operation_ids: list[str]

    @property
    def path(self) -> str:
        return f"/projects/{self.project_id}"

    @property
    def branch_path(self) -> str:
        return f"{self.path}/branches/{self.branch_id}"

    @property
    def endpoint_path(self) -> str:
        return f"{self.path}/endpoints/{self.endpoint_id}"


@dataclass
class Scene:
    """Asks the emulator under the referee's eyes."""

    emulator: Emulator
    referee: Referee
    client: httpx.AsyncClient
    seen: dict[tuple[str, str], set[int]] = field(default_factory=dict)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        params: Json | None = None,
        json: Any = None,
        key: str | None = None,
        legal: bool = True,
    ) -> httpx.Response:
        """One request; `legal` says that the document allows it, which is then checked, too."""
        response = await self.client.request(
            method,
            self.emulator.url + path,
            params=params,
            json=json,
            headers={"authorization": f"Bearer {key or self.emulator.api_key}"},
        )
        if legal:
            self.referee.check_request(method, path, params or {}, json)
        body = response.json() if response.content else None
        operation = self.referee.check_response(method, path, response.status_code, body)
        self.seen.setdefault((method, operation.template), set()).add(response.status_code)
        return response

    async def project(self, **fields: Any) -> Made:
        """A project that is ready."""
        response = await self.ask("POST", "/projects", json={"project": {"name": "tenant", **fields}})
        assert response.status_code == 201, response.text
        made = response.json()
        return Made(
            project_id=made["project"]["id"],
            branch_id=made["branch"]["id"],
            endpoint_id=made["endpoints"][0]["id"],
            role=made["roles"][0]["name"],
            database=made["databases"][0]["name"],
            operation_ids=[operation["id"] for operation in made["operations"]],
        )

    async def branch(self, made: Made, **fields: Any) -> Made:
        """A child branch with an endpoint."""
        response = await self.ask(
            "POST",
            f"{made.path}/branches",
            json={"endpoints": [{"type": "read_write"}], **({"branch": fields} if fields else {})},
        )
        assert response.status_code == 201, response.text
        child = response.json()
        return Made(
            project_id=made.project_id,
            branch_id=child["branch"]["id"],
            endpoint_id=child["endpoints"][0]["id"],
            role=made.role,
            database=made.database,
            operation_ids=[operation["id"] for operation in child["operations"]],
        )

    async def lock(self, made: Made) -> None:
        """Leaves operations of the project under way."""
        self.emulator.knobs.operation_seconds = 600
        response = await self.ask(
            "PATCH",
            made.endpoint_path,
            json={"endpoint": {"autoscaling_limit_min_cu": 1, "autoscaling_limit_max_cu": 1}},
        )
        assert response.json()["operations"], response.text
        self.emulator.knobs.operation_seconds = 0


@asynccontextmanager
async def open_scene(referee: Referee) -> AsyncIterator[Scene]:
    """A new emulator without PostgreSQL, whose operations take no time."""
    async with Emulator.start() as emulator, httpx.AsyncClient() as client:
        emulator.knobs.operation_seconds = 0
        emulator.knobs.requests_per_second_per_route = 0
        yield Scene(emulator, referee, client)
