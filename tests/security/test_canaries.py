"""The scan for secrets that every test ends with: it looks everywhere, and finds what was planted."""

from __future__ import annotations

import base64
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import canaries
from cluster import Cluster
from neon_sandbox import installation
from scene import Scene, program

pytestmark = [pytest.mark.proves("I8", "T9")]

LINUX = Path("/proc/self/environ").exists()
CANARY = "npg_Planted12345"
URI = f"postgresql://app_owner:{CANARY}@ep-x.neon.tech/app"
NOTE = {"metadata": {"annotations": {"oops": f"the password is {CANARY}"}}}


@contextmanager
def issued(scene: Scene, secret: str) -> Iterator[None]:
    """As if Neon had given it out; taken back at the end, since a log cannot be unwritten."""
    passwords = scene.neon._world.names.passwords
    passwords.append(secret)
    try:
        yield
    finally:
        passwords.remove(secret)


# --- where it looks --------------------------------------------------------------------------------------


async def in_a_log(scene: Scene) -> str:
    with scene.operators[-1].log.open("a") as log:
        log.write(f'{{"level": "DEBUG", "message": "{CANARY}"}}\n')
    return "log operator-0.log"


async def in_a_tenants_annotation(scene: Scene) -> str:
    await scene.cluster.patch("TenantDatabase", "acme", NOTE)
    return f"TenantDatabase in {scene.namespace}"


async def in_a_tenants_status(scene: Scene) -> str:
    await scene.cluster.patch("TenantDatabase", "acme", {"status": {"host": CANARY}}, subresource="/status")
    return f"TenantDatabase in {scene.namespace}"


async def in_a_secrets_annotation(scene: Scene) -> str:
    await scene.cluster.patch("Secret", "acme-database", NOTE)
    return f"Secret acme-database in {scene.namespace}"


async def in_a_namespace(scene: Scene) -> str:
    await scene.cluster.patch("Namespace", scene.namespace, NOTE)
    return f"Namespace {scene.namespace}"


async def in_a_tier(scene: Scene) -> str:
    await scene.cluster.patch("DatabaseTier", scene.tiers["free"], NOTE)
    return "DatabaseTier"


async def in_an_operation(scene: Scene) -> str:
    name = await scene.ask_for("planted", "ReleaseDeletions")
    await scene.cluster.patch("FleetOperation", name, NOTE)
    return "FleetOperation"


async def in_the_operators_own_state(scene: Scene) -> str:
    name = f"neon-tenant-operator-{scene.prefix}"
    await annotated(scene, "configmap", name, installation.NAMESPACE)
    return f"ConfigMap in {installation.NAMESPACE}"


async def in_an_event(scene: Scene) -> str:
    return await event(scene, scene.namespace)


async def in_an_event_about_a_tier(scene: Scene) -> str:
    return await event(scene, "default")


async def in_another_namespace_that_it_watches(scene: Scene) -> str:
    return await event(scene, f"{scene.prefix}-second")


async def in_the_audit_log(scene: Scene) -> str:
    path = f"/api/v1/namespaces/{scene.namespace}/configmaps"
    await scene.cluster.request("GET", path, params={"labelSelector": f"x={CANARY}"})
    return "the audit log"


async def in_a_request_to_neon(scene: Scene) -> str:
    await scene.console("GET", f"/projects?search={CANARY}")
    return "a request to Neon"


async def in_what_a_command_says(scene: Scene) -> str:
    words = ("status", "--server", f"http://127.0.0.1:1/{CANARY}")
    _, output, errors = await program(*words)
    assert CANARY in output + errors
    return f"what {words} said"


async def event(scene: Scene, namespace: str) -> str:
    about = {"apiVersion": "v1", "kind": "Namespace", "name": namespace, "namespace": namespace}
    body: dict[str, Any] = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{scene.prefix}-planted", "namespace": namespace},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "type": "Normal",
        "reason": "Planted",
        "action": "Test",
        "note": CANARY,
        "regarding": about,
        "reportingController": "example.com/test",
        "reportingInstance": "test",
    }
    async with Cluster.connect(scene.plane, namespace) as cluster:
        await cluster.create(body)
    return f"Event in {namespace}"


async def annotated(scene: Scene, kind: str, name: str, namespace: str) -> None:
    await installation.kubectl(scene.plane, "annotate", kind, name, "-n", namespace, f"oops={CANARY}")


PLANTS: list[Callable[[Scene], Awaitable[str]]] = [
    in_the_audit_log,  # the first: what is written to our own resources stands there, too
    in_a_log,
    in_a_tenants_annotation,
    in_a_secrets_annotation,
    in_a_namespace,
    in_a_tier,
    in_an_operation,
    in_the_operators_own_state,
    in_an_event,
    in_an_event_about_a_tier,
    in_another_namespace_that_it_watches,
    in_a_request_to_neon,
    in_what_a_command_says,
]

SHOWN = {
    "/metrics of operator-0.log": "neon_tenants_ready",
    "/v1/status of operator-0.log": "groups",
    "environ of operator-0.log": "NEON_TENANTS_API_URL",
    "cmdline of operator-0.log": "neon-tenant-operator\0run",
}
"""What the operator itself shows cannot be planted: something that stands there is taken for a secret."""


