"""All parts together on this machine: Kubernetes, Neon, and the operator between them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from neon_sandbox import installation
from neon_sandbox.child import Child
from neon_sandbox.controlplane import Binaries, ControlPlane
from neon_sandbox.emulator import Emulator, PostgresServer

CLUSTER_ID: Final = "sandbox"
SHORT_TIMES: Final = {
    "intent_lifetime": "8",
    "request_timeout": "2",
    "retry_max": "5",
    "listen": "127.0.0.1:0",
    "leader_elect": "false",
}
"""A create that a crash cut off goes on after eight seconds here; 300 is the default. Nobody waits for the
Lease of an operator that was killed."""


@dataclass
class Stack:
    """What runs."""

    plane: ControlPlane
    postgres: PostgresServer
    neon: Emulator
    folder: Path
    operators: list[Child] = field(default_factory=list)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    @classmethod
    @asynccontextmanager
    async def start(cls, binaries: Binaries) -> AsyncIterator[Self]:
        """Kubernetes with CRDs and tiers, and Neon; no operator yet. All of it ends with the block."""
        async with AsyncExitStack() as stack:
            plane = await stack.enter_async_context(ControlPlane.start(binaries))
            postgres = await stack.enter_async_context(PostgresServer.start())
            postgres.disposable = True
            neon = await stack.enter_async_context(Emulator.start(postgres=postgres))
            folder = await installation.furnish(plane, neon)
            running = cls(plane, postgres, neon, folder)
            # Last in, first out: the operator ends before the servers that it talks to.
            stack.push_async_callback(running._stack.aclose)
            yield running

    async def start_operator(self, **changes: str) -> Child:
        """Starts an operator under its own service account, with short times."""
        child = await self._stack.enter_async_context(
            installation.operator(
                self.folder,
                login=installation.as_pod(self.plane, self.folder / installation.LOGIN),
                settings={**self.operator_settings(), **changes},
                name=f"operator-{len(self.operators)}",
            )
        )
        self.operators.append(child)
        return child

    def operator_settings(self) -> Mapping[str, str]:
        """The operator's settings, as NEON_TENANTS_ variables without that prefix."""
        return {
            "cluster_id": CLUSTER_ID,
            "api_key_file": str(self.folder / "api-key"),
            "api_url": self.neon.url,
            **SHORT_TIMES,
        }

    def check(self) -> None:
        """Raises ChildFailedError if a part has ended by itself."""
        self.plane.check()
        for operator in self.operators[-1:]:
            operator.check()
