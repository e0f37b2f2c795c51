"""The documentation builds without a warning, needs nothing from elsewhere, and its examples are accepted."""

from __future__ import annotations

import asyncio
import re
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from neon_sandbox import installation
from neon_sandbox.controlplane import ControlPlane

ROOT = Path(__file__).parents[2]

OTHERS = {
    "argoproj.io": {"Application", "ApplicationSet", "AppProject"},
    "helm.toolkit.fluxcd.io": {"HelmRelease"},
    "kustomize.toolkit.fluxcd.io": {"Kustomization"},
    "source.toolkit.fluxcd.io": {"GitRepository", "HelmRepository", "OCIRepository"},
    "external-secrets.io": {"ExternalSecret"},
    "monitoring.coreos.com": {"ServiceMonitor", "PrometheusRule"},
    "kustomize.config.k8s.io": {"Kustomization"},
}
"""Kinds that the API server of the tests does not have: CRDs of others, and what kubectl reads itself.

Only their shape is looked at.
"""


def blocks() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each Kubernetes object in a YAML block of the documentation, and where it stands."""
    for page in (ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("helm/*/README.md")):
        for indent, text in re.findall(
            r"^( *)```ya?ml\n(.*?)^ *```", page.read_text(), re.MULTILINE | re.DOTALL
        ):
            source = re.sub(f"^{indent}", "", text, flags=re.MULTILINE)
            for document in yaml.safe_load_all(source):
                if isinstance(document, dict) and {"apiVersion", "kind"} <= document.keys():
                    yield f"{page.relative_to(ROOT)}", document


def is_others(document: dict[str, Any]) -> bool:
    return document["kind"] in OTHERS.get(document["apiVersion"].partition("/")[0], ())


async def apply(plane: ControlPlane, documents: list[dict[str, Any]]) -> None:
    """Asks the API server whether it would take them, all in a namespace that is there."""
    namespace = f"docs-{uuid.uuid4().hex[:6]}"
    await installation.kubectl(plane, "create", "namespace", namespace)
    for document in documents:
        document.get("metadata", {}).pop("namespace", None)
    words = ("apply", "--dry-run=server", "--validate=strict", "-n", namespace, "-f", "-")
    try:
        await installation.kubectl(plane, *words, stdin="---\n".join(map(yaml.safe_dump, documents)))
    finally:
        await installation.kubectl(plane, "delete", "namespace", namespace, "--wait=false")


async def test_the_api_server_accepts_every_object_of_the_documentation(plane: ControlPlane) -> None:
    documents = [document for _, document in blocks() if not is_others(document)]
    assert {"TenantDatabase", "DatabaseTier", "FleetOperation", "Pod"} <= {d["kind"] for d in documents}
    await apply(plane, documents)


async def test_a_misspelt_field_in_the_documentation_is_found(plane: ControlPlane) -> None:
    document = next(document for _, document in blocks() if document["kind"] == "TenantDatabase")
    document["spec"]["teir"] = "free"
    with pytest.raises(installation.KubectlError, match="teir"):
        await apply(plane, [document])


def test_objects_of_others_have_the_shape_of_objects() -> None:
    for page, document in blocks():
        if is_others(document) and document["kind"] != "Kustomization":
            assert document["metadata"]["name"], page
            assert document["spec"], page


def site(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.html")}


async def test_the_site_builds_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")),
        cwd=ROOT,
        env={"NO_MKDOCS_2_WARNING": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    assert "WARNING" not in output.decode()
    pages = site(tmp_path / "site")
    assert "troubleshooting.html" in pages
    loading = re.compile(r"""<(?:script|img|link|iframe)\b[^>]*(?:src|href)=["']?(?:https?:)?//[^>]*>""")
    assert [(page, loading.findall(text)) for page, text in pages.items() if loading.search(text)] == []
