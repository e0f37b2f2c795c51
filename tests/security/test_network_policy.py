"""Whom the operator's pod may talk to. The API server checks the form; a cluster's network enforces it."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
import yaml

import charts
from neon_sandbox import installation
from neon_sandbox.controlplane import ControlPlane

NARROW = {
    "ingressCIDRs": ["192.0.2.0/24"],
    "ingressFrom": [],
    "dnsCIDRs": ["198.51.100.10/32"],
    "apiServerCIDRs": ["203.0.113.1/32"],
    "apiServerPorts": [8443],
    "neonCIDRs": ["192.0.2.128/25"],
}


async def policy(**values: Any) -> dict[str, Any]:
    documents = await charts.rendered(charts.OPERATOR, {**charts.REQUIRED, "networkPolicy": values})
    return charts.one(documents, "NetworkPolicy")


def allows(rules: list[dict[str, Any]], address: str, port: int | str) -> bool:
    """Whether a rule lets an address through, as the documentation of NetworkPolicies says."""
    ip = ipaddress.ip_address(address)

    def within(block: dict[str, Any]) -> bool:
        ranges = [ipaddress.ip_network(each) for each in (block["cidr"], *block.get("except", []))]
        return ip in ranges[0] and not any(ip in each for each in ranges[1:])

    return any(
        port in {each["port"] for each in rule["ports"]}
        and (peers is None or any("ipBlock" in peer and within(peer["ipBlock"]) for peer in peers))
        for rule in rules
        if (peers := rule.get("to", rule.get("from"))) is None or peers
    )


async def test_the_policy_selects_the_operators_pod_and_denies_by_default() -> None:
    documents = await charts.rendered(charts.OPERATOR, charts.REQUIRED)
    spec = charts.one(documents, "NetworkPolicy")["spec"]
    labels = charts.one(documents, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert spec["podSelector"]["matchLabels"].items() <= labels.items()
    assert spec["podSelector"]["matchLabels"]


@pytest.mark.proves("T7")
async def test_as_shipped_dns_the_api_server_and_neon_are_reached_and_its_pages_only() -> None:
    spec = (await policy())["spec"]
    for address, port, allowed in (
        ("10.96.0.10", 53, True),
        ("10.96.0.1", 443, True),
        ("10.0.0.7", 6443, True),
        ("3.18.1.2", 443, True),
        ("2600:1f16::1", 443, True),
        ("169.254.169.254", 80, False),
        ("3.18.1.2", 80, False),
        ("10.1.2.3", 5432, False),
    ):
        assert allows(spec["egress"], address, port) is allowed, (address, port)
    assert [port for rule in spec["ingress"] for port in rule["ports"]] == [
        {"protocol": "TCP", "port": "http"}
    ]
    assert allows(spec["ingress"], "10.0.0.7", "http")


async def test_each_direction_can_be_narrowed() -> None:
    spec = (await policy(**NARROW))["spec"]
    for address, port, allowed in (
        ("198.51.100.10", 53, True),
        ("10.96.0.10", 53, False),
        ("203.0.113.1", 8443, True),
        ("203.0.113.2", 8443, False),
        ("10.96.0.1", 443, False),
        ("192.0.2.200", 443, True),
        ("3.18.1.2", 443, False),
    ):
        assert allows(spec["egress"], address, port) is allowed, (address, port)
    assert allows(spec["ingress"], "192.0.2.9", "http")
    assert not allows(spec["ingress"], "10.1.2.3", "http")


@pytest.mark.proves("T7")
async def test_with_the_api_servers_address_known_no_private_address_is_reached_on_443() -> None:
    spec = (await policy(apiServerCIDRs=["10.96.0.1/32"]))["spec"]
    assert allows(spec["egress"], "10.96.0.1", 443)
    for private in ("10.96.0.2", "172.20.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "fd00::1"):
        assert not allows(spec["egress"], private, 443), private
    assert allows(spec["egress"], "3.18.1.2", 443)


async def test_a_proxy_can_be_named() -> None:
    rule = {"ports": [{"port": 3128}], "to": [{"ipBlock": {"cidr": "10.0.0.3/32"}}]}
    spec = (await policy(extraEgress=[rule]))["spec"]
    assert allows(spec["egress"], "10.0.0.3", 3128)
    assert not allows(spec["egress"], "10.0.0.4", 3128)


async def test_a_policy_that_lets_nobody_in_is_refused() -> None:
    """An empty list of peers would mean everybody."""
    with pytest.raises(charts.HelmError, match="Give the range of your nodes"):
        await policy(ingressCIDRs=[], ingressFrom=[])


async def test_the_policy_can_be_left_out() -> None:
    values = {**charts.REQUIRED, "networkPolicy": {"enabled": False}}
    kinds = {document["kind"] for document in await charts.rendered(charts.OPERATOR, values)}
    assert "NetworkPolicy" not in kinds


async def test_the_api_server_takes_both(plane: ControlPlane) -> None:
    shipped, narrow = await policy(), await policy(**NARROW)
    narrow["metadata"]["name"] = "narrow"
    text = yaml.safe_dump_all([shipped, narrow])
    apply = ("apply", "--dry-run=server", "--validate=strict", "-f", "-")
    said = await installation.kubectl(plane, *apply, stdin=text)
    assert said.count("created (server dry run)") == 2
