"""What a changed tier would do, before it does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click
import pytest

import builders as a
from neon_tenants.api.database_tier import Overrides
from neon_tenants.api.tenant_database import Meter, Usage
from neon_tenants.cli.preview import manifest, row, summary
from neon_tenants.core.difference import Difference
from neon_tenants.core.key import Key
from neon_tenants.core.preview import Preview, TenantPreview, preview
from neon_tenants.core.record import Record, packed
from neon_tenants.fleet.preview import Previews
from neon_tenants.neon.inventory import Listing
from neon_tenants.question import BadQuestionError
from neon_tenants.roster import Roster

PROJECTS = {"cool-project-1": a.project()}
BIGGER: dict[str, Any] = {"compute": {"minCU": 0.25, "maxCU": 2, "suspendAfter": "5m"}}


def record(name: str = "acme", **changes: Any) -> Record:
    return replace(Record.of(a.tenant(name=name, status=a.status())), **changes)


def test_what_differs_is_told_with_old_and_new() -> None:
    found = preview(a.tier(**BIGGER), [record("b"), record("a")], PROJECTS)
    change = (Difference("maxCU", "0.25", "2"),)
    assert found.tenants == (
        TenantPreview(Key("tenants", "a"), change),
        TenantPreview(Key("tenants", "b"), change),
    )
    assert (found.unchanged, found.unknown, found.requests) == (0, 0, 12)
    assert not found.needs_confirmation
    assert found.seconds(560) == 2


def test_what_is_taken_is_told() -> None:
    usage = Usage(written_data=Meter(used=2 * 1024**2))
    quota = a.tier_spec().quota.model_dump(by_alias=True) | {"writtenData": "1Mi"}
    found = preview(a.tier(historyRetention="1h", quota=quota), [record(meters=packed(usage))], PROJECTS)
    assert (found.tenants[0].over, found.tenants[0].shorter_history) == (("writtenData",), True)
    assert found.needs_confirmation
    assert found.requests == 4


def test_a_refusal_and_who_would_not_change_are_told() -> None:
    refused = record("greedy", overrides=Overrides.model_validate({"compute": {"maxCU": 4}}))
    same = [record(), record("like")]
    unknown = [record("gone", project_id="other-1"), record("new", project_id=None)]
    found = preview(a.tier(), [record("bye", deleting=True), refused, *same, *unknown], PROJECTS)
    assert [tenant.key.name for tenant in found.tenants] == ["greedy"]
    assert found.tenants[0].refusal
    assert (found.unchanged, found.unknown, found.requests) == (2, 2, 0)


@pytest.mark.parametrize(
    ("tenant", "needed"),
    [
        (TenantPreview(Key("tenants", "a"), over=("writtenData",)), True),
        (TenantPreview(Key("tenants", "a"), shorter_history=True), True),
        (TenantPreview(Key("tenants", "a"), refusal="too much"), False),
    ],
)
def test_a_person_confirms_what_takes_something(tenant: TenantPreview, needed: bool) -> None:
    assert Preview((tenant,), unchanged=0, unknown=0, requests=0).needs_confirmation is needed


def previews(*records: Record) -> Previews:
    roster = Roster()
    for found in records:
        roster.put(found)

    async def projects() -> Listing:
        return Listing(0.0, PROJECTS, {})

    return Previews(roster=roster, projects=projects, requests_per_minute=60)


def tier(**changes: Any) -> dict[str, Any]:
    spec = a.tier_spec(**changes).model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"metadata": {"name": "free"}, "spec": spec, "status": {"whatever": 1}}


async def test_the_operator_answers_for_the_tenants_that_it_knows() -> None:
    answer = await previews(record()).read({"tier": tier(**BIGGER)})
    assert answer == {
        "tier": "free",
        "generation": None,
        "needsConfirmation": False,
        "unchanged": 0,
        "unknown": 0,
        "requests": 6,
        "seconds": 6,
        "tenants": [
            {
                "namespace": "tenants",
                "name": "acme",
                "changes": [{"field": "maxCU", "old": "0.25", "new": "2"}],
                "overQuota": [],
                "shorterHistory": False,
                "refused": None,
            }
        ],
    }


@pytest.mark.parametrize(
    "given",
    [
        None,
        "pro",
        {},
        {"metadata": {"name": "x"}},
        {**tier(), "spec": {"quota": 1}},
        {**tier(), "metadata": {}},
    ],
)
async def test_what_is_no_tier_is_refused(given: Any) -> None:
    with pytest.raises(BadQuestionError):
        await previews().read({"tier": given})


def test_a_file_holds_one_tier() -> None:
    text = "kind: Namespace\n---\nkind: DatabaseTier\nmetadata: {name: pro}\nspec: {a: 1}\nstatus: {}\n"
    assert manifest(text) == {"metadata": {"name": "pro"}, "spec": {"a": 1}}
    for wrong in ("", "kind: DatabaseTier\n---\nkind: DatabaseTier\n", "{"):
        with pytest.raises(click.UsageError):
            manifest(wrong)


async def test_a_table_tells_the_changes_and_what_they_come_to() -> None:
    usage = Usage(data_transfer=Meter(used=10**12))
    quota = a.tier_spec().quota.model_dump(by_alias=True) | {"dataTransfer": "1Gi"}
    refused = record("greedy", overrides=Overrides.model_validate({"compute": {"maxCU": 4}}))
    gone = record("gone", project_id=None)
    question = {"tier": tier(quota=quota, historyRetention="1h")}
    answer = await previews(record(meters=packed(usage)), refused, gone).read(question)
    assert row(answer["tenants"][0]) == (
        "tenants",
        "acme",
        "dataTransfer 5Gi -> 1Gi, historyRetention 6h -> 1h",
        "dataTransfer",
    )
    assert "does not allow" in row(answer["tenants"][1])[2]
    assert summary(answer).splitlines() == [
        "1 tenant(s) change, 0 do not.",
        "1 would be refused and keep what they have.",
        "1 would be over a quota.",
        "1 would lose restore points.",
        "1 have no project in Neon's list.",
        "It takes at least 4 s within the request budget.",
        "It would wait for a confirmation before it begins.",
    ]
