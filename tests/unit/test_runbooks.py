"""Each alert says what to do, on a page of its own."""

from __future__ import annotations

import re

import pytest

import alerts

RULES = alerts.rules()
RUNBOOK = "https://github.com/neon-tenant-operator/neon-tenant-operator/blob/main/docs/runbooks/{}.md"


def test_each_alert_has_its_page_and_each_page_its_alert() -> None:
    pages = {page.stem for page in alerts.RUNBOOKS.glob("*.md")}
    assert pages == {rule["alert"] for rule in RULES}
    assert len(RULES) == len(pages)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_an_alert_says_what_happened_and_where_to_read_on(rule: dict[str, dict[str, str]]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"]["runbook_url"] == RUNBOOK.format(rule["alert"])
    for text in (rule["annotations"]["summary"], rule["annotations"]["description"]):
        assert text.endswith(".")
        assert "\n" not in text.strip()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_a_page_begins_as_the_alert_does_and_has_the_three_parts(rule: dict[str, dict[str, str]]) -> None:
    page = (alerts.RUNBOOKS / f"{rule['alert']}.md").read_text()
    assert page.startswith(f"# {rule['alert']}\n\n{rule['annotations']['summary']} ")
    assert re.findall(r"^## (.*)$", page, re.MULTILINE) == ["What it means", "Look", "Do"]


def test_the_page_for_who_is_on_call_lists_what_wakes_them() -> None:
    page = (alerts.RUNBOOKS.parent / "on-call.md").read_text()
    listed = re.findall(r"^\| \[(\w+)\]\(runbooks/\1\.md\)", page, re.MULTILINE)
    assert listed == [rule["alert"] for rule in RULES]
