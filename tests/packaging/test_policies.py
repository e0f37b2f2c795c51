"""What the checkers of policies, and the API server itself, say of what the chart makes."""

from __future__ import annotations

import asyncio
import copy
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import charts
import kubernetes_schemas
import toolbox
from cluster import Cluster
from neon_sandbox import installation
from neon_sandbox.controlplane import ControlPlane
from toolbox import environment

VALUES = {**charts.REQUIRED, "image": {"digest": f"sha256:{'0123456789abcdef' * 4}"}}
"""As the documentation recommends: with the image pinned."""

EXCEPTIONS = yaml.safe_load((Path(__file__).parent / "exceptions.yaml").read_text())


async def run(*argv: str | Path) -> tuple[int, str]:
    """Runs a checker; its exit status and output."""
    process = await asyncio.create_subprocess_exec(
        *map(str, argv),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"PATH": os.defpath, "HOME": os.environ.get("HOME", "/")},
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.fixture
async def documents() -> list[dict[str, Any]]:
    return await charts.rendered(charts.OPERATOR, VALUES)


@pytest.fixture
def manifest(tmp_path: Path, documents: list[dict[str, Any]]) -> Path:
    path = tmp_path / "chart.yaml"
    path.write_text(yaml.safe_dump_all(documents))
    return path


def excepted(checker: str) -> list[str]:
    return sorted(exception["finding"] for exception in EXCEPTIONS[checker])


def test_each_exception_has_a_reason() -> None:
    for checker in ("kube-score", "checkov"):
        assert all(len(exception["why"]) > 5 for exception in EXCEPTIONS[checker])


async def test_kube_score_finds_only_what_is_excepted(manifest: Path) -> None:
    _, output = await run(toolbox.path(toolbox.KUBE_SCORE), "score", "--output-format", "json", manifest)
    found = [
        f"{check['check']['id']}: {comment['summary']}"
        for scored in json.loads(output)
        for check in scored["checks"]
        if not check["skipped"] and check["grade"] < 10
        for comment in check["comments"]
    ]
    assert sorted(found) == excepted("kube-score")


async def test_checkov_finds_only_what_is_excepted(manifest: Path) -> None:
    options = ("--framework", "kubernetes", "--compact", "--quiet", "--skip-download", "--output", "json")
    _, output = await run(environment.CHECKOV.path(), *options, "--file", manifest)
    report = json.loads(output)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 100
    found = [
        f"{check['check_id']} {check['resource'].split('.')[0]}: {check['check_name']}"
        for check in report["results"]["failed_checks"]
    ]
    assert sorted(found) == excepted("checkov")


# --- the API server's own schemas ----------------------------------------------------------------------


@pytest.fixture
async def schemas(plane: ControlPlane, tmp_path: Path, documents: list[dict[str, Any]]) -> Path:
    folder = tmp_path / "schemas"
    folder.mkdir()
    async with Cluster.connect(plane, "default") as cluster:
        await kubernetes_schemas.write(cluster, {d["apiVersion"] for d in documents}, folder)
    return folder


async def conform(schemas: Path, manifest: Path) -> tuple[int, str]:
    location = schemas / kubernetes_schemas.LOCATION
    kubeconform = toolbox.path(toolbox.KUBECONFORM)
    return await run(kubeconform, "-schema-location", location, "-summary", "-output", "json", manifest)


async def test_every_object_conforms_to_the_api_servers_schemas(
    schemas: Path, manifest: Path, documents: list[dict[str, Any]]
) -> None:
    status, output = await conform(schemas, manifest)
    assert status == 0, output
    assert json.loads(output)["summary"] == {
        "valid": len(documents),
        "invalid": 0,
        "errors": 0,
        "skipped": 0,
    }


async def test_names_that_look_like_numbers_stay_names(schemas: Path, tmp_path: Path) -> None:
    values = {
        "clusterId": "1",
        "neon": {"existingSecret": "2", "existingSecretKey": "3"},
        "watchNamespaces": ["4"],
        "priorityClassName": "5",
    }
    template = ("template", "6", charts.OPERATOR, "--namespace", "7", "--values", "-")
    path = tmp_path / "numbers.yaml"
    path.write_text(await charts.helm(*template, stdin=charts.as_yaml(values)))
    status, output = await conform(schemas, path)
    assert status == 0, output


async def test_a_field_that_kubernetes_does_not_have_is_found(schemas: Path, tmp_path: Path) -> None:
    """The schemas refuse unknown fields and wrong types, at any depth."""
    document = charts.one(await charts.rendered(charts.OPERATOR, VALUES), "Deployment")
    spec = document["spec"]["template"]["spec"]
    spec["containers"][0]["livenesProbe"] = {}
    spec["terminationGracePeriodSeconds"] = "forty"
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(document))
    status, output = await conform(schemas, path)
    assert status == 1
    assert "livenesProbe" in output
    assert "terminationGracePeriodSeconds" in output


# --- Pod Security --------------------------------------------------------------------------------------


@pytest.fixture
async def restricted(plane: ControlPlane) -> AsyncIterator[str]:
    """A namespace that takes only restricted pods, with the service account of the pod."""
    name = "restricted-pods"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    async with Cluster.connect(plane, name) as cluster:
        metadata = {"name": name, "labels": labels}
        await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        await installation.kubectl(plane, "-n", name, "create", "serviceaccount", "neon-tenant-operator")
        yield name
        await cluster.delete("Namespace", name)


def pod(documents: list[dict[str, Any]]) -> dict[str, Any]:
    """The pod that the Deployment would make."""
    template = copy.deepcopy(charts.one(documents, "Deployment")["spec"]["template"])
    return {"apiVersion": "v1", "kind": "Pod", **template, "metadata": {"name": "operator"}}


async def test_the_pod_is_admitted_where_only_restricted_pods_are(
    plane: ControlPlane, restricted: str, documents: list[dict[str, Any]]
) -> None:
    apply = ("-n", restricted, "apply", "--dry-run=server", "-f", "-")
    admitted = pod(documents)
    said = await installation.kubectl(plane, *apply, stdin=yaml.safe_dump(admitted))
    assert said == "pod/operator created (server dry run)\n"
    # No value weakens it, except a volume that the restricted level refuses.
    wide = {**VALUES, "extraVolumes": [{"name": "node", "hostPath": {"path": "/"}}]}
    with pytest.raises(installation.KubectlError, match="restricted volume types"):
        await installation.kubectl(
            plane, *apply, stdin=yaml.safe_dump(pod(await charts.rendered(charts.OPERATOR, wide)))
        )
    for part in ("runAsNonRoot", "seccompProfile"):
        changed = pod(documents)
        del changed["spec"]["securityContext"][part]
        with pytest.raises(installation.KubectlError, match='violates PodSecurity "restricted'):
            await installation.kubectl(plane, *apply, stdin=yaml.safe_dump(changed))


async def test_the_container_can_write_nothing_but_its_tmp(documents: list[dict[str, Any]]) -> None:
    """What Pod Security does not ask for."""
    found = pod(documents)["spec"]
    (container,) = found["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    writable = [mount["name"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
    assert writable == ["tmp"]
    assert not any("secretKeyRef" in json.dumps(variable) for variable in container["env"])
