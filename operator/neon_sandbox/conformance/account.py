"""The account that is asked: a real one, or an emulated one."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

Json = dict[str, Any]

NAME_PREFIX = "neon-sandbox-conformance-"
"""Of all projects that are made here: whoever finds one may delete it."""

_BUSY = frozenset({423, 429, 503})
"""Nothing was executed, and a retry is safe."""
_TRIES = 30
_PAUSE_SECONDS = 1.0
_MAX_PAUSE_SECONDS = 30.0
_POLL_SECONDS = 0.2
_IN_FLIGHT = frozenset({"scheduling", "running", "cancelling"})


class NoAnswerError(Exception):
    """The account did not do in time what a check needs; the message names no secret."""


@dataclass(frozen=True, slots=True)
class Project:
    """A project made here. The password is for comparing, not for printing."""

    id: str
    name: str
    branch_id: str
    endpoint_id: str
    role: str
    database: str
    password: str
    uri: str

    @property
    def path(self) -> str:
        """Of the project."""
        return f"/projects/{self.id}"

    @property
    def endpoint_path(self) -> str:
        """Of its first endpoint."""
        return f"{self.path}/endpoints/{self.endpoint_id}"

    @property
    def role_path(self) -> str:
        """Of its first role."""
        return f"{self.path}/branches/{self.branch_id}/roles/{self.role}"


class Account:
    """Asks with patience, and knows what it has made."""

    def __init__(self, client: httpx.AsyncClient, url: str, key: str, org_id: str | None) -> None:
        self._client = client
        self._url = url.rstrip("/")
        self._key = key
        self.org = {} if org_id is None else {"org_id": org_id}
        self.run_name = NAME_PREFIX + secrets.token_hex(4)
        self._made: list[str] = []

    async def ask_once(
        self, method: str, path: str, *, json: Any = None, params: Json | None = None, **headers: str
    ) -> httpx.Response:
        """One request. `request_id` and `key` replace what would be sent."""
        sent = {"authorization": f"Bearer {headers.get('key', self._key)}"}
        if "request_id" in headers:
            sent["x-request-id"] = headers["request_id"]
        try:
            return await self._client.request(
                method, self._url + path, json=json, params=params, headers=sent
            )
        except httpx.HTTPError as error:
            raise NoAnswerError(f"{method} {path}: {type(error).__name__}") from error

    async def ask(
        self, method: str, path: str, *, json: Any = None, params: Json | None = None
    ) -> httpx.Response:
        """One request, repeated while the account is busy. Raises NoAnswerError if it stays so."""
        for _ in range(_TRIES):
            response = await self.ask_once(method, path, json=json, params=params)
            if response.status_code not in _BUSY:
                return response
            await asyncio.sleep(_pause(response))
        raise NoAnswerError(f"{method} {path} was answered with {response.status_code} {_TRIES} times")

    async def create(self, name: str | None = None, **fields: Any) -> Project:
        """A new project; its operations may still be under way. Raises NoAnswerError."""
        name = name or self.run_name
        response = await self.ask("POST", "/projects", json={"project": {"name": name, **self.org, **fields}})
        if response.status_code != 201:
            raise NoAnswerError(f"a project could not be made: {_said(response)}")
        made = response.json()
        self._made.append(made["project"]["id"])
        parameters = made["connection_uris"][0]["connection_parameters"]
        return Project(
            id=made["project"]["id"],
            name=name,
            branch_id=made["branch"]["id"],
            endpoint_id=made["endpoints"][0]["id"],
            role=parameters["role"],
            database=parameters["database"],
            password=parameters["password"],
            uri=made["connection_uris"][0]["connection_uri"],
        )

    async def settle(self, project: Project) -> None:
        """Returns when no operation of the project is under way. Raises NoAnswerError."""

        async def settled() -> bool:
            response = await self.ask("GET", f"{project.path}/operations", params={"limit": 100})
            return not any(o["status"] in _IN_FLIGHT for o in response.json().get("operations", []))

        await self.wait("the operations of a project to finish", settled)

    async def wait(self, what: str, condition: Callable[[], Any], seconds: float = 120) -> None:
        """Returns when `condition` holds. Raises NoAnswerError after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                while not await condition():  # noqa: ASYNC110  # the condition is on another machine
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError as error:
            raise NoAnswerError(f"waited {seconds:g} seconds for {what}") from error

    async def remove_all(self) -> list[str]:
        """Deletes what was made, also what an unanswered request has made; returns what could not be."""
        left: list[str] = []
        found: set[str] = set()
        try:
            listed = await self.ask(
                "GET", "/projects", params={"search": self.run_name, "limit": 400, **self.org}
            )
            if listed.status_code == 200:
                projects = listed.json()["projects"]
                found = {p["id"] for p in projects if p["name"].startswith(self.run_name)}
        except NoAnswerError:
            left.append(f"whatever is named {self.run_name}")
        for project_id in sorted(found.union(self._made)):
            try:
                response = await self.ask("DELETE", f"/projects/{project_id}")
            except NoAnswerError:
                left.append(project_id)
                continue
            if response.status_code not in (200, 404, 422):
                left.append(project_id)
        return left


def _pause(response: httpx.Response) -> float:
    given = response.headers.get("retry-after", "")
    return min(float(given), _MAX_PAUSE_SECONDS) if given.isdecimal() else _PAUSE_SECONDS


def _said(response: httpx.Response) -> str:
    """Status and message of a refusal, which hold no secret."""
    try:
        message = response.json().get("message", "")
    except ValueError:
        message = "(no JSON)"
    return f"{response.status_code} {message}".strip()
