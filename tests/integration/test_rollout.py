"""A tier's change on its way to its tenants: in waves, paced, stopped by failures, confirmed by people."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from cluster import Object, condition
from fault import TIER_TOLD, At, Mode
from neon_sandbox.emulator import Script
from scene import OPERATOR_USER, Scene, command, example_tier, query
from waiting import until
from wired import wired

PROJECT = "/projects/{project_id}"
ENDPOINT = "/projects/{project_id}/endpoints/{endpoint_id}"


async def crowd(scene: Scene, count: int, tier: str = "plan", **spec: Any) -> list[str]:
    """A tier of this test's own, with tenants that have its first generation."""
    names = [f"t{number}" for number in range(count)]
    await scene.create_tier(tier, example_tier("pro") | spec)
    await asyncio.gather(*(scene.create(name, tier) for name in names))
    for name in names:
        await scene.cluster.until_ready(name)
    await until_rollout(scene, lambda r: r["phase"] == "Done" and r["updated"] == count, "all have it")
    return names


async def change(scene: Scene, tier: str = "plan", **spec: Any) -> int:
    """Changes a tier; its new generation."""
    changed = await scene.cluster.patch("DatabaseTier", scene.tiers[tier], {"spec": spec})
    generation: int = changed["metadata"]["generation"]
    return generation


async def until_tier(scene: Scene, check: Callable[[Object], Any], what: str, tier: str = "plan") -> Object:
    seen: list[Any] = []

    async def look() -> Object | None:
        found = await scene.cluster.get("DatabaseTier", scene.tiers[tier])
        assert found is not None
        seen.append(found.get("status"))
        return found if "status" in found and check(found) else None

    try:
        return await until(look, what)
    except AssertionError as error:
        raise AssertionError(f"{error}; it is {seen[-1]}") from None


async def until_rollout(scene: Scene, check: Callable[[Object], Any], what: str) -> Object:
    """Waits until the status tells of the rollout of the tier as it is, and `check` likes it."""

    def looks(found: Object) -> bool:
        rollout = found["status"].get("rollout", {})
        return rollout.get("generation") == found["metadata"]["generation"] and bool(check(rollout))

    found = await until_tier(scene, looks, what)
    rollout: Object = found["status"]["rollout"]
    return rollout


async def until_done(scene: Scene) -> Object:
    return await until_rollout(scene, lambda r: r["phase"] == "Done", "the rollout is done")


async def until_paused(scene: Scene, reason: str) -> Object:
    return await until_rollout(scene, lambda r: r.get("pausedReason") == reason, f"it pauses: {reason}")


async def confirm(scene: Scene, value: str, tier: str = "plan") -> None:
    annotation = {"neontenants.io/rollout-confirmed": value}
    await scene.cluster.patch("DatabaseTier", scene.tiers[tier], {"metadata": {"annotations": annotation}})


async def generations(scene: Scene) -> Counter[int]:
    found = await scene.cluster.list("TenantDatabase")
    return Counter(tenant["status"]["tier"]["generation"] for tenant in found)


def retention(scene: Scene) -> Counter[int]:
    return Counter(project["history_retention_seconds"] for project in scene.projects())


def tier_writes(scene: Scene) -> int:
    return sum(
        r.is_write
        and r.user == OPERATOR_USER
        and r.resource == "databasetiers"
        and r.name == scene.tiers["plan"]
        for r in scene.plane.requests(scene.audited_from)
    )


def answer(scene: Scene, status: int, times: int = 10_000, route: str = PROJECT) -> None:
    """Neon answers the next changes with this status, and does not do them."""
    body = {"code": "NOT_SO", "message": "no such value", "request_id": "r"}
    scene.neon.answers.add(Script(method="PATCH", route=route, status=status, body=body, times=times))


def patched(scene: Scene, status: int | None = None) -> Counter[str]:
    """How often each project was changed, or tried to be."""
    return Counter(
        entry.path
        for entry in scene.neon.requests
        if (entry.method, entry.route) == ("PATCH", PROJECT) and status in (None, entry.status)
    )


async def until_patched(scene: Scene, times: int) -> None:
    async def tried() -> bool:
        return patched(scene).total() >= times

    await until(tried, f"{times} changes were tried")


