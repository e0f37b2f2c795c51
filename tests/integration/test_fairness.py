"""Nobody waits for a crowd, and Neon's limits hold: counted at Neon, never by times."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from cluster import Cluster
from neon_sandbox.bench.figures import busiest
from scene import Scene, example_tier
from waiting import until

WORKERS = 8
SLOW = {
    "workers": str(WORKERS),
    "requests_per_minute": "300",
    "intent_lifetime": "300",
    "request_timeout": "30",
}
"""Five requests a second, so that the crowd is far from done while the one is served."""


@pytest.fixture
async def quiet(unconnected: Scene) -> AsyncIterator[Cluster]:
    """A second namespace."""
    async with Cluster.connect(unconnected.plane, f"{unconnected.prefix}-quiet-ns") as cluster:
        await cluster.create(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": cluster.namespace}}
        )
        yield cluster


def made(scene: Scene) -> list[str]:
    """The namespaces of the projects, in the order in which Neon made them."""
    return [project.default_branch.annotations["neontenants.io/namespace"] for project in scene.neon.store]


async def until_made(scene: Scene, count: int) -> None:
    async def enough() -> bool:
        return len(made(scene)) >= count

    await until(enough, f"Neon has {count} projects")


async def alone(scene: Scene, cluster: Cluster) -> None:
    """Creates a tenant in the quiet namespace and waits for it."""
    manifest = scene.manifest("alone")
    manifest["metadata"]["namespace"] = cluster.namespace
    await cluster.create(manifest)


@pytest.mark.proves("F65", "T4")
async def test_a_namespace_that_creates_a_thousand_tenants_does_not_delay_another(
    unconnected: Scene, quiet: Cluster
) -> None:
    await asyncio.gather(*(unconnected.create(f"crowd{number}") for number in range(1000)))
    both = f"{unconnected.namespace},{quiet.namespace}"
    await unconnected.start_operator(**SLOW, watch_namespaces=both)
    await until_made(unconnected, 2 * WORKERS)
    await alone(unconnected, quiet)
    before = len(made(unconnected))
    await quiet.until_ready("alone")
    position = made(unconnected).index(quiet.namespace)
    assert position - before <= WORKERS
    assert len(made(unconnected)) < 500  # the crowd was in the middle of it


async def test_a_create_does_not_wait_for_a_tier_change(unconnected: Scene) -> None:
    names = [f"crowd{number}" for number in range(60)]
    await unconnected.start_operator()
    await asyncio.gather(*(unconnected.create(name) for name in names))
    for name in names:
        await unconnected.cluster.until_ready(name)
    await unconnected.stop_operators()
    await unconnected.start_operator(**SLOW)
    spec = example_tier("free")
    spec["quota"]["computeTime"] = "77h"
    await unconnected.cluster.patch("DatabaseTier", unconnected.tiers["free"], {"spec": spec})

    async def under_way() -> bool:
        return unconnected.patches()[0] > 0

    await until(under_way, "the tier reaches its tenants")
    await unconnected.create("alone", tier="pro")
    before = unconnected.patches()[0]
    await until_made(unconnected, len(names) + 1)
    assert unconnected.patches()[0] - before <= WORKERS
    await unconnected.cluster.until_ready("alone")
    assert unconnected.patches()[0] < len(names)  # the change was in the middle of it


@pytest.mark.proves("F65", "I12")
@pytest.mark.long
async def test_no_minute_sees_more_than_our_share_and_neon_never_says_too_many(unconnected: Scene) -> None:
    """With a tenth of Neon's limit, so that the share is used up; the same shares as by default."""
    unconnected.neon.knobs.requests_per_minute = 70
    unconnected.neon.knobs.requests_per_second_per_route = 4
    await unconnected.start_operator(
        requests_per_minute="56", requests_per_second_per_route="3", intent_lifetime="300"
    )
    names = [f"t{number}" for number in range(28)]
    await asyncio.gather(*(unconnected.create(name) for name in names))
    for count in range(len(names)):
        await until_made(unconnected, count + 1)
    for name in names:
        await unconnected.cluster.until_ready(name)
    times = [entry.at for entry in unconnected.neon.requests]
    assert busiest(times, 60.0) <= 56 < len(times)
    assert unconnected.neon.requests.count(status=429) == 0


async def test_a_burst_of_creates_by_default_is_never_refused(unconnected: Scene) -> None:
    unconnected.neon.knobs.requests_per_minute = 700
    unconnected.neon.knobs.requests_per_second_per_route = 40
    await unconnected.start_operator(requests_per_minute="560", requests_per_second_per_route="32")
    names = [f"t{number}" for number in range(20)]
    await asyncio.gather(*(unconnected.create(name) for name in names))
    for name in names:
        await unconnected.cluster.until_ready(name)
    assert unconnected.neon.requests.count(status=429) == 0
