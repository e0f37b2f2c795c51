"""The CRDs, made from the models: `python -m neon_tenants.api.crd crds` writes them as YAML.

Pydantic's JSON schema becomes a structural schema: references are inlined, titles and nulls go,
and what Kubernetes adds (CEL rules, list types, defaults) stands on the models already.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

from neon_tenants.api import names
from neon_tenants.api.database_tier import DatabaseTier
from neon_tenants.api.fleet_operation import FleetOperation
from neon_tenants.api.schema import Model
from neon_tenants.api.tenant_database import TenantDatabase

_DROPPED = ("title", "$defs", "propertyNames", "uniqueItems")


def tenant_database() -> dict[str, Any]:
    """The CustomResourceDefinition of TenantDatabase."""
    ready = '.status.conditions[?(@.type=="Ready")]'
    return _definition(
        TenantDatabase,
        plural=names.TENANT_DATABASES,
        short="tdb",
        scope="Namespaced",
        columns=[
            _column("Tier", ".spec.tier", "The pricing plan asked for"),
            _column("Ready", f"{ready}.status", "Whether everything is as the spec says"),
            _column("Status", f"{ready}.reason", "Why"),
            _column("Secret", ".status.binding.name", "Where the login is"),
            _column("Age", ".metadata.creationTimestamp", "Since the resource was made", type="date"),
            _column("Region", ".status.region", "Where the project is", priority=1),
            _column("Project", ".status.projectId", "The Neon project", priority=1),
            _column(
                "Storage%",
                ".status.usage.storagePerBranch.percent",
                "Used of the storage quota",
                type="integer",
                priority=1,
            ),
            _column(
                "Compute%",
                ".status.usage.computeTime.percent",
                "Used of the compute time quota",
                type="integer",
                priority=1,
            ),
        ],
        selectable=[".spec.tier", ".status.shard"],
        status=True,
    )


def database_tier() -> dict[str, Any]:
    """The CustomResourceDefinition of DatabaseTier."""
    return _definition(
        DatabaseTier,
        plural=names.DATABASE_TIERS,
        short="dbtier",
        scope="Cluster",
        columns=[
            _column("Min CU", ".spec.compute.minCU", "The smallest compute", type="number"),
            _column("Max CU", ".spec.compute.maxCU", "The largest compute", type="number"),
            _column("Compute time", ".spec.quota.computeTime", "Per billing period"),
            _column("Storage", ".spec.quota.storagePerBranch", "Per branch"),
            _column("Tenants", ".status.tenants", "Tenants that ask for this tier", type="integer"),
            _column("Age", ".metadata.creationTimestamp", "Since the tier was made", type="date"),
            _column("Suspend", ".spec.compute.suspendAfter", "Idle time until suspension", priority=1),
            _column("History", ".spec.historyRetention", "How far back a restore can go", priority=1),
        ],
        selectable=[],
        status=True,
    )


def fleet_operation() -> dict[str, Any]:
    """The CustomResourceDefinition of FleetOperation."""
    return _definition(
        FleetOperation,
        plural=names.FLEET_OPERATIONS,
        short="fleetop",
        scope="Cluster",
        columns=[
            _column("Operation", ".spec.operation", "What is to be done"),
            _column("Dry run", ".spec.dryRun", "Whether nothing is changed", type="boolean"),
            _column("Phase", ".status.phase", "How far it is"),
            _column("Total", ".status.counts.total", "Targets", type="integer"),
            _column("Done", ".status.counts.done", "Targets that are done", type="integer"),
            _column("Failed", ".status.counts.failed", "Targets that failed", type="integer"),
            _column("Age", ".metadata.creationTimestamp", "Since it was asked for", type="date"),
            _column("Message", ".status.message", "What it waits for, or why it failed", priority=1),
        ],
        selectable=[],
        status=True,
    )


def _column(name: str, path: str, description: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "string", "jsonPath": path, "description": description, **more}


def _definition(
    model: type[Model],
    *,
    plural: str,
    short: str,
    scope: str,
    columns: list[dict[str, Any]],
    selectable: list[str],
    status: bool,
) -> dict[str, Any]:
    kind = model.__name__
    version: dict[str, Any] = {
        "name": names.VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": columns,
        "schema": {"openAPIV3Schema": _root_schema(model)},
    }
    if selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in selectable]
    if status:
        version["subresources"] = {"status": {}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{names.GROUP}"},
        "spec": {
            "group": names.GROUP,
            "scope": scope,
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": [short],
                "categories": ["neontenants"],
            },
            "versions": [version],
        },
    }


def _root_schema(model: type[Model]) -> dict[str, Any]:
    raw = model.model_json_schema(by_alias=True, mode="validation")
    schema = _structural(raw, raw.get("$defs", {}))
    schema["properties"] = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        **schema["properties"],
        "metadata": {"type": "object"},
    }
    schema["required"] = ["spec"]
    return schema


def _structural(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    node = _resolved(node, definitions)
    default = node.get("default")
    schema: dict[str, Any] = {
        key: value
        for key, value in node.items()
        # Models default optional fields to None or empty; only a default that says something is one
        # for the API server, so that it fills in nothing that GitOps would see as a difference.
        if key not in _DROPPED and not (key == "default" and not default)
    }
    if "properties" in schema:
        schema["properties"] = {
            name: _structural(child, definitions) for name, child in schema["properties"].items()
        }
    if "items" in schema:
        schema["items"] = _structural(schema["items"], definitions)
    if isinstance(schema.get("additionalProperties"), dict):
        schema["additionalProperties"] = _structural(schema["additionalProperties"], definitions)
    return schema


def _resolved(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The node with its reference inlined and `X | None` taken for an optional X."""
    node = dict(node)
    if "anyOf" in node:
        (real,) = [option for option in node.pop("anyOf") if option.get("type") != "null"]
        node = {**_resolved(real, definitions), **node}
    if "$ref" in node:
        node = {**definitions[node.pop("$ref").rsplit("/", 1)[-1]], **node}
    return node


class Yaml(yaml.SafeDumper):
    """Lists indented under their key, long lines left whole."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - PyYAML says it
        """Indents a list below its key, too, where PyYAML would not."""
        super().increase_indent(flow, indentless=False)


def as_yaml(definition: dict[str, Any]) -> str:
    """The YAML text that stands in `crds/`."""
    head = "# Generated from operator/neon_tenants/api by `make crds`. Do not edit.\n"
    return head + yaml.dump(definition, Dumper=Yaml, sort_keys=False, width=100)


def files() -> dict[str, str]:
    """File name -> content of everything in `crds/`."""
    return {
        f"{definition['metadata']['name']}.yaml": as_yaml(definition)
        for definition in (tenant_database(), database_tier(), fleet_operation())
    }


def main(*folders: Path) -> None:
    """Writes the CRDs to each of the folders."""
    for folder in folders:
        folder.mkdir(exist_ok=True)
        for name, content in files().items():
            (folder / name).write_text(content)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
