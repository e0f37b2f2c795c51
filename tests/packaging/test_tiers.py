"""The chart of tiers."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

import charts
from neon_sandbox import installation, manifests
from neon_sandbox.controlplane import ControlPlane


async def test_the_api_server_takes_the_tiers_of_the_chart(plane: ControlPlane) -> None:
    text = await charts.helm("template", "tiers", charts.TIERS)
    said = await installation.kubectl(plane, "apply", "--dry-run=server", "-f", "-", stdin=text)
    assert said.count("databasetier.neontenants.io/") == 3


async def test_the_tiers_of_the_chart_are_those_of_the_examples() -> None:
    documents = await charts.rendered(charts.TIERS)
    examples = yaml.safe_load_all(manifests.example(manifests.TIERS).read_text())
    assert {d["metadata"]["name"]: d["spec"] for d in documents} == {
        d["metadata"]["name"]: d["spec"] for d in examples
    }


async def test_a_tier_can_be_changed_added_and_left_out() -> None:
    tiers = {"free": {"maxTenantsPerNamespace": 1}, "pro": None, "gold": charts.example_tier()}
    documents = await charts.rendered(charts.TIERS, {"tiers": tiers})
    specs = {d["metadata"]["name"]: d["spec"] for d in documents}
    assert specs.keys() == {"free", "enterprise", "gold"}
    assert specs["free"]["maxTenantsPerNamespace"] == 1
    assert specs["free"]["quota"]["storagePerBranch"] == "512Mi"


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a misspelt field": (
        {"free": {"quotas": {}}},
        "at '/tiers/free': additional properties 'quotas' not allowed",
    ),
    "a misspelt quota": (
        {"free": {"quota": {"storage": "1Gi"}}},
        "at '/tiers/free/quota': additional properties",
    ),
    "half a tier": (
        {"gold": {"historyRetention": "6h"}},
        "at '/tiers/gold': missing properties 'compute', 'quota'",
    ),
    "a number for a text": ({"free": {"historyRetention": 6}}, "got number, want string"),
    "no size": ({"free": {"compute": {"maxCU": 100}}}, "maximum: got 100, want 56"),
    "no such policy": ({"free": {"deletionPolicy": "Keep"}}, "value must be one of 'Delete', 'Retain'"),
    "no name": ({"Gold Plan": charts.example_tier()}, "invalid propertyName 'Gold Plan'"),
}


@pytest.mark.parametrize(("tiers", "said"), REFUSED.values(), ids=REFUSED.keys())
async def test_it_is_refused(tiers: dict[str, Any], said: str) -> None:
    with pytest.raises(charts.HelmError) as refused:
        await charts.rendered(charts.TIERS, {"tiers": tiers})
    assert said in str(refused.value)


async def test_the_tiers_of_the_readme_are_accepted(plane: ControlPlane) -> None:
    page = (charts.TIERS / "README.md").read_text()
    (block,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    text = await charts.helm("template", "tiers", charts.TIERS, "--values", "-", stdin=block)
    said = await installation.kubectl(plane, "apply", "--dry-run=server", "-f", "-", stdin=text)
    assert [line.split()[0].rsplit("/", 1)[1] for line in said.splitlines()] == ["enterprise", "free", "gold"]


async def test_what_only_the_api_server_can_know_it_refuses(plane: ControlPlane) -> None:
    values = {"tiers": {"free": {"compute": {"maxCU": 0.3}}}}
    text = await charts.helm("template", "t", charts.TIERS, "--values", "-", stdin=charts.as_yaml(values))
    with pytest.raises(installation.KubectlError, match="must be a size that Neon has"):
        await installation.kubectl(plane, "apply", "--dry-run=server", "-f", "-", stdin=text)
