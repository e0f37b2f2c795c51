"""The upgrade promise: what a released CRD accepted and showed, every later one accepts and shows.

There is no conversion webhook, so a version of the API may only grow (docs/upgrade.md). `breaches` compares
two CRDs and names everything that would break objects, clients or habits. What it cannot judge is a breach.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

Schema = Mapping[str, Any]

RELEASED: Final = Path(__file__).parent / "released"
"""One folder for each version, with its CRDs."""

_WORDS: Final = {"description", "title", "example", "externalDocs"}
_RECURSED: Final = {
    "properties",
    "items",
    "additionalProperties",
    "required",
    "enum",
    "x-kubernetes-validations",
}
_CEILINGS: Final = {"maximum", "maxLength", "maxItems", "maxProperties"}
_FLOORS: Final = {"minimum", "minLength", "minItems", "minProperties"}
_ONLY_TIGHTER: Final = {
    "pattern",
    "format",
    "uniqueItems",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
}
"""May go; a new or another one is taken for tighter."""
_ONLY_LOOSER: Final = {"nullable", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string"}
"""May come; may not go."""


def released(folder: Path) -> dict[str, Schema]:
    """The CRDs of a folder, by name."""
    definitions = [yaml.safe_load(path.read_text()) for path in sorted(folder.glob("*.yaml"))]
    return {definition["metadata"]["name"]: definition for definition in definitions}


def breaches(old: Schema, new: Schema) -> list[str]:
    """What `new` takes away from those who rely on `old`."""
    return list(_definition(old["spec"], new["spec"]))


def _definition(old: Schema, new: Schema) -> Iterator[str]:
    for key in ("group", "scope"):
        if old[key] != new[key]:
            yield f"{key}: changed from {old[key]} to {new[key]}"
    for key in ("kind", "listKind", "plural", "singular"):
        if old["names"][key] != new["names"][key]:
            yield f"names.{key}: changed from {old['names'][key]} to {new['names'][key]}"
    for key in ("shortNames", "categories"):
        for gone in sorted(set(old["names"].get(key, ())) - set(new["names"].get(key, ()))):
            yield f"names.{key}: {gone} is gone"
    versions = {version["name"]: version for version in new["versions"]}
    for version in old["versions"]:
        if version["name"] not in versions:
            yield f"{version['name']}: the version is gone"
        else:
            yield from _version(version, versions[version["name"]])


def _version(old: Schema, new: Schema) -> Iterator[str]:
    if old["served"] and not new["served"]:
        yield f"{old['name']}: is not served any more"
    columns = {column["name"]: column for column in new.get("additionalPrinterColumns", ())}
    for column in old.get("additionalPrinterColumns", ()):
        found = columns.get(column["name"])
        if found is None:
            yield f"column {column['name']}: is gone"
        elif any(column[key] != found[key] for key in ("jsonPath", "type")):
            yield f"column {column['name']}: shows something else"
        elif found.get("priority", 0) > column.get("priority", 0):
            yield f"column {column['name']}: is shown only with -o wide"
    selectable = [field["jsonPath"] for field in new.get("selectableFields", ())]
    for field in old.get("selectableFields", ()):
        if field["jsonPath"] not in selectable:
            yield f"selectable field {field['jsonPath']}: is gone"
    for name in sorted(set(old.get("subresources", ())) - set(new.get("subresources", ()))):
        yield f"subresource {name}: is gone"
    yield from _schema(old["schema"]["openAPIV3Schema"], new["schema"]["openAPIV3Schema"], "")


def _schema(old: Schema, new: Schema, path: str) -> Iterator[str]:
    where = path or "the object"
    for keyword in sorted((set(old) | set(new)) - _WORDS - _RECURSED):
        if old.get(keyword) != new.get(keyword):
            yield from _keyword(keyword, old.get(keyword), new.get(keyword), where)
    yield from _enum(old.get("enum"), new.get("enum"), where)
    yield from _properties(old, new, path)
    for part in ("items", "additionalProperties"):
        was, now = old.get(part), new.get(part)
        if isinstance(was, Mapping) and isinstance(now, Mapping):
            yield from _schema(was, now, f"{path}[]")
        elif was != now:
            yield f"{where}: {part} changed"
    yield from _rules(old, new, where)


def _keyword(keyword: str, old: Any, new: Any, where: str) -> Iterator[str]:
    """One keyword that differs."""
    if keyword == "default":
        # The operator writes the status itself: what stands there before is only words.
        if not where.startswith("status"):
            yield f"{where}: the default changed from {old} to {new}"
        return
    looser: dict[bool, Callable[[], bool]] = {
        keyword in _CEILINGS: lambda: new is None or (old is not None and new > old),
        keyword in _FLOORS: lambda: new is None or (old is not None and new < old),
        keyword in _ONLY_TIGHTER: lambda: new is None,
        keyword in _ONLY_LOOSER: lambda: bool(new),
    }
    if not looser.get(True, lambda: False)():
        yield f"{where}: {keyword} changed from {old} to {new}"


def _enum(old: list[Any] | None, new: list[Any] | None, where: str) -> Iterator[str]:
    if new is None:
        return
    if old is None:
        yield f"{where}: only certain values are allowed now"
        return
    for gone in (value for value in old if value not in new):
        yield f"{where}: the value {gone} is gone"


def _properties(old: Schema, new: Schema, path: str) -> Iterator[str]:
    fields = new.get("properties", {})
    for name, field in old.get("properties", {}).items():
        where = f"{path}.{name}" if path else name
        if name in fields:
            yield from _schema(field, fields[name], where)
        else:
            yield f"{where}: the field is gone"
    for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
        yield f"{f'{path}.{name}' if path else name}: is required now"


def _rules(old: Schema, new: Schema, where: str) -> Iterator[str]:
    """A new rule may only speak of new fields: `!has(self.x) || ...`, `has(self.x) == has(oldSelf.x)`."""
    known = {rule["rule"] for rule in old.get("x-kubernetes-validations", ())}
    fields = set(new.get("properties", ())) - set(old.get("properties", ()))
    for rule in new.get("x-kubernetes-validations", ()):
        text = rule["rule"]
        named = set(re.findall(r"\b(?:self|oldSelf)\b(?:\.(\w+))?", text))
        guarded = re.match(r"!has\(self\.(\w+)\) \|\||has\(self\.(\w+)\) == has\(oldSelf\.\2\)", text)
        if text not in known and not (guarded and named <= fields):
            yield f"{where}: there is a new rule, {rule.get('message', text)}"
