"""Any life of two tenants: arbitrary acts of users and of people in Neon's console, with faults meanwhile.

`make chaos` plays 150 stories; `make test` six. A failure names a story as short as could be found: replay it
with `pytest tests/faults/test_any_life.py -k replay --replay "faults 7 | one create free Delete | crash"`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded

from life.play import play, shrunk
from life.story import Story, stories
from neon_sandbox.controlplane import ControlPlane
from neon_sandbox.emulator.postgres.server import PostgresServer
from sweep.side import AT_ONCE


class Stage:
    """Plays stories side by side."""

    def __init__(self, plane: ControlPlane, postgres: PostgresServer, folder: Path) -> None:
        self._plane = plane
        self._postgres = postgres
        self._folder = folder
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._played = 0

    async def all(self, stories: list[Story], *, rounds: int = 2) -> None:
        """Plays them; where some fail, the first is shortened and told."""
        verdicts = await self.verdicts(stories)
        bad = [(story, verdict) for story, verdict in zip(stories, verdicts, strict=True) if verdict]
        if not bad:
            return

        async def fails(shorter: list[Story]) -> list[bool]:
            return [bool(verdict) for verdict in await self.verdicts(shorter)]

        short = await shrunk(bad[0][0], fails, rounds=rounds)
        told = "\n".join(f"{story}\n    " + "\n    ".join(verdict) for story, verdict in bad)
        pytest.fail(
            f"{len(bad)} of {len(stories)} stories failed:\n{told}\nshortened: {short}", pytrace=False
        )

    async def verdicts(self, stories: list[Story]) -> list[list[str]]:
        """What did not hold, for each."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._one(story)) for story in stories]
        return [task.result() for task in tasks]

    async def _one(self, story: Story) -> list[str]:
        async with self._gate:
            self._played += 1
            folder = self._folder / str(self._played)
            folder.mkdir()
            try:
                return await play(self._plane, self._postgres, folder, story)
            except AssertionError as error:
                return [str(error)[:2000]]


def drawn(seeds: range, longest: int) -> list[Story]:
    """One story of hypothesis' for each seed: those of one run would be variations of each other."""
    return [_drawn(seed, longest) for seed in seeds]


def _drawn(seed: int, longest: int) -> Story:
    found: list[Story] = []

    @seeded(seed)
    @settings(
        max_examples=2,  # the first one is hypothesis' simplest
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(stories(longest))
    def draw(story: Story) -> None:
        found.append(story)

    draw()
    return found[-1]


@pytest.fixture
def stage(plane: ControlPlane, postgres: PostgresServer, tmp_path: Path) -> Stage:
    return Stage(plane, postgres, tmp_path)


@pytest.mark.proves("F35", "F36", "F37", "F39", "I1", "I2", "I3", "I4", "I5", "I6", "I7")
@pytest.mark.timeout(400)
async def test_whatever_people_do_each_tenant_keeps_one_project_with_its_data(stage: Stage) -> None:
    await stage.all(drawn(range(6), 10))


@pytest.mark.long
@pytest.mark.proves("F35", "F36", "F37", "F39", "I1", "I2", "I3", "I4", "I5", "I6", "I7")
@pytest.mark.timeout(3600)
async def test_whatever_people_do_at_length_each_tenant_keeps_one_project_with_its_data(stage: Stage) -> None:
    await stage.all(drawn(range(100, 250), 14))


async def test_replay(stage: Stage, request: pytest.FixtureRequest) -> None:
    text = request.config.getoption("--replay")
    if not text:
        pytest.skip("Name a story with --replay.")
    await stage.all([Story.parse(text)], rounds=0)
