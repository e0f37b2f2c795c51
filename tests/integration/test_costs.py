"""What each kind of work may cost a tenant, counted: a budget that no change may overdraw unseen.

| work | writes | reads | Neon | events | passes |
|---|---|---|---|---|---|
| create, in a crowd | 3 | 1 | 2.2 | 3 | 2.1 |
| a changed tier | 1 | 1 | 3.5 | 1 | 2.1 |
| delete, in a crowd | 2 | 2 | 1.5 | 2 | 1.1 |
| an hour of rest: a look in passing | 0 | 2 | 0 | 0 | 1 |
| a sweep | 0 | 0 | 0 | 0 | 0 |
| a restart | 0 | 0 | 0 | 0 | 0 |

Writes and reads are of Kubernetes. Beside them stand a list for 400 projects a sweep, a page of a list for
500 tenants and the question whose the API key is a restart, and what is written of a tier or of the brake,
however many tenants it has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from cluster import is_ready
from scene import OPERATOR_USER, Scene, example_tier
from waiting import until
from work_counted import EVENT, PASS

TENANTS = 60
OURS = ("tenantdatabases", "secrets")


@dataclass(frozen=True)
class Costs:
    """Of all tenants together."""

    writes: int = 0
    reads: int = 0
    neon: int = 0
    events: int = 0
    passes: int = 0

    def __sub__(self, other: Costs) -> Costs:
        return Costs(*(getattr(self, n) - getattr(other, n) for n in self.__dataclass_fields__))


def costs(scene: Scene) -> Costs:
    ours = [
        r
        for r in scene.plane.requests(scene.audited_from)
        if r.user == OPERATOR_USER and r.resource in OURS and r.namespace == scene.namespace and r.name
    ]
    numbers = range(len(scene.operators))
    messages = [line["message"] for number in numbers for line in scene.log_lines(number)]
    writes = [r for r in scene.writes() if r.resource in OURS]
    return Costs(
        len(writes),
        sum(r.verb == "get" for r in ours),
        scene.neon.requests.count(),
        messages.count(EVENT),
        messages.count(PASS),
    )


class Meter:
    """What was spent since the last reading."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._before = costs(scene)

    def read(self) -> Costs:
        now = costs(self._scene)
        spent, self._before = now - self._before, now
        return spent


def within(spent: Costs, *, tenants: int = TENANTS, **each: float) -> None:
    """No tenant has cost more than this, on average; and the writes are what they must be."""
    for name in Costs.__dataclass_fields__:
        most = each.get(name, 0) * tenants
        assert getattr(spent, name) <= most, f"{name}: {spent}, at most {each.get(name, 0)} each"
    assert spent.writes == each.get("writes", 0) * tenants


async def test_no_work_costs_more_than_its_budget(unconnected: Scene) -> None:
    scene, names = unconnected, [f"t{number}" for number in range(TENANTS)]
    await scene.create_tier("plan", example_tier("free"))
    # Long times: a request that is given up on a busy machine costs another, and so does a look in passing.
    long = {
        "intent_lifetime": "300",
        "request_timeout": "60",
        "resync_interval": "86400",
        "deletions_per_window": "0",
    }
    await scene.start_operator(before="work_counted", **long)
    meter = Meter(scene)

    await asyncio.gather(*(scene.create(name, "plan") for name in names))
    for name in names:
        await scene.cluster.until_ready(name)
    await scene.until_idle()
    within(meter.read(), writes=3, reads=1, neon=2.2, events=3, passes=2.1)
    assert scene.requests("GET", "/auth") == 1

    spec = {"spec": {"historyRetention": "12h"}}
    await scene.cluster.patch("DatabaseTier", scene.tiers["plan"], spec)

    async def updated() -> bool:
        tier = await scene.cluster.get("DatabaseTier", scene.tiers["plan"])
        assert tier is not None
        told = tier.get("status", {}).get("rollout", {})
        current = told.get("generation") == tier["metadata"]["generation"]
        return bool(current and told.get("updated", 0) >= TENANTS)

    await until(updated, "all have the change")
    await scene.until_idle()
    within(meter.read(), writes=1, reads=1, neon=3.5, events=1, passes=2.1)

    await asyncio.gather(*(scene.cluster.delete("TenantDatabase", name) for name in names))
    for name in names:
        await scene.cluster.until_gone("TenantDatabase", name)
    await scene.until_idle()
    within(meter.read(), writes=2, reads=2, neon=1.5, events=2, passes=1.1)


async def test_a_crowd_shares_its_lists_also_where_the_budget_lets_it_come_one_by_one(scene: Scene) -> None:
    names = [f"t{number}" for number in range(40)]
    await scene.start_operator(requests_per_minute="360", intent_lifetime="300", request_timeout="60")
    await asyncio.gather(*(scene.create(name) for name in names))
    for name in names:
        await scene.cluster.until_ready(name)
    assert scene.requests("POST", "/projects") == len(names)
    assert scene.requests("GET", "/projects") <= len(names) / 6


async def test_many_at_once_share_their_lists_also_where_each_has_a_namespace_of_its_own(
    scene: Scene,
) -> None:
    places = [f"{scene.namespace}-{number}" for number in range(40)]
    for place in places:
        await scene.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place}})
    await scene.start_operator(
        watch_namespaces=",".join(places),
        requests_per_minute="360",
        intent_lifetime="300",
        request_timeout="60",
    )

    async def create(place: str) -> None:
        tenant = scene.manifest("acme")
        tenant["metadata"]["namespace"] = place
        path = f"/apis/neontenants.io/v1alpha1/namespaces/{place}/tenantdatabases"
        await scene.cluster.request("POST", path, json=tenant)

    async def all_ready() -> bool:
        found = await scene.cluster.request("GET", "/apis/neontenants.io/v1alpha1/tenantdatabases")
        return sum(
            is_ready(tenant) for tenant in found["items"] if tenant["metadata"]["namespace"] in places
        ) == len(places)

    await asyncio.gather(*map(create, places))
    await until(all_ready, "all are ready")
    assert scene.requests("POST", "/projects") == len(places)
    assert scene.requests("GET", "/projects") <= len(places) / 6


async def test_rest_sweeps_and_a_restart_cost_no_tenant_anything(unconnected: Scene) -> None:
    scene, count = unconnected, 10
    await scene.start_operator(before="work_counted", sweep_interval="1", log_level="INFO")
    await asyncio.gather(*(scene.create(f"t{number}") for number in range(count)))
    for number in range(count):
        await scene.cluster.until_ready(f"t{number}")

    async def swept(more: int) -> None:
        goal = sweeps() + more
        await until(lambda: _true(lambda: sweeps() >= goal), f"{goal} sweeps have ended")

    def sweeps() -> int:
        return sum(line["message"] == "A sweep ended." for line in scene.log_lines())

    await swept(2)  # the first ones read who was active
    await scene.until_idle()
    meter, before = Meter(scene), sweeps()
    await swept(4)
    within(meter.read(), tenants=sweeps() + 1 - before, neon=1)

    await scene.stop_operators()
    await scene.start_operator(before="work_counted", resync_interval="2", log_level="INFO")
    before_looks = costs(scene).passes

    async def looked() -> bool:
        return costs(scene).passes > before_looks + count

    await until(looked, "all were looked at in passing")
    spent = meter.read()
    # Reading a tenant comes after its pass began.
    within(spent, tenants=spent.passes, reads=2, passes=1, neon=2 / spent.passes)


async def _true(look: Callable[[], bool]) -> bool:
    return look()
