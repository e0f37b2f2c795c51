"""FleetOperations, carried out: one at a time, target by target, and where it was left after a restart.

Every deed is safe to repeat, so a result that was not stored yet before a crash is found again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final, TypeAlias

from neon_tenants.api.conditions import Condition
from neon_tenants.api.fleet_operation import (
    MAX_MESSAGE,
    FleetOperationStatus,
    Operation,
    Outcome,
    Phase,
    Result,
)
from neon_tenants.core import operation as core
from neon_tenants.core.lane import Lane
from neon_tenants.core.operation import Asked, End
from neon_tenants.kube.errors import ConflictError, KubeError, NotFoundError
from neon_tenants.kube.fleet_operations import FleetOperations
from neon_tenants.neon.errors import NeonError
from neon_tenants.neon.turn import Turn, taking_turns

logger = logging.getLogger(__name__)

AT_ONCE: Final = 8
"""Targets of an operation that are worked on at the same time."""
STORE_EVERY: Final = 1.0
"""Seconds between two writes of the status: a thousand results are no thousand writes."""
RETRIES: Final = (1.0, 2.0, 5.0, 10.0, 20.0)
"""Seconds before each further try of a target, or of a write of the status."""
BLOCKED_AGAIN: Final = 10.0
"""Seconds between looks while nothing may be changed."""

Deed: TypeAlias = Callable[[Asked, str], Awaitable[End]]
"""Does one target, or only checks it in a dry run. Raises NeonError and KubeError; safe to repeat."""


class Operations:
    """The operations that wait, and the one that runs."""

    def __init__(
        self,
        *,
        store: FleetOperations,
        deeds: Mapping[Operation, Deed],
        cluster: str,
        blocked: Callable[[], str | None],
        wall_time: Callable[[], str],
    ) -> None:
        self._store = store
        self._deeds = deeds
        self._cluster = cluster
        self._blocked = blocked
        self._wall_time = wall_time
        self._waiting: dict[str, Asked] = {}
        self._news = asyncio.Event()

    def told(self, asked: Asked) -> None:
        """The watch tells of an operation."""
        ours = asked.spec.cluster in (None, self._cluster)
        if ours and asked.status.phase not in (Phase.SUCCEEDED, Phase.FAILED):
            self._waiting[asked.name] = asked
            self._news.set()

    def gone(self, name: str) -> None:
        """The operation was deleted: it is not begun any more. One that runs ends at its next write."""
        self._waiting.pop(name, None)

    async def run(self) -> None:
        """Carries out what comes, the oldest first, until it is cancelled."""
        while True:
            asked = self._next()
            if asked is None:
                await self._tell_blocked()
                self._news.clear()
                try:
                    async with asyncio.timeout(BLOCKED_AGAIN if self._waiting else None):
                        await self._news.wait()
                except TimeoutError:
                    self._news.clear()
                continue
            del self._waiting[asked.name]
            try:
                await self._carry_out(asked)
            except KubeError as error:
                logger.warning(
                    "An operation was interrupted.", extra={"operation": asked.name, "why": str(error)}
                )
                self._waiting.setdefault(asked.name, asked)
                await asyncio.sleep(RETRIES[0])

    def _next(self) -> Asked | None:
        """The oldest that may run now. Only a confirmation may while nothing else may."""
        oldest = sorted(self._waiting.values(), key=lambda asked: (asked.created, asked.name))
        blocked = self._blocked() is not None
        confirms = Operation.CONFIRM_API_SERVER
        return next((a for a in oldest if not blocked or a.spec.operation is confirms), None)

    async def _tell_blocked(self) -> None:
        """Says what the others wait for."""
        why = self._blocked()
        for name, asked in list(self._waiting.items()):
            if (
                why is None
                or asked.status.message == why[:MAX_MESSAGE]
                or asked.status.phase is Phase.RUNNING
            ):
                continue
            message = why[:MAX_MESSAGE]
            status = FleetOperationStatus(
                phase=Phase.PENDING,
                message=message,
                observed_generation=asked.generation,
                conditions=self._conditions(asked, Phase.PENDING, message),
            )
            try:
                await self._store.write_status(asked, status)
            except KubeError as error:
                logger.info("An operation's status was not written: %s", error)
            self._waiting[name] = replace(asked, status=status)

    async def _carry_out(self, told: Asked) -> None:
        asked = await self._store.get(told.name)
        if asked is None or asked.uid != told.uid or asked.status.phase in (Phase.SUCCEEDED, Phase.FAILED):
            return
        logger.info("An operation begins.", extra={"operation": asked.name, "kind": asked.spec.operation})
        results = list(asked.status.results)
        running = self._status(asked, Phase.RUNNING, results)
        await self._store.write_status(asked, running)
        asked = replace(asked, status=running)  # its times stay
        targets = iter(asked.left)

        async def work() -> None:
            for target in targets:
                end = await self._do(asked, target)
                results.append(end.of(target))

        # The requests of all targets go behind those for which a person waits.
        with taking_turns(Turn(Lane.REPAIR)):
            working = asyncio.gather(*(work() for _ in range(AT_ONCE)))
        try:
            stored = len(results)
            while not working.done():
                await asyncio.wait({working}, timeout=STORE_EVERY)
                if not working.done() and len(results) > stored:
                    stored = len(results)
                    await self._store.write_status(asked, self._status(asked, Phase.RUNNING, results))
            await working
        except (NotFoundError, ConflictError):
            logger.info("An operation was deleted while it ran.", extra={"operation": asked.name})
            return
        finally:
            working.cancel()
        failed = any(result.outcome is Outcome.FAILED for result in results)
        end = Phase.FAILED if failed else Phase.SUCCEEDED
        await self._store.write_status(asked, self._status(asked, end, results))
        logger.info("An operation has ended.", extra={"operation": asked.name, "phase": end})

    def _status(self, asked: Asked, phase: Phase, results: list[Result]) -> FleetOperationStatus:
        ended = phase is not Phase.RUNNING
        order = {target: number for number, target in enumerate(asked.targets)}
        found = core.counts(len(asked.targets), results)
        return FleetOperationStatus(
            phase=phase,
            started_at=asked.status.started_at or self._wall_time(),
            finished_at=self._wall_time() if ended else None,
            counts=found,
            results=sorted(results, key=lambda result: order.get(result.target, 0)),
            observed_generation=asked.generation,
            conditions=self._conditions(asked, phase, core.told(found)),
        )

    def _conditions(self, asked: Asked, phase: Phase, message: str) -> list[Condition]:
        return core.conditions(
            asked.status.conditions, phase, message, generation=asked.generation, wall_time=self._wall_time()
        )

    async def _do(self, asked: Asked, target: str) -> End:
        """One target, tried again a few times where the reason may pass by itself."""
        end = core.failed("It was not tried.")
        for delay in (*RETRIES, None):
            wait = delay
            try:
                return await self._deeds[asked.spec.operation](asked, target)
            except NeonError as error:
                end = core.failed(error.failure.message)
                if error.failure.stalled:
                    return end
                wait = None if delay is None else max(delay, error.failure.retry_after or 0.0)
            except KubeError as error:
                end = core.failed(str(error))
            if wait is not None:
                await asyncio.sleep(wait)
        return end