async def test_a_change_reaches_a_few_tenants_first_and_then_the_rest(unconnected: Scene) -> None:
    await unconnected.start_operator()
    await crowd(unconnected, 12, rollout={"canaryPercent": 25})
    answer(unconnected, 503)
    generation = await change(unconnected, historyRetention="720h")
    await until_patched(unconnected, 9)
    assert len(patched(unconnected)) == 3
    assert (await until_rollout(unconnected, lambda r: r["total"] == 12, "it is told"))["phase"] == "Canary"
    unconnected.neon.answers.clear()
    rollout = await until_done(unconnected)
    assert (rollout["generation"], rollout["updated"], rollout["failed"]) == (generation, 12, 0)
    assert await generations(unconnected) == {generation: 12}
    assert set(patched(unconnected, 200).values()) == {1}
    tier = await until_tier(
        unconnected, lambda t: condition(t, "Ready")["status"] == "True", "the tier is Ready"
    )
    assert tier["status"]["tenants"] == 12
    assert condition(tier, "Ready")["reason"] == "RolledOut"


async def test_a_rollout_writes_its_status_by_the_second_and_not_by_the_tenant(unconnected: Scene) -> None:
    await unconnected.start_operator()
    await crowd(unconnected, 40)
    before = tier_writes(unconnected)
    await change(unconnected, historyRetention="720h")
    await until_done(unconnected)
    assert tier_writes(unconnected) - before < 40
    at_rest = tier_writes(unconnected)
    await unconnected.annotate("t0", reconcile_requested_at="now")
    await unconnected.cluster.until_tenant(
        "t0", lambda t: t["status"].get("lastHandledReconcileAt"), "it is looked at"
    )
    assert tier_writes(unconnected) == at_rest


async def test_a_failed_canary_stops_the_rollout_until_a_person_lets_it_go_on(unconnected: Scene) -> None:
    await unconnected.start_operator()
    await crowd(unconnected, 10)
    answer(unconnected, 400)
    generation = await change(unconnected, historyRetention="720h")
    rollout = await until_paused(unconnected, "CanaryFailed")
    assert (rollout["failed"], rollout["updated"]) == (1, 0)
    assert len(patched(unconnected)) == 1
    told = await until_event(unconnected, "CanaryFailed")
    assert f"rollout-confirmed={generation}-1" in told["note"]
    unconnected.neon.answers.clear()
    # It heals by itself, and the others wait for a person's word all the same.
    await until_rollout(unconnected, lambda r: (r["updated"], r["failed"]) == (1, 0), "the canary has it")
    assert (await until_paused(unconnected, "CanaryFailed"))["phase"] == "Paused"
    assert len(patched(unconnected)) == 1
    await confirm(unconnected, f"{generation}-1")
    await until_done(unconnected)
    assert await generations(unconnected) == {generation: 10}
    await until_event(unconnected, "RolledOut")


async def test_a_word_is_heard_that_comes_before_the_answer_to_what_was_told_before_it(
    unconnected: Scene,
) -> None:
    async with wired(unconnected) as traffic:
        await unconnected.start_operator()
        await crowd(unconnected, 10)
        answer(unconnected, 400)
        generation = await change(unconnected, historyRetention="720h")
        await until_paused(unconnected, "CanaryFailed")
        traffic.begin(At(TIER_TOLD, 1, Mode.ANSWER_LATE, times=3))
        unconnected.neon.answers.clear()
        await until_rollout(unconnected, lambda r: (r["updated"], r["failed"]) == (1, 0), "the canary has it")
        await confirm(unconnected, f"{generation}-1")
        await until_done(unconnected)
        assert traffic.injected


