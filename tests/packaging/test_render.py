"""What the charts render."""

from __future__ import annotations

import pytest

import charts
from neon_tenants.api import crd


async def test_the_operators_chart_brings_the_crds_and_keeps_them() -> None:
    documents = await charts.rendered(charts.OPERATOR, charts.REQUIRED)
    definitions = [d for d in documents if d["kind"] == "CustomResourceDefinition"]
    assert {f"{d['metadata']['name']}.yaml" for d in definitions} == set(crd.files())
    for definition in definitions:
        assert definition["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


@pytest.mark.parametrize(
    ("left_out", "said"),
    [("clusterId", "clusterId is required"), ("neon", "neon.existingSecret is required")],
)
async def test_what_is_required_is_asked_for(left_out: str, said: str) -> None:
    values = {key: value for key, value in charts.REQUIRED.items() if key != left_out}
    with pytest.raises(charts.HelmError, match=said):
        await charts.rendered(charts.OPERATOR, values)


async def test_the_tiers_chart_makes_the_example_tiers() -> None:
    documents = await charts.rendered(charts.TIERS)
    assert {d["metadata"]["name"] for d in documents} == {"free", "pro", "enterprise"}
    assert {d["kind"] for d in documents} == {"DatabaseTier"}
