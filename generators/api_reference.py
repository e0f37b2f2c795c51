"""The API reference, docs/api.md, from the CRDs: `make pages`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from neon_tenants.api import crd, names

Schema = Mapping[str, Any]

HEAD: Final = f"""# API reference

<!-- Generated from operator/neon_tenants/api by `make pages`. Do not edit. -->

Group `{names.GROUP}`, version `{names.VERSION}`. `kubectl explain` says the same on your cluster. Fields in
bold are required. Within this version fields only come, and none go ([Upgrade](upgrade.md)).
"""


def page() -> str:
    """The text of the page."""
    definitions = (crd.tenant_database(), crd.database_tier(), crd.fleet_operation())
    return "\n".join([HEAD, *(line for definition in definitions for line in _kind(definition))])


def _kind(definition: Schema) -> Iterator[str]:
    spec = definition["spec"]
    schema = spec["versions"][0]["schema"]["openAPIV3Schema"]
    scope = "in a namespace" if spec["scope"] == "Namespaced" else "of the whole cluster"
    yield f"## {spec['names']['kind']}\n"
    yield f"{schema['description']} An object {scope}; short name `{spec['names']['shortNames'][0]}`.\n"
    for rule in schema.get("x-kubernetes-validations", ()):
        yield f"- {_sentence(rule['message'])}"
    for part in ("spec", "status"):
        yield from _table(part, schema["properties"][part])


def _table(part: str, schema: Schema) -> Iterator[str]:
    yield f"\n### {part}\n\n{schema['description']}\n"
    yield "| field | type | meaning |\n|---|---|---|"
    for path, field, required in _fields(schema, ""):
        name = f"**`{path}`**" if required else f"`{path}`"
        yield f"| {name} | {_type(field)} | {_cell(field)} |"
    rules = [rule["message"] for rule in schema.get("x-kubernetes-validations", ())]
    if rules:
        yield "\nRules:\n"
        yield from (f"- {_sentence(message)}" for message in rules)
    yield ""


def _fields(schema: Schema, prefix: str) -> Iterator[tuple[str, Schema, bool]]:
    """Each field below `schema`, with its path and whether it is required."""
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        path = f"{prefix}{name}"
        yield path, field, name in required
        yield from _fields(field, f"{path}.")
        yield from _fields(field.get("items", {}), f"{path}[].")


def _type(field: Schema) -> str:
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if "items" in field:
        return f"list of {_type(field['items'])}"
    if "additionalProperties" in field:
        return f"map of {_type(field['additionalProperties'])}"
    return str(field.get("format") or field["type"])


def _cell(field: Schema) -> str:
    """What a field means, its bounds, and what the API server says when a rule refuses it."""
    parts = [field.get("description", ""), *_bounds(field)]
    values = field.get("items", {})
    parts += [_sentence(rule["message"]) for each in (field, values) for rule in _validations(each)]
    text = " ".join(part for part in parts if part)
    return text.replace("<", "&lt;").replace("|", "\\|").replace("\n", " ")


def _validations(field: Schema) -> list[Schema]:
    found: list[Schema] = field.get("x-kubernetes-validations", [])
    return found


def _bounds(field: Schema) -> Iterator[str]:
    low, high = field.get("minimum"), field.get("maximum")
    if high is not None:
        yield f"From {low} to {high}." if low is not None else f"At most {high}."
    elif low:
        yield f"At least {low}."
    if "maxItems" in field:
        yield f"At most {field['maxItems']} of them."
    if "maxProperties" in field:
        yield f"At most {field['maxProperties']} of them."


def _sentence(message: str) -> str:
    return f"{message[0].upper()}{message[1:]}."
