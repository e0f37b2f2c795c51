"""What is answered: plain dictionaries in the shape of Neon's document."""

from __future__ import annotations

import calendar
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from neon_sandbox.emulator.hosting import Address
from neon_sandbox.emulator.plans import RECOVERY_SECONDS
from neon_sandbox.emulator.state import (
    ORGANIZATION_ID,
    ORGANIZATION_NAME,
    Branch,
    Database,
    Endpoint,
    Operation,
    Project,
    Role,
)
from neon_sandbox.emulator.world import World

Json = dict[str, Any]
_MIB = 1 << 20


def stamp(moment: float) -> str:
    """RFC 3339 in UTC with whole seconds, as Neon writes times."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def period(now: float) -> tuple[float, float]:
    """Begin and end of the billing period: the calendar month in UTC."""
    year, month = time.gmtime(now)[:2]
    begin = calendar.timegm((year, month, 1, 0, 0, 0))
    end = calendar.timegm((year + month // 12, month % 12 + 1, 1, 0, 0, 0))
    return float(begin), float(end)


def project(world: World, it: Project) -> Json:
    """Project: the whole of it."""
    begin, end = period(world.clock.now())
    view = _project_head(world, it)
    view |= {
        "consumption_period_start": stamp(begin),
        "consumption_period_end": stamp(end),
        "active_time_seconds": it.usage["active_time_seconds"],
        "compute_time_seconds": it.usage["compute_time_seconds"],
        "written_data_bytes": it.usage["written_data_bytes"],
        "data_transfer_bytes": it.usage["data_transfer_bytes"],
        "data_storage_bytes_hour": 0,
        "owner": {
            "email": "sandbox@example.com",
            "name": ORGANIZATION_NAME,
            "branches_limit": world.knobs.limits.branches,
            "subscription_type": {"free": "free_v3", "launch": "launch_v3", "scale": "scale_v3"}[
                world.knobs.plan
            ],
        },
    }
    return view


def project_item(world: World, it: Project) -> Json:
    """ProjectListItem: `active_time` for `active_time_seconds`, and no other meter."""
    view = _project_head(world, it)
    view["active_time"] = it.usage["active_time_seconds"]
    view["org_name"] = ORGANIZATION_NAME
    if it.deleted_at is not None:
        view["deleted_at"] = stamp(it.deleted_at)
        view["recoverable_until"] = stamp(it.deleted_at + RECOVERY_SECONDS)
    return view


def _project_head(world: World, it: Project) -> Json:
    limit = it.quota["logical_size_bytes"] or world.knobs.limits.branch_size_bytes
    view: Json = {
        "id": it.id,
        "platform_id": it.region_id.partition("-")[0],
        "region_id": it.region_id,
        "name": it.name,
        "provisioner": it.provisioner,
        "default_endpoint_settings": it.default_endpoint_settings,
        "settings": it.settings,
        "pg_version": it.pg_version,
        "proxy_host": _proxy_host(it.region_id),
        "branch_logical_size_limit": limit // _MIB,
        "branch_logical_size_limit_bytes": limit,
        "store_passwords": it.store_passwords,
        "cpu_used_sec": it.usage["compute_time_seconds"],
        "creation_source": "console",
        "history_retention_seconds": it.history_retention_seconds,
        "created_at": stamp(it.created_at),
        "updated_at": stamp(it.updated_at),
        "synthetic_storage_size": it.usage["logical_size_bytes"],
        "owner_id": it.org_id,
        "org_id": it.org_id,
    }
    active = [e.last_active for e in it.endpoints.values() if world.computes.settle(e).last_active]
    if active:
        view["compute_last_active_at"] = stamp(max(moment for moment in active if moment is not None))
    return view


def branch(it: Branch, owner: Project) -> Json:
    """Branch. The meters of a project are shown on its default branch."""
    usage = owner.usage if it.default else dict.fromkeys(owner.usage, 0)
    view: Json = {
        "id": it.id,
        "project_id": owner.id,
        "name": it.name,
        "current_state": "ready" if it.ready else "init",
        "state_changed_at": stamp(it.state_changed_at),
        "logical_size": owner.usage["logical_size_bytes"],
        "creation_source": "console",
        "primary": it.default,
        "default": it.default,
        "protected": it.protected,
        "cpu_used_sec": usage["compute_time_seconds"],
        "active_time_seconds": usage["active_time_seconds"],
        "compute_time_seconds": usage["compute_time_seconds"],
        "written_data_bytes": usage["written_data_bytes"],
        "data_transfer_bytes": usage["data_transfer_bytes"],
        "created_at": stamp(it.created_at),
        "updated_at": stamp(it.updated_at),
        "created_by": {"name": "Sandbox", "image": ""},
        "init_source": it.init_source,
    }
    if not it.ready:
        view["pending_state"] = "ready"
    if it.parent_id is not None:
        view["parent_id"] = it.parent_id
    if it.parent_timestamp is not None:
        view["parent_timestamp"] = stamp(it.parent_timestamp)
        view["parent_lsn"] = "0/1DE2850"
    if it.expires_at is not None:
        view["expires_at"] = stamp(it.expires_at)
        view["ttl_interval_seconds"] = it.ttl_seconds
    return view


def annotation(it: Branch) -> Json:
    """AnnotationData of a branch."""
    return {
        "object": {"type": "console/branch", "id": it.id},
        "value": it.annotations,
        "created_at": stamp(it.created_at),
        "updated_at": stamp(it.created_at),
    }


def endpoint(world: World, it: Endpoint) -> Json:
    """Endpoint, as it is now."""
    world.computes.settle(it)
    view: Json = {
        "host": world.hosting.address(it).host,
        "id": it.id,
        "project_id": it.project_id,
        "branch_id": it.branch_id,
        "autoscaling_limit_min_cu": it.min_cu,
        "autoscaling_limit_max_cu": it.max_cu,
        "region_id": it.region_id,
        "type": it.type,
        "current_state": it.state,
        "settings": it.settings,
        "pooler_enabled": False,
        "pooler_mode": "transaction",
        "disabled": it.disabled,
        "passwordless_access": True,
        "creation_source": "console",
        "created_at": stamp(it.created_at),
        "updated_at": stamp(it.updated_at),
        "proxy_host": _proxy_host(it.region_id),
        "suspend_timeout_seconds": it.suspend_timeout_seconds,
        "provisioner": it.provisioner,
    }
    if it.pending_state is not None:
        view["pending_state"] = it.pending_state
    for key, moment in (
        ("last_active", it.last_active),
        ("started_at", it.started_at),
        ("suspended_at", it.suspended_at),
    ):
        if moment is not None:
            view[key] = stamp(moment)
    if it.name is not None:
        view["name"] = it.name
    return view


def role(it: Role, owner: Branch, *, password: str | None = None) -> Json:
    """Role; with its password only in the answer that makes it."""
    view: Json = {
        "branch_id": owner.id,
        "name": it.name,
        "protected": False,
        "authentication_method": "password",
        "created_at": stamp(it.created_at),
        "updated_at": stamp(it.updated_at),
    }
    if password is not None:
        view["password"] = password
    return view


def database(it: Database, owner: Branch) -> Json:
    """Database."""
    return {
        "id": it.id,
        "branch_id": owner.id,
        "name": it.name,
        "owner_name": it.owner_name,
        "created_at": stamp(it.created_at),
        "updated_at": stamp(it.updated_at),
    }


def operation(it: Operation, now: float) -> Json:
    """Operation."""
    end = it.finished_at or now
    view: Json = {
        "id": it.id,
        "project_id": it.project_id,
        "action": it.action,
        "status": it.status,
        "failures_count": it.failures_count,
        "created_at": stamp(it.created_at),
        "updated_at": stamp(it.updated_at),
        "total_duration_ms": max(0, round((end - (it.started_at or end)) * 1000)),
    }
    if it.branch_id is not None:
        view["branch_id"] = it.branch_id
    if it.endpoint_id is not None:
        view["endpoint_id"] = it.endpoint_id
    if it.error is not None:
        view["error"] = it.error
    return view


def operations(world: World, those: Iterable[Operation]) -> list[Json]:
    """The operations of one request."""
    now = world.clock.now()
    return [operation(it, now) for it in those]


def connection(address: Address, role: str, password: str, database: str) -> Json:
    """ConnectionDetails."""
    return {
        "connection_uri": uri(address, role, password, database),
        "connection_parameters": {
            "database": database,
            "password": password,
            "role": role,
            "host": address.host,
            "pooler_host": address.pooler_host,
        },
    }


def uri(address: Address, role: str, password: str | None, database: str, *, pooled: bool = False) -> str:
    """A connection URI; without a password where none is stored."""
    user = quote(role, safe="") + ("" if password is None else ":" + quote(password, safe=""))
    host = address.pooler_host if pooled else address.host
    port = "" if address.port is None else f":{address.port}"
    return f"postgresql://{user}@{host}{port}/{quote(database, safe='')}?{address.parameters}"


def organization(world: World) -> Json:
    """Organization: the emulator has one."""
    return {
        "id": ORGANIZATION_ID,
        "name": ORGANIZATION_NAME,
        "handle": f"{ORGANIZATION_NAME.lower()}-{ORGANIZATION_ID}",
        "plan": world.knobs.plan,
        "created_at": "2024-02-23T17:42:25Z",
        "managed_by": "console",
        "updated_at": "2024-02-26T20:41:25Z",
        "require_mfa": False,
    }


def _proxy_host(region_id: str) -> str:
    platform, _, place = region_id.partition("-")
    return f"{place}.{platform}.neon.tech"
