"""Hands off: why nothing may be changed in a namespace, or nowhere."""

from __future__ import annotations

import logging
from typing import Final

from neon_tenants.api import names
from neon_tenants.core.api_server import ApiServer
from neon_tenants.core.lane import Lane
from neon_tenants.kube.client import KubeClient
from neon_tenants.kube.namespaces import Namespaces
from neon_tenants.kube.state import State
from neon_tenants.queue import Queue
from neon_tenants.roster import Roster

logger = logging.getLogger(__name__)

_KEY: Final = "apiServer"


class Pauses:
    """The pauses of more than one resource.

    | who says so | until |
    |---|---|
    | the API server is not the one that was recorded | a person confirms it (T21) |
    | the setting `paused` | the operator is started without it |
    | the annotation `neontenants.io/paused` on the Namespace | it is removed |
    """

    def __init__(
        self,
        *,
        kube: KubeClient,
        namespaces: Namespaces,
        state: State,
        roster: Roster,
        queue: Queue,
        paused: bool,
    ) -> None:
        self._kube = kube
        self._namespaces = namespaces
        self._state = state
        self._roster = roster
        self._queue = queue
        self._paused = paused
        self._stranger: ApiServer | None = None

    @property
    def by_setting(self) -> bool:
        """Whether the operator was started with --paused."""
        return self._paused

    @property
    def report_only(self) -> str | None:
        """Why nothing is written to Neon until a person confirms; None in the ordinary case."""
        if self._stranger is None:
            return None
        return (
            "This is not the API server on which this operator worked before (a copy, perhaps): nothing is "
            "changed, only reported. If it is meant, an administrator confirms it with "
            f"`neon-tenant-operator confirm-api-server {self._stranger.code}`."
        )

    @property
    def everywhere(self) -> str | None:
        """Why nothing is changed anywhere; None where work goes on."""
        if self._paused:
            return "The operator was started with --paused: nothing is changed. Start it without to go on."
        return self.report_only

    async def of(self, namespace: str) -> str | None:
        """Why nothing is changed in a namespace; None where work goes on. Raises KubeError."""
        if everywhere := self.everywhere:
            return everywhere
        if await self._namespaces.is_paused(namespace):
            return (
                f"The annotation {names.PAUSED} of the Namespace {namespace} is true: nothing is changed. "
                "Remove it to go on."
            )
        return None

    async def meet(self) -> None:
        """Compares the API server with the recorded one; records it where it is the first, or the same.

        Raises:
            KubeError: it could not be read or recorded.
        """
        found = await self._found()

        def decide(stored: str | None) -> str:
            recorded = ApiServer.decode(stored)
            if recorded is None:
                return found.encode()
            return recorded.merged(found).encode() if recorded.is_same(found) else stored or ""

        self._state.forget()
        recorded = ApiServer.decode(await self._state.change(_KEY, decide))
        known = recorded is not None and recorded.is_same(found)
        self._stranger = None if known else found
        if not known:
            logger.error("Another API server: nothing is written to Neon.", extra={"why": self.report_only})

    async def confirm(self, code: str) -> bool:
        """A person confirmed the API server with this code; whether it is this one. Raises KubeError."""
        found = await self._found()
        if code != found.code:
            return False
        await self._state.change(_KEY, lambda _: found.encode())
        self._stranger = None
        logger.warning("A person confirmed this API server: work goes on.")
        for key in self._roster.all_keys():
            self._queue.add(key, Lane.SWEEP)
        return True

    async def _found(self) -> ApiServer:
        return ApiServer(await self._namespaces.uid("kube-system"), await self._kube.authorities())
