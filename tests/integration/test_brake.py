"""The brake on mass deletions: the first few go, then everything stands until a person says so."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cluster import Object, condition
from scene import Scene, query
from waiting import until

LIMIT = 3
SETTINGS = {"deletions_per_window": str(LIMIT)}
NAMES = [f"acme-{i}" for i in range(6)]


async def create_all(scene: Scene) -> None:
    await asyncio.gather(*(scene.create(name) for name in NAMES))
    for name in NAMES:
        await scene.cluster.until_ready(name)


async def delete_all(scene: Scene) -> None:
    for name in NAMES:
        await scene.cluster.delete("TenantDatabase", name)


def is_held(found: Object) -> bool:
    ready = condition(found, "Ready")
    return bool(ready["reason"] == "DeletionHeld" and "release-deletions" in ready["message"])


async def until_held(scene: Scene, number: int) -> list[str]:
    """Waits until no more are left than are held; their names."""

    async def look() -> list[str] | None:
        left = await scene.cluster.list("TenantDatabase")
        return (
            [t["metadata"]["name"] for t in left] if len(left) == number and all(map(is_held, left)) else None
        )

    return await until(look, f"{number} deletions are held")


async def release(scene: Scene, name: str = "release", **spec: Any) -> Object:
    return await scene.operate(name, "ReleaseDeletions", **spec)


@pytest.mark.proves("I3", "I7", "T13")
async def test_more_deletions_than_the_limit_are_held_and_their_logins_work(scene: Scene) -> None:
    await scene.start_operator(**SETTINGS)
    await create_all(scene)
    await delete_all(scene)
    held = await until_held(scene, len(NAMES) - LIMIT)
    assert len(scene.projects()) == len(held)
    for name in held:
        assert await query((await scene.cluster.secret(f"{name}-database"))["uri"], "SELECT 1") == 1
    event = await scene.cluster.until_event("DeletionHeld")
    assert event["type"] == "Warning"
    await scene.until_logged("the brake holds further deletions")


async def test_a_release_lets_go_what_was_marked_and_the_count_begins_anew(unconnected: Scene) -> None:
    await unconnected.start_operator(**SETTINGS)
    await create_all(unconnected)
    await delete_all(unconnected)
    await until_held(unconnected, len(NAMES) - LIMIT)
    done = await release(unconnected)
    assert done["status"]["phase"] == "Succeeded"
    assert done["status"]["results"][0]["message"].startswith(f"{len(NAMES) - LIMIT} held deletions")
    for name in NAMES:
        await unconnected.cluster.until_gone("TenantDatabase", name)
    assert unconnected.projects() == []


async def test_a_restart_in_between_keeps_the_count(unconnected: Scene) -> None:
    await unconnected.start_operator(**SETTINGS)
    await create_all(unconnected)
    for name in NAMES[:LIMIT]:
        await unconnected.cluster.delete("TenantDatabase", name)
        await unconnected.cluster.until_gone("TenantDatabase", name)
    await unconnected.operators[-1].stop()
    await unconnected.start_operator(**SETTINGS)
    for name in NAMES[LIMIT:]:
        await unconnected.cluster.delete("TenantDatabase", name)
    await until_held(unconnected, len(NAMES) - LIMIT)
    await unconnected.operators[-1].stop()
    await unconnected.start_operator(**SETTINGS)
    await unconnected.annotate(NAMES[-1], reconcile_requested_at="1")
    await unconnected.cluster.until_tenant(
        NAMES[-1], lambda found: found["status"].get("lastHandledReconcileAt") == "1", "it was looked at"
    )
    assert len(unconnected.projects()) == len(NAMES) - LIMIT


async def test_what_is_marked_while_nobody_watches_is_counted(unconnected: Scene) -> None:
    operator = await unconnected.start_operator(**SETTINGS)
    await create_all(unconnected)
    await operator.stop()
    await delete_all(unconnected)
    await unconnected.start_operator(**SETTINGS)
    await until_held(unconnected, len(NAMES) - LIMIT)
    assert len(unconnected.projects()) == len(NAMES) - LIMIT


async def test_a_held_tenant_is_kept_by_retain(unconnected: Scene) -> None:
    await unconnected.start_operator(**SETTINGS)
    await create_all(unconnected)
    await delete_all(unconnected)
    kept, *others = await until_held(unconnected, len(NAMES) - LIMIT)
    await unconnected.change(kept, deletionPolicy="Retain")
    await unconnected.cluster.until_gone("TenantDatabase", kept)
    assert [p["name"].endswith("-released") for p in unconnected.projects()].count(True) == 1
    assert sorted(await until_held(unconnected, len(others))) == sorted(others)
    assert len(unconnected.projects()) == len(NAMES) - LIMIT


async def test_what_is_retained_is_not_counted(unconnected: Scene) -> None:
    await unconnected.start_operator(**SETTINGS)
    await asyncio.gather(*(unconnected.create(name, deletionPolicy="Retain") for name in NAMES))
    for name in NAMES:
        await unconnected.cluster.until_ready(name)
    await delete_all(unconnected)
    for name in NAMES:
        await unconnected.cluster.until_gone("TenantDatabase", name)
    assert len(unconnected.projects()) == len(NAMES)


@pytest.mark.proves("T13")
async def test_a_deleted_namespace_is_braked_too(unconnected: Scene) -> None:
    await unconnected.start_operator(**SETTINGS)
    await create_all(unconnected)
    await unconnected.cluster.delete("Namespace", unconnected.namespace)
    await until_held(unconnected, len(NAMES) - LIMIT)
    assert len(unconnected.projects()) == len(NAMES) - LIMIT
    await release(unconnected)
    await unconnected.cluster.until_gone("Namespace", unconnected.namespace)
    assert unconnected.projects() == []


@pytest.mark.parametrize("scope", ["deletions_per_tier", "deletions_per_namespace"])
async def test_a_tier_and_a_namespace_have_limits_of_their_own(unconnected: Scene, scope: str) -> None:
    await unconnected.start_operator(deletions_per_window="0", **{scope: str(LIMIT)})
    await create_all(unconnected)
    await delete_all(unconnected)
    await until_held(unconnected, len(NAMES) - LIMIT)
    assert len(unconnected.projects()) == len(NAMES) - LIMIT


async def test_nothing_is_deleted_while_the_count_cannot_be_stored(unconnected: Scene) -> None:
    """The count is stored before Neon is asked: without the right to store it, nothing goes."""
    from neon_sandbox import installation

    await unconnected.start_operator(**SETTINGS)
    await unconnected.create()
    await unconnected.cluster.until_ready()
    name = f"neon-tenant-operator-{unconnected.prefix}"
    await installation.kubectl(
        unconnected.plane,
        "patch",
        "configmap",
        name,
        "-n",
        installation.NAMESPACE,
        "-p",
        '{"immutable": true}',
    )
    await unconnected.cluster.delete("TenantDatabase", "acme")
    await unconnected.until_logged("A pass")
    assert len(unconnected.projects()) == 1
    await installation.kubectl(unconnected.plane, "delete", "configmap", name, "-n", installation.NAMESPACE)
    await unconnected.cluster.until_gone("TenantDatabase", "acme")
    assert unconnected.projects() == []
