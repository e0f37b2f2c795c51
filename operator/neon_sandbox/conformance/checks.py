"""The questions, and what the emulator answers by default."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from neon_sandbox.conformance.account import Account, Project

_UNKNOWN_ID = "no-such-project-00000000"


@dataclass(frozen=True, slots=True)
class Check:
    """One question about a project that is ready."""

    question: str
    expected: str
    ask: Callable[[Account, Project], Awaitable[str]]
    """Finds out; the answer holds no secret."""


async def _names(account: Account, project: Project) -> str:
    twin = await account.create(project.name)
    return "two projects" if twin.id != project.id else "one project"


async def _lock(account: Account, project: Project) -> str:
    await account.settle(project)
    for size in (1, 2):
        change = {"endpoint": {"autoscaling_limit_min_cu": size, "autoscaling_limit_max_cu": size}}
        response = await account.ask_once("PATCH", project.endpoint_path, json=change)
    await account.settle(project)
    return str(response.status_code)


async def _delete_during_operations(account: Account, _: Project) -> str:
    fresh = await account.create(f"{account.run_name}-busy")
    return str((await account.ask_once("DELETE", fresh.path)).status_code)


async def _quota(account: Account, project: Project, quota: dict[str, int]) -> httpx.Response:
    return await account.ask("PATCH", project.path, json={"project": {"settings": {"quota": quota}}})


async def _quota_patch(account: Account, project: Project) -> str:
    await _quota(account, project, {"active_time_seconds": 360_000, "compute_time_seconds": 360_000})
    await _quota(account, project, {"active_time_seconds": 720_000})
    stored = (await account.ask("GET", project.path)).json()["project"].get("settings", {}).get("quota", {})
    return "merged" if stored.get("compute_time_seconds") else "replaced"


async def _zero_quota(account: Account, project: Project) -> str:
    response = await _quota(account, project, {"active_time_seconds": 0})
    if response.status_code != 200:
        return str(response.status_code)
    stored = (await account.ask("GET", project.path)).json()["project"].get("settings", {}).get("quota", {})
    return f"200, stored {stored.get('active_time_seconds', 'as absent')}"


async def _negative_quota(account: Account, project: Project) -> str:
    return str((await _quota(account, project, {"active_time_seconds": -1})).status_code)


def _timeout(seconds: int) -> Callable[[Account, Project], Awaitable[str]]:
    async def ask(account: Account, project: Project) -> str:
        await account.settle(project)
        change = {"endpoint": {"suspend_timeout_seconds": seconds}}
        response = await account.ask("PATCH", project.endpoint_path, json=change)
        if response.status_code != 200:
            return str(response.status_code)
        return f"stored {response.json()['endpoint']['suspend_timeout_seconds']}"

    return ask


async def _defaults(account: Account, project: Project) -> str:
    before = (await account.ask("GET", project.endpoint_path)).json()["endpoint"]
    wanted = before["autoscaling_limit_max_cu"] + 1
    defaults = {"autoscaling_limit_min_cu": wanted, "autoscaling_limit_max_cu": wanted}
    response = await account.ask(
        "PATCH", project.path, json={"project": {"default_endpoint_settings": defaults}}
    )
    if response.status_code != 200:
        return str(response.status_code)
    after = (await account.ask("GET", project.endpoint_path)).json()["endpoint"]
    same = after["autoscaling_limit_max_cu"] == before["autoscaling_limit_max_cu"]
    return "unchanged" if same else "changed"


async def _same_endpoint(account: Account, project: Project) -> str:
    await account.settle(project)
    endpoint = (await account.ask("GET", project.endpoint_path)).json()["endpoint"]
    keys = ("autoscaling_limit_min_cu", "autoscaling_limit_max_cu")
    response = await account.ask(
        "PATCH", project.endpoint_path, json={"endpoint": {key: endpoint[key] for key in keys}}
    )
    return "operations" if response.json().get("operations") else "no operations"


async def _quota_operations(account: Account, project: Project) -> str:
    await account.settle(project)
    response = await _quota(account, project, {"active_time_seconds": 500_000})
    return "operations" if response.json().get("operations") else "no operations"


async def _annotations(account: Account, project: Project) -> str:
    listed = (await account.ask("GET", f"{project.path}/branches")).json()
    value = listed.get("annotations", {}).get(project.branch_id, {}).get("value", {})
    return "listed" if value.get("sandbox") == "conformance" else "missing"


async def _listed_at_once(account: Account, _: Project) -> str:
    fresh = await account.create(f"{account.run_name}-fresh")
    response = await account.ask("GET", "/projects", params={"search": fresh.name, **account.org})
    return "at once" if fresh.id in _ids(response) else "later"


async def _substring(account: Account, project: Project) -> str:
    response = await account.ask(
        "GET", "/projects", params={"search": project.name[5:-1], "limit": 400, **account.org}
    )
    return "found" if project.id in _ids(response) else "not found"


async def _cursor(account: Account, project: Project) -> str:
    response = await account.ask(
        "GET", "/projects", params={"search": project.name, "limit": 400, **account.org}
    )
    return "cursor" if response.json().get("pagination", {}).get("cursor") else "no cursor"


async def _deleted(account: Account, _: Project) -> str:
    fresh = await account.create(f"{account.run_name}-deleted")
    await account.settle(fresh)
    await account.ask("DELETE", fresh.path)
    get = await account.ask("GET", fresh.path)
    again = await account.ask("DELETE", fresh.path)
    listed = await account.ask(
        "GET", "/projects", params={"search": fresh.name, "recoverable": "true", **account.org}
    )
    item: dict[str, Any] = next((p for p in listed.json().get("projects", []) if p["id"] == fresh.id), {})
    shown = "recoverable" if item.get("recoverable_until") and item.get("deleted_at") else "not listed"
    return f"GET {get.status_code}, DELETE {again.status_code}, {shown}"


async def _reveal(account: Account, project: Project) -> str:
    response = await account.ask("GET", f"{project.role_path}/reveal_password")
    return "the same" if response.json().get("password") == project.password else str(response.status_code)


async def _password_form(_: Account, project: Project) -> str:
    prefix = project.password[:4] if project.password.startswith("npg_") else "other"
    return f"{prefix} and {len(project.password) - 4} characters"


async def _uri_form(_: Account, project: Project) -> str:
    return urlsplit(project.uri).query


async def _pooled(account: Account, project: Project) -> str:
    names = {"database_name": project.database, "role_name": project.role}
    path = f"{project.path}/connection_uri"
    direct = urlsplit((await account.ask("GET", path, params=names)).json()["uri"]).hostname or ""
    pooled = (await account.ask("GET", path, params={**names, "pooled": "true"})).json()["uri"]
    label, _, domain = direct.partition(".")
    return "-pooler" if urlsplit(pooled).hostname == f"{label}-pooler.{domain}" else "another form"


async def _not_found(account: Account, _: Project) -> str:
    return _form(await account.ask("GET", f"/projects/{_UNKNOWN_ID}"))


async def _unauthorized(account: Account, _: Project) -> str:
    return _form(await account.ask_once("GET", "/projects", key="napi_this_is_no_key"))


async def _whose(account: Account, _: Project) -> str:
    return str((await account.ask("GET", "/auth")).json().get("auth_method"))


async def _request_id(account: Account, _: Project) -> str:
    request_id = str(uuid.uuid4())
    response = await account.ask_once("GET", f"/projects/{_UNKNOWN_ID}", request_id=request_id)
    return "the same" if response.json().get("request_id") == request_id else "another"


def _refused(**fields: Any) -> Callable[[Account, Project], Awaitable[str]]:
    """A create that should not succeed; if it does, the project is removed with the others."""

    async def ask(account: Account, _: Project) -> str:
        name = f"{account.run_name}-refused"
        body = {"project": {"name": name, **account.org, **fields}}
        return str((await account.ask("POST", "/projects", json=body)).status_code)

    return ask


def _ids(response: httpx.Response) -> set[str]:
    return {project["id"] for project in response.json().get("projects", [])}


def _form(response: httpx.Response) -> str:
    body: Any = response.json() if "json" in response.headers.get("content-type", "") else {}
    return f"{response.status_code} with {', '.join(sorted(body))}"


_ERROR_KEYS = "code, message, request_id"

CHECKS = (
    Check("Two projects of one name are", "two projects", _names),
    Check("A change while operations are under way answers", "423", _lock),
    Check("DELETE of a project whose operations are under way answers", "200", _delete_during_operations),
    Check("PATCH with one quota leaves the others", "replaced", _quota_patch),
    Check("A quota of 0 answers", "200, stored 0", _zero_quota),
    Check("A quota of -1 answers", "400", _negative_quota),
    Check("PATCH of a quota schedules", "no operations", _quota_operations),
    Check("A suspend timeout of 300 is", "stored 0", _timeout(300)),
    Check("A suspend timeout of 600 is", "stored 600", _timeout(600)),
    Check("A suspend timeout of 59 answers", "400", _timeout(59)),
    Check("New defaults leave the size of an endpoint", "unchanged", _defaults),
    Check("PATCH of an endpoint with what it has schedules", "no operations", _same_endpoint),
    Check("Annotations of a project's first branch are", "listed", _annotations),
    Check("A new project is in the list", "at once", _listed_at_once),
    Check("Search for the middle of a name has", "found", _substring),
    Check("A page that is not full has", "cursor", _cursor),
    Check("A deleted project answers", "GET 404, DELETE 404, recoverable", _deleted),
    Check("reveal_password gives", "the same", _reveal),
    Check("A password begins with", "npg_ and 12 characters", _password_form),
    Check("A connection URI ends with", "sslmode=require&channel_binding=require", _uri_form),
    Check("The pooled host has", "-pooler", _pooled),
    Check("An unknown project answers", f"404 with {_ERROR_KEYS}", _not_found),
    Check("A wrong key answers", f"401 with {_ERROR_KEYS}", _unauthorized),
    Check("An organization's key is of the kind", "api_key_org", _whose),
    Check("X-Request-ID comes back as", "the same", _request_id),
    Check("An unknown region answers", "400", _refused(region_id="aws-nowhere-1")),
    Check("An unknown field answers", "400", _refused(no_such_field=1)),
    Check("History beyond every plan answers", "400", _refused(history_retention_seconds=2_592_001)),
)
