"""The alert rules that the chart ships, as they stand in their file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[1]
FILE: Final = ROOT / "helm" / "neon-tenant-operator" / "files" / "alerts.yaml"
RUNBOOKS: Final = ROOT / "docs" / "runbooks"


def rules() -> list[dict[str, Any]]:
    """All of them, in order."""
    return [rule for group in yaml.safe_load(FILE.read_text())["groups"] for rule in group["rules"]]


def minutes(rule: dict[str, Any]) -> int:
    """How long a rule's expression must hold."""
    number, unit = re.fullmatch(r"(\d+)([mh])", rule.get("for", "0m")).groups()  # type: ignore[union-attr]
    return int(number) * {"m": 1, "h": 60}[unit]
