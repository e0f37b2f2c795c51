"""Endpoints: their records, and the operations that change their computes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from neon_sandbox.emulator import errors, sizes, store
from neon_sandbox.emulator.bodies import BranchEndpoint
from neon_sandbox.emulator.computes import quota_message
from neon_sandbox.emulator.operations import Step
from neon_sandbox.emulator.state import Endpoint, EndpointType, Operation, Project
from neon_sandbox.emulator.world import World


def new(
    world: World, project: Project, branch_id: str, kind: EndpointType, given: dict[str, Any]
) -> Endpoint:
    """The record of an endpoint: what `given` leaves open comes from the project's defaults.

    Raises ApiError 400 for sizes and timeouts that do not exist or that the plan lacks.
    """
    defaults = project.default_endpoint_settings
    minimum, maximum = (
        sizes.chosen(given.get("autoscaling_limit_min_cu"), given.get("autoscaling_limit_max_cu"))
        if {"autoscaling_limit_min_cu", "autoscaling_limit_max_cu"} & given.keys()
        else (defaults["autoscaling_limit_min_cu"], defaults["autoscaling_limit_max_cu"])
    )
    sizes.check(minimum, maximum, world.knobs.limits)
    timeout = given.get("suspend_timeout_seconds", defaults["suspend_timeout_seconds"])
    now = world.clock.now()
    disabled = given.get("disabled", False)
    return Endpoint(
        id=world.names.endpoint_id(),
        project_id=project.id,
        branch_id=branch_id,
        region_id=project.region_id,
        type=kind,
        min_cu=minimum,
        max_cu=maximum,
        suspend_timeout_seconds=sizes.suspend_timeout(timeout, world.knobs.limits),
        created_at=now,
        updated_at=now,
        provisioner=given.get("provisioner", project.provisioner),
        name=given.get("name"),
        settings=given.get("settings", {"pg_settings": defaults.get("pg_settings", {})}),
        disabled=disabled,
        state="idle" if disabled else "init",
        pending_state=None if disabled else "active",
    )


def check_new(world: World, project: Project, branch_id: str, wanted: list[BranchEndpoint]) -> None:
    """Raises ApiError if the branch cannot have these endpoints as well."""
    there = [endpoint.type for endpoint in store.endpoints_of(project, branch_id)]
    kinds = [*there, *(endpoint.type for endpoint in wanted)]
    if kinds.count("read_write") > 1:
        raise errors.invalid("read-write endpoint already exists for the branch")
    replicas = world.knobs.limits.read_replicas
    count = sum(endpoint.type == "read_only" for endpoint in project.endpoints.values())
    added = sum(endpoint.type == "read_only" for endpoint in wanted)
    if replicas is not None and added and count + added > replicas:
        raise errors.limit_exceeded("ENDPOINTS_LIMIT_EXCEEDED", "read-only endpoints", replicas, count)
    for endpoint in wanted:
        given = endpoint.given()
        if "settings" in given and "pg_settings" not in given["settings"]:
            raise errors.invalid("settings must not be nil")  # seen by Neon's own test client


def add(world: World, project: Project, endpoint: Endpoint) -> list[Operation]:
    """Adds it to its branch and starts it."""
    project.endpoints[endpoint.id] = endpoint
    world.hosting.open(endpoint)
    if endpoint.disabled:
        return []
    return world.operations.schedule(project, [_start(world, endpoint)])


def start(world: World, project: Project, endpoint: Endpoint) -> list[Operation]:
    """Starts an idle compute. Raises ApiError 422 if it is disabled or a quota is used up."""
    exceeded = project.exceeded()
    if exceeded is not None:
        raise errors.conflict(quota_message(exceeded), code=_QUOTA_CODES.get(exceeded, ""))
    if endpoint.disabled:
        raise errors.conflict("endpoint is disabled")
    if world.computes.settle(endpoint).state == "active":
        return []
    endpoint.pending_state = "active"
    return world.operations.schedule(project, [_start(world, endpoint)])


def suspend(world: World, project: Project, endpoint: Endpoint) -> list[Operation]:
    """Makes an active compute idle, which ends its connections."""
    if world.computes.settle(endpoint).state != "active":
        return []
    endpoint.pending_state = "idle"
    return world.operations.schedule(project, [_suspend(world, endpoint)])


def restart(world: World, project: Project, endpoint: Endpoint) -> list[Operation]:
    """Ends all connections; new ones wait until the compute is back. Raises ApiError 422 as `start`."""
    if world.computes.settle(endpoint).state != "active":
        return start(world, project, endpoint)
    return world.operations.schedule(
        project,
        [_suspend(world, endpoint), _start(world, endpoint)],
        settled=_hold(world, endpoint),
    )


def remove(world: World, project: Project, endpoint: Endpoint) -> list[Operation]:
    """Takes it out of the project and ends its connections."""
    del project.endpoints[endpoint.id]

    async def work() -> None:
        await world.stop_computes([endpoint])
        world.hosting.close(endpoint)

    return world.operations.schedule(
        project, [Step("suspend_compute", endpoint.branch_id, endpoint.id, work=work)]
    )


def update(world: World, project: Project, endpoint: Endpoint, given: dict[str, Any]) -> list[Operation]:
    """Changes what differs. Only a different size restarts the compute, and only if it runs.

    Raises ApiError 400 for sizes and timeouts that do not exist or that the plan lacks.
    """
    plan = world.knobs.limits
    minimum = given.get("autoscaling_limit_min_cu", endpoint.min_cu)
    maximum = given.get("autoscaling_limit_max_cu", endpoint.max_cu)
    resized = (minimum, maximum) != (endpoint.min_cu, endpoint.max_cu)
    if resized:
        sizes.check(minimum, maximum, plan)
    timeout = endpoint.suspend_timeout_seconds
    if "suspend_timeout_seconds" in given:
        timeout = sizes.suspend_timeout(given["suspend_timeout_seconds"], plan)
    settings = {**endpoint.settings, **given.get("settings", {})}
    configured = settings != endpoint.settings or timeout != endpoint.suspend_timeout_seconds
    disabled = given.get("disabled", endpoint.disabled)
    disabling = disabled and not endpoint.disabled

    active = world.computes.settle(endpoint).state == "active"
    before = (endpoint.name, endpoint.disabled)
    endpoint.min_cu, endpoint.max_cu = minimum, maximum
    endpoint.suspend_timeout_seconds = timeout
    endpoint.settings = settings
    endpoint.disabled = disabled
    endpoint.name = given.get("name", endpoint.name)
    if resized or configured or before != (endpoint.name, endpoint.disabled):
        endpoint.updated_at = world.clock.now()

    if disabling:
        return world.operations.schedule(project, [_suspend(world, endpoint)]) if active else []
    if resized and active:
        steps = [
            Step("apply_config", endpoint.branch_id, endpoint.id),
            _suspend(world, endpoint),
            _start(world, endpoint),
        ]
        return world.operations.schedule(project, steps, settled=_hold(world, endpoint))
    if resized or configured:
        return world.operations.schedule(project, configure(world, project, endpoint.branch_id, endpoint))
    return []


def configure(
    world: World,
    project: Project,
    branch_id: str,
    endpoint: Endpoint | None,
    *,
    work: Callable[[], Awaitable[None]] | None = None,
    done: Callable[[], None] | None = None,
) -> list[Step]:
    """apply_config, for which an idle compute wakes for a moment and is suspended again."""
    if endpoint is None:
        return [Step("apply_config", branch_id, work=work, done=done)]
    steps = [Step("apply_config", branch_id, endpoint.id, work=work, done=done)]
    may_run = not endpoint.disabled and project.exceeded() is None
    if may_run and world.computes.settle(endpoint).state == "idle":
        world.computes.start(endpoint)
        steps.append(_suspend(world, endpoint, unless_used=True))
    return steps


def _start(world: World, endpoint: Endpoint) -> Step:
    return Step(
        "start_compute", endpoint.branch_id, endpoint.id, done=partial(world.computes.start, endpoint)
    )


def _suspend(world: World, endpoint: Endpoint, *, unless_used: bool = False) -> Step:
    async def work() -> None:
        if not (unless_used and world.computes.sessions(endpoint)):
            await world.stop_computes([endpoint])

    def done() -> None:
        if not (unless_used and world.computes.sessions(endpoint)):
            world.computes.stop(endpoint)

    return Step("suspend_compute", endpoint.branch_id, endpoint.id, work=work, done=done)


def _hold(world: World, endpoint: Endpoint) -> Callable[[], None]:
    world.computes.hold([endpoint])
    return partial(world.computes.release, [endpoint])


_QUOTA_CODES = {
    "compute_time_seconds": "COMPUTE_TIME_EXCEEDED",
    "data_transfer_bytes": "DATA_TRANSFER_LIMIT_EXCEEDED",
}
"""Error codes of Neon for a used-up quota; that this route gives them is a guess."""
