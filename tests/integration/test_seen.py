"""What an operator shows of itself: probes, metrics, and its answers to the command line."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.samples import Sample

import lease
from lease import ELECTING
from neon_sandbox import installation, manifests
from neon_sandbox.child import Child
from neon_sandbox.controlplane import ControlPlane, prepare
from neon_tenants.api.conditions import ConditionType, Reason
from neon_tenants.api.database_tier import RolloutPhase
from neon_tenants.core.drift import Drift
from neon_tenants.core.lane import Lane
from neon_tenants.core.orphans import Kind
from scene import Scene, command, playing, program, served
from scraping import scrape, shown, value
from waiting import until

LABELS = {
    "status": {"2xx", "3xx", "4xx", "429", "5xx", "none"},
    "lane": {lane.name.lower() for lane in Lane},
    "outcome": {"done", "retry", "wait", "gone", "error"},
    "ready": {"True", "False", "Unknown"},
    "reason": {reason.value for reason in Reason} | {"other", ""},
    "method": {"GET", "POST", "PATCH", "DELETE"},
    "condition": {kind.value for kind in ConditionType},
    "finding": {drift.value for drift in Drift},
    "kind": {kind.value for kind in Kind},
    "requests": {"all", "consumption"},
    "by": {"setting", "api_server"},
    "phase": {phase.value for phase in RolloutPhase},
}
"""Every value that these labels can have."""


async def probe(address: str, name: str) -> tuple[int, str]:
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"{address}/{name}")
        return answer.status_code, answer.text


async def test_the_operator_is_ready_when_its_crds_are_installed_and_listed(tmp_path: Path) -> None:
    """On a control plane of its own, which has none at first."""
    async with ControlPlane.start(await prepare(None)) as plane:
        await installation.kubectl(plane, "apply", "-f", "-", stdin=manifests.permissions())
        async with playing(plane, None, tmp_path) as scene:
            address = await served(await scene.start_operator())
            assert await probe(address, "healthz") == (200, "ok\n")
            status, why = await probe(address, "readyz")
            assert status == 503
            assert "CRDs" in why

            async def ready() -> bool:
                return (await probe(address, "readyz"))[0] == 200

            await installation.install(plane)
            await until(ready, "the operator is ready")
            assert await probe(address, "healthz") == (200, "ok\n")


async def test_a_scrape_shows_the_fleet_in_bounded_labels(unconnected: Scene) -> None:
    await unconnected.start_operator()
    names = [f"customer-{number}" for number in range(3)]
    for name in names:
        await unconnected.create(name)
    await unconnected.create("customer-lost", tier="no-such-tier")
    for name in names:
        await unconnected.cluster.until_ready(name)
    await unconnected.cluster.until_reason("TierNotFound", "customer-lost")

    async def told() -> dict[str, list[Sample]] | None:
        samples = await scrape(unconnected)
        ready = value(samples, "time_to_ready_seconds_count")
        done = value(samples, "reconcile_duration_seconds_count", outcome="done")
        return samples if ready == 3 and done >= 3 else None

    samples = await until(told, "the watch has told that three are Ready, and their passes have ended")
    free = unconnected.tiers["free"]
    assert value(samples, "tenants") == 4
    assert value(samples, "tenants", tier=free, ready="True", reason="Provisioned") == 3
    assert value(samples, "tenants", tier="other", reason="TierNotFound") == 1
    assert value(samples, "tenant_conditions", tier=free, condition="Available") == 3
    assert value(samples, "neon_requests_total", method="POST", route="/projects", status="2xx") == 3
    assert value(samples, "neon_requests_total") == unconnected.neon.requests.count()
    assert value(samples, "api_key_rejected") == 0
    for sample in (sample for of_name in samples.values() for sample in of_name):
        for label, found in sample.labels.items():
            assert "customer" not in found, sample
            assert found not in {p["id"] for p in unconnected.projects()}, sample
            if sample.name.startswith("neon_tenants_"):
                assert found in LABELS.get(label, {found}), sample
    shown = {label for of_name in samples.values() for sample in of_name for label in sample.labels}
    assert not shown & {"namespace", "name"}


async def test_a_rejected_key_is_shown_until_neon_takes_another(unconnected: Scene) -> None:
    good = unconnected.key_file.read_text()
    unconnected.key_file.write_text("napi_wrong")
    await unconnected.start_operator()
    await unconnected.create()
    await unconnected.cluster.until_reason("CredentialsRejected")
    assert value(await scrape(unconnected), "api_key_rejected") == 1
    unconnected.key_file.write_text(good)
    await unconnected.cluster.until_ready()
    assert value(await scrape(unconnected), "api_key_rejected") == 0


async def test_what_stands_still_is_shown(unconnected: Scene) -> None:
    await unconnected.start_operator()
    await unconnected.create()
    await unconnected.cluster.until_ready()

    async def shows(name: str, **labels: str) -> None:
        async def look() -> bool:
            return await shown(unconnected, name, **labels) == 1

        await until(look, f"{name} {labels} is 1")

    await shows("ready")
    assert await shown(unconnected, "paused") == 0
    assert await shown(unconnected, "rollouts", phase="Paused") == 0
    shorter = {"spec": {"historyRetention": "1h"}}  # destroys restore points: it waits for a person
    await unconnected.cluster.patch("DatabaseTier", unconnected.tiers["free"], shorter)
    await shows("rollouts", phase="Paused")
    await unconnected.operators[-1].stop()
    await unconnected.start_operator(paused="true")
    await shows("paused", by="setting")
    assert await shown(unconnected, "paused", by="api_server") == 0


async def test_status_shows_the_fleet_on_one_screen(unconnected: Scene) -> None:
    await unconnected.start_operator(sweep_interval="10")
    await unconnected.create("acme")
    await unconnected.create("lost", tier="no-such-tier")
    await unconnected.cluster.until_ready("acme")
    await unconnected.cluster.until_reason("TierNotFound", "lost")

    async def known() -> dict[str, Any] | None:
        status, output, said = await command(unconnected, "status", "-o", "json")
        assert status == 0, said
        answer: dict[str, Any] = json.loads(output)
        told = answer["orphans"] is not None and sum(group["ready"] for group in answer["groups"]) == 1
        return answer if told and answer["unready"][0]["reason"] == "TierNotFound" else None

    answer = await until(known, "the operator's records say the same, and a sweep has ended")
    assert (answer["complete"], answer["tenants"]) == (True, 2)
    assert [one["name"] for one in answer["unready"]] == ["lost"]
    assert answer["orphans"] == {"orphan": 0, "released": 0, "claimable": 0}
    assert answer["brake"] == {"engaged": [], "held": 0}
    before = unconnected.neon.requests.count()
    status, screen, said = await command(unconnected, "status")
    assert (status, said) == (0, "")
    for words in ("2 tenants", unconnected.tiers["free"], "TierNotFound", "0 orphan"):
        assert words in screen
    assert unconnected.neon.requests.count() - before <= 1  # a sweep may have begun meanwhile


def own_address() -> str | None:
    """An address of this machine that is not loopback: to those the API server proxies nothing.

    What is sent to it stays in the machine. Nothing is sent here: to connect a datagram socket only asks for
    the route, to an address that is reserved for documentation (RFC 5737).
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect(("198.51.100.1", 9))
        except OSError:
            return None
        found: str = asked.getsockname()[0]
    return None if found.startswith("127.") else found


