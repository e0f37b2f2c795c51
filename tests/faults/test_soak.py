"""An hour of churn at a time scale of 1:10: what the operator's process holds does not grow.

The operator's intervals are shortened tenfold, and tenants act ten times as often. The clocks of the API
server are real, as is the 300 s after which a watch is begun anew: here they are cut off instead. Neon is the
emulator without PostgreSQL: the operator never logs in anywhere. `--soak-minutes 60` plays ten hours' churn.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest

from scene import Scene
from soak.churn import Churn
from soak.holding import BOUNDS, Holding, growth
from wired import wired

SHORTENED = {
    "sweep_interval": "60",
    "resync_interval": "360",
    "idle_interval": "30",
    "deletion_window": "60",
    "deletions_per_window": "0",
    "request_timeout": "2",
    "retry_max": "30",
    "log_level": "INFO",
}
"""A tenth of the defaults; the brake is off, since deletions are most of the churn."""
THIRDS = 3
LOOKS = 3
"""In each third: what stands at one moment may be on its way out."""


@pytest.mark.long
@pytest.mark.proves("F66")
@pytest.mark.timeout(7200)
async def test_an_hour_of_churn_leaves_nothing_behind_in_the_process(
    unconnected: Scene, request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> None:
    seconds = 60 * float(request.config.getoption("--soak-minutes"))
    async with wired(unconnected) as traffic:
        operator = await unconnected.start_operator(before="soak.counted", **SHORTENED)
        churn = Churn(unconnected, traffic, random.Random(66))
        thirds: list[list[Holding]] = []
        for _third in range(THIRDS):
            looks = []
            for _look in range(LOOKS):
                end = time.monotonic() + seconds / THIRDS / LOOKS
                await churn.live(lambda end=end: time.monotonic() < end)  # type: ignore[misc]
                await churn.rest()
                looks.append(await Holding.of(unconnected))
                record_property("holding", str(looks[-1]))
                print(looks[-1])  # noqa: T201 - the figures of a soak are its result
            thirds.append(looks)
        print(f"{churn.acts} acts, {churn.failures} failures of Neon, {churn.cuts} watches cut")  # noqa: T201
        assert operator.running
        assert churn.failures
        assert churn.cuts
        assert not growth(thirds[1], thirds[2]), growth(thirds[1], thirds[2])
        # That growth would be seen: what the process holds more than one that held nothing.
        assert BOUNDS.keys() == {
            line.split()[0] for line in growth([_nothing()], thirds[2]) if "grew" in line
        }


def _nothing() -> Holding:
    return Holding(0, 0, 0, 0, 0, 0, 0, {})
