"""What of a tenant, its Secret and its project must be equal to a run without faults."""

from __future__ import annotations

from collections import Counter

from cluster import Object, decoded
from scene import Scene


async def end_state(scene: Scene, name: str = "acme") -> Object:
    """The tenant's state without what differs between any two runs: ids, times, ports, passwords."""
    await scene.until_idle()
    tenant = await scene.cluster.get("TenantDatabase", name)
    secret = await scene.cluster.get("Secret", f"{name}-database")
    return {
        "tenant": None if tenant is None else _tenant(scene, tenant),
        "secret": None if secret is None else _secret(secret, tenant),
        "projects": sorted((_project(scene, project) for project in scene.projects()), key=str),
        "deleted": len(scene.projects(deleted=True)),
    }


def _tenant(scene: Scene, tenant: Object) -> Object:
    status = tenant["status"]
    return {
        "conditions": {told["type"]: (told["status"], told["reason"]) for told in status["conditions"]},
        "applied": status["observedGeneration"] == tenant["metadata"]["generation"],
        "finalizers": tenant["metadata"].get("finalizers"),
        "tier": (status["tier"]["name"].removeprefix(scene.prefix), status["tier"]["generation"]),
        "suspended": status.get("suspended"),
        "binding": status["binding"],
        "recorded": status["projectId"] in {project["id"] for project in scene.projects()},
    }


def _secret(secret: Object, tenant: Object | None) -> Object:
    annotations = secret["metadata"]["annotations"]
    return {
        "keys": sorted(decoded(secret)),
        "type": secret["type"],
        "labels": secret["metadata"].get("labels"),
        "owners": secret["metadata"].get("ownerReferences"),
        "published": tenant is not None
        and (annotations["neontenants.io/owner-uid"], annotations["neontenants.io/project-id"])
        == (tenant["metadata"]["uid"], tenant["status"]["projectId"]),
    }


def _project(scene: Scene, project: Object) -> Object:
    """A living project; of its owner only whether it is one, or that it was let go."""
    readable, _, owner = project["name"].rpartition("-")
    return {
        "named": readable.startswith(scene.namespace[:10]),
        "owner": owner if owner == "released" else len(owner),
        "quota": project["quota"],
        "history": project["history_retention_seconds"],
        "defaults": project["default_endpoint_settings"],
        "computes": sorted(
            (e["autoscaling_limit_min_cu"], e["autoscaling_limit_max_cu"], e["disabled"])
            for e in project["endpoints"]
        ),
        "branches": len(project["branches"]),
    }


def neon_writes(scene: Scene) -> Counter[str]:
    """Writes that took effect on Neon so far, by kind."""
    found: Counter[str] = Counter()
    for (method, route, status), count in scene.neon.requests.counters.items():
        if method != "GET" and 200 <= status < 300:
            found[f"{method} {route}"] += count
    return found
