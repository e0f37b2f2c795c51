"""The schemas of the charts' values: what the models say of settings and tiers, in Helm's JSON Schema."""

from __future__ import annotations

from typing import Any, Final

from pydantic import TypeAdapter
from pydantic.alias_generators import to_camel

from generators.values import Value
from neon_tenants.api import crd
from neon_tenants.api.schema import DnsName
from neon_tenants.settings import Settings

Schema = dict[str, Any]

SET_BY_THE_CHART: Final = (
    "cluster_id",
    "api_key_file",
    "watch_namespaces",
    "kubeconfig",
    "kube_context",
    "service_account_path",
    "listen",
    "namespace",
)
"""Settings that are no values: the template `_refusals.tpl` says what to do instead."""

_KEPT: Final = ("type", "pattern", "enum", "minimum", "maximum", "exclusiveMinimum", "description")


def settings() -> Schema:
    """The schema of the value `settings`, from the operator's own model."""
    properties: dict[str, Schema] = {}
    for name, field in Settings.model_json_schema()["properties"].items():
        if name in SET_BY_THE_CHART:
            properties[to_camel(name)] = {"description": "Not here: set by the chart.", "deprecated": True}
            continue
        real: Schema = next((option for option in field.get("anyOf", []) if option["type"] != "null"), {})
        known = {**field, **real}
        properties[to_camel(name)] = {key: known[key] for key in _KEPT if key in known}
        if known.get("default") is not None:
            properties[to_camel(name)]["default"] = known["default"]
    return {"type": "object", "additionalProperties": False, "properties": properties}


def tier() -> Schema:
    """The schema of a DatabaseTier's spec, from its model. What CEL says stays with the API server."""
    version = crd.database_tier()["spec"]["versions"][0]
    return _closed(version["schema"]["openAPIV3Schema"]["properties"]["spec"])


def _closed(node: Schema) -> Schema:
    found = {key: value for key, value in node.items() if not key.startswith("x-kubernetes-")}
    if "properties" in found:
        found["properties"] = {name: _closed(child) for name, child in found["properties"].items()}
        found["additionalProperties"] = False
    elif isinstance(found.get("additionalProperties"), dict):
        found["additionalProperties"] = _closed(found["additionalProperties"])
    if "items" in found:
        found["items"] = _closed(found["items"])
    return found


def of_the_operator(written: Schema, values: list[Value]) -> Schema:
    """The schema in the repository with what is generated in it: settings, and the values' documentation."""
    properties = {**written["properties"], "settings": settings()}
    found = {**written, "properties": properties}
    for value in values:
        at(found, value.path)["description"] = value.description
    return found


def of_the_tiers(values: list[Value]) -> Schema:
    """The whole schema of the chart of tiers."""
    (tiers,) = values
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of neon-tenant-tiers",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "global": {
                "type": "object",
                "description": "Helm gives it to every chart that is part of another one; not used.",
            },
            "tiers": {
                "type": "object",
                "description": tiers.description,
                "propertyNames": TypeAdapter(DnsName).json_schema(),
                "additionalProperties": tier(),
            },
        },
    }


def at(schema: Schema, path: tuple[str, ...]) -> Schema:
    """The part of a schema that is about a value. Raises KeyError where there is none."""
    for name in path:
        schema = schema["properties"][name]
    return schema
