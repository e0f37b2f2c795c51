"""Every fault at every write, on real servers, with the operator that ships.

`make chaos` plays all pairs; `make test` a sample. A failure names its case: replay it with
`pytest tests/faults/test_sweep.py -k replay --replay "create | POST projects | 1 | answer lost"`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest

from fault import Mode, no_faults, occurrences
from neon_sandbox.controlplane import ControlPlane
from neon_sandbox.emulator.postgres.server import PostgresServer
from sweep.plan import Case, every, sampled
from sweep.run import Run, differences, play
from sweep.workloads import WORKLOADS

AT_ONCE: Final = 12
"""Worlds that are played at a time: most of each is waiting."""


class Sweep:
    """Plays cases side by side, and keeps what came of each."""

    def __init__(self, plane: ControlPlane, postgres: PostgresServer, folder: Path) -> None:
        self._plane = plane
        self._postgres = postgres
        self._folder = folder
        self._gate = asyncio.Semaphore(AT_ONCE)
        self.failed: list[str] = []
        self.injected = 0

    async def reference(self, workload: str) -> Run:
        """The run without faults."""
        folder = self._folder / f"reference {workload}"
        folder.mkdir()
        return await play(self._plane, self._postgres, folder, WORKLOADS[workload], no_faults)

    async def all(self, cases: Sequence[Case], references: Mapping[str, Run]) -> None:
        """Plays them all; what is wrong stands in `failed`."""
        async with asyncio.TaskGroup() as group:
            for case in cases:
                group.create_task(self._one(case, references[case.workload]))
        assert not self.failed, f"{len(self.failed)} of {len(cases)} cases failed:\n" + "\n".join(self.failed)

    async def _one(self, case: Case, reference: Run) -> None:
        async with self._gate:
            folder = self._folder / str(case).replace("/", "_")
            folder.mkdir()
            script = case.script()
            try:
                run = await play(self._plane, self._postgres, folder, WORKLOADS[case.workload], script)
            except AssertionError as error:
                self.failed.append(f"{case}\n    {str(error)[:2000]}")
                return
        self.injected += len(run.injected)
        self.failed += [f"{case}\n    {difference}" for difference in differences(run, reference)]


@pytest.fixture
def sweep(plane: ControlPlane, postgres: PostgresServer, tmp_path: Path) -> Sweep:
    return Sweep(plane, postgres, tmp_path)


@pytest.mark.proves("F01", "F03", "F04", "F10", "F11", "F12", "F30", "F31")
@pytest.mark.timeout(400)
async def test_a_fault_at_a_write_changes_nothing_but_time(sweep: Sweep) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = {name: group.create_task(sweep.reference(name)) for name in WORKLOADS}
    references = {name: task.result() for name, task in tasks.items()}
    cases = sampled({name: occurrences(reference.requests) for name, reference in references.items()})
    assert all(cases.values())
    assert {case.mode for several in cases.values() for case in several} == set(Mode)
    await sweep.all([case for several in cases.values() for case in several], references)


@pytest.mark.long
@pytest.mark.proves("F01", "F03", "F04", "F10", "F11", "F12", "F30", "F31")
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", WORKLOADS)
async def test_every_fault_at_every_write_changes_nothing_but_time(sweep: Sweep, name: str) -> None:
    reference = await sweep.reference(name)
    cases = every(name, occurrences(reference.requests))
    assert cases
    await sweep.all(cases, {name: reference})


async def test_replay(sweep: Sweep, request: pytest.FixtureRequest) -> None:
    text = request.config.getoption("--replay")
    if not text:
        pytest.skip("Name a case with --replay.")
    case = Case.parse(text)
    await sweep.all([case], {case.workload: await sweep.reference(case.workload)})
