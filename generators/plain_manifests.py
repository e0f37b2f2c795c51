"""The plain manifests of `manifests/`, rendered by Helm from the operator's chart: `make manifests`.

What only Helm reads is left out, and so is the cluster id: the operator refuses to start until an overlay
sets it (`examples/kustomize`).
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any, Final

import yaml

import charts
from neon_sandbox.installation import NAMESPACE
from neon_tenants.api import crd

VALUES: Final = {"clusterId": "left-out", "neon": {"existingSecret": "neon-api-key"}}

_HEAD: Final = "# Generated from helm/neon-tenant-operator by `make manifests`. Do not edit.\n"
_SOURCE: Final = "# Source: neon-tenant-operator/templates/"
_HELMS: Final = ("helm.sh/chart", "helm.sh/resource-policy", "app.kubernetes.io/managed-by")
_KUSTOMIZATION: Final = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
_RESTRICTED: Final = {"pod-security.kubernetes.io/enforce": "restricted"}


async def files() -> dict[str, str]:
    """File name -> content of everything in `manifests/`. Raises HelmError."""
    text = await charts.helm(
        *("template", "neon-tenant-operator", charts.OPERATOR, "--namespace", NAMESPACE, "--values", "-"),
        stdin=yaml.safe_dump(VALUES),
    )
    found: dict[str, list[dict[str, Any]]] = {"namespace.yaml": [_namespace()]}
    for part in text.split("\n---\n"):
        lines = part.removeprefix("---\n").split("\n", 1)
        document = yaml.safe_load(part)
        if document:
            found.setdefault(lines[0].removeprefix(_SOURCE), []).append(_plain(document))
    kustomization = {**_KUSTOMIZATION, "resources": list(found)}
    return {
        "kustomization.yaml": _as_yaml(kustomization),
        **{name: _as_yaml(*documents) for name, documents in found.items()},
    }


def _namespace() -> dict[str, Any]:
    metadata = {"name": NAMESPACE, "labels": _RESTRICTED}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def _plain(document: dict[str, Any]) -> dict[str, Any]:
    templates = [document, document.get("spec", {}).get("template", {})]
    for metadata in (template["metadata"] for template in templates if "metadata" in template):
        for kind in ("labels", "annotations"):
            kept = {key: value for key, value in metadata.pop(kind, {}).items() if key not in _HELMS}
            if kept:
                metadata[kind] = kept
    if document["kind"] == "Deployment":
        for variable in document["spec"]["template"]["spec"]["containers"][0]["env"]:
            if variable["name"] == "NEON_TENANTS_CLUSTER_ID":
                del variable["value"]
    return document


def _as_yaml(*documents: dict[str, Any]) -> str:
    return _HEAD + yaml.dump_all(documents, Dumper=crd.Yaml, sort_keys=False, width=110)


def main(folder: Path) -> None:
    """Writes the manifests to a folder, and removes what is no longer among them."""
    written = asyncio.run(files())
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        if path.name not in written:
            path.unlink()
    for name, content in written.items():
        (folder / name).write_text(content)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
