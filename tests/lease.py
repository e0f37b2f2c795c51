"""The Lease by which replicas elect the one that works, as an administrator sees and changes it."""

from __future__ import annotations

from typing import Any, Final

from cluster import Cluster, Object, RefusedError
from waiting import until

NAME: Final = "neon-tenant-operator"
_LEASES: Final = f"/apis/coordination.k8s.io/v1/namespaces/{NAME}/leases"
_MERGE: Final = {"Content-Type": "application/merge-patch+json"}

ELECTING: Final = {
    "leader_elect": "true",
    "leader_elect_lease_duration": "3",
    "leader_elect_renew_deadline": "2",
    "leader_elect_retry_period": "0.4",
}
"""Short times for operators that elect."""


async def remove(cluster: Cluster) -> None:
    """There is no Lease: what an earlier test left is no matter."""
    try:
        await cluster.request("DELETE", f"{_LEASES}/{NAME}")
    except RefusedError as error:
        if error.status != 404:
            raise


async def create(cluster: Cluster, metadata: Object, spec: Object | None) -> None:
    """Somebody else makes the Lease."""
    await cluster.request("POST", _LEASES, json={"metadata": {"name": NAME, **metadata}, "spec": spec})


async def change(cluster: Cluster, **spec: Any) -> None:
    """Somebody else writes into the Lease."""
    await cluster.request("PATCH", f"{_LEASES}/{NAME}", json={"spec": spec}, headers=_MERGE)


async def read(cluster: Cluster, name: str = NAME) -> Object:
    """The Lease, which must be there."""
    found: Object = await cluster.request("GET", f"{_LEASES}/{name}")
    return found


async def holder(cluster: Cluster) -> str:
    """Who holds it; empty where nobody does."""
    return str((await read(cluster))["spec"].get("holderIdentity") or "")


async def until_held(cluster: Cluster, *, but: str = "") -> str:
    """Waits until somebody holds it, who is not this one."""

    async def held() -> str | None:
        try:
            found = await holder(cluster)
        except RefusedError as error:
            if error.status != 404:
                raise
            return None
        return found if found != but else None

    return await until(held, "somebody leads")


async def remove_all(cluster: Cluster) -> None:
    """There are no Leases: what an earlier test left is no matter."""
    for found in (await cluster.request("GET", _LEASES))["items"]:
        await cluster.request("DELETE", f"{_LEASES}/{found['metadata']['name']}")
