"""What the API server accepts and refuses, and what it tells the person who wrote it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from pydantic import ValidationError

from cluster import RefusedError
from neon_sandbox import installation
from neon_tenants.api.database_tier import DatabaseTierSpec
from scene import Scene, example_tier

FREE = example_tier("free")


def quota(**changes: Any) -> dict[str, Any]:
    return {**FREE, "quota": {**FREE["quota"], **changes}}


def compute(**changes: Any) -> dict[str, Any]:
    return {**FREE, "compute": {**FREE["compute"], **changes}}


def without(spec: dict[str, Any], *path: str) -> dict[str, Any]:
    if len(path) == 1:
        return {key: value for key, value in spec.items() if key != path[0]}
    return {**spec, path[0]: without(spec[path[0]], *path[1:])}


BAD_TIERS: dict[str, tuple[dict[str, Any], str]] = {
    "malformed bytes": (quota(dataTransfer="5 GB"), "must be a whole number of bytes above 0"),
    "a fraction": (quota(writtenData="1.5Gi"), "must be a whole number of bytes above 0"),
    "half a byte": (quota(writtenData="512m"), "must be a whole number of bytes above 0"),
    "a quota of zero bytes": (quota(writtenData="0"), "must be a whole number of bytes above 0"),
    "more bytes than there are": (quota(writtenData="9Ei"), "must be a whole number of bytes above 0"),
    "a negative quota": (quota(writtenData="-1Gi"), "must be a whole number of bytes above 0"),
    "a number in place of a text": (quota(writtenData=1024), "must be of type string"),
    "a malformed time": (quota(computeTime="3 days"), "must be a duration above 0"),
    "a quota of zero hours": (quota(computeTime="0h"), "must be a duration above 0"),
    "an empty quota": (quota(computeTime=""), "should be at least 1 chars long"),
    "a forgotten quota": (without(FREE, "quota", "activeTime"), "activeTime: Required value"),
    "a forgotten history": (without(FREE, "historyRetention"), "historyRetention: Required value"),
    "a history that Neon does not keep": ({**FREE, "historyRetention": "721h"}, "at most 720h"),
    "a size that Neon does not have": (compute(minCU=0.3), "must be a size that Neon has"),
    "an odd size above 16": (compute(minCU=17, maxCU=17), "must be a size that Neon has"),
    "a size above all": (compute(minCU=58, maxCU=58), "should be less than or equal to 56"),
    "a minimum above the maximum": (compute(minCU=4, maxCU=2), "minCU must not be above maxCU"),
    "a span above 8": (compute(minCU=1, maxCU=10), "at most 8 CU"),
    "scaling above 16": (compute(minCU=16, maxCU=18), "above 16 CU a compute cannot scale"),
    "a suspend time below a minute": (
        compute(suspendAfter="30s"),
        "must be a duration from 1m to 168h, or Never",
    ),
    "a region twice": ({**FREE, "regions": ["aws-us-east-2", "aws-us-east-2"]}, "Duplicate value"),
    "a region that is none": ({**FREE, "regions": ["AWS"]}, "should match"),
    "an old PostgreSQL": ({**FREE, "postgresVersions": [13]}, "greater than or equal to 14"),
    "an unknown policy": ({**FREE, "deletionPolicy": "Forget"}, "Unsupported value"),
    "no tenant at all": ({**FREE, "maxTenantsPerNamespace": 0}, "greater than or equal to 1"),
}


@pytest.mark.proves("T14")
@pytest.mark.parametrize(("spec", "words"), BAD_TIERS.values(), ids=BAD_TIERS.keys())
async def test_a_bad_tier_is_refused(scene: Scene, spec: dict[str, Any], words: str) -> None:
    with pytest.raises(RefusedError) as refused:
        await scene.create_tier("bad", spec)
    assert refused.value.status == 422
    assert words in str(refused.value)


GOOD_TIERS: dict[str, dict[str, Any]] = {
    "all unlimited": {**FREE, "quota": dict.fromkeys(FREE["quota"], "Unlimited")},
    "decimal and exponent forms": quota(writtenData="1536Mi", dataTransfer="1e9", storagePerBranch="5G"),
    "a compound duration": quota(computeTime="1h30m"),
    "never suspended": compute(suspendAfter="Never"),
    "a fixed large size": compute(minCU=56, maxCU=56),
    "the largest span": compute(minCU=8, maxCU=16),
    "no history": {**FREE, "historyRetention": "0s"},
}


@pytest.mark.parametrize("spec", GOOD_TIERS.values(), ids=GOOD_TIERS.keys())
async def test_a_good_tier_is_accepted_by_the_api_server_and_the_model(
    scene: Scene, spec: dict[str, Any]
) -> None:
    await scene.create_tier("good", spec)
    DatabaseTierSpec.model_validate(spec)


# What single fields differ on shows here: both sides must say the same of each text.
TEXTS = (
    *(
        "0",
        "1",
        "512Mi",
        "10Gi",
        "5G",
        "1.5Gi",
        "0.5k",
        "1e3",
        "1E3",
        "1E",
        "7Ei",
        "8Ei",
        "1e19",
        "512m",
        "1.5",
    ),
    *("-1", "+1", "1 Gi", "Gi", ".5Gi", "1e-3", "0x1", "Unlimited", "unlimited", "4611686018427387903"),
    *(
        "4611686018427387904",
        "9223372036854775807",
        "9223372036854775808",
        "1e99",
        "00012",
        "0.0Gi",
        "0.001k",
        "1Pi",
        "8191Pi",
        "8192Pi",
        "9P",
    ),
)
DURATIONS = (
    *("0h", "1h", "100h", "1h30m", "90m", "1h1m1s", "1.5h", "1d", "100ms", "-1h", "+1h", " 1h", "h", "30m1h"),
    *("Unlimited", "Never", "2562047h", "2562048h", "99999999999999h", "1", "00h", "0h0m1s"),
)


@pytest.mark.parametrize(("field", "texts"), [("writtenData", TEXTS), ("computeTime", DURATIONS)])
async def test_the_api_server_and_the_model_read_quantities_alike(
    scene: Scene, field: str, texts: tuple[str, ...]
) -> None:
    for number, text in enumerate(texts):
        spec = quota(**{field: text})
        try:
            DatabaseTierSpec.model_validate(spec)
            ours = True
        except ValidationError:
            ours = False
        try:
            await scene.create_tier(f"{field.lower()}-{number}", spec)
            theirs = True
        except RefusedError:
            theirs = False
        assert ours == theirs, f"{field}: {text!r} is accepted by {'us' if ours else 'the API server'} alone"


BAD_TENANTS: dict[str, tuple[dict[str, Any], str]] = {
    "no tier": ({"tier": None}, "tier: Required value"),
    "a tier that is no name": ({"tier": "Free Tier"}, "should match"),
    "a region that is no name": ({"region": "us east"}, "should match"),
    "an unknown state": ({"state": "Sleeping"}, "Unsupported value"),
    "a database of PostgreSQL's own": ({"database": "template1"}, "PostgreSQL's own"),
    "a database that needs quotes": ({"database": "My-App"}, "should match"),
    "a database with a long name": ({"database": "x" * 58}, "may not be more than 57"),
    "a Secret name that is a path": ({"connectionSecret": {"name": "../x"}}, "should match"),
    "a Secret name that is a subresource": ({"connectionSecret": {"name": "x/status"}}, "should match"),
    "a Secret name of 300 characters": (
        {"connectionSecret": {"name": "x" * 300}},
        "may not be more than 253",
    ),
    "a label of ours": (
        {"connectionSecret": {"labels": {"neontenants.io/x": "y"}}},
        "the prefix neontenants.io/ is reserved",
    ),
    "an annotation of ours": (
        {"connectionSecret": {"annotations": {"neontenants.io/owner-uid": "y"}}},
        "the prefix neontenants.io/ is reserved",
    ),
    "a label value that is none": (
        {"connectionSecret": {"labels": {"a": "b c"}}},
        "values must be label values",
    ),
    "too many labels": (
        {"connectionSecret": {"labels": {f"l{n}": "x" for n in range(17)}}},
        "must have at most 16",
    ),
    "an unknown placeholder": (
        {"connectionSecret": {"extra": {"X": "{api_key}"}}},
        "only these placeholders",
    ),
    "a lonely brace": ({"connectionSecret": {"extra": {"X": "}{uri}"}}}, "only these placeholders"),
    "a format trick": ({"connectionSecret": {"extra": {"X": "{uri.__class__}"}}}, "only these placeholders"),
    "an extra key that is written already": (
        {"connectionSecret": {"extra": {"uri": "x"}}},
        "written already",
    ),
    "an extra key that is none": ({"connectionSecret": {"extra": {"a b": "x"}}}, "keys must be"),
    "an override of zero": ({"overrides": {"quota": {"writtenData": "0"}}}, "above 0"),
}


@pytest.mark.proves("T6", "T14", "T16")
@pytest.mark.parametrize(("spec", "words"), BAD_TENANTS.values(), ids=BAD_TENANTS.keys())
async def test_a_bad_tenant_is_refused(scene: Scene, spec: dict[str, Any], words: str) -> None:
    manifest = scene.manifest(**{key: value for key, value in spec.items() if key != "tier"})
    if "tier" in spec:
        manifest["spec"]["tier"] = spec["tier"]
    with pytest.raises(RefusedError) as refused:
        await scene.cluster.create(manifest)
    assert refused.value.status == 422
    assert words in str(refused.value)


@pytest.mark.proves("T14")
async def test_a_name_of_253_characters_is_refused_with_the_reason(scene: Scene) -> None:
    with pytest.raises(RefusedError, match="at most 200 characters, so that"):
        await scene.create("x" * 253)


async def test_a_name_of_200_characters_works(running: Scene) -> None:
    name = "x" * 200
    await running.create(name)
    await running.cluster.until_ready(name)
    assert await running.cluster.secret(f"{name}-database")


WISH = {"connectionSecret": {"name": "login"}}
IMMUTABLE: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "region": ({"region": "aws-us-east-2"}, {"region": "aws-eu-central-1"}, "the region"),
    "postgresVersion": ({"postgresVersion": 17}, {"postgresVersion": 18}, "the PostgreSQL version"),
    "database": ({"database": "app"}, {"database": "shop"}, "the name of the database"),
    "connectionSecret.name": (
        WISH,
        {"connectionSecret": {"name": "other"}},
        "the name of the connection Secret",
    ),
}


@pytest.mark.proves("F62")
@pytest.mark.parametrize(("old", "new", "words"), IMMUTABLE.values(), ids=IMMUTABLE.keys())
async def test_an_immutable_field_cannot_be_changed_added_or_removed(
    scene: Scene, old: dict[str, Any], new: dict[str, Any], words: str
) -> None:
    await scene.create("with", **old)
    await scene.create("without")
    removed = dict.fromkeys(old)
    for name, change in (("with", new), ("with", removed), ("without", old)):
        with pytest.raises(RefusedError, match=f"{words}.* cannot be changed"):
            await scene.change(name, **change)
    await scene.change("with", tier=scene.tiers["pro"])
    await scene.change("without", tier=scene.tiers["pro"], connectionSecret={"labels": {"a": "b"}})


async def test_the_api_server_fills_in_nothing(scene: Scene) -> None:
    """A default in spec would show as a difference to what stands in Git."""
    manifest = scene.manifest()
    assert (await scene.cluster.create(manifest))["spec"] == manifest["spec"]
    tier = await scene.cluster.get("DatabaseTier", scene.tiers["free"])
    assert tier is not None
    assert tier["spec"] == example_tier("free")


async def test_unknown_fields_are_refused_by_kubectl(scene: Scene) -> None:
    manifest = scene.manifest()
    manifest["spec"]["teir"] = "pro"
    with pytest.raises(installation.KubectlError, match=re.escape('unknown field "spec.teir"')):
        await installation.kubectl(scene.plane, "apply", "-f", "-", stdin=json.dumps(manifest))


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("tdb.spec", "The operator never writes here"),
        ("tdb.spec.connectionSecret.extra", "{pooled_uri}"),
        ("tdb.status.conditions", "Ready, Available"),
        ("dbtier.spec.quota.storagePerBranch", "past it writes fail, reads and"),
    ],
)
async def test_kubectl_explain_reads_well(scene: Scene, what: str, words: str) -> None:
    assert words in await installation.kubectl(scene.plane, "explain", what)


async def test_tenants_are_selected_by_tier_on_the_server(scene: Scene) -> None:
    await scene.create("one")
    await scene.create("two", tier="pro")
    selector = f"--field-selector=spec.tier={scene.tiers['pro']}"
    found = await installation.kubectl(
        scene.plane, "get", "tdb", "-n", scene.namespace, selector, "-o", "name"
    )
    assert found.split() == ["tenantdatabase.neontenants.io/two"]


async def test_every_shipped_example_is_accepted(scene: Scene) -> None:
    from neon_sandbox import manifests

    for name in (manifests.TIERS, "tenant.yaml"):
        path = manifests.example(name)
        await installation.kubectl(
            scene.plane, "apply", "--dry-run=server", "-n", scene.namespace, "-f", path
        )
