"""The scene of an integration test: a namespace, a Neon of its own, an operator process, and logins."""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
import sys
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import psycopg
import yaml

import canaries
import warm
from cluster import Cluster, Object
from neon_sandbox import installation, manifests
from neon_sandbox.child import Child
from neon_sandbox.controlplane import ControlPlane, Request
from neon_sandbox.emulator.emulator import Emulator
from neon_sandbox.emulator.postgres.server import PostgresServer
from waiting import until, until_scripts_met

OPERATOR_USER: Final = f"system:serviceaccount:{installation.NAMESPACE}:{installation.SERVICE_ACCOUNT}"

FAST: Final = {
    "intent_lifetime": "8",
    "sweep_interval": "86400",
    "request_timeout": "2",
    "retry_max": "2",
    "requests_per_minute": "100000",
    "requests_per_second_per_route": "10000",
    "log_level": "DEBUG",
    "grace": "5",
    "listen": "127.0.0.1:0",
    "leader_elect": "false",
}
"""Short times, so that what waits for a lifetime or a back-off does not hold up the tests. Without an
election, or each would wait for the Lease of an operator that was killed before it."""

SWEEPING: Final = {"sweep_interval": "1"}

_counter = itertools.count()


@dataclass(frozen=True)
class Shared:
    """What scenes on several clusters have in common."""

    neon: Emulator
    cluster_id: str
    namespace: str


