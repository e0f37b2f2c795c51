"""What the chart gives to Prometheus and Grafana, when it is asked to."""

from __future__ import annotations

import json
from typing import Any

import pytest

import alerts
import charts

KINDS = {"ServiceMonitor", "PrometheusRule"}


async def made(**metrics: Any) -> list[dict[str, Any]]:
    documents = await charts.rendered(charts.OPERATOR, {**charts.REQUIRED, "metrics": metrics})
    return [d for d in documents if d["kind"] in KINDS or d["metadata"]["name"].endswith("-dashboard")]


async def test_nothing_of_it_is_made_unasked() -> None:
    assert await made() == []


async def test_the_service_monitor_finds_the_service() -> None:
    monitor = {"enabled": True, "labels": {"release": "prometheus"}, "interval": "15s"}
    documents = await charts.rendered(
        charts.OPERATOR, {**charts.REQUIRED, "metrics": {"serviceMonitor": monitor}}
    )
    found, service = charts.one(documents, "ServiceMonitor"), charts.one(documents, "Service")
    assert found["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (endpoint,) = found["spec"]["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert (endpoint["path"], endpoint["interval"]) == ("/metrics", "15s")
    assert found["metadata"]["labels"]["release"] == "prometheus"
    assert found["metadata"]["namespace"] == service["metadata"]["namespace"]


async def test_the_prometheus_rule_holds_the_alerts_of_the_file() -> None:
    (found,) = await made(prometheusRule={"enabled": True})
    assert [rule for group in found["spec"]["groups"] for rule in group["rules"]] == alerts.rules()


async def test_alerts_take_labels_and_pages_and_can_be_left_out() -> None:
    left_out = "NeonTenantsStalled"
    (found,) = await made(
        prometheusRule={
            "enabled": True,
            "disabled": [left_out],
            "alertLabels": {"team": "platform"},
            "runbookUrl": "https://runbooks.example.com/neon/",
        }
    )
    rules = [rule for group in found["spec"]["groups"] for rule in group["rules"]]
    assert {rule["alert"] for rule in rules} == {rule["alert"] for rule in alerts.rules()} - {left_out}
    assert {rule["labels"]["team"] for rule in rules} == {"platform"}
    for rule in rules:
        page = f"https://runbooks.example.com/neon/{rule['alert']}.md"
        assert rule["annotations"]["runbook_url"] == page


async def test_an_alert_that_is_left_out_must_be_one() -> None:
    with pytest.raises(charts.HelmError, match=r"NoSuchAlert, which is no alert of this chart"):
        await made(prometheusRule={"enabled": True, "disabled": ["NoSuchAlert"]})


async def test_the_dashboard_comes_as_grafanas_sidecar_wants_it() -> None:
    (found,) = await made(dashboard={"enabled": True, "namespace": "monitoring"})
    assert found["kind"] == "ConfigMap"
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert found["metadata"]["namespace"] == "monitoring"
    ((name, text),) = found["data"].items()
    assert name.endswith(".json")
    file = charts.OPERATOR / "files" / "dashboard.json"
    assert json.loads(text) == json.loads(file.read_text())
