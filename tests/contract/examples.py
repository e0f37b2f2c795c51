"""For each route of the emulator: a request that it answers with success, and what else it says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from contract.scene import Json, Made, Scene

ELSEWHERE = "org-somebody-else-00000000"
LATER = "2099-01-01T00:00:00Z"


@dataclass(frozen=True)
class Request:
    """A legal request."""

    path: str
    params: Json = field(default_factory=dict)
    json: Any = None


Example = Callable[[Scene, Made], Awaitable[Request]]
Extra = Callable[[Scene, Made], Awaitable[None]]


def at(template: str, json: Any = None, **params: Any) -> Example:
    """A request to the template, with the ids of what the test has made."""

    async def example(scene: Scene, made: Made) -> Request:
        path = template.format(
            project_id=made.project_id,
            branch_id=made.branch_id,
            endpoint_id=made.endpoint_id,
            role_name=made.role,
            database_name=made.database,
            operation_id=made.operation_ids[0],
            org_id=scene.emulator.organization_id,
        )
        body = json(made) if callable(json) else json
        return Request(path, {**params}, body)

    return example


async def on_a_deleted_project(scene: Scene, made: Made) -> Request:
    await scene.ask("DELETE", made.path)
    return Request(f"{made.path}/recover")


async def on_a_child_branch(scene: Scene, made: Made) -> Request:
    child = await scene.branch(made)
    return Request(child.branch_path)


async def of_the_connection_uri(scene: Scene, made: Made) -> Request:
    return Request(
        f"{made.path}/connection_uri",
        {"database_name": made.database, "role_name": made.role, "pooled": "true"},
    )


def consumption(path: str, **more: Any) -> Example:
    async def example(scene: Scene, made: Made) -> Request:
        now = datetime.now(UTC).replace(microsecond=0)
        return Request(
            path,
            {
                "from": (now - timedelta(hours=3)).isoformat(),
                "to": now.isoformat(),
                "granularity": "hourly",
                "org_id": scene.emulator.organization_id,
                "project_ids": made.project_id,
                **more,
            },
        )

    return example


PROJECT = "/projects/{project_id}"
BRANCH = PROJECT + "/branches/{branch_id}"
ENDPOINT = PROJECT + "/endpoints/{endpoint_id}"
ROLE = BRANCH + "/roles/{role_name}"
DATABASE = BRANCH + "/databases/{database_name}"

NEW_PROJECT: Json = {
    "project": {
        "name": "tenant",
        "region_id": "aws-us-east-2",
        "pg_version": 17,
        "store_passwords": True,
        "history_retention_seconds": 86_400,
        "provisioner": "k8s-neonvm",
        "branch": {
            "name": "main",
            "role_name": "app_owner",
            "database_name": "app",
            "annotations": {"a": "b"},
        },
        "default_endpoint_settings": {
            "autoscaling_limit_min_cu": 0.25,
            "autoscaling_limit_max_cu": 2,
            "suspend_timeout_seconds": 300,
            "pg_settings": {"work_mem": "8MB"},
        },
        "settings": {
            "quota": {
                "active_time_seconds": 1,
                "compute_time_seconds": 2,
                "written_data_bytes": 3,
                "data_transfer_bytes": 4,
                "logical_size_bytes": 5,
            },
            "allowed_ips": {"ips": ["192.0.2.1"], "protected_branches_only": False},
            "maintenance_window": {"weekdays": [7], "start_time": "01:00", "end_time": "02:00"},
            "preload_libraries": {"use_defaults": True, "enabled_libraries": []},
        },
    }
}

EXAMPLES: dict[tuple[str, str], Example] = {
    ("GET", "/projects"): at("/projects", search="tenant", limit="400", recoverable="false", timeout="1000"),
    ("POST", "/projects"): at("/projects", NEW_PROJECT),
    ("GET", PROJECT): at(PROJECT),
    ("PATCH", PROJECT): at(
        PROJECT,
        {
            "project": {
                "name": "renamed",
                "settings": {"quota": {"active_time_seconds": 0}},
                "default_endpoint_settings": {"suspend_timeout_seconds": 600},
                "history_retention_seconds": 0,
            }
        },
    ),
    ("DELETE", PROJECT): at(PROJECT),
    ("POST", PROJECT + "/recover"): on_a_deleted_project,
    ("GET", PROJECT + "/connection_uri"): of_the_connection_uri,
    ("GET", PROJECT + "/operations"): at(PROJECT + "/operations", limit="1"),
    ("GET", PROJECT + "/operations/{operation_id}"): at(PROJECT + "/operations/{operation_id}"),
    ("GET", PROJECT + "/endpoints"): at(PROJECT + "/endpoints"),
    ("GET", BRANCH + "/endpoints"): at(BRANCH + "/endpoints"),
    ("POST", PROJECT + "/endpoints"): at(
        PROJECT + "/endpoints",
        lambda made: {
            "endpoint": {
                "branch_id": made.branch_id,
                "type": "read_only",
                "name": "replica",
                "settings": {"pg_settings": {}},
                "autoscaling_limit_min_cu": 1,
                "autoscaling_limit_max_cu": 2,
                "suspend_timeout_seconds": 60,
            }
        },
    ),
    ("GET", ENDPOINT): at(ENDPOINT),
    ("PATCH", ENDPOINT): at(
        ENDPOINT,
        {
            "endpoint": {
                "autoscaling_limit_min_cu": 2,
                "autoscaling_limit_max_cu": 4,
                "suspend_timeout_seconds": -1,
                "name": "primary",
                "disabled": False,
                "settings": {"pg_settings": {"work_mem": "8MB"}},
            }
        },
    ),
    ("DELETE", ENDPOINT): at(ENDPOINT),
    ("POST", ENDPOINT + "/start"): at(ENDPOINT + "/start"),
    ("POST", ENDPOINT + "/suspend"): at(ENDPOINT + "/suspend"),
    ("POST", ENDPOINT + "/restart"): at(ENDPOINT + "/restart"),
    ("GET", PROJECT + "/branches"): at(
        PROJECT + "/branches", sort_by="name", sort_order="asc", limit="10000"
    ),
    ("POST", PROJECT + "/branches"): at(
        PROJECT + "/branches",
        lambda made: {
            "branch": {"parent_id": made.branch_id, "name": "preview", "expires_at": LATER},
            "endpoints": [{"type": "read_write"}],
            "annotation_value": {"a": "b"},
        },
    ),
    ("GET", BRANCH): at(BRANCH),
    ("PATCH", BRANCH): at(BRANCH, {"branch": {"name": "trunk", "protected": True, "expires_at": None}}),
    ("DELETE", BRANCH): on_a_child_branch,
    ("GET", BRANCH + "/roles"): at(BRANCH + "/roles"),
    ("GET", ROLE): at(ROLE),
    ("GET", ROLE + "/reveal_password"): at(ROLE + "/reveal_password"),
    ("POST", ROLE + "/reset_password"): at(ROLE + "/reset_password"),
    ("GET", BRANCH + "/databases"): at(BRANCH + "/databases"),
    ("GET", DATABASE): at(DATABASE),
    ("POST", BRANCH + "/databases"): at(
        BRANCH + "/databases", lambda made: {"database": {"name": "second", "owner_name": made.role}}
    ),
    ("DELETE", DATABASE): at(DATABASE),
    ("GET", "/consumption_history/projects"): consumption(
        "/consumption_history/projects", metrics="active_time_seconds,logical_size_bytes"
    ),
    ("GET", "/consumption_history/v2/projects"): consumption(
        "/consumption_history/v2/projects", metrics="compute_unit_seconds,extra_branches_month"
    ),
    ("GET", "/regions"): at("/regions"),
    ("GET", "/users/me"): at("/users/me"),
    ("GET", "/users/me/organizations"): at("/users/me/organizations"),
    ("GET", "/organizations/{org_id}"): at("/organizations/{org_id}"),
    ("GET", "/auth"): at("/auth"),
}


async def another_organization_is_not_found(scene: Scene, made: Made) -> None:
    await scene.ask("GET", "/projects", params={"org_id": ELSEWHERE})
    await scene.ask("POST", "/projects", json={"project": {"org_id": ELSEWHERE}})
    await scene.ask("GET", "/regions", params={"org_id": ELSEWHERE})
    await scene.ask("GET", f"/organizations/{ELSEWHERE}")


async def there_is_no_room_for_another_project(scene: Scene, made: Made) -> None:
    await scene.ask("DELETE", made.path)
    scene.emulator.knobs.projects_limit = 0
    await scene.ask("POST", "/projects", json=NEW_PROJECT)
    await scene.ask("POST", f"{made.path}/recover")


async def there_is_no_room_for_another_replica(scene: Scene, made: Made) -> None:
    scene.emulator.knobs.plan = "free"
    for _ in range(4):
        await scene.ask(
            "POST",
            f"{made.path}/endpoints",
            json={"endpoint": {"branch_id": made.branch_id, "type": "read_only"}},
        )


async def a_disabled_endpoint_does_not_start(scene: Scene, made: Made) -> None:
    await scene.ask("PATCH", made.endpoint_path, json={"endpoint": {"disabled": True}})
    await scene.ask("POST", f"{made.endpoint_path}/start")
    await scene.ask("POST", f"{made.endpoint_path}/restart")


async def there_is_no_room_for_another_branch(scene: Scene, made: Made) -> None:
    scene.emulator.knobs.plan = "free"
    await scene.ask("POST", f"{made.path}/branches", json={"branch": {"protected": True}})
    await scene.ask("PATCH", made.branch_path, json={"branch": {"protected": True}})


async def the_default_branch_stays(scene: Scene, made: Made) -> None:
    await scene.ask("DELETE", made.branch_path)


async def what_is_gone_can_be_deleted(scene: Scene, made: Made) -> None:
    await scene.ask("DELETE", f"{made.path}/branches/br-no-such-branch-1")
    await scene.ask("DELETE", f"{made.path}/endpoints/ep-no-such-endpoint-1")
    await scene.ask("DELETE", f"{made.branch_path}/databases/nothing")


async def a_name_is_taken(scene: Scene, made: Made) -> None:
    await scene.ask(
        "POST",
        f"{made.branch_path}/databases",
        json={"database": {"name": made.database, "owner_name": made.role}},
    )


async def passwords_are_not_stored(scene: Scene, made: Made) -> None:
    forgetful = await scene.project(store_passwords=False)
    await scene.ask("GET", f"{forgetful.branch_path}/roles/{forgetful.role}/reveal_password")
    uri = await scene.ask(
        "GET",
        f"{forgetful.path}/connection_uri",
        params={"database_name": forgetful.database, "role_name": forgetful.role},
    )
    assert f"//{forgetful.role}@" in uri.json()["uri"]


async def a_live_project_is_not_recovered(scene: Scene, made: Made) -> None:
    await scene.ask("POST", f"{made.path}/recover")


async def consumption_is_refused(scene: Scene, made: Made) -> None:
    for key in (("GET", "/consumption_history/projects"), ("GET", "/consumption_history/v2/projects")):
        request = await EXAMPLES[key](scene, made)
        for change in ({"org_id": ELSEWHERE}, {"from": "2024-01-01T00:00:00Z"}):
            await scene.ask("GET", request.path, params={**request.params, **change})
        scene.emulator.knobs.plan = "free"
        await scene.ask("GET", request.path, params=request.params)
        scene.emulator.knobs.plan = "scale"


EXTRAS: dict[tuple[str, str], tuple[Extra, ...]] = {
    ("GET", "/projects"): (another_organization_is_not_found,),
    ("POST", "/projects"): (another_organization_is_not_found, there_is_no_room_for_another_project),
    ("POST", PROJECT + "/recover"): (there_is_no_room_for_another_project, a_live_project_is_not_recovered),
    ("GET", "/regions"): (another_organization_is_not_found,),
    ("GET", "/organizations/{org_id}"): (another_organization_is_not_found,),
    ("POST", PROJECT + "/endpoints"): (there_is_no_room_for_another_replica,),
    ("POST", ENDPOINT + "/start"): (a_disabled_endpoint_does_not_start,),
    ("POST", ENDPOINT + "/restart"): (a_disabled_endpoint_does_not_start,),
    ("DELETE", ENDPOINT): (what_is_gone_can_be_deleted,),
    ("POST", PROJECT + "/branches"): (there_is_no_room_for_another_branch,),
    ("PATCH", BRANCH): (there_is_no_room_for_another_branch,),
    ("DELETE", BRANCH): (what_is_gone_can_be_deleted, the_default_branch_stays),
    ("DELETE", DATABASE): (what_is_gone_can_be_deleted,),
    ("POST", BRANCH + "/databases"): (a_name_is_taken,),
    ("GET", ROLE + "/reveal_password"): (passwords_are_not_stored,),
    ("GET", PROJECT + "/connection_uri"): (passwords_are_not_stored,),
    ("GET", "/consumption_history/projects"): (consumption_is_refused,),
    ("GET", "/consumption_history/v2/projects"): (consumption_is_refused,),
}
"""What a route says besides: the refusals and successes that are its own."""
