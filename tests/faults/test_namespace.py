"""The namespace goes, or a name comes back, in the middle of a create."""

from __future__ import annotations

import pytest

from cluster import Object, condition
from scene import Scene
from waiting import until


async def posted(scene: Scene) -> None:
    async def made() -> bool:
        return scene.requests("POST", "/projects") == 1

    await until(made, "the project is made")


@pytest.mark.proves("F38", "F39", "I1", "I7")
async def test_a_namespace_that_goes_in_the_middle_of_a_create_leaves_nothing(unconnected: Scene) -> None:
    """It takes no new Secret any more: that is not tried again and again, and the deletion goes on."""
    unconnected.neon.knobs.operation_seconds = 3
    await unconnected.start_operator()
    await unconnected.create()
    await posted(unconnected)
    await unconnected.cluster.delete("Namespace", unconnected.namespace)
    await unconnected.cluster.until_gone("TenantDatabase", "acme")
    await unconnected.cluster.until_gone("Namespace", unconnected.namespace)
    assert unconnected.projects() == []
    assert len(unconnected.projects(deleted=True)) == 1
    tried = [w for w in unconnected.writes() if (w.verb, w.resource) == ("create", "secrets")]
    assert len(tried) <= 3


@pytest.mark.proves("F39", "I1", "I2")
async def test_a_name_that_comes_back_while_its_project_was_being_made_gets_one_of_its_own(
    unconnected: Scene,
) -> None:
    unconnected.neon.knobs.operation_seconds = 2
    await unconnected.start_operator()
    first = await unconnected.create()
    await posted(unconnected)
    await unconnected.cluster.delete("TenantDatabase", "acme")
    await unconnected.cluster.until_gone("TenantDatabase", "acme")
    second = await unconnected.create()
    tenant = await unconnected.cluster.until_ready()
    assert first["metadata"]["uid"] != second["metadata"]["uid"]
    project = unconnected.project()
    assert project["id"] == tenant["status"]["projectId"]
    assert project["annotations"]["neontenants.io/uid"] == second["metadata"]["uid"]
    secret = await unconnected.cluster.get("Secret", "acme-database")
    assert secret is not None
    assert secret["metadata"]["annotations"]["neontenants.io/owner-uid"] == second["metadata"]["uid"]
    assert len(unconnected.projects(deleted=True)) == 1


@pytest.mark.proves("F38", "I3", "I6")
async def test_a_held_deletion_says_so_in_a_namespace_that_takes_no_secret_any_more(running: Scene) -> None:
    await running.create(deletionProtection=True)
    await running.cluster.until_ready()
    await running.cluster.delete("Namespace", running.namespace)
    await running.cluster.until_gone("Secret", "acme-database")
    await running.annotate("acme", reconcile_requested_at="now")

    def told(found: Object) -> bool:
        held: bool = condition(found, "Ready")["reason"] == "DeletionHeld"
        gone: bool = condition(found, "Available")["status"] == "False"
        return held and gone

    await running.cluster.until_tenant("acme", told, "it says that it is held, and that its login is gone")
    assert len(running.projects()) == 1
    await running.change(deletionProtection=False)
    await running.cluster.until_gone("Namespace", running.namespace)
    assert running.projects() == []
