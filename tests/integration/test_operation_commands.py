"""The commands that write a FleetOperation and follow it, as an administrator runs them."""

from __future__ import annotations

import os

import pytest

from cluster import condition
from scene import Scene, program


async def command(scene: Scene, *arguments: str) -> tuple[int, str, str]:
    """Runs the command line with the administrator's kubeconfig; exit code, output and errors."""
    env = {
        "PATH": os.defpath,
        "NEON_TENANTS_KUBECONFIG": str(scene.plane.kubeconfig),
        "NEON_TENANTS_CLUSTER_ID": scene.prefix,
    }
    return await program(*arguments, env=env)


async def lost(scene: Scene, name: str = "acme") -> str:
    """The id of a project whose resource went without it."""
    await scene.create(name)
    project = str((await scene.cluster.until_ready(name))["status"]["projectId"])
    await scene.cluster.strip_and_delete(name)
    await scene.cluster.until_gone("TenantDatabase", name)
    return project


@pytest.mark.proves("T20")
async def test_rebind_is_tried_dry_and_then_done(unconnected: Scene) -> None:
    await unconnected.start_operator()
    old = await lost(unconnected)
    await unconnected.create()
    held = await unconnected.cluster.until_reason("PreviousProjectFound")
    assert "neon-tenant-operator rebind" in condition(held, "Ready")["message"]
    place = f"{unconnected.namespace}/acme"
    code, output, errors = await command(unconnected, "rebind", place, "--dry-run")
    assert code == 0, errors
    assert f"The project {old} would be bound." in output
    assert "1 to be done" in output
    assert "Succeeded 1/1" in errors
    code, output, errors = await command(unconnected, "rebind", place)
    assert code == 0, errors
    assert (await unconnected.cluster.until_ready())["status"]["projectId"] == old


async def test_a_refusal_is_told_by_the_exit_code(unconnected: Scene) -> None:
    await unconnected.start_operator()
    code, output, _ = await command(unconnected, "undelete", f"{unconnected.namespace}/nobody")
    assert code == 1
    assert "There is no such TenantDatabase" in output


async def test_nothing_held_is_a_release_of_nothing(unconnected: Scene) -> None:
    await unconnected.start_operator()
    code, output, errors = await command(unconnected, "release-deletions")
    assert code == 0, errors
    assert "0 held deletions go on." in output


async def test_orphans_are_listed_and_deleted_by_name(unconnected: Scene) -> None:
    await unconnected.start_operator()
    orphan = await lost(unconnected)
    next(p for p in unconnected.neon.store if p.id == orphan).created_at -= 7200
    await unconnected.until_logged("The operator serves.")
    (address,) = (line["address"] for line in unconnected.log_lines() if line.get("address"))
    code, output, errors = await command(unconnected, "orphans", "--server", address)
    assert code == 0, errors
    assert orphan in output
    assert len(unconnected.projects()) == 1
    code, output, errors = await command(unconnected, "orphans", "--delete", orphan)
    assert code == 0, errors
    assert unconnected.projects() == []


async def test_what_cannot_be_meant_is_a_usage_error(scene: Scene) -> None:
    for arguments in (("rebind",), ("rebind", "a/b", "--all"), ("orphans", "--delete"), ("orphans", "some")):
        code, _, errors = await command(scene, *arguments)
        assert code == 2
        assert "Usage:" in errors
