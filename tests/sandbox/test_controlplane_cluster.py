"""A running control plane behaves as a Kubernetes cluster does, and leaves nothing behind."""

import asyncio
import json
import os
import socket
import stat
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from neon_sandbox.child import ChildFailedError
from neon_sandbox.controlplane import Binaries, ControlPlane, prepare
from waiting import processes_in, until

needs_proc = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

CRDS = Path(__file__).parents[2] / "crds"
CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "things.example.com"},
    "spec": {
        "group": "example.com",
        "names": {"kind": "Thing", "plural": "things"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {"size": {"type": "integer"}},
                                "x-kubernetes-validations": [
                                    {"rule": "self.size <= 3", "message": "a thing has at most size 3"}
                                ],
                            }
                        },
                    }
                },
            }
        ],
    },
}


@dataclass(frozen=True)
class Answer:
    """What one call of kubectl gave."""

    status: int
    out: str
    err: str


@dataclass(frozen=True)
class Kubectl:
    """kubectl with one kubeconfig."""

    plane: ControlPlane
    kubeconfig: Path

    async def __call__(self, *args: str, stdin: Any = None) -> Answer:
        process = await asyncio.create_subprocess_exec(
            self.plane.kubectl,
            *args,
            env=os.environ | self.plane.kubectl_env | {"KUBECONFIG": str(self.kubeconfig)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate(json.dumps(stdin).encode() if stdin else None)
        assert process.returncode is not None
        return Answer(process.returncode, out.decode(), err.decode())

    async def must(self, *args: str, stdin: Any = None) -> str:
        answer = await self(*args, stdin=stdin)
        assert answer.status == 0, answer.err
        return answer.out

    async def create(self, kind: str, name: str, **fields: Any) -> str:
        """Creates an object in `default`; returns its uid."""
        body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}} | fields
        return await self.must("create", "-f", "-", "-o", "jsonpath={.metadata.uid}", stdin=body)


def children_of(folder: Path) -> list[Path]:
    return list(folder.iterdir())


@pytest_asyncio.fixture(scope="module")
async def binaries() -> Binaries:
    return await prepare()


@pytest_asyncio.fixture(scope="module")
async def plane(binaries: Binaries) -> AsyncIterator[ControlPlane]:
    async with ControlPlane.start(binaries) as plane:
        yield plane


@pytest.fixture
def admin(plane: ControlPlane) -> Kubectl:
    return Kubectl(plane, plane.kubeconfig)


async def service_account(admin: Kubectl, tmp_path: Path, name: str) -> Kubectl:
    await admin.create("ServiceAccount", name)
    token = await admin.must("create", "token", name)
    path = tmp_path / "kubeconfig"
    admin.plane.write_kubeconfig(path, token=token.strip(), namespace="default")
    return Kubectl(admin.plane, path)


async def test_it_runs_the_version_that_was_prepared(admin: Kubectl, binaries: Binaries) -> None:
    version = json.loads(await admin.must("version", "-o", "json"))

    assert version["serverVersion"]["gitVersion"] == f"v{binaries.version}"
    assert version["clientVersion"]["gitVersion"] == f"v{binaries.version}"


async def test_a_service_account_without_rights_is_refused_until_a_role_allows_it(
    admin: Kubectl, tmp_path: Path
) -> None:
    reader = await service_account(admin, tmp_path, "reader")

    refused = await reader("get", "configmaps")
    assert refused.status == 1
    assert '"system:serviceaccount:default:reader" cannot list resource "configmaps"' in refused.err

    await admin.must("create", "role", "reader", "--verb=list", "--resource=configmaps")
    await admin.must("create", "rolebinding", "reader", "--role=reader", "--serviceaccount=default:reader")

    async def allowed() -> bool:
        return (await reader("get", "configmaps")).status == 0

    await until(allowed, "the role allows it")
    assert (await reader("get", "secrets")).status == 1


async def test_a_dependent_is_removed_after_its_owner(admin: Kubectl) -> None:
    uid = await admin.create("ConfigMap", "owner")
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    await admin.create("Secret", "dependent", metadata={"name": "dependent", "ownerReferences": [owner]})

    await admin.must("delete", "configmap", "owner")

    async def gone() -> bool:
        return "NotFound" in (await admin("get", "secret", "dependent")).err

    await until(gone, "the dependent is gone")


