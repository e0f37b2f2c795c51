"""Projects: made, changed, removed, recovered."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from neon_sandbox.emulator import branching, endpoints, errors, listing, sizes
from neon_sandbox.emulator.bodies import ChangedProject, NewProject
from neon_sandbox.emulator.operations import Step
from neon_sandbox.emulator.plans import Plan
from neon_sandbox.emulator.regions import DEFAULT_REGION, REGIONS
from neon_sandbox.emulator.state import ORGANIZATION_ID, Branch, Endpoint, Operation, Project, Role
from neon_sandbox.emulator.world import World

_DEFAULT_DATABASE = "neondb"
_RESERVED_ROLES = frozenset({"cloud_admin", "neon_superuser", "zenith_admin", "web_access", "public", "none"})
_RESERVED_DATABASES = frozenset({"postgres", "template0", "template1"})
_MAX_IDENTIFIER_BYTES = 63
"""PostgreSQL's NAMEDATALEN - 1."""

_DEFAULT_SETTINGS: dict[str, Any] = {
    "allowed_ips": {"ips": [], "protected_branches_only": False},
    "enable_logical_replication": False,
    "block_public_connections": False,
    "block_vpc_connections": False,
}
"""Comes back although nobody asked for it: a client must not take it for drift."""


@dataclass(frozen=True, slots=True)
class Created:
    """What POST /projects has made."""

    project: Project
    branch: Branch
    role: Role
    password: str
    endpoint: Endpoint
    operations: list[Operation]


def create(world: World, wanted: NewProject) -> Created:
    """Makes a project with a branch, a role, a database and an endpoint. Raises ApiError."""
    check_organization(world, wanted.org_id or None)
    check_projects_limit(world)
    plan = world.knobs.limits
    given = wanted.given()
    region = wanted.region_id or DEFAULT_REGION
    if region not in REGIONS:
        raise errors.invalid(f"region not found; region_id:{region}")
    retention = given.get("history_retention_seconds", plan.default_history_retention_seconds)
    check_retention(retention, plan)
    defaults = _new_defaults(given, plan)
    database_name = wanted.branch.database_name or _DEFAULT_DATABASE
    role_name = wanted.branch.role_name or f"{database_name}_owner"
    check_role_name(role_name)
    check_database_name(database_name)

    now = world.clock.now()
    project_id = _free_id(world)
    project = Project(
        id=project_id,
        seq=world.store.next_seq(),
        name=wanted.name or project_id,
        region_id=region,
        pg_version=wanted.pg_version,
        org_id=ORGANIZATION_ID,
        store_passwords=wanted.store_passwords,
        history_retention_seconds=retention,
        provisioner=wanted.provisioner,
        created_at=now,
        updated_at=now,
        settings={**_DEFAULT_SETTINGS, **given.get("settings", {})},
        default_endpoint_settings=defaults,
    )
    password = world.names.password()
    role = Role(role_name, password if wanted.store_passwords else None, now, now)
    branch = branching.root(world, wanted.branch.name, role, database_name, wanted.branch.annotations)
    endpoint = endpoints.new(world, project, branch.id, "read_write", {})
    project.branches[branch.id] = branch
    project.endpoints[endpoint.id] = endpoint
    world.store.add(project)
    world.effects.tell(
        "project_created", project=project.id, name=project.name, annotations=branch.annotations
    )
    world.hosting.open(endpoint)
    steps = [
        Step(
            "create_timeline",
            branch.id,
            work=partial(world.hosting.create_branch, branch, {role_name: password}),
            done=partial(branching.mark_ready, world, branch),
        ),
        Step("start_compute", branch.id, endpoint.id, done=partial(world.computes.start, endpoint)),
    ]
    return Created(project, branch, role, password, endpoint, world.operations.schedule(project, steps))


def update(world: World, project: Project, wanted: ChangedProject) -> list[Operation]:
    """Changes what was given. Raises ApiError 400, and then nothing has changed.

    New defaults are for new endpoints: those that exist keep theirs.
    """
    given = wanted.given()
    plan = world.knobs.limits
    retention = given.get("history_retention_seconds", project.history_retention_seconds)
    if "history_retention_seconds" in given:
        check_retention(retention, plan)
    defaults = project.default_endpoint_settings
    if "default_endpoint_settings" in given:
        defaults = _changed_defaults(defaults, given["default_endpoint_settings"], plan)
    settings = _changed_settings(world, project, given.get("settings", {}))

    steps: list[Step] = []
    if retention != project.history_retention_seconds:
        steps.append(Step("apply_storage_config", project.default_branch.id))
    if settings["enable_logical_replication"] and not project.settings["enable_logical_replication"]:
        steps += _suspend_all(world, project)

    listing.remember(world, project)
    before, project.name = project.name, given.get("name", project.name)
    if project.name != before:
        world.effects.tell("project_renamed", project=project.id, before=before, name=project.name)
    project.settings = settings
    project.default_endpoint_settings = defaults
    project.history_retention_seconds = retention
    project.updated_at = world.clock.now()
    return world.operations.schedule(project, steps)


