"""docs/security.md tells of every permission, role and policy of the chart."""

from __future__ import annotations

import yaml

import charts
from generators import permissions_table

PAGE = charts.ROOT / "docs/security.md"


async def test_the_table_of_permissions_is_that_of_the_chart() -> None:
    text = PAGE.read_text()
    assert text == await permissions_table.page(text), "run `make permissions`"


async def test_every_role_for_people_is_told_of() -> None:
    documents = await charts.rendered(charts.OPERATOR, charts.REQUIRED)
    roles = {(d["kind"], d["metadata"]["name"]) for d in documents if d["kind"] in {"Role", "ClusterRole"}}
    assert permissions_table.ROLES.keys() < roles
    for _, name in roles - permissions_table.ROLES.keys():
        assert f"`{name}`" in PAGE.read_text()


def test_every_policy_is_told_of() -> None:
    values = yaml.safe_load((charts.OPERATOR / "values.yaml").read_text())
    assert all(values["admission"].values()), "the page says that all are on"
    assert all(f"`{name}`" in PAGE.read_text() for name in values["admission"])
