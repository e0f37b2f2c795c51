"""The operator as users have it: CRDs applied, and a process under its own service account."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from neon_sandbox import manifests
from neon_sandbox.child import Child, installed
from neon_sandbox.controlplane import ControlPlane
from neon_sandbox.emulator import Emulator
from neon_tenants.kube.access import HOST, PORT
from neon_tenants.shards import lease_of

NAMESPACE: Final = "neon-tenant-operator"
SERVICE_ACCOUNT: Final = "neon-tenant-operator"
LOGIN: Final = "service-account"
KUBECONFIG: Final = "kubeconfig"
"""Where the operator's login stands in its folder: as a pod has it, and for others."""
_GRACE: Final = 30.0
"""Seconds that the operator has to end: Kubernetes gives a pod as many."""


class StuckError(Exception):
    """The operator was asked to end and did not. It was killed."""


class KubectlError(Exception):
    """A kubectl command failed; the message holds what it said."""


async def kubectl(plane: ControlPlane, *arguments: str | Path, stdin: str | None = None) -> str:
    """Runs kubectl as cluster-admin; returns what it printed. Raises KubectlError."""
    process = await asyncio.create_subprocess_exec(
        plane.kubectl,
        *map(str, arguments),
        stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.defpath, **plane.kubectl_env},
    )
    output, errors = await process.communicate(stdin.encode() if stdin is not None else None)
    if process.returncode != 0:
        raise KubectlError(f"kubectl {' '.join(map(str, arguments))} failed:\n{errors.decode().strip()}")
    return output.decode()


async def install(plane: ControlPlane) -> None:
    """Applies the CRDs and the operator's permissions, and waits until the CRDs are served."""
    await kubectl(plane, "apply", "-f", "-", stdin=manifests.crds())
    await kubectl(plane, "apply", "-f", "-", stdin=manifests.permissions())
    await kubectl(plane, "wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    # The garbage collector would learn of the new kinds only within half a minute.
    await plane.restart_controller_manager()


async def allow_shards(plane: ControlPlane, *counts: int) -> None:
    """Lets the operator have the Leases of so many shards, as the chart does with settings.shards."""
    group = "rbac.authorization.k8s.io"
    metadata = {"name": f"{SERVICE_ACCOUNT}-shards", "namespace": NAMESPACE}
    names = [lease_of(number, count) for count in counts for number in range(1, count)]
    leases = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
    role = {
        "apiVersion": f"{group}/v1",
        "kind": "Role",
        "metadata": metadata,
        "rules": [{**leases, "resourceNames": names, "verbs": ["get", "update"]}],
    }
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": group, "kind": "Role", "name": metadata["name"]},
        "subjects": [{"kind": "ServiceAccount", "name": SERVICE_ACCOUNT, "namespace": NAMESPACE}],
    }
    for manifest in (role, binding):
        await kubectl(plane, "apply", "-f", "-", stdin=json.dumps(manifest))


async def write_operator_kubeconfig(plane: ControlPlane, path: Path) -> None:
    """A kubeconfig with exactly the permissions that the operator ships with."""
    plane.write_kubeconfig(path, token=await token_of(plane), namespace=NAMESPACE)


async def token_of(
    plane: ControlPlane, service_account: str = SERVICE_ACCOUNT, namespace: str = NAMESPACE
) -> str:
    """A token for the service account, as the kubelet would get one for its pod."""
    token = await kubectl(plane, "create", "token", service_account, "-n", namespace, "--duration=24h")
    return token.strip()


def mount_service_account(plane: ControlPlane, folder: Path, *, token: str, namespace: str) -> None:
    """Writes into a new folder what Kubernetes mounts into each pod."""
    folder.mkdir(mode=0o700)
    (folder / "token").write_text(token)
    (folder / "ca.crt").write_bytes(plane.ca_file.read_bytes())
    (folder / "namespace").write_text(namespace)


def as_pod(plane: ControlPlane, service_account: Path) -> dict[str, str]:
    """The variables by which a pod finds the API server, and the folder with its login."""
    address = urlsplit(plane.url)
    return {
        HOST: str(address.hostname),
        PORT: str(address.port),
        "NEON_TENANTS_SERVICE_ACCOUNT_PATH": str(service_account),
    }


def by_kubeconfig(path: Path) -> dict[str, str]:
    """The variables that name a kubeconfig to the operator."""
    return {"NEON_TENANTS_KUBECONFIG": str(path)}


async def furnish(plane: ControlPlane, neon: Emulator) -> Path:
    """Installs all that an operator needs, and the example tiers; its folder, with the API key.

    Its login stands there as well, as a pod has it and as a kubeconfig.
    """
    await install(plane)
    await kubectl(plane, "apply", "-f", manifests.example(manifests.TIERS))
    folder = plane.folder / "operator"
    folder.mkdir(mode=0o700)
    token = await token_of(plane)
    mount_service_account(plane, folder / LOGIN, token=token, namespace=NAMESPACE)
    plane.write_kubeconfig(folder / KUBECONFIG, token=token, namespace=NAMESPACE)
    (folder / "api-key").write_text(neon.api_key)
    return folder


class Start(Protocol):
    """How a program is started: `Child.start`, or another way to the same."""

    async def __call__(
        self, name: str, argv: Sequence[str | Path], /, *, log: Path, env: Mapping[str, str], cwd: Path
    ) -> Child:
        """Starts `argv` with output appended to `log`."""


@asynccontextmanager
async def operator(
    folder: Path,
    *,
    login: Mapping[str, str],
    settings: Mapping[str, str],
    name: str = "operator",
    start: Start = Child.start,
) -> AsyncIterator[Child]:
    """Runs `neon-tenant-operator run` until the block ends; its log is `<folder>/<name>.log`.

    `settings` are its NEON_TENANTS_ variables without that prefix, and `login` those that say where the API
    server is: of `as_pod`, or of `by_kubeconfig`.

    Raises:
        StuckError: it was asked to end, and did not.
    """
    found = installed("neon-tenant-operator")
    variables = {f"NEON_TENANTS_{key.upper()}": value for key, value in settings.items()}
    env = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "PYTHONWARNINGS": os.environ.get("PYTHONWARNINGS", ""),
        **login,
        **variables,
    }
    child = await start("the operator", [found, "run"], log=folder / f"{name}.log", env=env, cwd=folder)
    try:
        yield child
    finally:
        if not await child.stop(grace=_GRACE):
            raise StuckError(f"The operator did not end within {_GRACE:g} seconds, see {child.log}.")
