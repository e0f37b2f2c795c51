"""The API server's own schemas, as kubeconform reads them: from its OpenAPI documents, one file a kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from cluster import Cluster

LOCATION: Final = "{{.ResourceKind}}-{{.Group}}-{{.ResourceAPIVersion}}.json"
_DEFINITIONS: Final = "#/definitions/"


async def write(cluster: Cluster, groups: set[str], folder: Path) -> None:
    """Writes the schemas of all kinds of these groups, each such as `apps/v1`."""
    for group in groups:
        path = f"/openapi/v3/api{'s' if '/' in group else ''}/{group}"
        schemas = (await cluster.request("GET", path))["components"]["schemas"]
        definitions = {name: _strict(schema) for name, schema in schemas.items()}
        for name, schema in schemas.items():
            for kind in schema.get("x-kubernetes-group-version-kind", []):
                # kubeconform takes the version for the group of kinds that have none.
                group_part = kind["group"] or kind["version"]
                file = f"{kind['kind'].lower()}-{group_part}-{kind['version']}.json"
                whole = {"allOf": [{"$ref": _DEFINITIONS + name}], "definitions": definitions}
                (folder / file).write_text(json.dumps(whole))


def _strict(node: Any) -> Any:
    """The same in JSON Schema, where a field that is not named is refused."""
    if isinstance(node, list):
        return [_strict(child) for child in node]
    if not isinstance(node, dict):
        return node
    found = {
        key: value.replace("#/components/schemas/", _DEFINITIONS)
        if isinstance(value, str)
        else _strict(value)
        for key, value in node.items()
        # Formats such as int-or-string are Kubernetes' own.
        if key not in {"format", "default"} or not isinstance(value, str)
    }
    open_ended = node.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in node
    if isinstance(node.get("properties"), dict) and node.get("type") == "object" and not open_ended:
        found["additionalProperties"] = False
    return found
