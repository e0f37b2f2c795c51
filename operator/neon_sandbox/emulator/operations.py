"""Operations: what a request schedules, and the lock they put on their project."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from neon_sandbox.emulator import errors
from neon_sandbox.emulator.background import Background
from neon_sandbox.emulator.clock import Clock
from neon_sandbox.emulator.hosting import Hosting, HostingError
from neon_sandbox.emulator.knobs import Knobs
from neon_sandbox.emulator.names import Names
from neon_sandbox.emulator.state import Operation, Project

_SCHEDULING_SHARE = 0.2
"""The part of a chain's time that its first operation spends as `scheduling`."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operation to come."""

    action: str
    branch_id: str | None = None
    endpoint_id: str | None = None
    work: Callable[[], Awaitable[None]] | None = None
    """What has to be done in PostgreSQL; the operation is not finished before it is."""
    late: bool = False
    """Whether the work is done at the end of the operation's time, not at its beginning."""
    done: Callable[[], None] | None = None
    """Called at the moment when the operation is finished."""


class Operations:
    """Runs the operations of each request one after the other: scheduling, running, finished."""

    def __init__(
        self, knobs: Knobs, clock: Clock, names: Names, background: Background, hosting: Hosting
    ) -> None:
        self._knobs = knobs
        self._clock = clock
        self._names = names
        self._background = background
        self._hosting = hosting
        self._released = asyncio.Event()

    @staticmethod
    def require_idle(project: Project) -> None:
        """Raises ApiError 423 while operations of the project are under way."""
        if project.running:
            raise errors.locked()

    def schedule(
        self, project: Project, steps: Sequence[Step], *, settled: Callable[[], None] | None = None
    ) -> list[Operation]:
        """Starts the steps as one chain and locks the project until its end.

        `settled` is called at the end however the chain went. Without any time to take and
        anything to do the whole chain is finished on return.
        """
        now = self._clock.now()
        operations = [
            Operation(
                id=self._names.uuid(),
                project_id=project.id,
                action=step.action,
                branch_id=step.branch_id,
                endpoint_id=step.endpoint_id,
                created_at=now,
                updated_at=now,
            )
            for step in steps
        ]
        project.operations.extendleft(operations)
        chain = list(zip(operations, steps, strict=True))
        if not chain:
            if settled is not None:
                settled()
        elif self._immediate(steps):
            for operation, step in chain:
                self._finish(operation, step)
            if settled is not None:
                settled()
        else:
            project.running += len(chain)
            self._background.start(self._run(project, chain, settled))
        return operations

    def release(self) -> None:
        """Lets operations that are stuck go on to their end."""
        self._released.set()
        self._released = asyncio.Event()

    def _immediate(self, steps: Sequence[Step]) -> bool:
        return (
            self._knobs.operation_seconds == 0
            and self._knobs.operation_outcome == "finished"
            and not (self._hosting.physical and any(step.work for step in steps))
        )

    async def _run(
        self, project: Project, chain: list[tuple[Operation, Step]], settled: Callable[[], None] | None
    ) -> None:
        total = self._knobs.operation_seconds
        running = self._clock.now() + total * _SCHEDULING_SHARE
        share = total * (1 - _SCHEDULING_SHARE) / len(chain)
        try:
            await self._clock.sleep_until(running)
            for number, (operation, step) in enumerate(chain, start=1):
                if not await self._perform(operation, step, running + number * share):
                    break
        finally:
            for operation, _ in chain:
                if operation.finished_at is None:
                    self._end(operation, "cancelled")
            project.running -= len(chain)
            if settled is not None:
                settled()

    async def _perform(self, operation: Operation, step: Step, until: float) -> bool:
        """Runs one step, which takes until `until` at the least; returns whether the next may follow."""
        outcome = self._knobs.operation_outcome
        operation.status = "running"
        operation.started_at = operation.updated_at = self._clock.now()
        if outcome == "stuck":
            await self._released.wait()
        elif outcome != "finished":
            await self._clock.sleep_until(until)
            operation.failures_count = 1
            operation.error = f"{step.action} was made to end as {outcome} by the sandbox"
            self._end(operation, outcome)
            return False
        try:
            await self._spend(until, step)
        except HostingError as error:
            operation.failures_count = 1
            operation.error = str(error)
            self._end(operation, "failed")
            return False
        self._finish(operation, step)
        return True

    async def _spend(self, until: float, step: Step) -> None:
        if step.late:
            await self._clock.sleep_until(until)
        if step.work is not None:
            await step.work()
        await self._clock.sleep_until(until)

    def _finish(self, operation: Operation, step: Step) -> None:
        if step.done is not None:
            step.done()
        self._end(operation, "finished")

    def _end(self, operation: Operation, status: str) -> None:
        operation.status = status
        operation.updated_at = operation.finished_at = self._clock.now()
