"""Cases side by side: each in a world of its own, compared with the run without faults."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from fault import At, Script, no_faults, occurrences
from neon_sandbox.controlplane import ControlPlane
from neon_sandbox.emulator.postgres.server import PostgresServer
from sweep.run import STATUS, NeverMetError, Run, differences, play
from sweep.workloads import WORKLOADS

AT_ONCE: Final = 12
"""Worlds that are played at a time: most of each is waiting."""


class Playable(Protocol):
    """A workload and its faults. Its text plays it again."""

    @property
    def workload(self) -> str:
        """The name of the workload."""

    def script(self) -> Script:
        """The faults, for a traffic."""


class Sweep:
    """Plays cases side by side, and keeps what came of each."""

    def __init__(self, plane: ControlPlane, postgres: PostgresServer, folder: Path) -> None:
        self._plane = plane
        self._postgres = postgres
        self._folder = folder
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._numbers = itertools.count(1)
        self.failed: list[str] = []
        self.injected = 0

    async def reference(self, workload: str) -> Run:
        """The run without faults."""
        async with self._gate:
            folder = self._folder / f"reference {next(self._numbers)} {workload}"
            folder.mkdir()
            return await play(self._plane, self._postgres, folder, WORKLOADS[workload], no_faults)

    async def references(self, workloads: Iterable[str]) -> dict[str, Run]:
        """The runs of several workloads without faults."""
        async with asyncio.TaskGroup() as group:
            tasks = {name: group.create_task(self.reference(name)) for name in sorted(set(workloads))}
        return {name: task.result() for name, task in tasks.items()}

    async def all(self, cases: Sequence[Playable], references: Mapping[str, Run]) -> None:
        """Plays them all; what is wrong stands in `failed`."""
        async with asyncio.TaskGroup() as group:
            for case in cases:
                group.create_task(self._one(case, references[case.workload]))
        assert not self.failed, f"{len(self.failed)} of {len(cases)} cases failed:\n" + "\n".join(self.failed)

    async def _one(self, case: Playable, reference: Run) -> None:
        script = case.script()
        try:
            run = await self._spoiled(case, script)
        except NeverMetError as error:
            if not await self._is_unsteady(case.workload, script):
                self.failed.append(f"{case}\n    {error}")
            return
        except AssertionError as error:
            self.failed.append(f"{case}\n    {str(error)[:2000]}")
            return
        self.injected += len(run.injected)
        self.failed += [f"{case}\n    {difference}" for difference in differences(run, reference)]

    async def _spoiled(self, case: Playable, script: Script) -> Run:
        async with self._gate:
            folder = self._folder / str(case).replace("/", "_")
            folder.mkdir()
            return await play(self._plane, self._postgres, folder, WORKLOADS[case.workload], script)

    async def _is_unsteady(self, workload: str, script: Script) -> bool:
        """Whether a run without faults does without this write of a status at times.

        On a busy machine what takes too long is told of, and the run that gave the list of writes may have
        told. Every other write is made by each run.
        """
        if not isinstance(script, At) or script.kind != STATUS:
            return False
        runs = [await self.reference(workload) for _ in range(2)]
        return any((script.kind, script.occurrence) not in occurrences(run.requests) for run in runs)
