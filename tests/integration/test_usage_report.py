"""`neon-tenant-operator usage`, from a running operator and Neon's history: complete, or an error."""

from __future__ import annotations

import csv
import io
import time
from typing import Any

import httpx

from neon_sandbox.emulator import Script
from scene import Scene, command
from waiting import until

HOUR = 3600
HISTORY = "/consumption_history/v2/projects"


def stamp(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


class Ledger:
    """What Neon counted, in whole hours that are over."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.start = int(scene.neon.clock.now()) // HOUR * HOUR

    async def write(self, project_id: str, hour: int = 0, **metrics: int) -> None:
        hours = [{"start": stamp(self.start + hour * HOUR), "metrics": metrics}]
        url = f"{self.scene.neon.sandbox_url}/projects/{project_id}/consumption"
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.put(url, json={"hours": hours})
            assert answer.is_success, answer.text

    @property
    def question(self) -> dict[str, str]:
        """The first three hours, one by one."""
        until = stamp(self.start + 3 * HOUR)
        return {"granularity": "hourly", "since": stamp(self.start), "until": until}

    async def ask(self, **changes: str) -> tuple[int, Any]:
        """What the command reads."""
        async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
            url = f"{await self.scene.address()}/v1/usage"
            answer = await http.get(url, params={**self.question, **changes})
            return answer.status_code, answer.json()

    async def rows(self, **which: Any) -> list[dict[str, Any]]:
        status, answer = await self.ask()
        assert status == 200, answer
        return [row for row in answer["rows"] if which.items() <= row.items()]

    async def error(self, **changes: str) -> str:
        """The words of a question that is not answered."""
        status, answer = await self.ask(**changes)
        assert status >= 400
        assert answer.keys() == {"error"}
        return str(answer["error"])


async def started(scene: Scene, *names: str) -> tuple[Ledger, dict[str, str]]:
    """A ledger, and the project of each tenant."""
    ledger = Ledger(scene)
    # The limit of these routes has its own tests.
    scene.neon.knobs.consumption_requests_per_minute = 0
    await scene.start_operator(consumption_requests_per_minute="100000")
    for name in names:
        await scene.create(name)
    projects = {name: (await scene.cluster.until_ready(name))["status"]["projectId"] for name in names}

    scene.neon.clock.advance(4 * HOUR)

    async def recorded() -> bool:
        rows = await ledger.rows(owner="tenant")
        return {row["project_id"] for row in rows} == set(projects.values())

    await until(recorded, "the operator's records name the projects")
    return ledger, projects


async def test_each_tenant_is_told_with_its_tier_and_late_values_count(unconnected: Scene) -> None:
    ledger, projects = await started(unconnected, "acme", "idle")
    await ledger.write(projects["acme"], compute_unit_seconds=5, public_network_transfer_bytes=11)
    first = await ledger.rows(tenant="acme")
    assert sum(row["compute_time_seconds"] for row in first if row["start"]) == 5
    await ledger.write(projects["acme"], compute_unit_seconds=8, public_network_transfer_bytes=11)
    await ledger.write(projects["acme"], hour=1, compute_unit_seconds=2)
    later = await ledger.rows(tenant="acme")
    assert sum(row["compute_time_seconds"] for row in later) == 10
    (row,) = [row for row in later if row["compute_time_seconds"] == 8]
    assert (row["namespace"], row["tier"]) == (unconnected.namespace, unconnected.tiers["free"])
    assert row["organization"] == unconnected.neon.organization_id
    assert row["data_transfer_bytes"] == 11
    # The second version of the history does not have it: empty, and not 0.
    assert row["active_time_seconds"] is None
    await unconnected.change(tier=unconnected.tiers["pro"])
    await unconnected.cluster.until_ready()

    async def moved() -> bool:
        return {row["tier"] for row in await ledger.rows(tenant="acme")} == {unconnected.tiers["pro"]}

    await until(moved, "the report names the other tier")
    assert sum(row["compute_time_seconds"] for row in await ledger.rows(tenant="acme")) == 10


async def test_csv_and_a_table_say_the_same_and_what_is_missing(unconnected: Scene) -> None:
    ledger, projects = await started(unconnected, "acme")
    await ledger.write(projects["acme"], compute_unit_seconds=5)
    options = [f"--{name}={value}" for name, value in ledger.question.items()]
    status, output, said = await command(unconnected, "usage", "-o", "csv", *options)
    assert status == 0, said
    rows = list(csv.DictReader(io.StringIO(output)))
    assert {row["compute_time_seconds"] for row in rows} == {"0", "5"}
    assert {row["active_time_seconds"] for row in rows} == {""}
    assert "has no active_time_seconds" in said
    status, output, said = await command(unconnected, "usage", *options)
    assert status == 0, said
    assert output.startswith("START")
    assert "acme" in output
    unconnected.neon.answers.add(Script(method="GET", route=HISTORY, status=500, body={}))
    status, output, said = await command(unconnected, "usage", "-o", "csv", *options)
    assert (status, output) == (1, "")
    assert "Neon answered 500" in said


async def test_released_and_foreign_projects_are_listed_and_never_dropped(unconnected: Scene) -> None:
    ledger, _ = await started(unconnected, "acme", "gone")
    await unconnected.change("gone", deletionPolicy="Retain")
    await unconnected.cluster.delete("TenantDatabase", "gone")
    await unconnected.cluster.until_gone("TenantDatabase", "gone")
    await unconnected.console("POST", "/projects", project={"name": "somebody's own"})
    rows = await ledger.rows()
    assert {row["owner"] for row in rows} == {"tenant", "released", "unknown"}
    (foreign,) = {row["project_name"] for row in rows if row["owner"] == "unknown"}
    assert foreign == "somebody's own"


async def test_a_page_that_fails_or_a_negative_amount_is_an_error_and_no_smaller_number(
    unconnected: Scene,
) -> None:
    ledger, projects = await started(unconnected, "acme")
    negative = {
        "projects": [
            {
                "project_id": projects["acme"],
                "periods": [
                    {
                        "consumption": [
                            {
                                "timeframe_start": stamp(ledger.start),
                                "timeframe_end": stamp(ledger.start + HOUR),
                                "metrics": [{"metric_name": "compute_unit_seconds", "value": -1}],
                            }
                        ]
                    }
                ],
            }
        ]
    }
    for script in (
        Script(method="GET", route=HISTORY, status=200, body=negative),
        Script(method="GET", route=HISTORY, status=500, body={}),
    ):
        unconnected.neon.answers.add(script)
        assert "Neon" in await ledger.error()
    full = {"projects": [], "unavailable_project_ids": ["some-project-1"]}
    unconnected.neon.answers.add(Script(method="GET", route="/projects", status=200, body=full, times=3))
    assert "incomplete" in await ledger.error()


async def test_without_the_second_version_the_first_is_read_and_without_both_it_is_said(
    unconnected: Scene,
) -> None:
    ledger, projects = await started(unconnected, "acme")
    await ledger.write(projects["acme"], active_time_seconds=9, written_data_bytes=4)
    refusal = {"code": "", "message": "This endpoint is not available."}
    unconnected.neon.answers.add(Script(method="GET", route=HISTORY, status=403, body=refusal))
    rows = await ledger.rows(tenant="acme")
    assert sum(row["active_time_seconds"] for row in rows) == 9
    assert sum(row["written_data_bytes"] for row in rows) == 4
    assert {row["data_transfer_bytes"] for row in rows} == {None}
    unconnected.neon.knobs.plan = "free"
    for _ in range(2):
        assert "has no consumption history" in await ledger.error()
    told = [line for line in unconnected.log_lines() if "has no consumption history v2" in line["message"]]
    assert len(told) == 1
    # It goes on without: the tenants are looked after as before.
    await unconnected.create("one-more")
    await unconnected.cluster.until_ready("one-more")


async def test_a_question_that_makes_no_sense_is_refused_in_words(unconnected: Scene) -> None:
    ledger, _ = await started(unconnected, "acme")
    assert "must be a date" in await ledger.error(since="yesterday")
    assert "must be before" in await ledger.error(until="2020-01-01")
    assert "must be one of" in await ledger.error(granularity="yearly")
    assert "Neon said" in await ledger.error(since="2024-04-01")