@dataclass
class Scene:
    """Everything that one test plays with. Names of tiers are its own: tiers are cluster-scoped."""

    plane: ControlPlane
    cluster: Cluster
    neon: Emulator
    folder: Path
    kubeconfig: Path
    prefix: str
    api_url: str
    """Where operators find Neon: the emulator, or a wire to it."""
    tiers: dict[str, str] = field(default_factory=dict)
    operators: list[Child] = field(default_factory=list)
    namespaces: set[str] = field(default_factory=set)
    """What its operators watched, beside its own."""
    audited_from: int = 0
    """Where in the API server's audit log its part begins."""
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def namespace(self) -> str:
        return self.cluster.namespace

    @property
    def key_file(self) -> Path:
        return self.folder / "api-key"

    def shared(self, cluster_id: str | None = None) -> Shared:
        """For a scene on another cluster: the same Neon, the same namespace, and the same id or another."""
        return Shared(self.neon, cluster_id or self.prefix, self.namespace)

    def settings(self, **changes: str) -> dict[str, str]:
        return {
            **FAST,
            "cluster_id": self.prefix,
            "api_key_file": str(self.key_file),
            "api_url": self.api_url,
            "watch_namespaces": self.namespace,
            **changes,
        }

    async def start_operator(self, *, before: str | None = None, **changes: str) -> Child:
        """Starts the operator as it ships, with its own permissions and no more.

        `before` names a module of the tests that breaks something in it first.
        """
        return await self._start(functools.partial(warm.start, before=before), changes)

    async def start_cold(self, **changes: str) -> Child:
        """The same as users do it. One that is forked warm has its environment in no file of /proc."""
        return await self._start(Child.start, changes)

    async def _start(self, start: installation.Start, changes: Mapping[str, str]) -> Child:
        settings = self.settings(**changes)
        self.namespaces |= {place for place in settings["watch_namespaces"].split(",") if place}
        child = await self._stack.enter_async_context(
            installation.operator(
                self.folder,
                login=installation.by_kubeconfig(self.kubeconfig),
                settings=settings,
                name=f"operator-{next(self._numbers)}",  # two may start at once
                start=start,
            )
        )
        self.operators.append(child)
        return child

    async def stop_operators(self) -> None:
        await self._stack.aclose()

    def log_lines(self, number: int = -1) -> list[dict[str, Any]]:
        """What an operator logged; every line must be JSON."""
        return [json.loads(line) for line in self.operators[number].log.read_text().splitlines()]

    async def until_logged(self, text: str) -> None:
        async def logged() -> bool:
            return text in self.operators[-1].log.read_text()

        await until(logged, f"the operator logs {text!r}")

    async def until_watching(self, times: int) -> None:
        """Waits until the last operator has begun to watch so many times."""

        async def watching() -> bool:
            told = [line["message"] for line in self.log_lines()]
            return told.count("The operator is watching.") == times

        await until(watching, f"the operator watches for the {times}. time")

    async def address(self) -> str:
        """Where the last operator serves."""
        return await served(self.operators[-1])

    # --- manifests ---------------------------------------------------------------------------------

    async def create_tiers(self) -> None:
        """The shipped examples, under names of this test's own."""
        for document in yaml.safe_load_all(manifests.example(manifests.TIERS).read_text()):
            await self.create_tier(document["metadata"]["name"], document["spec"])

    async def create_tier(self, name: str, spec: Mapping[str, Any] | None = None) -> str:
        self.tiers[name] = f"{self.prefix}-{name}"
        manifest = {
            "apiVersion": "neontenants.io/v1alpha1",
            "kind": "DatabaseTier",
            "metadata": {"name": self.tiers[name]},
            "spec": spec or example_tier("free"),
        }
        await self.cluster.create(manifest)
        return self.tiers[name]

    def manifest(self, name: str = "acme", tier: str = "free", **spec: Any) -> Object:
        return {
            "apiVersion": "neontenants.io/v1alpha1",
            "kind": "TenantDatabase",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"tier": self.tiers.get(tier, tier), "deletionPolicy": "Delete", **spec},
        }

    async def create(self, name: str = "acme", tier: str = "free", **spec: Any) -> Object:
        """Creates a TenantDatabase."""
        return await self.cluster.create(self.manifest(name, tier, **spec))

    async def change(self, name: str = "acme", **spec: Any) -> Object:
        """Changes the spec of a TenantDatabase."""
        return await self.cluster.patch("TenantDatabase", name, {"spec": spec})

    async def annotate(self, name: str = "acme", **annotations: str | None) -> Object:
        """Sets annotations of our group, with `_` for `-`; None removes one."""
        named = {f"neontenants.io/{key.replace('_', '-')}": value for key, value in annotations.items()}
        return await self.cluster.patch("TenantDatabase", name, {"metadata": {"annotations": named}})

    async def ask_for(self, name: str, operation: str, *targets: str, **spec: Any) -> str:
        """Creates a FleetOperation for this test's operator; its name."""
        full = f"{self.prefix}-{name}"
        wanted = {"operation": operation, "cluster": self.prefix, **spec}
        manifest = {
            "apiVersion": "neontenants.io/v1alpha1",
            "kind": "FleetOperation",
            "metadata": {"name": full},
            "spec": {**wanted, "targets": list(targets)} if targets else wanted,
        }
        await self.cluster.create(manifest)
        return full

    async def until_done(self, name: str) -> Object:
        """Waits until a FleetOperation has ended."""

        def ended(found: Object | None) -> Object | None:
            phase = (found or {}).get("status", {}).get("phase")
            return found if phase in ("Succeeded", "Failed") else None

        done: Object = await self.cluster.until("FleetOperation", name, ended, f"{name} has ended")
        return done

    async def operate(self, name: str, operation: str, *targets: str, **spec: Any) -> Object:
        """Creates a FleetOperation and waits for its end."""
        return await self.until_done(await self.ask_for(name, operation, *targets, **spec))

    # --- Neon ----------------------------------------------------------------------------------------

    def projects(self, *, deleted: bool = False) -> list[dict[str, Any]]:
        """The true state of Neon's projects: the living ones, or those that can be recovered."""
        return [project for project in self.neon.projects() if bool(project["deleted_at"]) is deleted]

    def project(self) -> dict[str, Any]:
        """The one living project."""
        (project,) = self.projects()
        return project

    async def console(self, method: str, path: str, **json: Any) -> Any:
        """A request of a person in Neon's console."""
        headers = {"Authorization": f"Bearer {self.neon.api_key}"}
        async with httpx.AsyncClient(base_url=self.neon.url, headers=headers, trust_env=False) as http:
            answer = await http.request(method, path, json=json or None)
            assert answer.is_success, answer.text
            return answer.json()

    async def until_idle(self) -> None:
        """Waits until Neon works on nothing."""

        async def idle() -> bool:
            return not any(project["running_operations"] for project in self.projects())

        await until(idle, "Neon is idle")

    async def until_scripts_met(self) -> None:
        """Waits until every scripted answer has met its request, which may be under way."""
        await until_scripts_met(self.neon)

    def age_projects(self) -> None:
        """Makes all projects two hours older: a younger one is not called left behind."""
        for project in self.neon.store:
            project.created_at -= 7200

    async def until_swept(self, times: int = 2) -> None:
        """Waits until operators that sweep have listed all projects so often again."""
        before = self.requests("GET", "/projects")

        async def swept() -> bool:
            return self.requests("GET", "/projects") >= before + times

        await until(swept, f"{times} lists more are made")

    def requests(self, method: str, route: str) -> int:
        return self.neon.requests.count(method, route)

    def patches(self) -> tuple[int, int]:
        """How many PATCHes of projects, and of endpoints."""
        return (
            self.requests("PATCH", "/projects/{project_id}"),
            self.requests("PATCH", "/projects/{project_id}/endpoints/{endpoint_id}"),
        )

    # --- Kubernetes ----------------------------------------------------------------------------------

    def writes(self) -> list[Request]:
        """What the operator wrote in this test's namespace, by the API server's audit log."""
        return [
            request
            for request in self.plane.requests(self.audited_from)
            if request.is_write and request.user == OPERATOR_USER and request.namespace == self.namespace
        ]


