"""A tier that is not for you: refused by the API server, and by the operator where that lets it pass."""

from __future__ import annotations

from typing import Any

import pytest

from attackers import Stage, refused
from cluster import condition
from scene import example_tier

pytestmark = [pytest.mark.proves("T3")]

PAID = {**example_tier("pro"), "namespaceSelector": {"matchLabels": {"plan": "paid"}}}
FINALIZER = "neontenants.io/project"


async def paid(stage: Stage) -> str:
    """A tier for namespaces with a label, made once for each stage."""
    if "paid" not in stage.scene.tiers:
        await stage.scene.create_tier("paid", PAID)
        label = {"metadata": {"labels": {"plan": "paid"}}}
        await stage.scene.cluster.patch("Namespace", stage.scene.namespace, label)
    return stage.scene.tiers["paid"]


async def test_a_tier_without_the_right_is_not_got_by_creating_or_changing(stage: Stage) -> None:
    tier = await paid(stage)
    forged: dict[str, Any] = {"finalizers": [FINALIZER]}
    made = len(stage.mine())
    if stage.admission:
        assert f"You may not use the tier {tier}." in await refused(
            stage.me.create(stage.manifest("rich", "paid"))
        )
        # Two policies refuse this one, and the API server tells of whichever was faster.
        why = await refused(stage.me.create(stage.manifest("rich", "paid", **forged)))
        assert f"You may not use the tier {tier}." in why or "neon-tenant-operator-internals" in why
    else:
        for name, metadata in {"rich": {}, "forged": forged}.items():
            await stage.me.create(stage.manifest(name, "paid", **metadata))
            told = await stage.me.until_reason("TierNotAllowed", name)
            assert "plan=paid" in condition(told, "Ready")["message"]
        assert len(stage.mine()) == made
        for name in ("rich", "forged"):
            await stage.begone(name)
    await stage.me.create(stage.manifest("climber"))
    before = await stage.me.until_ready("climber")
    patches = stage.scene.patches()
    up = stage.me.patch("TenantDatabase", "climber", {"spec": {"tier": tier}})
    if stage.admission:
        assert f"the verb use on databasetiers/{tier}" in await refused(up)
        found = await stage.me.tenant("climber")
    else:
        await up
        found = await stage.me.until_reason("TierNotAllowed", "climber")
    assert found["status"]["tier"] == before["status"]["tier"]
    assert condition(found, "Available")["status"] == "True"
    assert stage.scene.patches() == patches
    await stage.begone("climber")


async def test_what_a_tier_asks_for_is_not_the_attackers_to_give(stage: Stage) -> None:
    """Neither the label of its namespace nor the tier, nor a role of its own."""
    tier = await paid(stage)
    label = {"metadata": {"labels": {"plan": "paid"}}}
    await refused(stage.me.patch("Namespace", stage.me.namespace, label))
    await refused(stage.me.patch("DatabaseTier", tier, {"spec": {"namespaceSelector": None}}))
    await refused(stage.me.patch("DatabaseTier", tier, {"status": {}}, subresource="/status"))
    mine = {"apiVersion": "neontenants.io/v1alpha1", "kind": "DatabaseTier", "metadata": {"name": "mine"}}
    await refused(stage.me.create({**mine, "spec": example_tier("enterprise")}))
    await refused(stage.me.list("DatabaseTier"))
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "mine", "namespace": stage.me.namespace},
        "rules": [{"apiGroups": ["neontenants.io"], "resources": ["databasetiers"], "verbs": ["use"]}],
    }
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{stage.me.namespace}/roles"
    await refused(stage.me.request("POST", path, json=role))


async def test_a_namespace_that_lost_its_label_keeps_its_databases_and_gets_no_more(stage: Stage) -> None:
    await paid(stage)
    place = {"metadata": {"labels": {"plan": "paid"}}}
    await stage.admin.patch("Namespace", stage.me.namespace, place)
    mine = stage.manifest("paying", "paid")
    await stage.admin.create(mine)
    before = await stage.me.until_ready("paying")
    await stage.admin.patch("Namespace", stage.me.namespace, {"metadata": {"labels": {"plan": None}}})
    note = {"metadata": {"annotations": {"neontenants.io/reconcile-requested-at": "now"}}}
    await stage.me.patch("TenantDatabase", "paying", note)
    found = await stage.me.until_reason("TierNotAllowed", "paying")
    assert condition(found, "Stalled")["status"] == "True"
    assert condition(found, "Available")["status"] == "True"
    assert found["status"]["projectId"] == before["status"]["projectId"]
    assert found["status"]["projectId"] in [project["id"] for project in stage.mine()]
    await stage.begone("paying")