async def delete(world: World, project: Project) -> None:
    """Stops its computes; the data stays until it can no longer be recovered."""
    listing.remember(world, project)
    world.store.delete(project)
    world.effects.tell("project_deleted", project=project.id, name=project.name)
    await world.stop_computes(project.endpoints.values())
    for gone in world.store.purge():
        world.effects.tell("project_purged", project=gone.id, name=gone.name)
        for endpoint in gone.endpoints.values():
            world.hosting.close(endpoint)
        world.background.start(world.hosting.drop_project(gone))


def recover(world: World, project: Project) -> None:
    """Makes a deleted project live again, with the same addresses and passwords. Raises ApiError 422."""
    check_projects_limit(world)
    listing.remember(world, project)
    world.store.recover(project)
    world.effects.tell("project_recovered", project=project.id, name=project.name)
    project.updated_at = world.clock.now()


def check_organization(world: World, org_id: str | None) -> None:
    """Raises ApiError: 400 if a personal key names none, 404 if it is somebody else's."""
    if org_id is None and world.knobs.key_scope == "personal":
        raise errors.invalid("org_id is required, you can find it on your organization settings page")
    if org_id not in (None, ORGANIZATION_ID):
        raise errors.not_found("organization")


def check_projects_limit(world: World) -> None:
    """Raises ApiError 422 if there are as many projects as there may be."""
    limit = world.knobs.effective_projects_limit
    if world.store.live >= limit:
        raise errors.limit_exceeded("PROJECTS_LIMIT_EXCEEDED", "user projects", limit, world.store.live)


def check_retention(seconds: int, plan: Plan) -> None:
    """Raises ApiError 400 with the words of terraform-provider-neon#104."""
    if seconds > plan.history_retention_seconds:
        raise errors.invalid(
            "requested history retention seconds exceeds allowed maximum; "
            f'requested_history_retention_seconds:"{seconds}", max:"{plan.history_retention_seconds}"'
        )


def check_role_name(name: str) -> None:
    """Raises ApiError 400 for a name that is too long or reserved."""
    if len(name.encode()) > _MAX_IDENTIFIER_BYTES:
        raise errors.invalid("role name is too long; it cannot exceed 63 bytes")
    if name in _RESERVED_ROLES or name.startswith("pg_"):
        raise errors.invalid(f"role name is reserved; role_name:{name}")


def check_database_name(name: str) -> None:
    """Raises ApiError 400 for a name that is too long or reserved."""
    if len(name.encode()) > _MAX_IDENTIFIER_BYTES:
        raise errors.invalid("database name is too long; it cannot exceed 63 bytes")
    if name in _RESERVED_DATABASES:
        raise errors.invalid(f"database name is reserved; database_name:{name}")


def _free_id(world: World) -> str:
    while world.store.has(project_id := world.names.project_id()):
        pass
    return project_id


def _new_defaults(given: dict[str, Any], plan: Plan) -> dict[str, Any]:
    wanted: dict[str, Any] = given.get("default_endpoint_settings", {})
    deprecated: dict[str, Any] = {
        key: given[key] for key in ("autoscaling_limit_min_cu", "autoscaling_limit_max_cu") if key in given
    }
    return _changed_defaults({"suspend_timeout_seconds": 0}, {**deprecated, **wanted}, plan)


def _changed_defaults(old: dict[str, Any], given: dict[str, Any], plan: Plan) -> dict[str, Any]:
    new = {**old, **given}
    minimum, maximum = sizes.chosen(new.get("autoscaling_limit_min_cu"), new.get("autoscaling_limit_max_cu"))
    sizes.check(minimum, maximum, plan)
    new["autoscaling_limit_min_cu"] = minimum
    new["autoscaling_limit_max_cu"] = maximum
    new["suspend_timeout_seconds"] = sizes.suspend_timeout(new["suspend_timeout_seconds"], plan)
    return new


def _changed_settings(world: World, project: Project, given: dict[str, Any]) -> dict[str, Any]:
    settings = {**project.settings, **given}
    if "quota" in given and world.knobs.quota_patch == "merge":
        settings["quota"] = {**project.settings.get("quota", {}), **given["quota"]}
    if project.settings["enable_logical_replication"] and not settings["enable_logical_replication"]:
        raise errors.invalid("logical replication cannot be disabled once it is enabled")
    return settings


def _suspend_all(world: World, project: Project) -> list[Step]:
    return [
        Step(
            "suspend_compute",
            endpoint.branch_id,
            endpoint.id,
            work=partial(world.stop_computes, [endpoint]),
            done=partial(world.computes.stop, endpoint),
        )
        for endpoint in project.endpoints.values()
        if world.computes.settle(endpoint).state == "active"
    ]
