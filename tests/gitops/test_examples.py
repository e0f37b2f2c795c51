"""The examples for Argo CD, Flux and External Secrets hold together, and what they apply is accepted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import charts
from neon_sandbox import installation
from neon_sandbox.controlplane import ControlPlane

EXAMPLES = charts.ROOT / "examples" / "gitops"
REPOSITORY = "https://github.com/neon-tenant-operator/neon-tenant-operator"


def documents(*names: str) -> Iterator[dict[str, Any]]:
    for name in names:
        yield from yaml.safe_load_all((EXAMPLES / name).read_text())


def named(kind: str, name: str, *files: str) -> dict[str, Any]:
    (found,) = (d for d in documents(*files) if (d["kind"], d["metadata"]["name"]) == (kind, name))
    return found


def wave(found: dict[str, Any]) -> int:
    return int(found["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"])


def applications() -> list[dict[str, Any]]:
    return [d for d in documents("argocd/platform.yaml") if d["kind"] == "Application"]


async def test_the_charts_take_the_values_of_the_examples() -> None:
    releases = list(documents("flux/platform/releases.yaml"))
    given = [(d["spec"]["source"]["path"], d["spec"]["source"]["helm"]) for d in applications()]
    given += [
        (r["spec"]["chart"]["spec"]["chart"], {"valuesObject": r["spec"].get("values")}) for r in releases
    ]
    assert len(given) == 4
    for path, helm in given:
        made = await charts.rendered(charts.ROOT / path, helm.get("valuesObject"))
        assert made, path


def test_the_key_first_then_the_operator_then_the_tiers_then_the_tenants() -> None:
    secret = next(documents("external-secret.yaml"))
    operator, tiers = applications()
    sets = list(documents("argocd/tenants-by-directory.yaml", "argocd/tenants-by-list.yaml"))
    assert [wave(secret), wave(operator), wave(tiers), *map(wave, sets)] == [-1, 0, 1, 2, 2]
    config = next(documents("argocd/argocd-cm.yaml"))
    assert "resource.customizations.health.argoproj.io_Application" in config["data"], "else no wave waits"
    first, second = documents("flux/platform/releases.yaml")
    assert second["spec"]["dependsOn"] == [{"name": first["metadata"]["name"]}]
    platform, tenants = documents("flux/tenants.yaml")
    assert tenants["spec"]["dependsOn"] == [{"name": platform["metadata"]["name"]}]
    assert platform["spec"]["wait"]


def test_the_external_secret_makes_what_the_chart_is_told_of() -> None:
    spec = next(documents("external-secret.yaml"))["spec"]
    told = [applications()[0]["spec"]["source"]["helm"]["valuesObject"]]
    told.append(next(documents("flux/platform/releases.yaml"))["spec"]["values"])
    for values in told:
        assert values["neon"]["existingSecret"] == spec["target"]["name"]
    default = yaml.safe_load((charts.OPERATOR / "values.yaml").read_text())["neon"]["existingSecretKey"]
    assert [one["secretKey"] for one in spec["data"]] == [default]


def test_what_the_examples_name_is_there() -> None:
    sources = [d["spec"]["source"] for d in applications()]
    sets = list(documents("argocd/tenants-by-directory.yaml", "argocd/tenants-by-list.yaml"))
    sources += [d["spec"]["template"]["spec"]["source"] for d in sets]
    assert {source["repoURL"] for source in sources} == {REPOSITORY}
    (source,) = documents("flux/source.yaml")
    assert source["spec"]["url"] == REPOSITORY
    paths = [source["path"] for source in sources if "{{" not in source["path"]]
    paths += [d["spec"]["path"] for d in documents("flux/tenants.yaml")]
    directories = sets[0]["spec"]["generators"][0]["git"]["directories"]
    paths += [one["path"].removesuffix("/*") for one in directories]
    for path in paths:
        assert (charts.ROOT / path).is_dir(), path


def test_no_removal_of_an_application_takes_a_database_with_it() -> None:
    for found in documents("argocd/tenants-by-directory.yaml", "argocd/tenants-by-list.yaml"):
        assert found["spec"]["syncPolicy"]["preserveResourcesOnDeletion"] is True
        assert "finalizers" not in found["spec"]["template"]["metadata"]


async def test_tenants_of_directories_are_accepted(plane: ControlPlane) -> None:
    for folder in sorted((EXAMPLES / "tenants").iterdir()):
        made = await installation.kubectl(plane, "kustomize", folder)
        await installation.kubectl(plane, "apply", "--dry-run=server", "-f", "-", stdin=made)


async def test_tenants_of_a_list_are_made_by_its_patches(plane: ControlPlane, tmp_path: Path) -> None:
    spec = named("ApplicationSet", "tenants-of-a-list", "argocd/tenants-by-list.yaml")["spec"]
    base = EXAMPLES / "tenants" / "base"
    for element in spec["generators"][0]["list"]["elements"]:
        patches = yaml.safe_dump(spec["template"]["spec"]["source"]["kustomize"]["patches"])
        for key, value in element.items():
            patches = patches.replace("{{." + key + "}}", value)
        assert "{{" not in patches
        folder = tmp_path / element["name"]
        folder.mkdir()
        (folder / "tenant.yaml").write_text((base / "tenant.yaml").read_text())
        kustomization = {"resources": ["tenant.yaml"], "patches": yaml.safe_load(patches)}
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        made = await installation.kubectl(plane, "kustomize", folder)
        tenant = yaml.safe_load(made)
        assert (tenant["metadata"]["name"], tenant["spec"]["tier"]) == (element["name"], element["tier"])
        await installation.kubectl(plane, "apply", "--dry-run=server", "-f", "-", stdin=made)


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("*.yaml")), ids=lambda path: path.name)
def test_every_example_is_yaml_with_a_kind(path: Path) -> None:
    for found in yaml.safe_load_all(path.read_text()):
        assert found["apiVersion"]
        assert found["kind"]
