"""`manifests/` is what the chart renders."""

from __future__ import annotations

import charts
from generators import plain_manifests


async def test_the_manifests_are_those_of_the_chart() -> None:
    written = {path.name: path.read_text() for path in (charts.ROOT / "manifests").iterdir()}
    assert written == await plain_manifests.files(), "run `make manifests`"
