"""What must hold at the end of any story, told without any of the operator's code.

Everything here is taken from docs/api.md and docs/protocol.md, and from what Neon and the API server say.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cluster import condition, is_ready
from life.ledger import Ledger, Object

GROUP: Final = "neontenants.io"
LOGIN: Final = "servicebinding.io/postgresql"
QUOTAS: Final = {
    "free": {
        "active_time_seconds": 0,
        "compute_time_seconds": 100 * 3600,
        "written_data_bytes": 1 << 30,
        "data_transfer_bytes": 5 << 30,
        "logical_size_bytes": 512 << 20,
    },
    "pro": {
        "active_time_seconds": 0,
        "compute_time_seconds": 750 * 3600,
        "written_data_bytes": 50 << 30,
        "data_transfer_bytes": 50 << 30,
        "logical_size_bytes": 10 << 30,
    },
}
"""Of the shipped tiers, in Neon's words; 0 is unlimited."""
OVERRIDDEN: Final = 20 << 30
HISTORY: Final = {"free": 6 * 3600, "pro": 24 * 3600}


@dataclass(frozen=True)
class Seen:
    """All that there is at one moment."""

    tenants: Sequence[Object]
    secrets: Mapping[str, Object]
    projects: Sequence[Object]
    """Neon's true state, the deleted ones too, without bystanders."""
    prefix: str
    """Of the names of this world's tiers."""
    crashed: bool = False
    """Whether an operator was killed."""


def complaints(seen: Seen, ledger: Ledger) -> list[str]:
    """What does not hold; nothing, if all is well."""
    found = [wrong for tenant in seen.tenants for wrong in _of_tenant(tenant, seen, ledger)]
    found += [wrong for project in seen.projects for wrong in _of_project(project, seen, ledger)]
    recorded = [t["status"].get("projectId") for t in seen.tenants]
    for id_ in {id_ for id_ in recorded if id_ is not None and recorded.count(id_) > 1}:
        found.append(f"the project {id_} is recorded by two resources")
    for uid, made in ledger.foreign.items():
        now = seen.secrets.get(made["metadata"]["name"])
        if now is not None and now["metadata"]["uid"] == uid and now["data"] != made["data"]:
            found.append(f"somebody else's Secret {made['metadata']['name']} was written")
    return found


def unanswered(seen: Seen, look: str) -> list[str]:
    """Who has not been looked at since it was asked for; a paused one is not looked at.

    One whose deletion is held is: until then its status may tell of the spec before.
    """
    return [
        f"{tenant['metadata']['name']} was not looked at"
        for tenant in seen.tenants
        if condition(tenant, "Reconciling")["reason"] != "Paused"
        and tenant["status"].get("lastHandledReconcileAt") != look
    ]


# --- resources ---------------------------------------------------------------------------------------


def _of_tenant(tenant: Object, seen: Seen, ledger: Ledger) -> Iterator[str]:
    name, reason = tenant["metadata"]["name"], condition(tenant, "Ready")["reason"]
    stalled = condition(tenant, "Stalled")
    paused = tenant["metadata"].get("annotations", {}).get(f"{GROUP}/paused") == "true"
    if "deletionTimestamp" in tenant["metadata"]:
        held = bool(tenant["spec"].get("deletionProtection"))
        if paused or (held and reason == "DeletionHeld"):
            return
        yield f"{name} was deleted and is not gone, for the reason {reason}"
    elif paused:
        if condition(tenant, "Reconciling")["reason"] != "Paused":
            yield f"{name} is paused and does not say so"
    elif is_ready(tenant):
        yield from _of_ready(tenant, seen)
    elif stalled["status"] == "True":
        if not _justified(stalled["reason"], tenant, seen, ledger):
            yield f"{name} says {stalled['reason']} without a cause: {stalled['message']}"
    else:
        yield f"{name} is neither Ready nor Stalled, but {reason}: {condition(tenant, 'Ready')['message']}"


def _of_ready(tenant: Object, seen: Seen) -> Iterator[str]:
    name, spec, status = tenant["metadata"]["name"], tenant["spec"], tenant["status"]
    project = next((p for p in seen.projects if p["id"] == status.get("projectId")), None)
    if project is None or project["deleted_at"]:
        yield f"{name} is Ready and its project {status.get('projectId')} is gone"
        return
    if birth(project, "name") != name:
        yield f"{name} is Ready with the project of {birth(project, 'name')}"
    if not project["name"].endswith(f"-{in_base32(tenant['metadata']['uid'])}"):
        yield f"{name} is Ready, and its project is named {project['name']}"
    tier = spec["tier"].removeprefix(f"{seen.prefix}-")
    quota = dict(QUOTAS[tier])
    if spec.get("overrides"):
        quota["logical_size_bytes"] = OVERRIDDEN
    if project["quota"] != quota:
        yield f"{name} is Ready in {tier} with {project['quota']}"
    if project["history_retention_seconds"] != HISTORY[tier]:
        yield f"{name} is Ready in {tier} with {project['history_retention_seconds']} s of history"
    suspended = spec.get("state") == "Suspended"
    if any(endpoint["disabled"] is not suspended for endpoint in project["endpoints"]):
        yield f"{name} is Ready, and not all computes are {'disabled' if suspended else 'enabled'}"
    available = condition(tenant, "Available")
    if available["status"] != ("False" if suspended else "True"):
        yield f"{name} is Ready, and Available is {available['status']}: {available['reason']}"


