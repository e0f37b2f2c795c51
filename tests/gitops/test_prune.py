"""A prune goes through the brake, and no Secret disappears while a deletion is held."""

from __future__ import annotations

import asyncio

import pytest

from cluster import Object, condition
from scene import Scene, query
from waiting import until

LIMIT = 1
NAMES = [f"acme-{number}" for number in range(3)]
CONFIG_MAPS = "/api/v1/namespaces/{namespace}/configmaps"


def is_held(found: Object) -> bool:
    return bool(condition(found, "Ready")["reason"] == "DeletionHeld")


async def until_held(scene: Scene) -> list[Object]:
    async def look() -> list[Object] | None:
        left = await scene.cluster.list("TenantDatabase")
        return left if len(left) == len(NAMES) - LIMIT and all(map(is_held, left)) else None

    return await until(look, "all but what the brake lets go are held")


async def depend(scene: Scene, tenant: Object) -> str:
    """Something else that belongs to a tenant, as the collector sees it."""
    reference = {
        "apiVersion": tenant["apiVersion"],
        "kind": tenant["kind"],
        "name": tenant["metadata"]["name"],
        "uid": tenant["metadata"]["uid"],
        "blockOwnerDeletion": True,
    }
    name = f"{tenant['metadata']['name']}-dependent"
    await scene.cluster.request(
        "POST",
        CONFIG_MAPS.format(namespace=scene.namespace),
        json={"metadata": {"name": name, "ownerReferences": [reference]}},
    )
    return name


async def config_maps(scene: Scene) -> set[str]:
    found = await scene.cluster.request("GET", CONFIG_MAPS.format(namespace=scene.namespace))
    return {one["metadata"]["name"] for one in found["items"]}


@pytest.mark.proves("T13")
@pytest.mark.parametrize("policy", ["Foreground", "Background"])
async def test_a_prune_is_braked_and_logins_work_until_it_is_released(scene: Scene, policy: str) -> None:
    await scene.start_operator(deletions_per_window=str(LIMIT))
    await asyncio.gather(*(scene.create(name) for name in NAMES))
    tenants = [await scene.cluster.until_ready(name) for name in NAMES]
    dependents = {await depend(scene, tenant) for tenant in tenants}
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": policy}
    for name in NAMES:
        await scene.cluster.delete("TenantDatabase", name, json=options)
    held = [found["metadata"]["name"] for found in await until_held(scene)]

    of_held = {f"{name}-dependent" for name in held}

    async def collected() -> bool:
        """The collector has done: its own finalizer is gone, and so is what hung on a tenant that went."""
        left = await scene.cluster.list("TenantDatabase")
        finalizers = [found["metadata"]["finalizers"] for found in left]
        orphans = (dependents - of_held) & await config_maps(scene)
        return finalizers == [["neontenants.io/project"]] * len(held) and not orphans

    await until(collected, "the collector has done with the held ones and with the one that went")
    # What an owner reference binds goes first where the deletion is in the foreground, held or not.
    assert await config_maps(scene) & dependents == (set() if policy == "Foreground" else of_held)
    for name in held:
        found = await scene.cluster.get("Secret", f"{name}-database")
        assert found is not None
        assert "ownerReferences" not in found["metadata"]
        assert await query((await scene.cluster.secret(f"{name}-database"))["uri"], "SELECT 1") == 1
    assert len(scene.projects()) == len(held)

    assert (await scene.operate("release", "ReleaseDeletions"))["status"]["phase"] == "Succeeded"
    for name in NAMES:
        await scene.cluster.until_gone("TenantDatabase", name)
        await scene.cluster.until_gone("Secret", f"{name}-database")
    assert scene.projects() == []
