"""What is taken, what is refused, and what comes back changed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from neon_sandbox.emulator import Knobs
from sandbox.emulator_world import Neon, Tenant, open_neon


@pytest.fixture
async def neon() -> AsyncIterator[Neon]:
    async with open_neon() as opened:
        yield opened


TIMEOUTS: dict[str, tuple[str, int, int]] = {
    "the default comes back as 0": ("scale", 300, 0),
    "another one comes back as it is": ("scale", 600, 600),
    "never is never": ("scale", -1, -1),
    "0 is the default": ("scale", 0, 0),
    "launch turns it on and off only": ("launch", 600, 0),
    "launch can turn it off": ("launch", -1, -1),
    "free cannot change it": ("free", 600, 0),
    "free cannot even turn it off": ("free", -1, 0),
}


@pytest.mark.parametrize("case", TIMEOUTS)
async def test_a_suspend_timeout_is_stored_as_the_plan_has_it(case: str, neon: Neon) -> None:
    plan, asked, stored = TIMEOUTS[case]
    neon.emulator.knobs.plan = plan  # type: ignore[assignment]  # the literals above
    tenant = await neon.create(default_endpoint_settings={"suspend_timeout_seconds": asked})
    project = (await neon.ask("GET", tenant.path))["project"]
    assert project["default_endpoint_settings"]["suspend_timeout_seconds"] == stored
    assert (await neon.endpoint(tenant))["suspend_timeout_seconds"] == stored
    changed = await neon.ask("PATCH", tenant.endpoint_path, {"endpoint": {"suspend_timeout_seconds": asked}})
    assert changed["endpoint"]["suspend_timeout_seconds"] == stored
    assert changed["operations"] == []


def defaults(minimum: float | None, maximum: float | None) -> dict[str, Any]:
    given = {"autoscaling_limit_min_cu": minimum, "autoscaling_limit_max_cu": maximum}
    return {"default_endpoint_settings": {key: value for key, value in given.items() if value is not None}}


SIZES: dict[str, tuple[str, float | None, float | None, bool]] = {
    "the smallest": ("scale", 0.25, 0.25, True),
    "half": ("scale", 0.5, 2, True),
    "there is no three quarters": ("scale", 0.75, 2, False),
    "there is no one and a half": ("scale", 1.5, 2, False),
    "a span of eight": ("scale", 8, 16, True),
    "a span of more than eight": ("scale", 7, 16, False),
    "the minimum above the maximum": ("scale", 2, 1, False),
    "large and fixed": ("scale", 56, 56, True),
    "large and scaling": ("scale", 14, 18, False),
    "there is no 17": ("scale", 17, 17, False),
    "there is no 58": ("scale", 58, 58, False),
    "launch has 16": ("launch", 16, 16, True),
    "launch has no 18": ("launch", 18, 18, False),
    "free has 2": ("free", 0.25, 2, True),
    "free has no 3": ("free", 1, 3, False),
    "only the maximum": ("scale", None, 4, True),
    "only the minimum": ("scale", 4, None, True),
}


@pytest.mark.parametrize("case", SIZES)
async def test_only_sizes_that_neon_has_are_taken(case: str, neon: Neon) -> None:
    plan, minimum, maximum, taken = SIZES[case]
    neon.emulator.knobs.plan = plan  # type: ignore[assignment]  # the literals above
    body = {"project": defaults(minimum, maximum)}
    await neon.ask("POST", "/projects", body, status=201 if taken else 400)
    if minimum is None or maximum is None:
        return  # a PATCH keeps the other end as it is, and that may not fit
    neon.emulator.knobs.plan = "scale"
    tenant = await neon.create()
    neon.emulator.knobs.plan = plan  # type: ignore[assignment]  # the literals above
    await neon.ask("PATCH", tenant.path, body, status=200 if taken else 400)


BAD_PROJECTS: dict[str, dict[str, Any]] = {
    "an unknown region": {"region_id": "aws-nowhere-1"},
    "an unknown field": {"colour": "green"},
    "an unknown nested field": {"settings": {"quota": {"compute_seconds": 1}}},
    "a negative quota": {"settings": {"quota": {"active_time_seconds": -1}}},
    "a number as text": {"settings": {"quota": {"active_time_seconds": "1"}}},
    "null": {"name": None},
    "an empty name": {"name": ""},
    "a name that is too long": {"name": "x" * 257},
    "an old PostgreSQL": {"pg_version": 13},
    "history beyond any plan": {"history_retention_seconds": 2_592_001},
    "a timeout below a minute": {"default_endpoint_settings": {"suspend_timeout_seconds": 59}},
    "too many annotations": {"branch": {"annotations": {str(number): "" for number in range(51)}}},
    "a reserved role": {"branch": {"role_name": "neon_superuser"}},
    "a role of PostgreSQL": {"branch": {"role_name": "pg_monitor"}},
    "a role name that is too long": {"branch": {"role_name": "é" * 32}},
    "a reserved database": {"branch": {"database_name": "postgres"}},
}


@pytest.mark.parametrize("case", BAD_PROJECTS)
async def test_a_bad_project_is_refused_and_nothing_is_made(case: str, neon: Neon) -> None:
    refused = await neon.ask("POST", "/projects", {"project": BAD_PROJECTS[case]}, status=400)
    assert set(refused) == {"request_id", "code", "message"}
    assert await neon.names() == []


async def test_a_body_that_is_no_json_is_refused(neon: Neon) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.post(
            f"{neon.emulator.url}/projects",
            content=b"{",
            headers={"authorization": f"Bearer {neon.emulator.api_key}"},
        )
    assert answer.status_code == 400


async def test_history_above_the_plans_maximum_is_refused_in_neons_words(neon: Neon) -> None:
    neon.emulator.knobs.plan = "free"
    body = {"project": {"history_retention_seconds": 86_400}}
    refused = await neon.ask("POST", "/projects", body, status=400)
    assert refused["message"] == (
        "requested history retention seconds exceeds allowed maximum; "
        'requested_history_retention_seconds:"86400", max:"21600"'
    )
    tenant = await neon.create()
    assert (await neon.ask("GET", tenant.path))["project"]["history_retention_seconds"] == 21_600
    await neon.ask("PATCH", tenant.path, body, status=400)


async def test_the_limit_of_projects_is_the_plans_or_the_knobs(neon: Neon) -> None:
    neon.emulator.knobs.projects_limit = 1
    tenant = await neon.create()
    refused = await neon.ask("POST", "/projects", {"project": {}}, status=422)
    assert (refused["code"], refused["message"]) == (
        "PROJECTS_LIMIT_EXCEEDED",
        "user projects limit of 1 exceeded, got 1",
    )
    await neon.ask("DELETE", tenant.path)
    await neon.create()
    assert Knobs(plan="free").effective_projects_limit == 100


async def test_a_personal_key_must_name_the_organization(neon: Neon) -> None:
    neon.emulator.knobs.key_scope = "personal"
    for method, body in (("POST", {"project": {}}), ("GET", None)):
        refused = await neon.ask(method, "/projects", body, status=400)
        assert refused["message"].startswith("org_id is required")
    org = {"org_id": neon.emulator.organization_id}
    await neon.ask("POST", "/projects", {"project": org}, status=201)
    assert len((await neon.page(**org))["projects"]) == 1


QUOTA = {
    "active_time_seconds": 1,
    "compute_time_seconds": 2,
    "written_data_bytes": 3,
    "data_transfer_bytes": 4,
    "logical_size_bytes": 5,
}


async def stored_quota(neon: Neon, tenant: Tenant) -> Any:
    return (await neon.ask("GET", tenant.path))["project"]["settings"]["quota"]


async def test_a_patch_of_the_quota_replaces_it_unless_the_knob_says_merge(neon: Neon) -> None:
    tenant = await neon.create(settings={"quota": QUOTA})
    change = {"project": {"settings": {"quota": {"active_time_seconds": 10}}}}
    neon.emulator.knobs.quota_patch = "merge"
    await neon.ask("PATCH", tenant.path, change)
    assert await stored_quota(neon, tenant) == QUOTA | {"active_time_seconds": 10}
    neon.emulator.knobs.quota_patch = "replace"
    await neon.ask("PATCH", tenant.path, change)
    assert await stored_quota(neon, tenant) == {"active_time_seconds": 10}
    await neon.ask("PATCH", tenant.path, {"project": {"name": "renamed"}})
    assert await stored_quota(neon, tenant) == {"active_time_seconds": 10}
    assert neon.emulator.projects()[0]["quota"] == dict.fromkeys(QUOTA, 0) | {"active_time_seconds": 10}


async def test_what_was_refused_has_changed_nothing(neon: Neon) -> None:
    tenant = await neon.create("before")
    before = (await neon.ask("GET", tenant.path))["project"]
    body = {"project": {"name": "after", "default_endpoint_settings": {"autoscaling_limit_max_cu": 17}}}
    await neon.ask("PATCH", tenant.path, body, status=400)
    after = (await neon.ask("GET", tenant.path))["project"]
    assert after == before
    sizes = {"endpoint": {"name": "x", "autoscaling_limit_min_cu": 17, "autoscaling_limit_max_cu": 17}}
    await neon.ask("PATCH", tenant.endpoint_path, sizes, status=400)
    assert "name" not in await neon.endpoint(tenant)


async def test_logical_replication_cannot_be_turned_off(neon: Neon) -> None:
    tenant = await neon.create()
    body = {"project": {"settings": {"enable_logical_replication": True}}}
    changed = await neon.change("PATCH", tenant.path, body)
    assert [operation["action"] for operation in changed["operations"]] == ["suspend_compute"]
    body["project"]["settings"]["enable_logical_replication"] = False
    await neon.ask("PATCH", tenant.path, body, status=400)


async def test_a_branch_of_the_past_is_refused_because_the_sandbox_has_none(neon: Neon) -> None:
    tenant = await neon.create()
    for branch in ({"parent_timestamp": "2026-01-01T00:00:00Z"}, {"init_source": "schema-only"}):
        refused = await neon.ask("POST", f"{tenant.path}/branches", {"branch": branch}, status=400)
        assert "sandbox" in refused["message"]


async def test_a_branch_has_one_endpoint_that_writes(neon: Neon) -> None:
    tenant = await neon.create()
    body = {"endpoint": {"branch_id": tenant.branch_id, "type": "read_write"}}
    await neon.ask("POST", f"{tenant.path}/endpoints", body, status=400)
    await neon.change("DELETE", tenant.endpoint_path)
    await neon.ask("POST", f"{tenant.path}/endpoints", body, status=201)
    listed = await neon.ask("GET", f"{tenant.branch_path}/endpoints")
    assert len(listed["endpoints"]) == 1


async def test_endpoint_settings_need_their_postgresql_part(neon: Neon) -> None:
    tenant = await neon.create()
    endpoint = {"branch_id": tenant.branch_id, "type": "read_only", "settings": {}}
    refused = await neon.ask("POST", f"{tenant.path}/endpoints", {"endpoint": endpoint}, status=400)
    assert refused["message"] == "settings must not be nil"
