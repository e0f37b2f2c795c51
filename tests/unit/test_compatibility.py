"""The upgrade promise, kept by this schema; and a check that refuses each way to break it."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import compatibility
from neon_tenants.api import crd

ROOT = Path(__file__).parents[2]
VERSIONS = sorted(path.name for path in compatibility.RELEASED.iterdir())
TENANT = crd.tenant_database()

Change = Callable[[dict[str, Any]], object]


def current() -> dict[str, Any]:
    return {
        definition["metadata"]["name"]: definition for definition in map(yaml.safe_load, crd.files().values())
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_the_schema_keeps_what_a_version_promised(version: str) -> None:
    now = current()
    for name, old in compatibility.released(compatibility.RELEASED / version).items():
        assert name in now, f"{name} of {version} is gone"
        assert compatibility.breaches(old, now[name]) == [], f"{name} breaks what {version} promised"


def test_each_release_has_its_record() -> None:
    """A section of the changelog is a release. The record of the version of this source is its schema."""
    changelog = (ROOT / "CHANGELOG.md").read_text()
    sections = re.findall(r"^## (\d+\.\d+\.\d+)", changelog, re.MULTILINE)
    assert set(sections) <= set(VERSIONS), "run `make released` and commit what it writes"
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    if version[1] in sections:
        assert compatibility.released(compatibility.RELEASED / version[1]) == current(), "run `make released`"


def spec(definition: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = root(definition)["properties"]["spec"]
    return schema


def root(definition: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = version_of(definition)["schema"]["openAPIV3Schema"]
    return schema


def version_of(definition: dict[str, Any]) -> dict[str, Any]:
    version: dict[str, Any] = definition["spec"]["versions"][0]
    return version


def new_field(definition: dict[str, Any]) -> None:
    spec(definition)["properties"]["color"] = {"type": "string", "maxLength": 9}


def required_field(definition: dict[str, Any]) -> None:
    new_field(definition)
    spec(definition)["required"].append("color")


def ruled(text: str) -> Change:
    def change(definition: dict[str, Any]) -> None:
        new_field(definition)
        spec(definition)["x-kubernetes-validations"].append({"rule": text, "message": "be nice"})

    return change


def field(name: str, **keywords: Any) -> Change:
    """Sets keywords of a field of spec; None removes one."""

    def change(definition: dict[str, Any]) -> None:
        node = spec(definition)["properties"][name]
        node.update(keywords)
        for keyword in [keyword for keyword, value in node.items() if value is None]:
            del node[keyword]

    return change


def names(**changes: Any) -> Change:
    return lambda definition: definition["spec"]["names"].update(changes)


def column(change: Callable[[list[dict[str, Any]]], object]) -> Change:
    return lambda definition: change(version_of(definition)["additionalPrinterColumns"])


REFUSED: dict[str, tuple[Change, str]] = {
    "a field removed": (lambda d: spec(d)["properties"].pop("region"), "spec.region: the field is gone"),
    "a field renamed": (
        lambda d: spec(d)["properties"].update(zone=spec(d)["properties"].pop("region")),
        "spec.region: the field is gone",
    ),
    "a field of a field removed": (
        lambda d: spec(d)["properties"]["connectionSecret"]["properties"].pop("name"),
        "spec.connectionSecret.name: the field is gone",
    ),
    "a field of a list's items removed": (
        lambda d: root(d)["properties"]["status"]["properties"]["conditions"]["items"]["properties"].pop(
            "message"
        ),
        "status.conditions[].message: the field is gone",
    ),
    "another type": (field("tier", type="integer"), "spec.tier: type changed from string to integer"),
    "a new required field": (
        required_field,
        "spec.color: is required now",
    ),
    "a field required that was not": (
        lambda d: spec(d)["required"].append("region"),
        "spec.region: is required now",
    ),
    "a value of an enum removed": (
        field("state", enum=["Active"]),
        "spec.state: the value Suspended is gone",
    ),
    "an enum where there was none": (
        field("tier", enum=["free"]),
        "spec.tier: only certain values are allowed now",
    ),
    "a shorter text": (field("tier", maxLength=9), "spec.tier: maxLength changed from 63 to 9"),
    "a bound where there was none": (
        field("tier", multipleOf=2),
        "spec.tier: multipleOf changed from None to 2",
    ),
    "a longer text demanded": (field("tier", minLength=5), "spec.tier: minLength changed from 1 to 5"),
    "a lower maximum": (
        field("postgresVersion", maximum=17),
        "spec.postgresVersion: maximum changed from 18 to 17",
    ),
    "a higher minimum": (
        field("postgresVersion", minimum=15),
        "spec.postgresVersion: minimum changed from 14 to 15",
    ),
    "another pattern": (field("region", pattern="^aws-.*$"), "spec.region: pattern changed"),
    "a format": (field("region", format="date"), "spec.region: format changed from None to date"),
    "a default": (field("deletionPolicy", default="Delete"), "spec.deletionPolicy: the default changed"),
    "a keyword that nobody can judge": (field("tier", oneOf=[{"pattern": "x"}]), "spec.tier: oneOf changed"),
    "nulls refused": (field("region", nullable=None), "spec.region: nullable changed from True to None"),
    "a map made a closed object": (
        lambda d: spec(d)["properties"]["connectionSecret"]["properties"]["labels"].pop(
            "additionalProperties"
        ),
        "spec.connectionSecret.labels: additionalProperties changed",
    ),
    "a list merged in another way": (
        lambda d: root(d)["properties"]["status"]["properties"]["conditions"].update(
            {"x-kubernetes-list-type": "atomic"}
        ),
        "status.conditions: x-kubernetes-list-type changed from map to atomic",
    ),
    "a new rule": (ruled("self.tier != 'free'"), "spec: there is a new rule, be nice"),
    "a new rule that demands a new field": (ruled("has(self.color)"), "spec: there is a new rule, be nice"),
    "a new rule that hides behind a new field": (
        ruled("!has(self.color) || self.tier == 'pro'"),
        "spec: there is a new rule, be nice",
    ),
    "a new rule of the whole": (ruled("self == oldSelf"), "spec: there is a new rule, be nice"),
    "a short name gone": (names(shortNames=["tenantdb"]), "names.shortNames: tdb is gone"),
    "a category gone": (names(categories=[]), "names.categories: neontenants is gone"),
    "another kind": (names(kind="Tenant"), "names.kind: changed from TenantDatabase to Tenant"),
    "another scope": (
        lambda d: d["spec"].update(scope="Cluster"),
        "scope: changed from Namespaced to Cluster",
    ),
    "a column gone": (column(lambda c: c.pop(0)), "column Tier: is gone"),
    "a column of something else": (
        column(lambda c: c[0].update(jsonPath=".spec.region")),
        "column Tier: shows something else",
    ),
    "a column hidden": (
        column(lambda c: c[0].update(priority=1)),
        "column Tier: is shown only with -o wide",
    ),
    "a selectable field gone": (
        lambda d: version_of(d)["selectableFields"].pop(0),
        "selectable field .spec.tier: is gone",
    ),
    "no status of its own": (lambda d: version_of(d).pop("subresources"), "subresource status: is gone"),
    "a version renamed": (lambda d: version_of(d).update(name="v1"), "v1alpha1: the version is gone"),
    "a version not served": (
        lambda d: version_of(d).update(served=False),
        "v1alpha1: is not served any more",
    ),
}


def old_tenant() -> dict[str, Any]:
    """The CRD, with one thing in it that it does not have and that could be taken away."""
    old = copy.deepcopy(TENANT)
    spec(old)["properties"]["region"]["nullable"] = True
    return old


@pytest.mark.parametrize(("change", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_a_schema_that_breaks_the_promise_is_refused(change: Change, said: str) -> None:
    new = old_tenant()
    change(new)
    (breach,) = compatibility.breaches(old_tenant(), new)
    assert breach.startswith(said)


ALLOWED: dict[str, Change] = {
    "nothing": lambda _: None,
    "other words": field("tier", description="The plan."),
    "a new field": new_field,
    "a new field with rules of its own": ruled("!has(self.color) || self.color != 'red'"),
    "a new field that cannot be changed": ruled("has(self.color) == has(oldSelf.color)"),
    "a rule less": lambda d: spec(d)["x-kubernetes-validations"].pop(),
    "a field that may be left out now": lambda d: spec(d)["required"].remove("tier"),
    "a new value of an enum": field("state", enum=["Active", "Suspended", "Archived"]),
    "any value": field("state", enum=None),
    "a longer text": field("tier", maxLength=100),
    "no bound": field("tier", maxLength=None),
    "a higher maximum": field("postgresVersion", maximum=19),
    "a lower minimum": field("postgresVersion", minimum=13),
    "no pattern": field("region", pattern=None),
    "nulls allowed": field("tier", nullable=True),
    "another word in the status before the first look": lambda d: root(d)["properties"]["status"].update(
        default={"conditions": []}
    ),
    "one more short name": names(shortNames=["tdb", "tenantdb"]),
    "one more column": column(lambda c: c.append({"name": "New", "type": "string", "jsonPath": ".x"})),
    "a column for all to see": column(lambda c: c[-1].pop("priority")),
    "one more version": lambda d: d["spec"]["versions"].append({**version_of(d), "name": "v1"}),
}


@pytest.mark.parametrize("change", ALLOWED.values(), ids=ALLOWED.keys())
def test_a_schema_that_only_grows_is_allowed(change: Change) -> None:
    new = old_tenant()
    change(new)
    assert compatibility.breaches(old_tenant(), new) == []