async def test_custom_resources_have_cel_rules_and_dependents(admin: Kubectl) -> None:
    await admin.must("create", "-f", "-", stdin=CRD)
    await admin.must("wait", "--for=condition=Established", "crd/things.example.com")
    thing = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "thing"}}

    async def served() -> bool:
        return (await admin("get", "things")).status == 0

    await until(served, "the new kind is served")
    too_large = await admin("create", "-f", "-", stdin=thing | {"spec": {"size": 4}})
    assert too_large.status == 1
    assert "a thing has at most size 3" in too_large.err

    # Without this the collector needs some 40 seconds to know the new kind.
    await admin.plane.restart_controller_manager()
    out = await admin.must("create", "-f", "-", "-o", "json", stdin=thing | {"spec": {"size": 3}})
    uid = json.loads(out)["metadata"]["uid"]
    owner = {"apiVersion": "example.com/v1", "kind": "Thing", "name": "thing", "uid": uid}
    await admin.create("Secret", "of-thing", metadata={"name": "of-thing", "ownerReferences": [owner]})
    await admin.must("delete", "thing", "thing")

    async def gone() -> bool:
        return "NotFound" in (await admin("get", "secret", "of-thing")).err

    await until(gone, "the dependent is gone")


async def test_a_deleted_namespace_goes_with_what_is_in_it(admin: Kubectl) -> None:
    await admin.create("Namespace", "short-lived")
    await admin.must("create", "configmap", "inside", "--namespace=short-lived")

    await admin.must("delete", "namespace", "short-lived", "--wait", "--timeout=60s")

    assert "NotFound" in (await admin("get", "namespace", "short-lived")).err


async def test_a_namespace_has_a_default_service_account_and_the_role_view_has_rules(admin: Kubectl) -> None:
    async def complete() -> bool:
        account = await admin("get", "serviceaccount", "default")
        rules = await admin.must("get", "clusterrole", "view", "-o", "jsonpath={.rules}")
        return account.status == 0 and "configmaps" in rules

    await until(complete, "the namespace and the role are complete")


async def test_a_restored_backup_is_all_that_there_is(binaries: Binaries, tmp_path: Path) -> None:
    async with ControlPlane.start(binaries) as plane:
        admin = Kubectl(plane, plane.kubeconfig)
        version = ("get", "configmap", "changed", "-o", "jsonpath={.metadata.resourceVersion}")
        before = await admin.create("ConfigMap", "changed", data={"it": "is old"})
        old = int(await admin.must(*version))
        await plane.backup(tmp_path / "backup")
        url = plane.url
        await admin.must("patch", "configmap", "changed", "--patch", '{"data": {"it": "is new"}}')
        await admin.create("ConfigMap", "made-since")
        new = int(await admin.must(*version))

        await plane.restore(tmp_path / "backup")

        assert plane.url == url
        found = json.loads(await admin.must("get", "configmap", "changed", "-o", "json"))
        assert (found["metadata"]["uid"], found["data"]) == (before, {"it": "is old"})
        assert old == int(found["metadata"]["resourceVersion"]) < new
        assert "NotFound" in (await admin("get", "configmap", "made-since")).err
        await admin.must("create", "configmap", "made-after")
        plane.check()
        # The audit log goes on: what was written is known even if nothing of it is left.
        writes = [r.name for r in plane.requests() if r.is_write and r.resource == "configmaps"]
        assert {"made-since", "made-after"} <= set(writes)


async def test_the_audit_log_names_who_wrote_what(admin: Kubectl, tmp_path: Path) -> None:
    writer = await service_account(admin, tmp_path, "writer")
    await admin.must("create", "role", "writer", "--verb=create", "--resource=configmaps")
    await admin.must("create", "rolebinding", "writer", "--role=writer", "--serviceaccount=default:writer")

    async def written() -> bool:
        return (await writer("create", "configmap", "written")).status == 0

    await until(written, "the role allows it")
    await writer("get", "secrets")
    user = "system:serviceaccount:default:writer"

    async def recorded() -> bool:
        ours = [request for request in admin.plane.requests() if request.user == user]
        writes = {
            (each.verb, each.resource, each.name, each.namespace, each.code) for each in ours if each.is_write
        }
        reads = {(each.verb, each.resource, each.code) for each in ours if not each.is_write}
        agents = {each.user_agent.partition("/")[0] for each in ours}
        return (
            ("create", "configmaps", "written", "default", 201) in writes
            and ("list", "secrets", 403) in reads
            and agents == {"kubectl"}
        )

    await until(recorded, "the audit log has it")


