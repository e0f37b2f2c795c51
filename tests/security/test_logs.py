"""Words of others: in logs they stay one value of one line, in conditions and events one short line."""

from __future__ import annotations

import json

import pytest

from cluster import Object, condition
from neon_sandbox.emulator.scripts import Script
from scene import Scene

pytestmark = [pytest.mark.proves("T9")]

NOISE = '\x1b[31m\x07two\r\nlines", "level": "CRITICAL", "message": "forged %s %(x)d {0}\u2028\u202e'
LIMIT = 500
"""Characters of a condition's message or an event's note: our own words, and at most 300 of Neon's."""


def fit(text: str) -> bool:
    return text.isprintable() and len(text) <= LIMIT


async def events(scene: Scene, name: str) -> list[Object]:
    return [event for event in await scene.cluster.list("Event") if event["regarding"]["name"] == name]


@pytest.mark.proves("T15", "T8")
async def test_what_neon_says_is_told_in_one_short_line_without_what_it_knows_of_us(
    unconnected: Scene,
) -> None:
    """A hostile answer, to each request of a create: with our own key in it, and a login."""
    key = unconnected.neon.api_key
    words = f"{key} {NOISE} postgresql://me:guess@host/db " + "x" * 100_000
    refusal = {"code": NOISE, "message": words, "request_id": NOISE}
    for route in ("/projects", "/projects/{project_id}/operations"):
        for status in (400, 404, 422):
            body = {**refusal, "code": "PROJECTS_LIMIT_EXCEEDED"} if status == 422 else refusal
            unconnected.neon.answers.add(Script(route=route, status=status, body=body))
    await unconnected.start_operator()
    await unconnected.create()
    seen = set()

    async def note(found: Object) -> None:
        ready = condition(found, "Ready")
        seen.add(ready["reason"])
        assert fit(ready["message"]), ready
        assert key not in ready["message"]

    for reason in ("OperationFailed", "PlanLimitReached"):
        await note(await unconnected.cluster.until_reason(reason))
    await note(await unconnected.cluster.until_ready())
    assert len(seen) == 3
    told = [event["note"] for event in await events(unconnected, "acme")]
    assert told
    assert all(map(fit, told))
    unconnected.neon.answers.clear()
    levels = {line["level"] for line in unconnected.log_lines()}
    assert "CRITICAL" not in levels
    assert any("Neon said" in line.get("why", "") for line in unconnected.log_lines())


async def test_names_labels_and_annotations_of_tenants_add_no_line_and_no_field(unconnected: Scene) -> None:
    await unconnected.start_operator()
    manifest = unconnected.manifest("x" * 200)
    manifest["metadata"]["annotations"] = {
        "neontenants.io/reconcile-requested-at": NOISE,
        "neontenants.io/start-empty": NOISE,
        "neontenants.io/create-intent": json.dumps({"nonce": NOISE, "uid": "x", "lifetime": 1}),
        "example.com/noise": NOISE * 100,
    }
    manifest["spec"]["connectionSecret"] = {
        "labels": {"team": "a.b_c"},
        "annotations": {"example.com/noise": "${jndi:ldap://x} $(id) `id`"},
    }
    await unconnected.cluster.create(manifest)
    found = await unconnected.cluster.until_ready("x" * 200)
    assert found["status"]["lastHandledReconcileAt"] == NOISE
    lines = unconnected.log_lines()
    assert not any("forged" in json.dumps(line) for line in lines)
    mine = [line for line in lines if line.get("tenant", "").endswith("x" * 200)]
    assert mine
    assert all(set(line) <= {"timestamp", "level", "logger", "message", "tenant", "step"} for line in mine)
