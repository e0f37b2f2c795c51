"""A Kubernetes control plane of our own: etcd, kube-apiserver and kube-controller-manager."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx

from neon_sandbox.child import Child, ChildFailedError
from neon_sandbox.controlplane import credentials
from neon_sandbox.controlplane.audit import POLICY, Request
from neon_sandbox.controlplane.audit import read as read_audit_log
from neon_sandbox.controlplane.binaries import Binaries
from neon_sandbox.controlplane.interruption import like_ctrl_c
from neon_sandbox.controlplane.release import ETCD, KUBE_APISERVER, KUBE_CONTROLLER_MANAGER
from neon_sandbox.controlplane.temporary import private_folder

_HOST = "127.0.0.1"
_READY_WITHIN = 60.0  # seconds; all three take about 3 on an idle machine
_POLL = 0.05  # seconds
_ANSWER_WITHIN = 2.0  # seconds, to one question: a stranger on a port that we lost may never answer
_ATTEMPTS = 5  # each with another port, when somebody else was faster
# etcd wants the form host:port for a socket's name as well; it becomes a file in its working folder.
_ETCD_SOCKET, _PEER_SOCKET = "etcd:0", "peer:0"
_ETCD_DATA = "etcd-data"

_CONTROLLERS = (
    "garbage-collector-controller",  # removes what an owner reference binds to a removed owner
    "namespace-controller",  # empties a namespace that is being deleted
    "serviceaccount-controller",  # gives each namespace its `default` service account
    "clusterrole-aggregation-controller",  # without it the roles admin, edit and view are empty
)


class NotReadyError(Exception):
    """A part of the control plane runs but does not get ready; the message holds the end of its log."""


class ControlPlane:
    """A running control plane; use `ControlPlane.start`.

    The API server and the controller manager listen on 127.0.0.1 only, with TLS. etcd has no port:
    its socket is in the private folder, where no other user of the machine gets past the API server.
    """

    def __init__(self, binaries: Binaries, folder: Path, free_port: Callable[[], int]) -> None:
        self.url = ""
        self.folder = folder
        self.kubectl = binaries.kubectl
        self.kubeconfig = folder / "admin.kubeconfig"
        self.audit_log = folder / "audit.log"
        self._binaries = binaries
        self._credentials = credentials.issue(folder)
        self._free_port = free_port
        self._audit: Mapping[str, Any] | None = None
        self._children: dict[str, Child] = {}  # in the order of their start

    @classmethod
    @contextlib.asynccontextmanager
    async def start(
        cls,
        binaries: Binaries,
        *,
        parent: Path | None = None,
        audit: Mapping[str, Any] | None = POLICY,
        free_port: Callable[[], int] | None = None,
        backup: Path | None = None,
    ) -> AsyncIterator[Self]:
        """A control plane that is ready, until the end of the `async with` block.

        It lives in a new folder in `parent` (default: the system's temporary folder). What the policy
        `audit` names is written to `audit_log`. With a `backup` of another one it is a copy of that,
        under certificates of its own. While it runs, SIGTERM and SIGHUP act as Ctrl-C
        does, unless this process handles them itself.

        Raises ChildFailedError if a part of it ends early, NotReadyError if one is not ready in time.
        """
        with like_ctrl_c(), private_folder(parent) as folder:
            plane = cls(binaries, folder, free_port or _free_port)
            plane._audit = audit
            try:
                if backup is not None:
                    await plane._put_back(backup)
                await plane._start_etcd()
                await plane._start_api_server(plane._free_port)
                await plane._start_controller_manager()
                yield plane
            finally:
                await plane._stop()

    @property
    def ca_file(self) -> Path:
        """The certificate authority of the API server, in PEM."""
        return self._credentials.ca_file

    @property
    def kubectl_env(self) -> dict[str, str]:
        """What `kubectl` needs in its environment to act as cluster-admin.

        With a cache of its own: in the user's, what another cluster served on the same port would
        be believed of this one.
        """
        return {"KUBECONFIG": str(self.kubeconfig), "KUBECACHEDIR": str(self.folder / "kubectl-cache")}

    def check(self) -> None:
        """Raises ChildFailedError if a part of the control plane has ended."""
        for child in self._children.values():
            child.check()

    @property
    def pids(self) -> dict[str, int]:
        """The process of each part, by the name of its program."""
        return {name: child.pid for name, child in self._children.items()}

    @property
    def etcd_socket(self) -> Path:
        """Where etcd listens, past the API server and its rules."""
        return self.folder / _ETCD_SOCKET

    def requests(self, start: int = 0) -> Iterator[Request]:
        """What was asked of the API server so far (see `audit.read`); empty without `audit`."""
        return read_audit_log(self.audit_log, start)

    def write_kubeconfig(self, path: Path, *, token: str, namespace: str = "default") -> None:
        """Writes a kubeconfig (mode 0600) for the owner of `token`, for example a service account."""
        text = credentials.kubeconfig(url=self.url, ca_file=self.ca_file, token=token, namespace=namespace)
        credentials.write_private(path, text)

    async def restart_controller_manager(self) -> None:
        """Makes the garbage collector see new custom resources now.

        It looks for new kinds every 30 seconds (Kubernetes' own constant) and backs off on owners of a
        kind that it does not know. Call this after installing CRDs, where a test waits for a collection.
        """
        await self._children[KUBE_CONTROLLER_MANAGER].stop(sign=signal.SIGKILL)
        await self._start_controller_manager()

    async def backup(self, folder: Path) -> None:
        """Copies all that is stored, as it is at one moment, into a new folder.

        etcd stands still meanwhile, and whoever asks for something waits.
        """
        etcd = self._children[ETCD]
        etcd.send(signal.SIGSTOP)
        try:
            await asyncio.to_thread(shutil.copytree, self.folder / _ETCD_DATA, folder)
        finally:
            etcd.send(signal.SIGCONT)

    async def restore(self, folder: Path) -> None:
        """Puts back what `backup` copied, as after the loss of etcd's disk; returns when all is ready again.

        The address, the certificates and the tokens stay. What was written since the backup is gone, and
        resourceVersions go on from its: they are given a second time, to other writes.
        """
        for name in (KUBE_CONTROLLER_MANAGER, KUBE_APISERVER, ETCD):
            await self._children[name].stop(sign=signal.SIGKILL)
        shutil.rmtree(self.folder / _ETCD_DATA)
        (self.folder / _ETCD_SOCKET).unlink(missing_ok=True)  # it is looked for to know that etcd listens
        await self._put_back(folder)
        await self._start_etcd()
        port = int(self.url.rpartition(":")[2])
        await self._start_api_server(lambda: port)
        await self._start_controller_manager()

    async def _put_back(self, backup: Path) -> None:
        await asyncio.to_thread(shutil.copytree, backup, self.folder / _ETCD_DATA)

    async def _start_etcd(self) -> None:
        argv: list[str | Path] = [
            self._binaries.etcd,
            f"--data-dir={_ETCD_DATA}",
            f"--listen-client-urls=unix://{_ETCD_SOCKET}",
            f"--advertise-client-urls=unix://{_ETCD_SOCKET}",
            f"--listen-peer-urls=unix://{_PEER_SOCKET}",
            f"--initial-advertise-peer-urls=unix://{_PEER_SOCKET}",
            f"--initial-cluster=default=unix://{_PEER_SOCKET}",
            "--unsafe-no-fsync",  # the data need not outlive a crash of the machine
            "--max-snapshots=1",
            "--max-wals=1",
            "--log-level=warn",
        ]
        child = await self._start_child(ETCD, argv)
        listening = self.folder / _ETCD_SOCKET

        async def ready() -> bool:
            return listening.exists()

        await _until(ready, child)

    async def _start_api_server(self, choose_port: Callable[[], int]) -> None:
        argv = self._api_server_argv()
        if self._audit is not None:
            (self.folder / "audit-policy.json").write_text(json.dumps(self._audit))
            # In megabytes: a file that is never rotated is read in one piece.
            argv += [
                "--audit-policy-file=audit-policy.json",
                f"--audit-log-path={self.audit_log}",
                "--audit-log-maxsize=1000000",
            ]
        port = await self._start_serving(KUBE_APISERVER, argv, "/readyz", choose_port)
        self.url = f"https://{_HOST}:{port}"
        self.write_kubeconfig(self.kubeconfig, token=self._credentials.admin_token)
        await self._until_answers(KUBE_APISERVER, f"{self.url}/api/v1/namespaces/default")

    def _api_server_argv(self) -> list[str | Path]:
        files = self._credentials
        return [
            self._binaries.kube_apiserver,
            f"--etcd-servers=unix://{_ETCD_SOCKET}",
            # Nobody reaches it but over loopback. Without these two it wants a default route.
            f"--advertise-address={_HOST}",
            "--endpoint-reconciler-type=none",
            "--authorization-mode=RBAC",
            f"--token-auth-file={files.token_file}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-signing-key-file={files.service_account_key}",
            f"--service-account-key-file={files.service_account_key}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--profiling=false",
        ]

    async def _start_controller_manager(self) -> None:
        config = self.folder / "controller-manager.kubeconfig"
        self.write_kubeconfig(config, token=self._credentials.controller_token)
        argv: list[str | Path] = [
            self._binaries.kube_controller_manager,
            f"--kubeconfig={config}",
            f"--controllers={','.join(_CONTROLLERS)}",
            "--leader-elect=false",
            # The default of 20 requests a second is for clusters with other things to do.
            "--kube-api-qps=200",
            "--kube-api-burst=400",
            "--profiling=false",
        ]
        await self._start_serving(KUBE_CONTROLLER_MANAGER, argv, "/healthz", self._free_port)

    async def _start_serving(
        self, name: str, argv: Sequence[str | Path], probe: str, choose_port: Callable[[], int]
    ) -> int:
        """Starts a server and waits until `probe` answers; returns its port."""
        files = self._credentials
        for attempt in range(1, _ATTEMPTS + 1):
            port = choose_port()
            child = await self._start_child(
                name,
                [
                    *argv,
                    f"--bind-address={_HOST}",
                    f"--secure-port={port}",
                    f"--tls-cert-file={files.certificate}",
                    f"--tls-private-key-file={files.key}",
                ],
            )
            try:
                await self._until_answers(name, f"https://{_HOST}:{port}{probe}")
            except ChildFailedError:
                # Between the choice of a port and its use somebody else may take it.
                if attempt == _ATTEMPTS or "address already in use" not in child.tail():
                    raise
            else:
                return port
        raise AssertionError("the last attempt returns or raises")

    async def _start_child(self, name: str, argv: Sequence[str | Path]) -> Child:
        # A clean environment: etcd takes every ETCD_... variable for a flag.
        env = {"PATH": os.defpath, "HOME": str(self.folder)}
        log = self.folder / f"{name}.log"
        child = await Child.start(name, argv, log=log, env=env, cwd=self.folder)
        self._children[name] = child
        return child

    async def _until_answers(self, name: str, url: str) -> None:
        """Waits until `url` answers 200. Only a server with our certificate is sent the token."""
        context = ssl.create_default_context(cafile=self.ca_file)
        headers = {"Authorization": f"Bearer {self._credentials.admin_token}"}
        async with httpx.AsyncClient(
            verify=context,
            headers=headers,
            timeout=_ANSWER_WITHIN,
            trust_env=False,  # no proxy of the user's stands between us and our own loopback
        ) as client:

            async def ready() -> bool:
                try:
                    return (await client.get(url)).status_code == 200
                except httpx.TransportError:
                    return False

            await _until(ready, self._children[name])

    async def _stop(self) -> None:
        """Ends all in the reverse order of their start, and waits for each.

        With SIGKILL: nothing that they hold is kept, and a kube-apiserver takes a second to end politely,
        much longer while clients watch or when etcd has gone before it.
        """
        async with contextlib.AsyncExitStack() as stack:
            for child in self._children.values():
                stack.push_async_callback(child.stop, sign=signal.SIGKILL)


async def _until(ready: Callable[[], Awaitable[bool]], child: Child) -> None:
    try:
        async with asyncio.timeout(_READY_WITHIN):
            while not await ready():
                child.check()
                await asyncio.sleep(_POLL)
    except TimeoutError as error:
        raise NotReadyError(
            f"{child.name} is not ready after {_READY_WITHIN:.0f} seconds. Its last words:\n{child.tail()}"
        ) from error


def _free_port() -> int:
    with socket.socket() as server:
        server.bind((_HOST, 0))
        port: int = server.getsockname()[1]
        return port
