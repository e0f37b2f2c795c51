"""etcd is restored from an older backup, while the operator runs."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from cluster import Object, condition
from neon_sandbox.emulator.scripts import Script
from new_cluster import new_cluster
from runbook import Runbook
from scene import Scene, playing
from waiting import until

ORPHANS = "neon-tenant-operator orphans"


def project_of(tenant: Object) -> str:
    return str(tenant["status"]["projectId"])


def written(scene: Scene) -> tuple[int, int]:
    """How many requests made a project, and how many deleted one."""
    return scene.requests("POST", "/projects"), scene.requests("DELETE", "/projects/{project_id}")


async def until_declared(scene: Scene, name: str) -> None:
    async def declared() -> bool:
        found = await scene.cluster.tenant(name)
        return "neontenants.io/create-intent" in found["metadata"].get("annotations", {})

    await until(declared, "the create is declared")


async def reset_password(scene: Scene, project_id: str) -> None:
    """A person resets it in Neon's console, and asks for a thorough look."""
    (project,) = (p for p in scene.neon.store if p.id == project_id)
    (branch,) = project.branches
    role = f"/projects/{project_id}/branches/{branch}/roles/app_owner"
    await scene.console("POST", f"{role}/reset_password")


async def password(scene: Scene, name: str) -> str:
    return (await scene.cluster.secret(f"{name}-database"))["password"]


def true_password(scene: Scene, project_id: str) -> str | None:
    (project,) = (p for p in scene.neon.store if p.id == project_id)
    (branch,) = project.branches.values()
    return branch.roles["app_owner"].password


