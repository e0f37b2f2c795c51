"""Two clusters, one Neon organization: neither touches what is the other's."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster import condition
from neon_sandbox.controlplane import ControlPlane
from new_cluster import new_cluster
from runbook import Runbook
from scene import SWEEPING, Scene, playing

PAGE = "shared-organization.md"
ORPHANS = "neon-tenant-operator orphans"


def folder(parent: Path, name: str) -> Path:
    (parent / name).mkdir()
    return parent / name


def living(scene: Scene) -> set[str]:
    """The ids of all projects of the account."""
    return {project["id"] for project in scene.projects()}


async def made(scene: Scene, name: str) -> str:
    await scene.create(name)
    return str((await scene.cluster.until_ready(name))["status"]["projectId"])


def written(scene: Scene) -> list[tuple[str, str]]:
    """Every request that changed something at Neon, by method and last part of its path."""
    requests = [entry for entry in scene.neon.requests if entry.method != "GET"]
    return [(entry.method, entry.path.rpartition("/")[2]) for entry in requests]


@pytest.mark.proves("F54", "I1", "I2", "I3")
async def test_clusters_with_different_ids_do_not_touch_each_other(
    plane: ControlPlane, second: ControlPlane, tmp_path: Path
) -> None:
    """One id is even the end of the other."""
    async with playing(plane, None, folder(tmp_path, "one")) as one:
        shared = one.shared(f"x-{one.prefix}")
        async with playing(second, None, folder(tmp_path, "other"), shared=shared) as other:
            runbook = Runbook(PAGE)
            for scene in (one, other):
                await scene.create_tiers()
                await scene.start_operator(**SWEEPING)
            projects = {scene.prefix: await made(scene, "acme") for scene in (one, other)}
            stray = await _left_behind(one)
            one.age_projects()
            await one.until_swept(6)
            assert await runbook.projects(one, ORPHANS) == {stray}
            assert await runbook.projects(other, ORPHANS) == set()

            # Not even an administrator of the one can lay hands on what is the other's.
            refused = await other.operate("delete", "DeleteOrphans", stray)
            assert refused["status"]["phase"] == "Failed"
            target = f"{other.namespace}/acme={projects[one.prefix]}"
            refused = await other.operate("rebind", "Rebind", target)
            assert refused["status"]["phase"] == "Failed"
            assert living(one) == {*projects.values(), stray}

            await other.cluster.delete("TenantDatabase", "acme")
            await other.cluster.until_gone("TenantDatabase", "acme")
            await one.until_swept(6)
            assert living(one) == {projects[one.prefix], stray}
            assert (await one.cluster.until_ready())["status"]["projectId"] == projects[one.prefix]
            deleted = [project for method, project in written(one) if method == "DELETE"]
            assert deleted == [projects[other.prefix]]


async def _left_behind(scene: Scene) -> str:
    """A project whose resource went without it."""
    project = await made(scene, "stray")
    await scene.cluster.strip_and_delete("stray")
    await scene.cluster.until_gone("TenantDatabase", "stray")
    return project


@pytest.mark.proves("F54", "F42", "I1", "I2", "I3")
async def test_the_same_id_by_mistake_makes_and_deletes_nothing_of_the_others(
    plane: ControlPlane, second: ControlPlane, tmp_path: Path
) -> None:
    async with (
        playing(plane, None, folder(tmp_path, "one")) as one,
        playing(second, None, folder(tmp_path, "other"), shared=one.shared()) as other,
    ):
        runbook = Runbook(PAGE)
        for scene in (one, other):
            await scene.create_tiers()
            await scene.start_operator(**SWEEPING)
        mine = await made(one, "acme")
        # The same name: taken for what an earlier cluster left behind, and not touched.
        await other.create()
        held = await other.cluster.until_reason("PreviousProjectFound")
        assert mine not in condition(held, "Ready")["message"]
        told = await runbook.run(other, "PreviousProjectFound")
        assert other.namespace in told
        # Another name: each takes it for its own cluster's, whose owner is gone.
        theirs = await made(other, "elsewhere")
        one.age_projects()
        await one.until_swept(6)
        assert await runbook.projects(one, ORPHANS) == {theirs}
        assert living(one) == {mine, theirs}

        await other.cluster.delete("TenantDatabase", "acme")
        await other.cluster.until_gone("TenantDatabase", "acme")
        await one.until_swept(6)
        assert (await one.cluster.until_ready())["status"]["projectId"] == mine
        assert living(one) == {mine, theirs}
        assert not [method for method, _ in written(one) if method == "DELETE"]
        runbook.all_run("kubectl -n neon-tenant-operator", "neon-tenant-operator confirm-api-server")


@pytest.mark.proves("T21")
async def test_a_copy_of_etcd_elsewhere_only_reports(plane: ControlPlane, tmp_path: Path) -> None:
    """The same uids, the same cluster id and the same key; another control plane."""
    async with playing(plane, None, folder(tmp_path, "one")) as one:
        await one.create_tiers()
        await one.start_operator()
        names = ("changed", "deleted")
        before = {name: await made(one, name) for name in names}
        await plane.backup(tmp_path / "backup")
        async with (
            new_cluster(backup=tmp_path / "backup") as copy,
            playing(copy, None, folder(tmp_path, "copy"), shared=one.shared()) as other,
        ):
            code = await _is_only_reported(one, other, before)
            # The original is given up, and this is its successor.
            await one.operators[-1].stop()
            runbook = Runbook(PAGE)
            await runbook.run(other, "confirm-api-server", **{"0123456789": code})
            for name in ("changed", "new"):
                await other.cluster.until_ready(name)
            await other.cluster.until_gone("TenantDatabase", "deleted")
            assert before["deleted"] not in living(one)
            assert before["changed"] in living(one)


async def _is_only_reported(one: Scene, other: Scene, before: dict[str, str]) -> str:
    """Whatever happens in the copy; returns the code that its operator names."""
    other.tiers = one.tiers
    written_before = written(one)
    await other.start_operator(**SWEEPING)
    await other.until_logged("Another API server")
    await other.change("changed", tier=other.tiers["pro"])
    await other.cluster.delete("TenantDatabase", "deleted")
    await other.create("new")
    for name in (*before, "new"):
        found = await other.cluster.until_tenant(
            name, lambda one: condition(one, "Reconciling")["reason"] == "Paused", "it says why"
        )
        assert "not the API server" in condition(found, "Reconciling")["message"]
    assert written(one) == written_before
    assert living(one) == set(before.values())
    for name, project in before.items():
        assert (await one.cluster.until_ready(name))["status"]["projectId"] == project
    told: str = condition(await other.cluster.tenant("new"), "Reconciling")["message"]
    return told.partition("confirm-api-server ")[2].partition("`")[0]
