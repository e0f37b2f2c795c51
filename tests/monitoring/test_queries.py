"""Dashboard and alerts ask for what the operator shows: a real Prometheus scrapes it and answers them."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml

import alerts
import charts
from cluster import Object
from neon_sandbox.child import Child
from neon_sandbox.controlplane import ControlPlane
from scene import SWEEPING, Scene, playing
from scraping import scrape
from waiting import until

DASHBOARD = charts.OPERATOR / "files" / "dashboard.json"
VARIABLES = {"$job": "operator", "$__rate_interval": "10s"}
"""What Grafana would put in."""
HOUR = 3600


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    http: httpx.AsyncClient

    async def query(self, expression: str) -> list[Object]:
        """The series that an expression has now."""
        answer = await self.http.get("/api/v1/query", params={"query": expression})
        body = answer.json()
        assert body["status"] == "success", f"{expression}: {body.get('error')}"
        series: list[Object] = body["data"]["result"]
        return series


@asynccontextmanager
async def scraping(server: Path, folder: Path, address: str) -> AsyncIterator[Prometheus]:
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(alerts.FILE)],
        "scrape_configs": [
            {"job_name": "operator", "static_configs": [{"targets": [address.removeprefix("http://")]}]}
        ],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    argv: list[str | Path] = [
        server,
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--web.listen-address=127.0.0.1:0",
    ]
    child = await Child.start("Prometheus", argv, log=folder / "prometheus.log", cwd=folder)

    async def listening() -> str | None:
        child.check()
        found = re.search(r'msg="Listening on".* address=(\S+)', child.log.read_text())
        return found[1] if found else None

    try:
        url = f"http://{await until(listening, 'Prometheus listens')}"
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            yield Prometheus(http)
    finally:
        await child.stop()


@dataclass(frozen=True)
class Seen:
    """An operator with something to show, and who scrapes it."""

    scene: Scene
    prometheus: Prometheus


@pytest.fixture(scope="module")
async def seen(
    plane: ControlPlane, prometheus_server: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Seen]:
    """A tenant that is well and used some of its quota, and one whose tier is missing."""
    folder = tmp_path_factory.mktemp("monitoring")
    async with playing(plane, None, folder) as scene:
        await scene.create_tiers()
        await scene.start_operator(**SWEEPING, tenant_metrics="true")
        await scene.create()
        await scene.create("lost", tier="no-such-tier")
        await scene.cluster.until_ready()
        project = scene.project()
        active = project["usage"]["active_time_seconds"] + 1
        await scene.neon.set_usage(
            project["id"], {"active_time_seconds": active, "compute_time_seconds": 10 * HOUR}
        )
        await scene.cluster.until_tenant(
            "acme", lambda found: "computeTime" in found["status"].get("usage", {}), "its usage is read"
        )
        async with scraping(prometheus_server, folder, await scene.address()) as prometheus:
            yield Seen(scene, prometheus)


def panels() -> Iterator[tuple[str, str, str]]:
    """Title, query and legend of each line of each panel."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"]
            for name, instead in VARIABLES.items():
                expression = expression.replace(name, instead)
            assert "$" not in expression, f"{panel['title']}: a variable that Grafana would not know"
            yield panel["title"], expression, target["legendFormat"]


async def test_every_panel_of_the_dashboard_shows_something(seen: Seen) -> None:
    """And every legend names labels that the answer has."""
    left = set(panels())

    async def shown() -> bool:
        for line in sorted(left):
            title, expression, legend = line
            series = await seen.prometheus.query(expression)
            for label in re.findall(r"{{(\w+)}}", legend):
                assert [one for one in series if label not in one["metric"]] == [], f"{title}: {label}"
            if series:
                left.discard(line)
        return not left

    try:
        await until(shown, "each query has an answer")
    except AssertionError as error:
        raise AssertionError(f"{error}; without: {sorted(left)}") from error


async def test_the_variables_of_the_dashboard_have_values(seen: Seen) -> None:
    variables = json.loads(DASHBOARD.read_text())["templating"]["list"]
    (query,) = (v["definition"] for v in variables if v["type"] == "query")
    metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", query).groups()  # type: ignore[union-attr]
    assert [one["metric"][label] for one in await seen.prometheus.query(metric)] == ["operator"]


def selectors(expression: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Each metric of an expression, with its matchers of labels."""
    for name, matchers in re.findall(r"\b(neon_tenants_\w+)(?:{([^}]*)})?", expression):
        yield name, dict(re.findall(r'(\w+)(?:=~|!~|!=|=)"([^"]*)"', matchers))


KNOWN: dict[tuple[str, str], set[str]] = {
    # Only what is counted so far is shown of these; test_seen.py has all values that they can have.
    ("neon_tenants_neon_requests_total", "status"): {"2xx", "3xx", "4xx", "429", "5xx", "none"},
    ("neon_tenants_reconcile_duration_seconds_count", "outcome"): {"done", "retry", "wait", "gone", "error"},
}


async def test_every_alert_asks_for_metrics_and_labels_that_there_are(seen: Seen) -> None:
    from neon_tenants.api.conditions import ConditionType, Reason

    values = KNOWN | {
        ("neon_tenants_tenants", "reason"): {reason.value for reason in Reason},
        ("neon_tenants_tenant_conditions", "condition"): {kind.value for kind in ConditionType},
    }
    samples = await scrape(seen.scene)
    for rule in alerts.rules():
        found = list(selectors(rule["expr"]))
        assert found, rule["alert"]
        for name, matchers in found:
            assert name in samples, f"{rule['alert']}: {name}"
            for label, wanted in matchers.items():
                shown = {sample.labels.get(label) for sample in samples[name]} - {None}
                assert shown, f"{rule['alert']}: {name} has no label {label}"
                known = values.get((name, label), shown)
                assert set(wanted.split("|")) <= known, f"{rule['alert']}: {label}={wanted}"
        for label in re.findall(r"by \(([\w, ]+)\)", rule["expr"]):
            assert any(label in sample.labels for name, _ in found for sample in samples[name]), rule["alert"]


async def test_prometheus_takes_the_file_as_it_is_and_a_well_operator_wakes_nobody(seen: Seen) -> None:
    async def evaluated() -> list[Object] | None:
        body = (await seen.prometheus.http.get("/api/v1/rules")).json()
        rules = [rule for group in body["data"]["groups"] for rule in group["rules"]]
        return rules if rules and all(rule["health"] != "unknown" for rule in rules) else None

    rules = await until(evaluated, "every rule was evaluated")
    assert {rule["name"]: rule["health"] for rule in rules} == {r["alert"]: "ok" for r in alerts.rules()}
    waiting = {rule["name"] for rule in rules if rule["state"] != "inactive"}
    # The tenant without a tier is Stalled, and will tell of it after two hours.
    assert waiting <= {"NeonTenantsStalled"}


def test_every_metric_is_on_the_dashboard() -> None:
    """What nobody would ever see is not worth a series."""
    page, dashboard = (alerts.ROOT / "docs/metrics.md").read_text(), DASHBOARD.read_text()
    assert [name for name in re.findall(r"^\| `(\w+)`", page, re.MULTILINE) if name not in dashboard] == []
