"""Usage and quotas: read only of those who were active, told where a threshold is crossed."""

from __future__ import annotations

from typing import Any

import pytest

from cluster import Object, condition
from neon_sandbox.emulator.scripts import Script
from scene import SWEEPING, Scene, example_tier
from waiting import until

HOUR = 3600
GET = ("GET", "/projects/{project_id}")


async def use(scene: Scene, **meters: int) -> None:
    """Neon's meters move, as they do where a compute was active."""
    project = scene.project()
    active = project["usage"]["active_time_seconds"] + 1
    await scene.neon.set_usage(project["id"], {"active_time_seconds": active, **meters})


async def until_percent(scene: Scene, meter: str, percent: int) -> Object:
    return await scene.cluster.until_tenant(
        "acme",
        lambda found: found["status"].get("usage", {}).get(meter, {}).get("percent") == percent,
        f"{meter} is at {percent} %",
    )


async def until_condition(scene: Scene, kind: str, status: str) -> Object:
    return await scene.cluster.until_tenant(
        "acme", lambda found: condition(found, kind)["status"] == status, f"{kind} is {status!r}"
    )


async def until_read(scene: Scene, more: int = 1) -> None:
    read = scene.requests(*GET)

    async def again() -> bool:
        return scene.requests(*GET) >= read + more

    await until(again, "the project was read by itself")


async def test_usage_is_told_with_its_limit_and_the_end_of_the_period(sweeping: Scene) -> None:
    await use(sweeping, compute_time_seconds=10 * HOUR, data_transfer_bytes=1024**3)
    found = await until_percent(sweeping, "computeTime", 10)
    usage = found["status"]["usage"]
    assert usage["computeTime"] == {"used": 10 * HOUR, "limit": 100 * HOUR, "percent": 10}
    assert usage["dataTransfer"]["percent"] == 20
    assert usage["activeTime"] == {"used": 1}  # unlimited
    shown = await sweeping.console("GET", f"/projects/{sweeping.project()['id']}")
    assert usage["periodEnd"] == shown["project"]["consumption_period_end"]


@pytest.mark.proves("F21", "I6")
async def test_a_quota_that_is_near_and_then_used_up_is_told_and_ends_with_a_larger_tier(
    sweeping: Scene,
) -> None:
    await use(sweeping, compute_time_seconds=85 * HOUR)
    near = await until_condition(sweeping, "QuotaNear", "True")
    assert "computeTime 85 % of 100h" in condition(near, "QuotaNear")["message"]
    assert condition(near, "Available")["status"] == "True"
    await sweeping.cluster.until_event("QuotaNear")

    await use(sweeping, compute_time_seconds=100 * HOUR)
    full = await until_condition(sweeping, "QuotaExceeded", "True")
    assert condition(full, "QuotaNear")["status"] == ""
    assert condition(full, "Ready")["status"] == "True"
    assert condition(full, "Available")["status"] == "False"
    message = condition(full, "Available")["message"]
    assert full["status"]["usage"]["periodEnd"] in message
    assert "raised" in message
    await sweeping.cluster.until_event("QuotaExceeded")

    await sweeping.change(tier=sweeping.tiers["pro"])
    raised = await sweeping.cluster.until_tenant(
        "acme", lambda found: found["status"]["tier"]["name"] == sweeping.tiers["pro"], "the tier is applied"
    )
    # In the same write: one pass.
    assert condition(raised, "QuotaExceeded")["status"] == ""
    assert condition(raised, "Available")["status"] == "True"
    assert raised["status"]["usage"]["computeTime"]["percent"] == 13
    assert sweeping.requests("POST", "/projects/{project_id}/endpoints/{endpoint_id}/start") == 0


@pytest.mark.proves("F21")
@pytest.mark.parametrize("meter", ["written_data_bytes", "data_transfer_bytes"])
async def test_used_up_data_suspends_as_well(sweeping: Scene, meter: str) -> None:
    await use(sweeping, **{meter: 6 * 1024**3})
    full = await until_condition(sweeping, "QuotaExceeded", "True")
    assert condition(full, "Available")["reason"] == "QuotaExceeded"
    assert condition(full, "Available")["status"] == "False"


@pytest.mark.proves("F21")
async def test_used_up_storage_stops_writes_only_and_ends_when_data_is_deleted(sweeping: Scene) -> None:
    await use(sweeping, logical_size_bytes=600 * 1024**2)
    full = await until_condition(sweeping, "QuotaExceeded", "True")
    assert condition(full, "Available")["status"] == "True"
    assert "only writes fail" in condition(full, "QuotaExceeded")["message"]
    assert full["status"]["usage"]["storagePerBranch"]["percent"] == 117
    await use(sweeping, logical_size_bytes=100 * 1024**2)
    free = await until_condition(sweeping, "QuotaExceeded", "")
    assert condition(free, "Ready")["reason"] == "Provisioned"


