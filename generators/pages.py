"""The generated pages of docs/: `make pages` writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from generators import api_reference, guarantees, performance, scale, troubleshooting

DOCS: Final = Path(__file__).parents[1] / "docs"


def pages() -> dict[str, str]:
    """File name -> text."""
    return {
        "api.md": api_reference.page(),
        "guarantees.md": guarantees.page(),
        "performance.md": performance.page(),
        "scale.md": scale.page(),
        "troubleshooting.md": troubleshooting.page(),
    }


if __name__ == "__main__":
    for name, text in pages().items():
        (DOCS / name).write_text(text)
