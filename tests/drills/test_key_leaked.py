"""Neon's API key is leaked, and replaced."""

from __future__ import annotations

import base64

import pytest

from cluster import condition, is_ready
from runbook import Runbook
from scene import Scene
from scraping import scrape, value
from waiting import until

MOUNTED = "The API key's file has changed."


def mount(scene: Scene, key: str) -> None:
    """As the kubelet does: in one step, under the same name."""
    new = scene.folder / "new-key"
    new.write_text(key)
    new.replace(scene.key_file)


def refused(scene: Scene) -> int:
    """How many requests Neon refused for their key."""
    return sum(entry.status in (401, 403) for entry in scene.neon.requests)


@pytest.mark.proves("T17", "F15")
async def test_a_key_that_is_replaced_before_it_is_revoked_fails_no_request(sweeping: Scene) -> None:
    old, new = sweeping.key_file.read_text(), sweeping.neon.keys.issue()
    mount(sweeping, new)
    await sweeping.create("meanwhile")
    await sweeping.until_logged(MOUNTED)
    await sweeping.cluster.until_ready("meanwhile")
    sweeping.neon.keys.revoke(old)
    await sweeping.until_swept()
    await sweeping.create("after")
    await sweeping.cluster.until_ready("after")
    await sweeping.cluster.delete("TenantDatabase", "meanwhile")
    await sweeping.cluster.until_gone("TenantDatabase", "meanwhile")
    assert refused(sweeping) == 0
    assert value(await scrape(sweeping), "api_key_rejected") == 0
    assert all(is_ready(found) for found in await sweeping.cluster.list("TenantDatabase"))


@pytest.mark.proves("F15", "T17")
async def test_a_key_that_is_revoked_first_stops_work_and_loses_nothing(unconnected: Scene) -> None:
    scene = unconnected
    operator = await scene.start_operator()
    for name in ("settled", "leaving"):
        await scene.create(name)
        await scene.cluster.until_ready(name)
    before = {name: await scene.cluster.secret(f"{name}-database") for name in ("settled", "leaving")}
    scene.neon.keys.revoke(scene.key_file.read_text())
    await scene.create("new")
    await scene.cluster.delete("TenantDatabase", "leaving")
    held = await scene.cluster.until_reason("CredentialsRejected", "leaving")
    stalled = await scene.cluster.until_reason("CredentialsRejected", "new")
    assert condition(stalled, "Stalled")["status"] == "True"
    # Who needs nothing of Neon is as before, and whoever leaves is held until Neon can be told.
    assert is_ready(await scene.cluster.tenant("settled"))
    assert held["metadata"]["finalizers"] == ["neontenants.io/project"]
    for name, secret in before.items():
        assert await scene.cluster.secret(f"{name}-database") == secret
    assert len(scene.projects()) == 2
    assert value(await scrape(scene), "api_key_rejected") == 1

    mount(scene, scene.neon.keys.issue())
    await scene.cluster.until_ready("new")
    await scene.cluster.until_gone("TenantDatabase", "leaving")
    assert operator.running
    assert scene.operators == [operator], "the same process"
    assert value(await scrape(scene), "api_key_rejected") == 0
    assert await scene.cluster.secret("settled-database") == before["settled"]
    assert len(scene.projects()) == scene.requests("POST", "/projects") - 1 == 2


@pytest.mark.proves("T17", "F22", "I3")
async def test_what_a_thief_did_is_found_and_mended(sweeping: Scene) -> None:
    """Whoever has the key can delete projects, and read every password."""
    scene, runbook = sweeping, Runbook("key-leaked.md")
    password = (await scene.cluster.secret())["password"]
    project = scene.project()["id"]
    await scene.console("DELETE", f"/projects/{project}")
    await scene.cluster.until_reason("ProjectMissing")
    assert "acme" in await runbook.run(scene, "ProjectMissing")

    old, new = scene.key_file.read_text(), scene.neon.keys.issue()
    await _replaced(scene, runbook, new)
    scene.neon.keys.revoke(old)
    await runbook.run(scene, "undelete", **{"tenants/acme": f"{scene.namespace}/acme"})
    assert (await scene.cluster.until_ready())["status"]["projectId"] == project
    assert scene.requests("POST", "/projects") == 1

    await _reset(scene, project)
    await runbook.run(scene, "reconcile-requested-at", **{"-A": f"-n {scene.namespace}"})

    async def told() -> bool:
        return (await scene.cluster.secret())["password"] != password

    await until(told, "the Secret has the new password")
    assert refused(scene) == 0
    runbook.all_run("kubectl -n neon-tenant-operator logs")


async def _replaced(scene: Scene, runbook: Runbook, key: str) -> None:
    """By the page's command; what the kubelet mounts then is the Secret's content."""
    old = base64.b64encode(scene.key_file.read_bytes()).decode()
    secret = {"metadata": {"name": "neon-api-key"}, "data": {"api-key": old}}
    await scene.cluster.create({"apiVersion": "v1", "kind": "Secret", **secret})
    path = scene.folder / "from-neon"
    path.write_text(key)
    ours = {"-n neon-tenant-operator": f"-n {scene.namespace}", "api-key=neon-api-key": f"api-key={path}"}
    await runbook.run(scene, "create secret generic", **ours)
    mount(scene, (await scene.cluster.secret("neon-api-key"))["api-key"])
    await scene.until_logged(MOUNTED)


async def _reset(scene: Scene, project_id: str) -> None:
    (branch,) = next(p for p in scene.neon.store if p.id == project_id).branches
    await scene.console("POST", f"/projects/{project_id}/branches/{branch}/roles/app_owner/reset_password")
    await scene.until_idle()
