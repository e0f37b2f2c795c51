"""The charts, rendered and installed by the real Helm."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

import toolbox

ROOT: Final = Path(__file__).parents[1]
OPERATOR: Final = ROOT / "helm" / "neon-tenant-operator"
TIERS: Final = ROOT / "helm" / "neon-tenant-tiers"

REQUIRED: Final[dict[str, Any]] = {"clusterId": "test", "neon": {"existingSecret": "neon-api-key"}}
"""The values without which the operator's chart refuses."""


class HelmError(Exception):
    """Helm refused; the text is what it would tell a user."""


async def helm(*arguments: str | Path, stdin: str | None = None, env: Mapping[str, str] | None = None) -> str:
    """Runs Helm; returns what it printed. Raises HelmError."""
    process = await asyncio.create_subprocess_exec(
        toolbox.path(toolbox.HELM),
        *map(str, arguments),
        stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.defpath, "HOME": os.environ.get("HOME", "/"), **(env or {})},
    )
    output, errors = await process.communicate(stdin.encode() if stdin is not None else None)
    if process.returncode != 0:
        raise HelmError(errors.decode().strip())
    return output.decode()


async def rendered(
    chart: Path, values: Mapping[str, Any] | None = None, *, namespace: str = "neon-tenant-operator"
) -> list[dict[str, Any]]:
    """The objects that the chart makes of `values`, as release `neon-tenant-operator`. Raises HelmError."""
    text = await helm(
        *("template", "neon-tenant-operator", chart, "--namespace", namespace, "--values", "-"),
        stdin=as_yaml(values or {}),
    )
    return [document for document in yaml.safe_load_all(text) if document]


def as_yaml(values: Mapping[str, Any]) -> str:
    """Values as `--values -` takes them."""
    return yaml.safe_dump(dict(values))


def example_tier() -> dict[str, Any]:
    """The spec of a tier that is well."""
    spec: dict[str, Any] = yaml.safe_load((TIERS / "values.yaml").read_text())["tiers"]["free"]
    return spec


def one(documents: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """The only object of a kind."""
    (found,) = (document for document in documents if document["kind"] == kind)
    return found