class Past:
    """What the tenants had before the disaster."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.projects: dict[str, str] = {}
        self.passwords: dict[str, str] = {}

    async def note(self, *names: str) -> None:
        for name in names:
            self.projects[name] = project_of(await self._scene.cluster.until_ready(name))
            self.passwords[name] = await password(self._scene, name)

    async def is_back(self, name: str) -> None:
        """It has its own project and password, and no other project bears its name."""
        tenant = await self._scene.cluster.until_ready(name)
        assert project_of(tenant) == self.projects[name]
        assert await password(self._scene, name) == self.passwords[name]


async def at_the_time_of_the_backup(scene: Scene, past: Past, backup: Path) -> None:
    """Some are settled, one is in the middle of its create, and one was not even seen."""
    settled = ("kept", "reset", "gone", "undeleted", "released", "again")
    for name in settled:
        await scene.create(name, **({"deletionPolicy": "Retain"} if name == "released" else {}))
    await past.note(*settled)
    scene.neon.answers.add(Script(method="POST", route="/projects", delay_after=1))
    await scene.create("declared")
    await until_declared(scene, "declared")
    scene.operators[-1].send(signal.SIGSTOP)
    await scene.create("unseen")
    await scene.plane.backup(backup)
    scene.operators[-1].send(signal.SIGCONT)
    await past.note("declared", "unseen")


async def since_the_backup(scene: Scene, past: Past) -> None:
    await scene.change("kept", tier=scene.tiers["pro"])
    for name in ("made", "forgotten"):
        await scene.create(name)
    for name in ("gone", "undeleted", "released", "again"):
        await scene.cluster.delete("TenantDatabase", name)
        await scene.cluster.until_gone("TenantDatabase", name)
    await scene.create("again")
    await past.note("made", "forgotten", "again")
    await reset_password(scene, past.projects["reset"])
    await scene.annotate("reset", reconcile_requested_at="1")

    async def told() -> bool:
        return await password(scene, "reset") != past.passwords["reset"]

    await until(told, "the Secret has the new password")
    await past.note("kept", "reset")


@pytest.mark.proves("F34", "F35", "F36", "I1", "I2", "I3")
async def test_nothing_is_doubled_or_emptied_when_etcd_is_older_than_neon(tmp_path: Path) -> None:
    runbook = Runbook("etcd-restored.md")
    async with new_cluster() as plane, playing(plane, None, tmp_path) as scene:
        scene.neon.knobs.operation_seconds = 0
        await scene.create_tiers()
        await scene.start_operator()
        past = Past(scene)
        await at_the_time_of_the_backup(scene, past, tmp_path / "backup")
        await since_the_backup(scene, past)
        scene.age_projects()
        before, living = written(scene), {p["id"] for p in scene.projects()}

        await plane.restore(tmp_path / "backup")
        await scene.until_logged("history went back")
        # What was under way is found by its name, although nothing in the cluster names it any more.
        for name in ("declared", "unseen"):
            await past.is_back(name)
        assert await password(scene, "reset") != past.passwords["reset"]
        await runbook.run(scene, "reconcile-requested-at")
        await _is_as_its_spec_says(scene, past)
        await _deleted_ones_return_without_an_empty_database(scene, runbook)
        assert written(scene) == before

        left = {past.projects[name] for name in ("made", "forgotten", "again")}
        assert await runbook.projects(scene, ORPHANS) == left
        await scene.create("made")
        await scene.cluster.until_reason("PreviousProjectFound", "made")
        named = {"tenants/acme=cool-project-12345678": f"{scene.namespace}/again={past.projects['again']}"}
        await runbook.run(scene, "neon-tenant-operator rebind --all --dry-run")
        await runbook.run(scene, "neon-tenant-operator rebind --all")
        await runbook.run(scene, "rebind tenants/acme=", **named)
        for name in ("made", "again"):
            await past.is_back(name)
        await runbook.run(scene, "undelete", **{"tenants/acme": f"{scene.namespace}/undeleted"})
        await past.is_back("undeleted")
        await scene.cluster.delete("TenantDatabase", "gone")
        await scene.cluster.until_gone("TenantDatabase", "gone")

        assert await runbook.projects(scene, ORPHANS) == {past.projects["forgotten"]}
        assert written(scene) == before, "no project was made or deleted"
        assert {p["id"] for p in scene.projects()} == {*living, past.projects["undeleted"]}
        names = [p["name"] for p in scene.projects()]
        assert len(names) == len(set(names))
        assert not [name for name in names if name.endswith("-released")]
        await _works_on(scene)
        await scene.stop_operators()
        assert not [line for line in scene.log_lines() if line["logger"] == "asyncio"]
        runbook.all_run("kubectl -n neon-tenant-operator scale")


async def _is_as_its_spec_says(scene: Scene, past: Past) -> None:
    """The older tier, the same project; and the Secret that was older than its password is not any more."""

    def free_again(found: Object) -> Any:
        limits = next(p for p in scene.projects() if p["id"] == project_of(found))["settings"]["quota"]
        return condition(found, "Ready")["status"] == "True" and limits == past_quota(scene, past)

    await scene.cluster.until_tenant("kept", free_again, "it has the limits of its older tier")
    for name in ("kept", "released"):
        await past.is_back(name)

    async def owned() -> bool:
        return not any(project["name"].endswith("-released") for project in scene.projects())

    await until(owned, "what was released is its resource's again")

    async def logs_in() -> bool:
        return await password(scene, "reset") == true_password(scene, past.projects["reset"])

    await until(logs_in, "the Secret has the password of today")
    await past.is_back("reset")


def past_quota(scene: Scene, past: Past) -> Any:
    """Of a tenant that was always of the older tier."""
    return next(p for p in scene.projects() if p["id"] == past.projects["reset"])["settings"]["quota"]


async def _deleted_ones_return_without_an_empty_database(scene: Scene, runbook: Runbook) -> None:
    for name in ("gone", "undeleted", "again"):
        await scene.cluster.until_reason("ProjectMissing", name)
    told = await runbook.run(scene, "grep")
    assert [line.split()[1] for line in told.splitlines()] == ["again", "gone", "undeleted"]


async def _works_on(scene: Scene) -> None:
    """The watch tells of what happens now."""
    await scene.change("kept", tier=scene.tiers["pro"])
    await scene.cluster.until_ready("kept")
    await scene.create("new")
    await scene.cluster.until_ready("new")
