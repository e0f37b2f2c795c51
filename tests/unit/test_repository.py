"""The repository's own rules."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

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


def test_the_crds_are_those_of_the_models() -> None:
    written = {path.name: path.read_text() for path in (ROOT / "crds").glob("*.yaml")}
    assert written == crd.files(), "run `make crds`"


def test_no_field_of_a_crd_names_a_url_or_a_namespace() -> None:
    """Threats T7 and T12: a tenant must not point the operator anywhere."""

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


def test_every_string_list_and_map_of_a_crd_is_bounded() -> None:
    """Threat T14; status is written by us alone and bounded as well."""
    for definition in (crd.tenant_database(), crd.database_tier()):
        root = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        for part in {"spec", "status"} & set(root["properties"]):
            assert unbounded(root["properties"][part], part) == []


def test_every_reason_is_used() -> None:
    package = Path(neon_tenants.__file__).parent
    used = {
        node.attr
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Reason"
    }
    assert used == {reason.name for reason in Reason}
