"""What Helm tells after an installation: the next step, for the values that were given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

import charts
from neon_sandbox import installation
from neon_sandbox.controlplane import ControlPlane


async def notes(chart: Path, namespace: str, values: dict[str, Any]) -> str:
    text = await charts.helm(
        *("install", "release", chart, "--namespace", namespace, "--dry-run=client", "--values", "-"),
        stdin=charts.as_yaml(values),
    )
    return text.split("\nNOTES:\n", 1)[1]


def tenant(text: str) -> dict[str, Any]:
    """The tenant that the notes tell to apply."""
    body = text.split("<<'EOF'\n", 1)[1].split("EOF", 1)[0]
    found: dict[str, Any] = yaml.safe_load(body)
    return found


async def test_the_notes_of_the_operator_fit_the_simplest_installation(plane: ControlPlane) -> None:
    text = await notes(charts.OPERATOR, "neon-tenant-operator", dict(charts.REQUIRED))
    assert 'the tenants of cluster "test" in all namespaces.' in text
    assert "create secret generic neon-api-key --from-file=api-key=neon-api-key" in text
    assert "CRDs (crds.install=false)" not in text
    assert "It is paused" not in text
    assert text.count("--operator-namespace") == 0
    assert "leaves the CRDs" in text
    assert "--clusterrole=neon-tenant-operator-use-tiers" in text
    applied = yaml.safe_dump(tenant(text))
    said = await installation.kubectl(
        plane, "apply", "-n", "default", "--dry-run=server", "-f", "-", stdin=applied
    )
    assert said.startswith("tenantdatabase.neontenants.io/acme created")


async def test_the_notes_of_the_operator_fit_other_values() -> None:
    values = {
        "clusterId": "prod-eu",
        "neon": {"existingSecret": "neon", "existingSecretKey": "token"},
        "watchNamespaces": ["shop", "blog"],
        "crds": {"install": False},
        "settings": {"paused": True},
        "admission": {"tierUse": False},
    }
    text = await notes(charts.OPERATOR, "ops", values)
    assert "in the namespaces: shop, blog." in text
    assert "It is paused (settings.paused)" in text
    assert "kubectl get crd tenantdatabases.neontenants.io" in text
    assert "kubectl -n ops create secret generic neon --from-file=token=neon-api-key" in text
    assert "kubectl apply -n shop -f -" in text
    assert "neon-tenant-operator status --operator-namespace ops" in text
    assert "leaves the CRDs" not in text
    assert "use-tiers" not in text


async def test_the_notes_of_the_tiers_name_them() -> None:
    text = await notes(charts.TIERS, "ops", {})
    assert text.startswith("Tiers: enterprise, free, pro.\n")
    assert tenant(text)["spec"] == {"tier": "free"}
    none: dict[str, Any] = {"free": None, "pro": None, "enterprise": None}
    text = await notes(charts.TIERS, "ops", {"tiers": {**none, "gold": charts.example_tier()}})
    assert text.startswith("Tiers: gold.\n")
    assert tenant(text)["spec"] == {"tier": "gold"}
    assert "tenants will say TierNotFound" in await notes(charts.TIERS, "ops", {"tiers": none})