def _justified(reason: str, tenant: Object, seen: Seen, ledger: Ledger) -> bool:
    """Whether there is what the reason speaks of."""
    uid, name = tenant["metadata"]["uid"], tenant["metadata"]["name"]
    mine = [project for project in seen.projects if birth(project, "name") == name]
    secret = seen.secrets.get(secret_name(tenant))
    match reason:
        case "PreviousProjectFound":
            return any(birth(p, "uid") != uid and not p["deleted_at"] for p in mine)
        case "ProjectMissing":
            # Renamed, and nothing left that records it: then the name is all there is.
            lost = any(p["id"] in ledger.renamed_by_hand for p in mine) and uid in ledger.wiped
            return lost or any(p["deleted_at"] and p["id"] in ledger.deleted_by_hand for p in mine)
        case "SecretNotOurs":
            return secret is not None and secret["type"] != LOGIN
        case "SecretConflict":
            owner = (secret or {}).get("metadata", {}).get("annotations", {}).get(f"{GROUP}/owner-name")
            return owner not in (None, name)
        case "OverrideNotAllowed":
            return bool(tenant["spec"].get("overrides")) and tenant["spec"]["tier"].endswith("-free")
        case _:
            return False


# --- projects ----------------------------------------------------------------------------------------


def _of_project(project: Object, seen: Seen, ledger: Ledger) -> Iterator[str]:
    """A project lives, or somebody who may has deleted it; and it is somebody's, or was let go."""
    id_, uid = project["id"], birth(project, "uid")
    whose = f"the project {id_} of {ledger.names.get(uid, 'nobody')} ({uid}), named {project['name']},"
    if project["deleted_at"]:
        by_hand = id_ in ledger.deleted_by_hand
        doubled = id_ not in ledger.rows and any(
            birth(other, "uid") == uid and other["id"] != id_ for other in seen.projects
        )
        if not (by_hand or uid in ledger.deletable or doubled):
            yield f"{whose} was deleted by nobody who may"
        return
    if id_ in ledger.renamed_by_hand or id_ in ledger.recovered_by_hand:
        return  # people have it in hand; it lives
    owner = next((t for t in seen.tenants if t["metadata"]["uid"] == uid), None)
    recorded = any(t["status"].get("projectId") == id_ for t in seen.tenants)
    if owner is not None:
        if not recorded and is_ready(owner):
            yield f"{whose} is a double"
    elif not recorded and not (
        uid in _left(seen, ledger) or (uid in ledger.releasable and project["name"].endswith("-released"))
    ):
        yield f"{whose} was left behind"


def _left(seen: Seen, ledger: Ledger) -> set[str]:
    """Uids whose finalizers people removed; or that the race of their DELETE with it removed, with a crash.

    Who made the project and dies before it has let that go is the end of this promise (docs/protocol.md).
    """
    return ledger.stripped | (ledger.unmarked if seen.crashed else set())


def left_behind(seen: Seen, ledger: Ledger) -> set[str]:
    """Ids of the projects that nobody but the orphan report can tell of."""
    living = {tenant["metadata"]["uid"] for tenant in seen.tenants}
    return {
        project["id"]
        for project in seen.projects
        if not project["deleted_at"]
        and birth(project, "uid") in _left(seen, ledger) - living
        and (birth(project, "uid") in ledger.stripped or not project["name"].endswith("-released"))
        and project["id"] not in ledger.renamed_by_hand
    }


# --- reading -----------------------------------------------------------------------------------------


def birth(project: Object, key: str) -> Any:
    """What the birth certificate says."""
    return project["annotations"].get(f"{GROUP}/{key}")


def in_base32(uid: str) -> str:
    """A uid as it stands at the end of a project's name."""
    return base64.b32encode(uuid.UUID(uid).bytes).decode().rstrip("=").lower()


def secret_name(tenant: Object) -> str:
    """The name of a tenant's Secret."""
    wishes = tenant["spec"].get("connectionSecret", {})
    return str(wishes.get("name", f"{tenant['metadata']['name']}-database"))
