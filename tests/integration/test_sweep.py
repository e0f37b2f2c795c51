"""The sweep: what people change at Neon past the operator, found by a list and repaired or reported."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from cluster import Object, condition
from neon_sandbox.emulator.scripts import Script
from scene import SWEEPING, Scene, example_tier
from waiting import until

LIST = ("GET", "/projects")


async def sweeps(scene: Scene, count: int = 1) -> None:
    """Waits for so many complete sweeps that begin from now on; one may be under way."""
    seen = ended(scene)

    async def over() -> bool:
        return ended(scene) > seen + count

    await until(over, f"{count} sweeps have ended")


def ended(scene: Scene) -> int:
    return sum(line["message"] == "A sweep ended." for line in scene.log_lines())


async def by_hand(scene: Scene, **changes: Any) -> None:
    """A person changes the tenant's project in Neon's console."""
    await scene.until_idle()
    await scene.console("PATCH", f"/projects/{scene.project()['id']}", project=changes)


async def until_project(scene: Scene, **wanted: Any) -> None:
    async def so() -> bool:
        project = scene.project()
        return all(project[name] == value for name, value in wanted.items())

    await until(so, f"the project has {wanted}")


async def events(scene: Scene, reason: str) -> list[Object]:
    return [event for event in await scene.cluster.list("Event") if event["reason"] == reason]


# --- settings ------------------------------------------------------------------------------------------


async def test_a_quota_that_was_changed_by_hand_is_put_back_with_an_event_that_names_it(
    sweeping: Scene,
) -> None:
    quota = sweeping.project()["quota"]
    await by_hand(sweeping, settings={"quota": {**quota, "written_data_bytes": 7 * 1024**3}})
    await until_project(sweeping, quota=quota)
    event = await sweeping.cluster.until_event("DriftRepaired")
    assert "writtenData was 7Gi, not 1Gi" in event["note"]
    assert (await sweeping.cluster.tenant())["status"]["conditions"][0]["status"] == "True"


async def test_a_retention_and_defaults_of_computes_are_put_back(sweeping: Scene) -> None:
    before = sweeping.project()
    await by_hand(
        sweeping,
        history_retention_seconds=60,
        default_endpoint_settings={"autoscaling_limit_min_cu": 1, "autoscaling_limit_max_cu": 2},
    )
    await until_project(
        sweeping,
        history_retention_seconds=before["history_retention_seconds"],
        default_endpoint_settings=before["default_endpoint_settings"],
    )
    event = await sweeping.cluster.until_event("DriftRepaired")
    for told in ("historyRetention was 1m, not 6h", "maxCU was 2, not 0.25", "minCU was 1, not 0.25"):
        assert told in event["note"]


async def test_a_compute_that_was_changed_by_hand_is_found_by_its_activity_and_put_back(
    sweeping: Scene,
) -> None:
    await sweeps(sweeping)
    await sweeping.until_idle()
    project = sweeping.project()
    endpoint = project["endpoints"][0]
    assert sweeping.requests("GET", "/projects/{project_id}/endpoints") == 0
    await sweeping.console(
        "PATCH",
        f"/projects/{project['id']}/endpoints/{endpoint['id']}",
        endpoint={"autoscaling_limit_max_cu": 2},
    )

    async def back() -> bool:
        return bool(sweeping.project()["endpoints"][0]["autoscaling_limit_max_cu"] == 0.25)

    await until(back, "the compute has its size again")
    event = await sweeping.cluster.until_event("DriftRepaired")
    assert f"maxCU of {endpoint['id']} was 2, not 0.25" in event["note"]


@pytest.mark.proves("F18")
async def test_a_name_that_was_changed_by_hand_is_given_back(sweeping: Scene) -> None:
    name = sweeping.project()["name"]
    await by_hand(sweeping, name="my favourite")
    await until_project(sweeping, name=name)
    event = await sweeping.cluster.until_event("DriftRepaired")
    assert "name was 'my favourite'" in event["note"]


async def test_where_the_tier_only_reports_drift_is_told_once_and_left(unconnected: Scene) -> None:
    await unconnected.create_tier("watched", {**example_tier("free"), "driftPolicy": "Report"})
    await unconnected.start_operator(**SWEEPING, resync_interval="1")
    await unconnected.create(tier="watched")
    await unconnected.cluster.until_ready()
    await by_hand(unconnected, history_retention_seconds=60)
    event = await unconnected.cluster.until_event("DriftFound")
    assert "historyRetention was 1m, not 6h" in event["note"]
    await sweeps(unconnected, 3)
    assert unconnected.project()["history_retention_seconds"] == 60
    assert len(await events(unconnected, "DriftFound")) == 1
    assert condition(await unconnected.cluster.tenant(), "Ready")["status"] == "True"
    assert unconnected.patches()[0] == 1  # the person's own

    await by_hand(unconnected, history_retention_seconds=90)

    async def told_again() -> bool:
        return len(await events(unconnected, "DriftFound")) == 2

    await until(told_again, "another finding is told")
    # What the spec asks for is done all the same.
    await unconnected.change(tier=unconnected.tiers["pro"])
    await until_project(unconnected, history_retention_seconds=example_seconds("pro"))


def example_seconds(tier: str) -> int:
    text = str(example_tier(tier)["historyRetention"])
    assert text.endswith("h")
    return int(text[:-1]) * 3600


# --- projects ------------------------------------------------------------------------------------------


@pytest.mark.proves("F22")
async def test_a_deleted_project_is_found_told_with_its_time_and_heals_by_itself_when_recovered(
    sweeping: Scene,
) -> None:
    project = sweeping.project()["id"]
    await sweeping.console("DELETE", f"/projects/{project}")
    tenant = await sweeping.cluster.until_reason("ProjectMissing")
    listed = await sweeping.console("GET", "/projects?recoverable=true&limit=400")
    until_when = listed["projects"][0]["recoverable_until"]
    assert f"until {until_when}" in condition(tenant, "Ready")["message"]
    assert condition(tenant, "Available")["status"] == "False"
    assert sweeping.projects() == []
    await sweeping.console("POST", f"/projects/{project}/recover")
    await sweeping.cluster.until_ready()
    assert [p["id"] for p in sweeping.projects()] == [project]


@pytest.mark.proves("F22")
@pytest.mark.parametrize("status", [403, 404])
async def test_a_project_that_left_the_organization_is_not_called_deleted(
    sweeping: Scene, status: int
) -> None:
    """As after a transfer: neither listed, nor among the deleted, nor shown to us."""
    refusal = Script(
        method="GET",
        route="/projects/{project_id}",
        times=1000,
        status=status,
        body={"code": "", "message": "not for you"},
    )
    sweeping.neon.answers.add(refusal)
    store = sweeping.neon.store
    left = store._projects.pop(sweeping.project()["id"])
    store._order.remove(left.seq)
    del store._by_seq[left.seq]
    tenant = await sweeping.cluster.until_reason("ProjectMissing")
    message = condition(tenant, "Ready")["message"]
    assert "not in this Neon organization any more" in message
    assert "was deleted" not in message


async def test_a_duplicate_is_found(sweeping: Scene) -> None:
    await sweeping.console("POST", "/projects", project={"name": sweeping.project()["name"]})
    await sweeping.cluster.until_reason("DuplicateProject")
    assert len(sweeping.projects()) == 2


@pytest.mark.proves("F17")
async def test_a_partial_list_changes_nothing(sweeping: Scene) -> None:
    await sweeps(sweeping)
    written = len(sweeping.writes())
    project = sweeping.project()["id"]
    sweeping.neon.knobs.unavailable_project_ids = [project]
    seen = ended(sweeping)
    await by_hand(sweeping, history_retention_seconds=60)
    listed = sweeping.requests(*LIST)

    async def tried() -> bool:
        return sweeping.requests(*LIST) >= listed + 4

    await until(tried, "four lists were read")
    assert ended(sweeping) <= seen + 1  # one whose list was complete may have been under way
    assert len(sweeping.writes()) == written
    assert sweeping.patches()[0] == 1  # the person's own
    sweeping.neon.knobs.unavailable_project_ids = []
    await until_project(sweeping, history_retention_seconds=6 * 3600)


# --- orphans -------------------------------------------------------------------------------------------


async def ask(scene: Scene, read: str) -> Any:
    address = next(line["address"] for line in scene.log_lines() if line["message"] == "The operator serves.")
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"{address}/v1/{read}")
        assert answer.is_success, answer.text
        return answer.json()


async def test_projects_without_an_owner_are_told_apart(sweeping: Scene) -> None:
    """Left behind by hand, released, of a resource that was made again; and one of another cluster."""
    await sweeping.create("kept", deletionPolicy="Retain")
    await sweeping.create("lost")
    for name in ("kept", "lost"):
        await sweeping.cluster.until_ready(name)
    await sweeping.until_idle()
    ids = {p["annotations"]["neontenants.io/name"]: p["id"] for p in sweeping.projects()}
    other = {"neontenants.io/cluster": "elsewhere", "neontenants.io/namespace": "n"}
    other |= {"neontenants.io/name": "x", "neontenants.io/uid": "11111111-2222-4333-8444-555555555555"}
    twin = next(p["name"] for p in sweeping.projects() if p["id"] == ids["lost"])
    stem, _, _ = twin.rpartition("-")
    stranger = {"name": f"{stem}-{'a' * 26}", "branch": {"annotations": other}}
    await sweeping.console("POST", "/projects", project=stranger)
    # Of this cluster, and of a namespace that this operator does not watch: it cannot know the owner.
    unwatched = {
        "name": f"{stem}-{'b' * 25}a",
        "branch": {"annotations": {**other, "neontenants.io/cluster": sweeping.prefix}},
    }
    await sweeping.console("POST", "/projects", project=unwatched)

    await sweeping.stop_operators()
    await sweeping.cluster.delete("TenantDatabase", "kept")
    for name in ("lost", "acme"):
        await sweeping.cluster.patch("TenantDatabase", name, {"metadata": {"finalizers": None}})
        await sweeping.cluster.delete("TenantDatabase", name)
        await sweeping.cluster.until_gone("TenantDatabase", name)
    await sweeping.create("acme")
    await sweeping.start_operator(**SWEEPING)
    await sweeping.cluster.until_reason("PreviousProjectFound", "acme")
    await sweeping.cluster.until_gone("TenantDatabase", "kept")

    assert await ask(sweeping, "orphans") == {"complete": True, "unread": 0, "orphans": []}  # all too young
    for project in sweeping.neon.store:
        project.created_at -= 2 * 3600
    found = await ask(sweeping, "orphans")
    kinds = {orphan["project_id"]: orphan["kind"] for orphan in found["orphans"]}
    assert kinds == {ids["lost"]: "Orphan", ids["kept"]: "Released", ids["acme"]: "Claimable"}
    lost = next(orphan for orphan in found["orphans"] if orphan["kind"] == "Orphan")
    assert (lost["namespace"], lost["name"]) == (sweeping.namespace, "lost")
    assert lost["age"] > 3600
    assert len(sweeping.projects()) == 5
