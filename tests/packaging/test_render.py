"""What the charts render."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import charts
from neon_tenants import __version__
from neon_tenants.api import crd


async def test_the_operators_chart_brings_the_crds_and_keeps_them() -> None:
    documents = await charts.rendered(charts.OPERATOR, charts.REQUIRED)
    definitions = [d for d in documents if d["kind"] == "CustomResourceDefinition"]
    assert {f"{d['metadata']['name']}.yaml" for d in definitions} == set(crd.files())
    for definition in definitions:
        assert definition["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


@pytest.mark.parametrize(
    ("chart", "values"), [(charts.OPERATOR, charts.REQUIRED), (charts.TIERS, {})], ids=["operator", "tiers"]
)
async def test_helm_has_nothing_to_say_against_the_charts(chart: Path, values: dict[str, Any]) -> None:
    text = await charts.helm("lint", "--strict", chart, "--values", "-", stdin=charts.as_yaml(values))
    assert "1 chart(s) linted, 0 chart(s) failed" in text


async def test_the_two_charts_and_the_program_have_one_version() -> None:
    for chart in (charts.OPERATOR, charts.TIERS):
        about = yaml.safe_load((chart / "Chart.yaml").read_text())
        assert about["version"] == about["appVersion"] == __version__
