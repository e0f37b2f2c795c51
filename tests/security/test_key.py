"""Neon's key and the operator's own rights: what an attacker tries to get at them, and at those of others."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

import canaries
from attackers import Stage, refused
from cluster import Cluster, condition, is_ready
from neon_sandbox import installation
from scene import OPERATOR_USER, Scene, program
from scraping import scrape, value

SYSTEM = f"/api/v1/namespaces/{installation.NAMESPACE}"
APPS = f"/apis/apps/v1/namespaces/{installation.NAMESPACE}"

ATTEMPTS: dict[str, tuple[str, str]] = {
    "read the key": ("GET", f"{SYSTEM}/secrets/neon-api-key"),
    "list what is there": ("GET", f"{SYSTEM}/secrets"),
    "read the operator's state": ("GET", f"{SYSTEM}/configmaps/neon-tenant-operator-test"),
    "enter its pod": ("POST", f"{SYSTEM}/pods/operator/exec?command=sh"),
    "read its pod's log": ("GET", f"{SYSTEM}/pods/operator/log"),
    "mount the key in a pod": ("POST", f"{SYSTEM}/pods"),
    "change its deployment": ("PATCH", f"{APPS}/deployments/neon-tenant-operator"),
    "become the operator": ("POST", f"{SYSTEM}/serviceaccounts/neon-tenant-operator/token"),
    "read its pages": ("GET", f"{SYSTEM}/services/neon-tenant-operator:http/proxy/v1/status"),
    "read its metrics": ("GET", f"{SYSTEM}/services/neon-tenant-operator:http/proxy/metrics"),
}


@pytest.mark.proves("T8")
async def test_nothing_in_the_operators_namespace_is_for_tenants(stage: Stage) -> None:
    for method, path in ATTEMPTS.values():
        headers = {"Content-Type": "application/merge-patch+json"} if method == "PATCH" else None
        body = None if method == "GET" else {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}
        assert "cannot" in await refused(stage.me.request(method, path, json=body, headers=headers))


@pytest.mark.proves("T8", "T11")
async def test_nobody_becomes_the_operator_by_saying_so(stage: Stage) -> None:
    own = f"/api/v1/namespaces/{stage.me.namespace}/configmaps"
    impersonated = stage.me.request("GET", own, headers={"Impersonate-User": OPERATOR_USER})
    assert "cannot impersonate" in await refused(impersonated)


@pytest.mark.proves("T11", "T5")
async def test_with_the_operators_token_a_secret_of_others_is_read_by_name_and_not_listed(
    stage: Stage,
) -> None:
    """What a thief of the token could do: RBAC has no finer way than get; the policies keep from writing."""
    async with Cluster.connect(stage.scene.plane, stage.me.namespace, user=OPERATOR_USER) as thief:
        await refused(thief.list("Secret"))
        name = {"name": "stolen", "namespace": stage.me.namespace}
        made = {"apiVersion": "v1", "kind": "Secret", "metadata": name, "type": "Opaque"}
        if stage.admission:
            assert "The operator writes only Secrets" in await refused(thief.create(made))
        await refused(thief.delete("TenantDatabase", "acme"))
        await refused(thief.create(stage.manifest("stolen")))


@pytest.mark.proves("T20")
async def test_the_command_line_has_no_key_and_may_what_its_person_may(
    unguarded_stage: Stage, tmp_path: Path
) -> None:
    """Under RBAC alone: the attacker's own kubeconfig and nothing else in the environment."""
    stage, kubeconfig = unguarded_stage, tmp_path / "attacker.kubeconfig"
    token = await installation.token_of(stage.scene.plane, "attacker", stage.me.namespace)
    stage.scene.plane.write_kubeconfig(kubeconfig, token=token)
    env = {
        "PATH": os.defpath,
        "NEON_TENANTS_KUBECONFIG": str(kubeconfig),
        "NEON_TENANTS_CLUSTER_ID": stage.scene.prefix,
    }
    before = len(stage.scene.neon.requests)
    commands = (("rebind", f"{stage.me.namespace}/acme"), ("release-deletions",), ("status",))
    for status, _, said in await asyncio.gather(*(program(*words, env=env) for words in commands)):
        assert status == 1
        assert "may not" in said or "403" in said
    assert len(stage.scene.neon.requests) == before
    assert not await stage.admin.get("FleetOperation", f"{stage.scene.prefix}-acme")


@pytest.mark.proves("T8", "T17")
async def test_the_key_is_in_no_environment_and_no_argument(unconnected: Scene) -> None:
    """A changed one neither."""
    await unconnected.start_operator()
    await unconnected.create()
    await unconnected.cluster.until_ready()
    first = unconnected.neon.api_key
    second = unconnected.neon.keys.issue()
    unconnected.neon.keys.revoke(first)
    unconnected.key_file.write_text(second)
    await unconnected.create("later")
    await unconnected.cluster.until_ready("later")
    await canaries.scan(unconnected)
    for secret in (first, second):
        assert secret in canaries.issued(unconnected)


@pytest.mark.proves("T17")
async def test_a_persons_key_is_refused_and_nothing_is_done_with_it(unconnected: Scene) -> None:
    """It would do all that the person may, in other organizations, too."""
    scene = unconnected
    scene.neon.knobs.key_scope = "personal"
    operator = await scene.start_operator(org_id=scene.neon.organization_id)
    await scene.create()
    tenant = await scene.cluster.until_reason("CredentialsRejected")
    assert "a person's" in condition(tenant, "Ready")["message"]
    assert condition(tenant, "Stalled")["status"] == "True"
    assert value(await scrape(scene), "api_key_rejected") == 1
    assert scene.neon.requests.count() == scene.requests("GET", "/auth") == 1
    scene.neon.knobs.key_scope = "organization"
    scene.key_file.write_text(scene.neon.keys.issue())
    await scene.cluster.until_ready()
    assert value(await scrape(scene), "api_key_rejected") == 0
    assert operator.running


@pytest.mark.proves("T17")
async def test_a_persons_key_in_the_place_of_the_organizations_is_refused_at_once(unconnected: Scene) -> None:
    scene = unconnected
    await scene.start_operator(org_id=scene.neon.organization_id)
    await scene.create()
    await scene.cluster.until_ready()
    await scene.until_idle()
    project, before = scene.project(), scene.neon.requests.count()
    scene.neon.knobs.key_scope = "personal"
    scene.key_file.write_text(scene.neon.keys.issue())
    await scene.create("later")
    await scene.cluster.until_reason("CredentialsRejected", "later")
    await scene.cluster.delete("TenantDatabase", "acme")
    await scene.cluster.until_reason("CredentialsRejected")
    assert scene.projects() == [project]
    assert scene.neon.requests.count() - before == scene.requests("GET", "/auth") - 1 == 1


@pytest.mark.proves("T17")
async def test_a_persons_key_is_used_where_the_platform_says_so(unconnected: Scene) -> None:
    scene = unconnected
    scene.neon.knobs.key_scope = "personal"
    await scene.start_operator(org_id=scene.neon.organization_id, allow_personal_key="true")
    await scene.create()
    assert is_ready(await scene.cluster.until_ready())
    assert scene.requests("GET", "/auth") == 0
