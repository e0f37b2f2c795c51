"""The list of the changes that survive, each with its reason: survivors.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import yaml

LIST: Final = Path(__file__).with_name("survivors.yaml")


def listed() -> dict[str, str]:
    """The reason of each listed survivor, by its name.

    Raises:
        ValueError: One is listed twice, or without a reason.
    """
    found: dict[str, str] = {}
    for group in yaml.safe_load(LIST.read_text()):
        reason = group["reason"].strip()
        if not reason:
            raise ValueError(f"no reason is given for {group}")
        for module, texts in group["mutants"].items():
            for text in texts:
                name = f"{module} {text}"
                if name in found:
                    raise ValueError(f"listed twice: {name}")
                found[name] = reason
    return found