async def test_too_many_failures_stop_the_rollout_until_a_person_lets_it_go_on(unconnected: Scene) -> None:
    await unconnected.start_operator(workers="1")
    await crowd(unconnected, 12, rollout={"maxFailures": 2})
    # The canary gets it, and nobody after it; slowly, so that it is seen before all have begun.
    unconnected.neon.knobs.latency = 0.4
    body = {"code": "NOT_SO", "message": "no such value", "request_id": "r"}
    unconnected.neon.answers.add(
        Script(method="PATCH", route=PROJECT, status=400, nth=2, times=10_000, body=body)
    )
    generation = await change(unconnected, historyRetention="720h")
    rollout = await until_paused(unconnected, "TooManyFailures")
    assert rollout["failed"] >= 3
    tier = await until_tier(
        unconnected, lambda t: condition(t, "Stalled")["status"] == "True", "the tier is stalled"
    )
    assert condition(tier, "Ready")["reason"] == "TooManyFailures"
    await until_event(unconnected, "TooManyFailures")
    unconnected.neon.knobs.latency = 0
    # The one pass that was under way may still have begun; then only those who failed try again.
    await until_patched(unconnected, patched(unconnected).total() + 2)
    begun = set(patched(unconnected))
    await until_patched(unconnected, patched(unconnected).total() + 2 * len(begun))
    assert set(patched(unconnected)) == begun
    assert len(begun) < 12
    # It stays so, also for an operator that starts now.
    await unconnected.stop_operators()
    unconnected.neon.answers.clear()
    await unconnected.start_operator()
    # Who had only begun when it paused is let be; but nobody else has it, and the pause stays.
    rollout = await until_rollout(
        unconnected, lambda r: not r["failed"] and r["updated"] > 1, "those who failed have it now"
    )
    assert rollout["pausedReason"] == "TooManyFailures"
    assert {path for path, times in patched(unconnected, 200).items() if times} <= begun
    assert 1 < retention(unconnected)[720 * 3600] <= len(begun)
    await confirm(unconnected, f"{generation}-12")
    await until_done(unconnected)
    assert await generations(unconnected) == {generation: 12}
    assert set(patched(unconnected, 200).values()) == {1}


async def until_event(scene: Scene, reason: str) -> Object:
    """Events about a tier stand in the namespace default."""

    async def told() -> Object | None:
        found = await scene.cluster.request("GET", "/apis/events.k8s.io/v1/namespaces/default/events")
        return next(
            (
                event
                for event in found["items"]
                if event["reason"] == reason and event["regarding"]["name"] == scene.tiers["plan"]
            ),
            None,
        )

    return await until(told, f"an event says {reason}")


@pytest.mark.proves("F61")
async def test_a_shorter_history_waits_for_a_confirmation_that_names_the_generation(
    unconnected: Scene,
) -> None:
    await unconnected.start_operator()
    await crowd(unconnected, 5, historyRetention="24h")
    unconnected.neon.requests.clear()
    generation = await change(unconnected, historyRetention="6h")
    await until_paused(unconnected, "ConfirmationNeeded")
    told = await until_event(unconnected, "ConfirmationNeeded")
    assert "shortens the history of 5 tenant(s)" in told["note"]
    await confirm(unconnected, str(generation - 1))
    # A tenant that a person changes meanwhile keeps its history, and gets its own wish.
    await unconnected.change("t0", state="Suspended")
    await unconnected.cluster.until_ready("t0")
    # New ones have the tier as it is.
    await unconnected.create("t-new", "plan")
    await unconnected.cluster.until_ready("t-new")
    assert retention(unconnected) == {86400: 5, 21600: 1}
    assert patched(unconnected).total() == 0
    assert await generations(unconnected) == {generation - 1: 5, generation: 1}
    await confirm(unconnected, str(generation))
    await until_done(unconnected)
    assert retention(unconnected) == {21600: 6}


async def test_an_administrators_operation_confirms_as_well(unconnected: Scene) -> None:
    await unconnected.start_operator()
    await crowd(unconnected, 3, historyRetention="24h")
    generation = await change(unconnected, historyRetention="6h")
    await until_paused(unconnected, "ConfirmationNeeded")
    tier = unconnected.tiers["plan"]
    late = await unconnected.operate("late", "ResumeRollout", f"{tier}@{generation - 1}")
    assert late["status"]["phase"] == "Failed"
    assert retention(unconnected) == {86400: 3}
    dry = await unconnected.operate("dry", "ResumeRollout", f"{tier}@{generation}", dryRun=True)
    assert dry["status"]["phase"] == "Succeeded"
    assert retention(unconnected) == {86400: 3}
    done = await unconnected.operate("go-on", "ResumeRollout", f"{tier}@{generation}")
    assert done["status"]["phase"] == "Succeeded"
    await until_done(unconnected)
    assert retention(unconnected) == {21600: 3}


