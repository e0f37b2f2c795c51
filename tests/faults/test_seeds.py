"""SIGKILL of the real process at random times, and random faults at random requests.

`make chaos` plays 200 and 100 seeds; `make test` 10 and 5. A failure names its seed: replay it with
`pytest tests/faults/test_seeds.py -k replay --replay "seed 17"`.
"""

from __future__ import annotations

import pytest

from sweep.seeds import KILLED, MIXED, Seed
from sweep.side import Sweep


async def played(sweep: Sweep, seeds: list[Seed]) -> None:
    await sweep.all(seeds, await sweep.references(seed.workload for seed in seeds))


@pytest.mark.proves("F01", "F02", "F05")
@pytest.mark.timeout(400)
async def test_kills_at_random_times_change_nothing_but_time(sweep: Sweep) -> None:
    seeds = [Seed(KILLED, number) for number in range(10)]
    await played(sweep, seeds)
    assert sweep.injected == sum(len(seed.kills().at) for seed in seeds)


@pytest.mark.proves("F10", "F11", "F12", "F14", "F30", "F31")
@pytest.mark.timeout(400)
async def test_random_faults_at_random_requests_change_nothing_but_time(sweep: Sweep) -> None:
    seeds = [Seed(MIXED, number) for number in range(5)]
    await played(sweep, seeds)
    assert sweep.injected >= len(seeds)


@pytest.mark.long
@pytest.mark.proves("F01", "F02", "F05")
@pytest.mark.timeout(3600)
async def test_two_hundred_seeds_of_kills_change_nothing_but_time(sweep: Sweep) -> None:
    await played(sweep, [Seed(KILLED, number) for number in range(200)])


@pytest.mark.long
@pytest.mark.proves("F10", "F11", "F12", "F14", "F30", "F31")
@pytest.mark.timeout(3600)
async def test_a_hundred_seeds_of_random_faults_change_nothing_but_time(sweep: Sweep) -> None:
    await played(sweep, [Seed(MIXED, number) for number in range(100)])


async def test_replay(sweep: Sweep, request: pytest.FixtureRequest) -> None:
    text = request.config.getoption("--replay")
    if not text:
        pytest.skip("Name a seed with --replay.")
    await played(sweep, [Seed.parse(text)])
