"""What the charts render."""

from __future__ import annotations

import charts
from neon_tenants.api import crd


async def test_the_operators_chart_brings_the_crds_and_keeps_them() -> None:
    documents = await charts.rendered(charts.OPERATOR, charts.REQUIRED)
    definitions = [d for d in documents if d["kind"] == "CustomResourceDefinition"]
    assert {f"{d['metadata']['name']}.yaml" for d in definitions} == set(crd.files())
    for definition in definitions:
        assert definition["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