async def test_a_counter_that_begins_again_with_a_new_period_clears_it(sweeping: Scene) -> None:
    await use(sweeping, compute_time_seconds=100 * HOUR)
    full = await until_condition(sweeping, "QuotaExceeded", "True")
    sweeping.neon.clock.advance(32 * 24 * HOUR)
    free = await until_condition(sweeping, "QuotaExceeded", "")
    assert condition(free, "Available")["status"] == "True"
    assert free["status"]["usage"]["periodEnd"] > full["status"]["usage"]["periodEnd"]
    assert free["status"]["usage"]["computeTime"]["percent"] == 0


async def test_little_use_is_read_and_not_written(sweeping: Scene) -> None:
    await use(sweeping, compute_time_seconds=HOUR)
    await until_read(sweeping)
    written = len(sweeping.writes())
    await use(sweeping, compute_time_seconds=4 * HOUR)
    await until_read(sweeping)
    await use(sweeping, compute_time_seconds=5 * HOUR)
    await until_percent(sweeping, "computeTime", 5)
    assert len(sweeping.writes()) == written + 1


async def test_the_tiers_own_warning_counts(unconnected: Scene) -> None:
    await unconnected.create_tier("early", {**example_tier("free"), "quotaWarningPercent": 50})
    await unconnected.start_operator(**SWEEPING)
    await unconnected.create(tier="early")
    await unconnected.cluster.until_ready()
    await use(unconnected, compute_time_seconds=50 * HOUR)
    await until_condition(unconnected, "QuotaNear", "True")


async def test_only_who_was_active_is_read(unconnected: Scene) -> None:
    await unconnected.start_operator(**SWEEPING)
    for name in ("acme", "idle", "lazy"):
        await unconnected.create(name)
    for name in ("acme", "idle", "lazy"):
        await unconnected.cluster.until_ready(name)
    await unconnected.until_idle()
    busy = next(p for p in unconnected.projects() if p["annotations"]["neontenants.io/name"] == "acme")
    await unconnected.neon.set_usage(
        busy["id"], {"active_time_seconds": 5, "compute_time_seconds": 10 * HOUR}
    )
    await until_percent(unconnected, "computeTime", 10)
    read = [entry.path for entry in unconnected.neon.requests if entry.route == GET[1]]
    assert {path.rsplit("/", 1)[-1] for path in read} == {busy["id"]}


ODD: dict[str, dict[str, Any]] = {
    "negative": {"compute_time_seconds": -7},
    "missing": {},
    "no number": {"compute_time_seconds": "lots", "a_field_of_next_year": {"x": 1}},
}


@pytest.mark.parametrize("meters", ODD.values(), ids=ODD.keys())
async def test_numbers_that_make_no_sense_are_left_out_and_said_once(
    sweeping: Scene, meters: dict[str, Any]
) -> None:
    await sweeping.until_idle()
    shown = await sweeping.console("GET", f"/projects/{sweeping.project()['id']}")
    del shown["project"]["compute_time_seconds"]
    for transferred, percent in ((1024**3, 20), (2 * 1024**3, 40)):
        sweeping.neon.answers.clear()
        body = {"project": {**shown["project"], **meters, "data_transfer_bytes": transferred}}
        script = Script(method=GET[0], route=GET[1], times=1000, status=200, body=body)
        sweeping.neon.answers.add(script)
        await use(sweeping)
        found = await until_percent(sweeping, "dataTransfer", percent)
        assert "computeTime" not in found["status"]["usage"]
        assert condition(found, "Ready")["status"] == "True"
    odd = [line for line in sweeping.log_lines() if "no sensible number" in line["message"]]
    assert [line["meters"] for line in odd] == [["compute_time_seconds"]]


async def test_a_late_smaller_number_within_the_period_changes_nothing(sweeping: Scene) -> None:
    await use(sweeping, compute_time_seconds=100 * HOUR)
    await until_condition(sweeping, "QuotaExceeded", "True")
    await sweeping.cluster.until_event("QuotaExceeded")
    written = len(sweeping.writes())
    await use(sweeping, compute_time_seconds=70 * HOUR)
    await until_read(sweeping, more=2)
    found = await sweeping.cluster.tenant()
    assert found["status"]["usage"]["computeTime"]["percent"] == 100
    assert len(sweeping.writes()) == written