async def command(scene: Scene, *words: str) -> tuple[int, str, str]:
    """Runs neon-tenant-operator against the last operator; its exit status, output and errors."""
    return await program(*words, "--server", await scene.address())


async def program(*words: str, env: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """Runs neon-tenant-operator, with this environment or our own; its exit status, output and errors."""
    path = Path(sys.executable).with_name("neon-tenant-operator")
    process = await asyncio.create_subprocess_exec(
        path,
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=env,
    )
    output, errors = await process.communicate()
    assert process.returncode is not None
    canaries.note(f"what {words} said", f"{output.decode()}\n{errors.decode()}")
    return process.returncode, output.decode(), errors.decode()


async def served(operator: Child) -> str:
    """The address of an operator, once it serves."""

    async def look() -> str | None:
        lines = operator.log.read_text().splitlines()
        told = (json.loads(line) for line in lines if "The operator serves." in line)
        return next((str(line["address"]) for line in told), None)

    return await until(look, "the operator serves")


def example_tier(name: str) -> dict[str, Any]:
    """The spec of a shipped tier."""
    documents = yaml.safe_load_all(manifests.example(manifests.TIERS).read_text())
    spec: dict[str, Any] = next(d["spec"] for d in documents if d["metadata"]["name"] == name)
    return spec


async def query(uri: str, sql: str) -> Any:
    """Logs in, asks one question and returns the first value of its answer."""
    async with await psycopg.AsyncConnection.connect(uri, connect_timeout=10, autocommit=True) as connection:
        cursor = await connection.execute(sql.encode())
        row = await cursor.fetchone() if cursor.description else None
        return row[0] if row else None


@asynccontextmanager
async def playing(
    plane: ControlPlane,
    postgres: PostgresServer | None,
    folder: Path,
    *,
    shared: Shared | None = None,
    scanned: bool = True,
) -> AsyncIterator[Scene]:
    """A fresh scene; at its end nothing secret may have been seen anywhere.

    With `shared` it is that of another cluster of the same account. `scanned` is false where the operator is
    broken, and the test itself says what must be seen of it.
    """
    prefix = f"t{next(_counter)}-{uuid.uuid4().hex[:5]}"
    async with AsyncExitStack() as stack:
        if shared is None:
            emulator = Emulator.start(postgres=postgres, journal=folder / "neon.jsonl")
            shared = Shared(await stack.enter_async_context(emulator), prefix, f"{prefix}-ns")
        neon, prefix, namespace = shared.neon, shared.cluster_id, shared.namespace
        _lay_evidence(folder, plane, cluster_id=prefix, namespace=namespace)
        # Neon's limits are tested where they are the point.
        neon.knobs.requests_per_minute = neon.knobs.requests_per_second_per_route = 0
        cluster = await stack.enter_async_context(Cluster.connect(plane, namespace))
        if await cluster.get("Namespace", namespace) is None:
            await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        kubeconfig = folder / "operator.kubeconfig"
        await installation.write_operator_kubeconfig(plane, kubeconfig)
        audited = plane.audit_log.stat().st_size if plane.audit_log.exists() else 0
        scene = Scene(plane, cluster, neon, folder, kubeconfig, prefix, neon.url, audited_from=audited)
        scene.namespaces.add(namespace)
        scene.key_file.write_text(neon.api_key)
        stack.push_async_callback(scene.stop_operators)
        yield scene
        if scanned:
            await canaries.scan(scene)
        await scene.stop_operators()
        for name in scene.tiers.values():
            if await cluster.get("DatabaseTier", name):
                await cluster.delete("DatabaseTier", name)


def _lay_evidence(folder: Path, plane: ControlPlane, *, cluster_id: str, namespace: str) -> None:
    """What tests/verdict must know to judge this scene."""
    log = plane.audit_log
    (folder / "audit.log").symlink_to(log)
    about = {
        "cluster": cluster_id,
        "namespace": namespace,
        "operator": OPERATOR_USER,
        "audit_begin": log.stat().st_size if log.exists() else 0,
    }
    (folder / "about.json").write_text(json.dumps(about))
