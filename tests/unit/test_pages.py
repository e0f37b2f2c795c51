"""The generated pages of docs/ are those of the code, and leave no reason and no field out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from generators import pages, troubleshooting
from neon_tenants.api.conditions import Reason
from neon_tenants.cli import main

DOCS = Path(__file__).parents[2] / "docs"


def test_the_pages_are_those_of_the_code() -> None:
    for name, text in pages.pages().items():
        assert (DOCS / name).read_text() == text, "run `make pages`"


@pytest.mark.proves("I14")
def test_every_reason_has_advice() -> None:
    advice = yaml.safe_load(troubleshooting.ADVICE.read_text())
    assert set(advice) == {reason.value for reason in Reason}


def test_advice_names_only_commands_and_pages_that_there_are() -> None:
    text = troubleshooting.page()
    assert set(re.findall(r"`neon-tenant-operator ([a-z-]+)", text)) <= set(main.commands)
    assert [page for page in re.findall(r"\]\(([\w.-]+\.md)", text) if not (DOCS / page).exists()] == []