async def test_a_planted_secret_is_found_at_each_place(unconnected: Scene) -> None:
    scene = unconnected
    second = f"{scene.prefix}-second"
    await scene.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": second}})
    await scene.start_operator(watch_namespaces=f"{scene.namespace},{second}")
    await scene.create()
    await scene.cluster.until_ready()
    await canaries.scan(scene)
    with issued(scene, CANARY):
        assert not await canaries.found(scene)
        known: set[str] = set()
        for plant in PLANTS:
            place = await plant(scene)
            found = {line.partition(" in ")[2] for line in await canaries.found(scene)}
            assert place in found - known, f"{plant.__name__}: {found}"
            known |= found
    # The tenant's annotations have one already: its status is another place.
    await scene.cluster.patch("TenantDatabase", "acme", {"metadata": {"annotations": {"oops": None}}})
    await scene.operators[0].stop()
    with issued(scene, CANARY):
        place = await in_a_tenants_status(scene)
        assert f"a secret stands in {place}" in await canaries.found(scene)


async def test_what_an_operator_shows_of_itself_is_looked_at(unconnected: Scene) -> None:
    await unconnected.start_cold()
    for place, text in SHOWN.items():
        if not place.startswith("/") and not LINUX:
            continue
        with issued(unconnected, text):
            assert f"a secret stands in {place}" in await canaries.found(unconnected)
    log = unconnected.operators[0].log
    before = log.read_text()
    log.write_text(f"{before}Traceback (most recent call last):\n{{}}\n")
    assert [line for line in await canaries.found(unconnected) if line.startswith("no JSON in log")]
    log.write_text(before)


async def test_every_key_and_password_that_neon_ever_gave_out_is_looked_for(unconnected: Scene) -> None:
    first = unconnected.neon.api_key
    await unconnected.console("POST", "/projects", project={"name": "any"})
    await unconnected.until_idle()
    project = unconnected.project()
    role = f"/projects/{project['id']}/branches/{project['branches'][0]['id']}/roles"
    owner = project["branches"][0]["roles"][0]
    old = (await unconnected.console("GET", f"{role}/{owner}/reveal_password"))["password"]
    await unconnected.console("POST", f"{role}/{owner}/reset_password")
    await unconnected.until_idle()
    second = unconnected.neon.keys.issue()
    unconnected.neon.keys.revoke(first)
    new = (await unconnected.console("GET", f"{role}/{owner}/reveal_password"))["password"]
    unconnected.key_file.write_text(second)
    needles = canaries.Needles(canaries.issued(unconnected))
    assert old != new
    for secret in (first, second, old, new):
        assert needles.in_text(f"x{secret}, and more") == "a secret stands"


# --- in which form ---------------------------------------------------------------------------------------

NEEDLES = canaries.Needles([CANARY, "ey.token.of-nobody", "napi_" + "0" * 64])
WORDS = [CANARY, f"a{CANARY}", f"ab{CANARY}", URI, f"?{URI}?", "ey.token.of-nobody", "a" + "napi_" + "0" * 64]
FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "within a word": lambda text: f"x{text}y",
    "in base64": lambda text: base64.b64encode(text.encode()).decode(),
    "in base64 for URLs, within a path": lambda text: "a/" + base64.urlsafe_b64encode(text.encode()).decode(),
    "in base64 of JSON": lambda text: base64.b64encode(f'{{"uri":"{text}"}}'.encode()).decode(),
    "quoted for a URL": quote,
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_a_secret_is_found_in_whatever_form(form: Callable[[str], str]) -> None:
    for word in WORDS:
        assert NEEDLES.in_text(f'{{"message": "it is {form(word)}."}}'), form(word)


def test_a_login_is_found_by_its_form_and_nothing_else_is() -> None:
    assert canaries.Needles([]).in_text("postgresql://me:never-issued@host/db") == "a login stands"
    for harmless in (
        "postgresql://[redacted]@host/db",
        "https://console.neon.tech/api/v2/projects?limit=400",
        "npg_Planted1234",
        "npg_Planted1234x",
        base64.b64encode(b"npg_ and nothing").decode(),
        "the token of a key",
    ):
        assert NEEDLES.in_text(harmless) is None


# --- that nothing passes by it ---------------------------------------------------------------------------


STARTS = {
    "scene.py": "each scene ends with the scan",
    "security/test_rights.py": "it hands its operators to a scene",
    "kubelet.py": "its logs are looked through in test_install",
    "packaging/test_image.py": "it hands its operator to a scene",
    "monitoring/test_queries.py": "Prometheus",
    "runbook.py": "a page's commands; what our own program says is kept for the scan",
}
"""Where tests start processes that could log a secret, and why none escapes."""


def test_every_operator_of_a_test_is_started_where_the_scan_sees_it() -> None:
    starts = re.compile(r"installation\.operator\(|Child\.start\(")
    tests = Path(__file__).parents[1]
    paths = (path for path in tests.rglob("*.py") if path != Path(__file__))
    found = {path.relative_to(tests).as_posix() for path in paths if starts.search(path.read_text())}
    assert found == STARTS.keys()
