"""One life, with the short cut through Kopf and without: the same for who watches it."""

from __future__ import annotations

import pytest

from kopf_counted import WORKS
from scene import Scene, example_tier
from waiting import until

UNTESTED = "This version of Kopf is another than was tested: each event costs more."


@pytest.mark.parametrize("before", ["kopf_counted", "kopf_unknown"])
async def test_events_are_handled_whatever_way_they_come(unconnected: Scene, before: str) -> None:
    await unconnected.create("early")
    await unconnected.create_tier("plan", example_tier("free"))
    await unconnected.start_operator(before=before)
    await unconnected.create("acme", "plan")
    for name in ("early", "acme"):
        await unconnected.cluster.until_ready(name)

    spec = {"spec": {"historyRetention": "12h"}}
    await unconnected.cluster.patch("DatabaseTier", unconnected.tiers["plan"], spec)

    async def changed() -> bool:
        return 12 * 3600 in {project["history_retention_seconds"] for project in unconnected.projects()}

    await until(changed, "the tier's change has reached its tenant")
    await unconnected.cluster.delete("TenantDatabase", "acme")
    await unconnected.cluster.until_gone("TenantDatabase", "acme")

    messages = [line["message"] for line in unconnected.log_lines()]
    assert (UNTESTED in messages) is (before == "kopf_unknown")
    assert (WORKS in messages) is (before == "kopf_unknown")
