"""The repository's own rules."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import neon_tenants
from neon_tenants.api import crd
from neon_tenants.api.conditions import Reason

ROOT = Path(__file__).parents[2]


def test_the_source_root_shadows_nothing() -> None:
    """With an `__init__.py`, `operator/` would hide the standard library's module of that name."""
    assert not (ROOT / "operator" / "__init__.py").exists()
    code = "import collections, operator; print(operator.__file__)"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert str(ROOT) not in found.stdout


@pytest.mark.parametrize("folder", ["crds", "helm/neon-tenant-operator/files/crds"])
def test_the_crds_are_those_of_the_models(folder: str) -> None:
    written = {path.name: path.read_text() for path in (ROOT / folder).glob("*.yaml")}
    assert written == crd.files(), "run `make crds`"


@pytest.mark.proves("T7", "T12", "T1")
def test_no_field_of_a_crd_names_a_url_or_a_namespace() -> None:
    """A tenant must not point the operator anywhere."""

    def fields(schema: dict[str, object]) -> set[str]:
        properties = schema.get("properties", {})
        assert isinstance(properties, dict)
        return set(properties).union(*(fields(child) for child in properties.values()))

    for definition in (crd.tenant_database(), crd.database_tier()):
        root = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        names = {name.lower() for name in fields(root["properties"]["spec"])}
        assert not any("url" in name or name == "namespace" or "projectid" in name for name in names)


def unbounded(schema: dict[str, Any], path: str) -> list[str]:
    """The parts of a schema that a user could make as large as they like."""
    bounds = {"string": {"maxLength", "enum", "format"}, "array": {"maxItems"}}
    kind = schema.get("type")
    if "additionalProperties" in schema:
        bounds["object"] = {"maxProperties"}
    found = [path] if kind in bounds and not bounds[kind] & set(schema) else []
    parts = {part: schema[part] for part in ("items", "additionalProperties") if part in schema}
    for name, child in {**schema.get("properties", {}), **parts}.items():
        found += unbounded(child, f"{path}.{name}")
    return found


@pytest.mark.proves("T14")
def test_every_string_list_and_map_of_a_crd_is_bounded() -> None:
    """Status is written by us alone, and bounded as well."""
    for definition in (crd.tenant_database(), crd.database_tier(), crd.fleet_operation()):
        root = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        for part in {"spec", "status"} & set(root["properties"]):
            assert unbounded(root["properties"][part], part) == []


def test_all_versions_agree() -> None:
    version = neon_tenants.__version__
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == version
    for chart in (ROOT / "helm").glob("*/Chart.yaml"):
        said = yaml.safe_load(chart.read_text())
        assert said["version"] == version
        assert said.get("appVersion", version) == version


def test_every_reason_is_used() -> None:
    package = Path(neon_tenants.__file__).parent
    used = {
        node.attr
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Reason"
    }
    assert used == {reason.name for reason in Reason}


def test_links_inside_the_repository_lead_somewhere() -> None:
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("helm/**/*.md")):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_code_points_only_at_documents_that_exist() -> None:
    for path in (ROOT / "operator").rglob("*.py"):
        for target in re.findall(r"docs/[\w/.-]+\.md", path.read_text()):
            assert (ROOT / target).exists(), f"{path.name} names {target}"


def test_reconcile_reads_like_the_picture_in_under_sixty_lines() -> None:
    tree = ast.parse((ROOT / "operator/neon_tenants/reconcile.py").read_text())
    (function,) = (n for n in ast.walk(tree) if isinstance(n, ast.AsyncFunctionDef) and n.name == "reconcile")
    assert function.end_lineno is not None
    assert function.end_lineno - function.lineno < 60


def test_the_locks_carry_hashes_and_name_no_host() -> None:
    locks = [*(ROOT / "requirements").glob("*.txt"), *(ROOT / "tests/toolbox").glob("*/requirements.txt")]
    assert len(locks) >= 5
    for lock in locks:
        text = lock.read_text()
        assert "://" not in text
        packages = re.split(r"\n(?=[a-z])", text)
        assert len(packages) >= 25  # the smallest is that of the audit
        assert [package.split()[0] for package in packages if "--hash=sha256:" not in package] == []
