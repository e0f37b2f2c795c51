"""Computes: active, idle, disabled, out of quota; and who may connect to them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from neon_sandbox.emulator import sizes
from neon_sandbox.emulator.clock import Clock
from neon_sandbox.emulator.errors import ApiError
from neon_sandbox.emulator.state import Endpoint, Project
from neon_sandbox.emulator.store import Store

# The texts and codes of Neon's proxy: its control plane's user-facing messages.
_NOT_FOUND = (
    "The requested endpoint could not be found, or you don't have access to it. "
    "Please check the provided ID and try again."
)
_DISABLED = "The endpoint has been disabled. Enable it using Neon API and retry."
_NOT_READY = (
    "Control plane request failed: endpoint is temporarily unavailable. "
    "Check your quotas and/or contact our support."
)
_QUOTA = "Your account or project has exceeded the quota. Upgrade your plan to increase limits."
_COMPUTE_TIME_QUOTA = (
    "Your account or project has exceeded the compute time quota. Upgrade your plan to increase limits."
)
_INTERNAL_ERROR = "XX000"
_INSUFFICIENT_RESOURCES = "53000"


class Refused(Exception):  # noqa: N818  # it is an answer, not a fault
    """A connection that the proxy does not let through."""

    def __init__(self, sqlstate: str, message: str) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.message = message


@dataclass(frozen=True, slots=True)
class Admission:
    """A connection that may go on to PostgreSQL."""

    branch_id: str
    read_only: bool
    """Whether its transactions begin as read only."""


def quota_message(exceeded: str) -> str:
    """What Neon says to a client when this quota is used up."""
    return _COMPUTE_TIME_QUOTA if exceeded == "compute_time_seconds" else _QUOTA


class Computes:
    """The states of all endpoints. Going idle is worked out when somebody looks."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._sessions: Counter[str] = Counter()
        self._held: dict[str, asyncio.Event] = {}

    def settle(self, endpoint: Endpoint) -> Endpoint:
        """Brings `state` and `last_active` up to now: without connections a compute goes idle."""
        if endpoint.state != "active":
            return endpoint
        now = self._clock.now()
        if self._sessions[endpoint.id] > 0:
            endpoint.last_active = now
            return endpoint
        timeout = sizes.effective_suspend_timeout(endpoint.suspend_timeout_seconds)
        since = endpoint.last_active or now
        if timeout is not None and now >= since + timeout:
            endpoint.state = "idle"
            endpoint.suspended_at = since + timeout
        return endpoint

    def start(self, endpoint: Endpoint) -> None:
        """It runs from now on."""
        endpoint.pending_state = None
        endpoint.state = "active"
        endpoint.started_at = endpoint.last_active = self._clock.now()

    def stop(self, endpoint: Endpoint) -> None:
        """It is idle from now on; its connections are somebody else's to end."""
        endpoint.pending_state = None
        if endpoint.state != "idle":
            endpoint.state = "idle"
            endpoint.suspended_at = self._clock.now()

    def hold(self, endpoints: Iterable[Endpoint]) -> None:
        """New connections wait until `release`: a compute that restarts is late, not gone."""
        for endpoint in endpoints:
            self._held.setdefault(endpoint.id, asyncio.Event())

    def release(self, endpoints: Iterable[Endpoint]) -> None:
        """Lets those go on that wait."""
        for endpoint in endpoints:
            held = self._held.pop(endpoint.id, None)
            if held is not None:
                held.set()

    def sessions(self, endpoint: Endpoint) -> int:
        """How many connections it has."""
        return self._sessions[endpoint.id]

    async def admit(self, endpoint: Endpoint) -> Admission:
        """Lets one connection in and wakes an idle compute; `leave` must follow. Raises Refused."""
        project = self._open_to_connections(endpoint)
        while (held := self._held.get(endpoint.id)) is not None:
            await held.wait()
            project = self._open_to_connections(endpoint)
        if self.settle(endpoint).state == "init":
            raise Refused(_INTERNAL_ERROR, _NOT_READY)
        if endpoint.state == "idle":
            self.start(endpoint)
        endpoint.last_active = self._clock.now()
        self._sessions[endpoint.id] += 1
        return Admission(
            branch_id=endpoint.branch_id,
            read_only=endpoint.type == "read_only" or project.out_of_space(),
        )

    def leave(self, endpoint: Endpoint) -> None:
        """A connection has ended; from now on the compute may go idle."""
        self._sessions[endpoint.id] -= 1
        if self._sessions[endpoint.id] <= 0:
            del self._sessions[endpoint.id]
        endpoint.last_active = self._clock.now()

    def _open_to_connections(self, endpoint: Endpoint) -> Project:
        try:
            project = self._store.project(endpoint.project_id)
        except ApiError as error:
            raise Refused(_INTERNAL_ERROR, _NOT_FOUND) from error
        if endpoint.id not in project.endpoints:
            raise Refused(_INTERNAL_ERROR, _NOT_FOUND)
        if endpoint.disabled:
            raise Refused(_INTERNAL_ERROR, _DISABLED)
        exceeded = project.exceeded()
        if exceeded is not None:
            raise Refused(_INSUFFICIENT_RESOURCES, quota_message(exceeded))
        return project
