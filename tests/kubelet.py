"""What runs a Deployment where there is no kubelet: its container as a process.

It reads the API server, and does for one Deployment of one replica what the Deployment controller and a
kubelet would: it mounts Secrets as files, sets the environment, asks the readiness probe, and writes the
Deployment's status, for which `helm --wait` waits. A rolling update starts the new container, waits until it
is ready, and then ends the old one. The image is the program installed in this environment.

Two things differ from a pod, since all processes share one machine: mount paths lead to a folder, that of
the service account, too, and the port is a free one.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from cluster import Cluster, Object, RefusedError
from neon_sandbox.child import Child, installed
from neon_sandbox.controlplane import ControlPlane
from neon_sandbox.installation import as_pod, mount_service_account, token_of
from scene import served

_AGAIN: Final = 0.1
"""Seconds between looks at the Deployment and its process."""


class Kubelet:
    """Runs the Deployment `name` of the namespace of `cluster` while it exists."""

    def __init__(self, plane: ControlPlane, cluster: Cluster, name: str, folder: Path) -> None:
        self._plane = plane
        self._cluster = cluster
        self._name = name
        self._folder = folder
        self._running: tuple[Object, Child] | None = None
        self.pods: list[Child] = []
        """Every process so far, the last one last."""

    @classmethod
    @asynccontextmanager
    async def running(
        cls, plane: ControlPlane, cluster: Cluster, name: str, folder: Path
    ) -> AsyncIterator[Kubelet]:
        """At work until the block ends; what went wrong in it is raised there."""
        kubelet = cls(plane, cluster, name, folder)
        async with asyncio.TaskGroup() as tasks:
            work = tasks.create_task(kubelet._run())
            try:
                yield kubelet
            finally:
                work.cancel()
                await kubelet._stop()

    async def _run(self) -> None:
        while True:
            deployment = await self._cluster.get("Deployment", self._name)
            await self._converge(deployment)
            if deployment is not None:
                await self._tell(deployment)
            await asyncio.sleep(_AGAIN)

    async def _converge(self, deployment: Object | None) -> None:
        template = None if deployment is None else deployment["spec"]["template"]
        if self._running is not None and self._running[0] == template:
            return
        if deployment is None or deployment["spec"]["strategy"]["type"] == "Recreate":
            await self._stop()
        if template is None:
            return
        child = await self._start(template["spec"])
        if child is not None:
            self.pods.append(child)
            while self._running is not None and not await _is_ready(child, template):
                await asyncio.sleep(_AGAIN)
            await self._stop(but=child)
            self._running = (template, child)

    async def _stop(self, *, but: Child | None = None) -> None:
        self._running = None
        for child in self.pods:
            if child is not but:
                await child.stop(grace=30.0)

    async def _start(self, pod: Object) -> Child | None:
        """The pod's container; None while a Secret that it mounts is not there."""
        (container,) = pod["containers"]
        place = self._folder / f"pod-{len(self.pods)}"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        mounted = await self._mount(pod.get("volumes", []), container.get("volumeMounts", []), place)
        if mounted is None:
            return None
        namespace = self._cluster.namespace
        token = await token_of(self._plane, pod["serviceAccountName"], namespace)
        account = place / "service-account"
        mount_service_account(self._plane, account, token=token, namespace=namespace)
        env = {e["name"]: _outside(self._value(e), mounted) for e in container["env"]}
        env |= {
            **as_pod(self._plane, account),
            "NEON_TENANTS_LISTEN": "127.0.0.1:0",
            "HOME": str(place),
        }
        argv = [installed("neon-tenant-operator"), *container["args"]]
        return await Child.start("the pod", argv, log=place / "log", env=env, cwd=place)

    async def _mount(
        self, volumes: list[Object], mounts: list[Object], place: Path
    ) -> dict[str, Path] | None:
        by_name = {volume["name"]: volume for volume in volumes}
        folders = {}
        for mount in mounts:
            volume = by_name[mount["name"]]
            folder = place / mount["name"]
            folder.mkdir()
            folders[mount["mountPath"]] = folder
            if "secret" in volume:
                secret = await self._cluster.get("Secret", volume["secret"]["secretName"])
                if secret is None:
                    return None
                for item in volume["secret"]["items"]:
                    (folder / item["path"]).write_bytes(base64.b64decode(secret["data"][item["key"]]))
            else:
                assert "emptyDir" in volume, f"no such volume is known here: {volume}"
        return folders

    def _value(self, variable: dict[str, Any]) -> str:
        if "value" in variable:
            return str(variable["value"])
        assert variable["valueFrom"] == {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
        return self._cluster.namespace

    async def _tell(self, deployment: Object) -> None:
        ready = int(self._running is not None and await _is_ready(self._running[1], self._running[0]))
        updated = int(self._running is not None)
        status = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": updated,
            "updatedReplicas": updated,
            "readyReplicas": ready,
            "availableReplicas": ready,
            "unavailableReplicas": 1 - ready,
            "conditions": [
                {"type": "Available", "status": str(bool(ready)), "reason": "Test", "message": ""},
                {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable", "message": ""},
            ],
        }
        found = deployment.get("status", {})
        if all(found.get(key, 0) == value for key, value in status.items() if key != "conditions"):
            return
        try:
            await self._cluster.patch("Deployment", self._name, {"status": status}, subresource="/status")
        except RefusedError as error:
            if error.status != 404:  # it was deleted meanwhile
                raise


async def _is_ready(child: Child, template: Object) -> bool:
    """What the container's readiness probe answers."""
    child.check()
    (container,) = template["spec"]["containers"]
    path = container["readinessProbe"]["httpGet"]["path"]
    with contextlib.suppress(httpx.TransportError):
        async with httpx.AsyncClient(trust_env=False) as http:
            return (await http.get(await served(child) + path)).is_success
    return False


def _outside(value: str, mounted: dict[str, Path]) -> str:
    """A path in the container as a path of this machine."""
    for inside, outside in mounted.items():
        if value.startswith(f"{inside}/"):
            return f"{outside}{value.removeprefix(inside)}"
    return value
