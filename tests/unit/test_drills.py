"""Each disaster has a page and a test that plays it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "drills").glob("*.md"))
TESTS = {path.relative_to(ROOT) for path in (ROOT / "tests" / "drills").glob("test_*.py")}


def test_each_drill_has_its_page_and_each_page_its_drill() -> None:
    played = [path for page in PAGES for path in re.findall(r"`(tests/drills/\w+\.py)`", page.read_text())]
    assert {Path(path) for path in played} == TESTS
    assert len(played) == len(PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.stem))
def test_a_page_ends_with_what_is_lost_and_who_plays_it(page: Path) -> None:
    parts = re.findall(r"^## (.*)$", page.read_text(), re.MULTILINE)
    assert parts[-2:] == ["What is lost", "Played by"]


def test_the_site_and_the_readme_lead_to_each_page() -> None:
    (menu,) = (
        part["After a disaster"]
        for part in yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
        if isinstance(part, dict) and "After a disaster" in part
    )
    names = {f"drills/{page.name}" for page in PAGES}
    assert set(menu) == names
    assert set(re.findall(r"\(docs/(drills/[\w-]+\.md)\)", (ROOT / "README.md").read_text())) == names