@pytest.mark.proves("F61")
async def test_a_quota_below_the_present_use_waits_for_a_confirmation(unconnected: Scene) -> None:
    await unconnected.start_operator()
    await crowd(unconnected, 4)
    first = unconnected.projects()[0]["id"]
    await unconnected.neon.set_usage(first, {"logical_size_bytes": 3 * 1024**3})
    quota = example_tier("pro")["quota"]
    generation = await change(unconnected, quota=quota | {"storagePerBranch": "4Gi"})
    await until_done(unconnected)  # lower, and harms nobody
    generation = await change(unconnected, quota=quota | {"storagePerBranch": "2Gi"})
    await until_paused(unconnected, "ConfirmationNeeded")
    told = await until_event(unconnected, "ConfirmationNeeded")
    assert "lowers storagePerBranch of 1 tenant(s) below what they use" in told["note"]
    assert {p["settings"]["quota"]["logical_size_bytes"] for p in unconnected.projects()} == {4 * 1024**3}
    await confirm(unconnected, str(generation))
    await until_done(unconnected)
    assert {p["settings"]["quota"]["logical_size_bytes"] for p in unconnected.projects()} == {2 * 1024**3}


async def test_a_second_change_replaces_the_first(unconnected: Scene) -> None:
    await unconnected.start_operator()
    await crowd(unconnected, 8, historyRetention="24h")
    first = await change(unconnected, historyRetention="6h")
    await until_paused(unconnected, "ConfirmationNeeded")
    second = await change(unconnected, historyRetention="48h")
    rollout = await until_done(unconnected)
    assert rollout["generation"] == second == first + 1
    assert retention(unconnected) == {48 * 3600: 8}
    assert set(patched(unconnected).values()) == {1}


async def test_a_restart_in_the_middle_loses_no_progress(unconnected: Scene) -> None:
    operator = await unconnected.start_operator(workers="2")
    await crowd(unconnected, 30)
    unconnected.neon.knobs.latency = 0.1
    generation = await change(unconnected, historyRetention="720h")
    await until_rollout(unconnected, lambda r: r["phase"] == "Rolling" and r["updated"] >= 5, "a part has it")
    operator.send(signal.SIGKILL)
    await operator.wait()
    assert (await generations(unconnected))[generation] < 30
    await unconnected.start_operator()
    rollout = await until_done(unconnected)
    assert (rollout["updated"], rollout["failed"]) == (30, 0)
    assert await generations(unconnected) == {generation: 30}
    # Two workers: what they had begun may be looked at anew, and is not done again.
    assert patched(unconnected, 200).total() == 30


async def test_a_size_changes_when_its_compute_is_idle_and_the_rest_at_once(unconnected: Scene) -> None:
    await unconnected.start_operator(idle_interval="1")
    await crowd(unconnected, 4, rollout={"canaryPercent": 100})
    compute = example_tier("pro")["compute"]
    generation = await change(unconnected, compute=compute | {"maxCU": 4}, historyRetention="720h")
    rollout = await until_rollout(unconnected, lambda r: r.get("waiting") == 4, "all wait to be idle")
    assert (rollout["phase"], rollout["updated"], rollout["failed"]) == ("Rolling", 0, 0)
    assert retention(unconnected) == {720 * 3600: 4}
    tenant = await unconnected.cluster.tenant("t0")
    assert tenant["status"]["tier"] == {
        "name": unconnected.tiers["plan"],
        "generation": generation,
        "waiting": ["maxCU"],
    }
    assert condition(tenant, "Ready")["status"] == "True"
    assert "as soon as it is idle" in condition(tenant, "Ready")["message"]
    looks = ("GET", "/projects/{project_id}/endpoints")
    looked = unconnected.requests(*looks)

    async def looked_again() -> bool:
        return unconnected.requests(*looks) >= looked + 8

    await until(looked_again, "every compute was looked at twice more")
    assert unconnected.requests("PATCH", ENDPOINT) == 0
    unconnected.neon.clock.advance(3600)
    await until_done(unconnected)
    assert unconnected.requests("PATCH", ENDPOINT) == 4
    assert sizes(unconnected) == {4: 4}
    assert "waiting" not in (await unconnected.cluster.tenant("t0"))["status"]["tier"]


def sizes(scene: Scene) -> Counter[float]:
    return Counter(endpoint.max_cu for project in scene.neon.store for endpoint in project.endpoints.values())


async def test_a_size_changes_immediately_where_the_tier_or_a_person_says_so(unconnected: Scene) -> None:
    await unconnected.start_operator()
    compute = example_tier("pro")["compute"]
    await crowd(unconnected, 3, overrides={"compute": {"maxCU": 8}})
    await unconnected.change("t0", overrides={"compute": {"maxCU": 3}})
    await unconnected.cluster.until_ready("t0")
    assert sizes(unconnected) == {2: 2, 3: 1}
    await change(unconnected, compute=compute | {"maxCU": 4}, rollout={"compute": "Immediately"})
    await until_done(unconnected)
    assert sizes(unconnected) == {4: 2, 3: 1}
    assert unconnected.requests("PATCH", ENDPOINT) == 3