async def test_the_audit_log_holds_writes_to_our_resources_with_their_bodies_and_no_others(
    admin: Kubectl,
) -> None:
    await admin.must("apply", "-f", str(CRDS))
    await admin.must("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    tenant = {
        "apiVersion": "neontenants.io/v1alpha1",
        "kind": "TenantDatabase",
        "metadata": {"name": "acme", "namespace": "default"},
        "spec": {"tier": "free"},
    }
    await admin.must("create", "-f", "-", stdin=tenant)
    status = {"status": {"conditions": [], "projectId": "shiny-wind-1"}}
    patch = ["patch", "tdb/acme", "--type=merge", "-p", json.dumps(status)]
    await admin.must(*patch, "--subresource=status")
    await admin.must("get", "tdb/acme")
    await admin.must("delete", "tdb/acme")
    await admin.must("create", "secret", "generic", "hidden", "--from-literal=a=npg_canary")
    await admin.must("delete", "secret", "hidden")

    def bodies(resource: str) -> list[tuple[str, str, Any]]:
        lines = admin.plane.audit_log.read_text().splitlines()
        found = [event for event in map(json.loads, lines) if event.get("objectRef", {}).get("name", "")]
        return [
            (event["verb"], event["objectRef"].get("subresource", ""), event.get("responseObject"))
            for event in found
            if event["objectRef"]["resource"] == resource and event["objectRef"]["namespace"] == "default"
        ]

    async def recorded() -> bool:
        return "delete" in [verb for verb, _, _ in bodies("secrets")]

    await until(recorded, "the audit log has the last")
    reads = ("get", "list", "watch")
    lives = [told for told in bodies("tenantdatabases") if told[0] not in reads]
    assert [(verb, part) for verb, part, _ in lives] == [("create", ""), ("patch", "status"), ("delete", "")]
    assert lives[0][2]["metadata"]["uid"] == lives[1][2]["metadata"]["uid"]
    assert lives[1][2]["status"]["projectId"] == "shiny-wind-1"
    assert {body for verb, _, body in bodies("tenantdatabases") if verb in reads} == {None}
    assert {body for _, _, body in bodies("secrets")} == {None}
    assert "npg_canary" not in admin.plane.audit_log.read_text()


async def test_kubectl_leaves_nothing_in_the_home_of_the_user(plane: ControlPlane, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        plane.kubectl,
        "get",
        "namespaces",
        env={"HOME": str(tmp_path), **plane.kubectl_env},
        stdout=asyncio.subprocess.DEVNULL,
    )

    assert await process.wait() == 0
    assert children_of(tmp_path) == []


async def test_its_secrets_are_for_its_owner_alone(plane: ControlPlane) -> None:
    assert stat.S_IMODE(plane.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(plane.kubeconfig.stat().st_mode) == 0o600


def listening(pids: list[int]) -> list[str]:
    """The addresses, in the hexadecimal form of /proc/net/tcp, on which they listen."""
    own = {str(fd.readlink()) for pid in pids for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.is_symlink()}
    lines = [
        line for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()
    ]
    rows = [line.split() for line in lines]
    return [row[1].partition(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in own]


@needs_proc
async def test_it_listens_on_loopback_only(plane: ControlPlane) -> None:
    pids = processes_in(plane.folder)

    assert len(pids) == 3
    assert listening(pids) == ["0100007F"] * 2  # 127.0.0.1: the API server and the controller manager


@needs_proc
async def test_nothing_is_left_after_an_exception(binaries: Binaries, tmp_path: Path) -> None:
    async def run() -> None:
        async with ControlPlane.start(binaries, parent=tmp_path):
            assert len(processes_in(tmp_path)) == 3
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await run()

    assert processes_in(tmp_path) == []
    assert children_of(tmp_path) == []


@needs_proc
async def test_nothing_is_left_after_a_cancellation_while_it_starts(
    binaries: Binaries, tmp_path: Path
) -> None:
    async def run() -> None:
        async with ControlPlane.start(binaries, parent=tmp_path):
            raise AssertionError("cancelled too late")

    task = asyncio.create_task(run())

    async def half_started() -> bool:
        return len(processes_in(tmp_path)) == 2

    await until(half_started, "it is half started")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert processes_in(tmp_path) == []
    assert children_of(tmp_path) == []


async def test_a_port_that_is_taken_meanwhile_is_replaced_by_another(
    binaries: Binaries, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, socket.create_server(("127.0.0.1", 0)) as free:
        taken = other.getsockname()[1]
        ports = [taken, free.getsockname()[1], taken]
        free.close()

        def port() -> int:
            if ports:
                return int(ports.pop(0))
            with socket.create_server(("127.0.0.1", 0)) as server:
                return int(server.getsockname()[1])

        async with ControlPlane.start(binaries, parent=tmp_path, free_port=port) as plane:
            assert not plane.url.endswith(f":{taken}")
            assert not ports
            plane.check()


async def test_a_part_that_ends_early_is_quoted(binaries: Binaries, tmp_path: Path) -> None:
    broken = tmp_path / "etcd"
    broken.write_text("#!/bin/sh\necho the disk is made of cheese\nexit 3\n")
    broken.chmod(0o755)
    parent = tmp_path / "parent"
    parent.mkdir()

    with pytest.raises(ChildFailedError, match=r"(?s)etcd ended with status 3.*the disk is made of cheese"):
        async with ControlPlane.start(replace(binaries, etcd=broken), parent=parent):
            pass

    assert children_of(parent) == []


async def test_a_part_that_ends_later_is_noticed(binaries: Binaries, tmp_path: Path) -> None:
    async with ControlPlane.start(binaries, parent=tmp_path, audit=None) as plane:
        plane.check()
        assert list(plane.requests()) == []
        await plane._children["kube-controller-manager"].stop()

        with pytest.raises(ChildFailedError, match="kube-controller-manager ended"):
            plane.check()