@pytest.mark.proves("T20")
async def test_a_person_asks_through_the_api_server_by_ones_own_permissions(unconnected: Scene) -> None:
    """Through the service proxy of the real API server, from the first refusal to the answer."""
    kubeconfig = unconnected.folder / "person.kubeconfig"

    async def ask(**more: str) -> tuple[int, str, str]:
        options = {"operator-namespace": unconnected.namespace, "kubeconfig": str(kubeconfig), **more}
        return await program("status", *(f"--{name}={value}" for name, value in options.items()))

    await installation.kubectl(
        unconnected.plane, "create", "serviceaccount", "person", "-n", unconnected.namespace
    )
    token = await installation.token_of(unconnected.plane, "person", unconnected.namespace)
    unconnected.plane.write_kubeconfig(kubeconfig, token=token)
    status, _, said = await ask()
    assert status == 1
    assert "services/proxy" in said
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "reader", "namespace": unconnected.namespace},
        "rules": [{"apiGroups": [""], "resources": ["services/proxy"], "verbs": ["get"]}],
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "reader", "namespace": unconnected.namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "person", "namespace": unconnected.namespace}],
    }
    await apply(unconnected, role, binding)
    status, _, said = await ask()
    assert status == 1
    assert "There is no Service" in said
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "neon-tenant-operator", "namespace": unconnected.namespace},
        "spec": {"ports": [{"name": "http", "port": 8080}]},
    }
    nobody = {"apiVersion": "v1", "kind": "Endpoints", "metadata": service["metadata"], "subsets": []}
    await apply(unconnected, service, nobody)
    status, _, said = await ask()
    assert status == 1
    assert "No pod stands behind" in said
    address = own_address()
    if address is None:
        pytest.skip("this machine has loopback alone, and to that the API server proxies nothing")
    await lease.remove(unconnected.cluster)
    leader = await unconnected.start_operator(listen=f"{address}:0", **ELECTING)
    await lease.until_held(unconnected.cluster)
    standby = await unconnected.start_operator(listen=f"{address}:0", **ELECTING)
    await unconnected.create()
    await unconnected.cluster.until_ready()
    await put_behind_the_service(unconnected, address, leader, standby)
    for _ in range(5):  # the Service leads to either, by chance
        code, screen, said = await ask()
        assert (code, said) == (0, "")
        assert "1 tenant" in screen


async def put_behind_the_service(scene: Scene, address: str, *operators: Child) -> None:
    """The running operators as the pod of their Service."""
    ports = [int((await served(operator)).rpartition(":")[2]) for operator in operators]
    place = {"name": "neon-tenant-operator", "namespace": scene.namespace}
    # The API server proxies only to addresses of pods. This one's kubelet is the test.
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "operator", "namespace": scene.namespace},
        "spec": {
            "serviceAccountName": "person",
            "automountServiceAccountToken": False,
            "containers": [{"name": "operator", "image": "operator"}],
        },
    }
    reference = {"kind": "Pod", "name": "operator", "namespace": scene.namespace}
    addresses = [{"ip": address, "targetRef": reference}]
    subsets = [{"addresses": addresses, "ports": [{"name": "http", "port": port}]} for port in ports]
    endpoints = {"apiVersion": "v1", "kind": "Endpoints", "metadata": place, "subsets": subsets}
    await apply(scene, pod, endpoints)
    status = {"status": {"podIP": address, "podIPs": [{"ip": address}]}}
    await scene.cluster.patch("Pod", "operator", status, subresource="/status")


async def apply(scene: Scene, *manifests: dict[str, Any]) -> None:
    documents = "---\n".join(yaml.safe_dump(manifest) for manifest in manifests)
    await installation.kubectl(scene.plane, "apply", "-f", "-", stdin=documents)