async def test_an_open_transaction_outlives_a_rollout_of_quotas(running: Scene) -> None:
    await crowd(running, 2)
    uri = (await running.cluster.secret("t0-database"))["uri"]
    async with await psycopg.AsyncConnection.connect(uri) as connection:
        await connection.execute("CREATE TABLE kept (n int)")
        quota = example_tier("pro")["quota"]
        await change(running, quota=quota | {"dataTransfer": "500Gi", "storagePerBranch": "20Gi"})
        await until_done(running)
        await connection.execute("INSERT INTO kept VALUES (7)")
        await connection.commit()
    assert await query(uri, "SELECT n FROM kept") == 7


@pytest.mark.proves("F60")
async def test_a_deleted_tier_takes_nothing_nor_does_one_that_comes_back_unasked(
    unconnected: Scene,
) -> None:
    await unconnected.start_operator()
    names = await crowd(unconnected, 3, historyRetention="24h")
    await change(unconnected, historyRetention="48h")
    await until_done(unconnected)
    unconnected.neon.requests.clear()
    await unconnected.cluster.delete("DatabaseTier", unconnected.tiers["plan"])
    for name in names:
        found = await unconnected.cluster.until_reason("TierNotFound", name)
        assert "Create it, or choose another one." in condition(found, "Ready")["message"]
    await unconnected.create_tier("plan", example_tier("pro") | {"historyRetention": "6h"})
    for name in names:
        await unconnected.cluster.until_ready(name)
    await until_paused(unconnected, "ConfirmationNeeded")
    assert retention(unconnected) == {48 * 3600: 3}
    assert patched(unconnected).total() == 0
    await confirm(unconnected, "1")
    await until_done(unconnected)
    assert retention(unconnected) == {6 * 3600: 3}


async def test_a_preview_tells_what_a_change_would_do_and_changes_nothing(
    unconnected: Scene, tmp_path: Path
) -> None:
    await unconnected.start_operator()
    await crowd(unconnected, 3)
    first = unconnected.projects()[0]["id"]
    await unconnected.neon.set_usage(first, {"logical_size_bytes": 3 * 1024**3})
    quota = example_tier("pro")["quota"] | {"storagePerBranch": "2Gi"}
    file = tmp_path / "tier.yaml"
    spec = example_tier("pro") | {"quota": quota}
    manifest = {"kind": "DatabaseTier", "metadata": {"name": unconnected.tiers["plan"]}, "spec": spec}
    file.write_text(yaml.safe_dump(manifest))
    unconnected.neon.requests.clear()
    written = len(unconnected.writes()), tier_writes(unconnected)
    _, output, _ = await command(unconnected, "preview", "--tier", str(file), "-o", "json")
    answer = json.loads(output)
    assert answer["needsConfirmation"] is True
    assert [tenant["name"] for tenant in answer["tenants"]] == ["t0", "t1", "t2"]
    assert answer["tenants"][0]["changes"] == [{"field": "storagePerBranch", "old": "10Gi", "new": "2Gi"}]
    assert sum(bool(tenant["overQuota"]) for tenant in answer["tenants"]) == 1
    assert {method for method, _, _ in unconnected.neon.requests.counters} == {"GET"}
    assert (len(unconnected.writes()), tier_writes(unconnected)) == written


async def test_a_tier_that_lost_its_tenants_is_told_of_its_new_generation(unconnected: Scene) -> None:
    """Else who waits for it (kstatus, Flux, Helm) would wait for ever."""
    await unconnected.start_operator()
    (name,) = await crowd(unconnected, 1)
    await unconnected.cluster.delete("TenantDatabase", name)
    await unconnected.cluster.until_gone("TenantDatabase", name)
    await until_tier(unconnected, lambda found: found["status"]["tenants"] == 0, "it has no tenants")
    await unconnected.operators[-1].stop()
    await unconnected.start_operator()
    generation = await change(unconnected, quotaWarningPercent=70)
    told = await until_tier(
        unconnected, lambda found: found["status"]["observedGeneration"] == generation, "it is told"
    )
    assert condition(told, "Ready")["status"] == "True"
