"""Two replicas, of which one works: how another takes over, and that nothing is doubled or lost by it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator

import httpx
import pytest

import lease
from crowd import create_all, create_refused, each_has_its_own, judged, until_posted
from fault import At, Mode, Request
from lease import ELECTING
from neon_sandbox.child import Child
from neon_tenants.kube.client import CONNECTIONS
from scene import Scene, command, query, served
from waiting import until
from wired import wired

LEADS, STANDS_BY, RELEASED = "This replica leads.", "This replica stands by.", "The Lease is released."
RENEWALS = 12
"""Take longer than the Lease lasts: each comes a retry period after the last one, or later."""
SHORT = {**ELECTING, "request_timeout": "1", "intent_lifetime": "4", "retry_max": "1"}


@pytest.fixture
async def place(scene: Scene) -> AsyncIterator[Scene]:
    """No replica before, no replica after."""
    await lease.remove(scene.cluster)
    yield scene
    await scene.stop_operators()
    await lease.remove(scene.cluster)


def said(operator: Child, text: str) -> int:
    return operator.log.read_text().count(text)


async def until_said(operator: Child, text: str, times: int = 1) -> None:
    async def found() -> bool:
        return said(operator, text) >= times

    await until(found, f"{operator.log.name} says {text!r}")


async def two(scene: Scene, **settings: str) -> tuple[Child, Child]:
    """One that leads, and one that stands by."""
    leader = await scene.start_operator(**{**SHORT, **settings})
    await until_said(leader, LEADS)
    standby = await scene.start_operator(**{**SHORT, **settings})
    await until_said(standby, STANDS_BY)
    return leader, standby


async def ask(operator: Child, path: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as http:
        return await http.get(f"{await served(operator)}/{path}")


async def until_measured(operator: Child, sample: str) -> None:
    """Waits until its metrics say this."""

    async def told() -> bool:
        return sample in (await ask(operator, "metrics")).text.splitlines()

    await until(told, f"the metrics say {sample}")


async def until_it_leads(operator: Child, *, leads: bool) -> None:
    """As its metrics say."""
    await until_measured(operator, f"neon_tenants_leader {float(leads)}")


async def all_is_well(scene: Scene, names: list[str]) -> None:
    """Each has one project of its own and logs in; so says the evidence, too."""
    await each_has_its_own(scene, names)
    for name in names:
        secret = await scene.cluster.secret(f"{name}-database")
        assert await query(secret["uri"], "SELECT 1") == 1
    await judged(scene, names)


async def under_load(scene: Scene) -> tuple[list[str], Child, Child]:
    """Tenants of which some have their projects, and the replicas: one leads, one stands by."""
    names = [f"t{number}" for number in range(12)]
    leader, standby = await two(scene)
    await create_all(scene, names)
    await until_posted(scene, 3)
    return names, leader, standby


@pytest.mark.proves("F51", "F05", "I1", "I4")
async def test_a_leader_that_is_killed_under_load_is_followed_and_nothing_is_doubled_or_lost(
    place: Scene,
) -> None:
    names, leader, standby = await under_load(place)
    leader.send(signal.SIGKILL)
    await leader.wait()
    await until_said(standby, LEADS)
    await all_is_well(place, names)


@pytest.mark.proves("F51", "F05", "I1")
async def test_who_waits_for_the_budget_when_the_leader_is_killed_waits_for_nothing_else(
    place: Scene,
) -> None:
    """The next leader honors a declared create for as long as it lives, here longer than this test waits."""
    leader, standby = await two(place, intent_lifetime="600")
    names = [f"t{number}" for number in range(10)]
    await create_refused(place, names)
    await until_measured(leader, 'neon_tenants_budget_waiting{lane="create"} 10.0')
    leader.send(signal.SIGKILL)
    await leader.wait()
    await until_said(standby, LEADS)
    await each_has_its_own(place, names[1:])


@pytest.mark.proves("F06", "F51", "F53", "I1")
async def test_a_leader_that_is_asked_to_end_waits_for_no_turn_and_leaves_no_create_declared(
    place: Scene,
) -> None:
    """Its turns would come in five minutes. The next one would honor a declared create for ten."""
    leader, standby = await two(place, intent_lifetime="600", grace="600")
    names = [f"t{number}" for number in range(10)]
    await create_refused(place, names)
    await until_measured(leader, 'neon_tenants_budget_waiting{lane="create"} 10.0')
    assert await leader.stop(grace=60)
    assert said(leader, RELEASED) == 1
    await until_said(standby, LEADS)
    await all_is_well(place, names)


@pytest.mark.proves("F51", "I1", "I11")
async def test_a_leader_that_sleeps_past_its_lease_wakes_beside_another_and_nothing_is_doubled(
    place: Scene,
) -> None:
    names, leader, standby = await under_load(place)
    leader.send(signal.SIGSTOP)
    await until_said(standby, LEADS)
    await until_posted(place, 6)
    leader.send(signal.SIGCONT)
    await until_said(leader, "This replica does not lead any more.")
    await until_said(leader, STANDS_BY)
    await until_it_leads(leader, leads=False)
    await all_is_well(place, names)


@pytest.mark.proves("F06", "F51", "F53", "I1", "I4")
async def test_a_rolling_update_under_load_hands_over_and_nothing_is_doubled_or_lost(place: Scene) -> None:
    """The old one is asked to end when the new one is ready, and lets go of the Lease when it is done."""
    names, old, new = await under_load(place)
    assert (await ask(new, "readyz")).is_success
    first = await lease.holder(place.cluster)
    await old.stop(grace=60)
    assert said(old, RELEASED) == 1
    await lease.until_held(place.cluster, but=first)
    await until_said(new, LEADS)
    assert (await lease.read(place.cluster))["spec"]["leaseTransitions"] == 1
    await all_is_well(place, names)


@pytest.mark.proves("F06", "F51")
async def test_a_leader_that_ends_leaves_a_lease_that_nobody_waits_for(place: Scene) -> None:
    """The Lease would last for five minutes."""
    patient = {"leader_elect_lease_duration": "300", "leader_elect_renew_deadline": "200"}
    first = await place.start_operator(**{**SHORT, **patient})
    await until_said(first, LEADS)
    await first.stop(grace=60)
    assert await lease.holder(place.cluster) == ""
    second = await place.start_operator(**{**SHORT, **patient})
    await until_said(second, LEADS)
    await place.create()
    await place.cluster.until_ready()


@pytest.mark.proves("F51", "I1")
async def test_a_leader_without_an_api_server_stops_all_work_and_takes_it_up_again(place: Scene) -> None:
    names = [f"t{number}" for number in range(4)]
    async with wired(place) as traffic:
        leader = await place.start_operator(**SHORT)
        await until_said(leader, LEADS)
        traffic.begin(lambda request: Mode.HANGS if request.wire == "kube" else None)
        await until_it_leads(leader, leads=False)
        assert (await ask(leader, "readyz")).status_code == 503
        await create_all(place, names)
        traffic.begin()
        await until_said(leader, LEADS, times=2)
        await all_is_well(place, names)


@pytest.mark.proves("F51")
async def test_requests_that_hang_do_not_cost_the_lease(place: Scene) -> None:
    """They occupy every connection, and more wait for one, longer than the Lease lasts."""
    names = [f"t{number}" for number in range(CONNECTIONS + 8)]
    async with wired(place) as traffic:
        leader = await place.start_operator(**SHORT, workers="64")
        await until_said(leader, LEADS)
        traffic.begin(lambda request: Mode.HANGS if request.kind == "GET secrets" else None)
        await create_all(place, names)

        def count(kind: str) -> int:
            return sum(request.kind == kind for request in traffic.requests)

        async def all_hang() -> bool:
            return count("GET secrets") >= CONNECTIONS

        await until(all_hang, "every connection is occupied")
        before = count("PUT leases")

        async def renewed() -> bool:
            return count("PUT leases") >= before + RENEWALS

        await until(renewed, "the Lease is renewed for longer than it lasts")
        await until_it_leads(leader, leads=True)
        assert said(leader, "This replica does not lead any more.") == 0


@pytest.mark.proves("F51")
async def test_two_that_start_at_once_elect_one(place: Scene) -> None:
    first, second = await asyncio.gather(place.start_operator(**SHORT), place.start_operator(**SHORT))

    async def decided() -> bool:
        return all(said(each, LEADS) + said(each, STANDS_BY) for each in (first, second))

    await until(decided, "both know their parts")
    assert said(first, LEADS) + said(second, LEADS) == 1
    await place.create()
    await all_is_well(place, ["acme"])


@pytest.mark.proves("F51", "I11")
async def test_one_that_stands_by_changes_nothing_and_says_so(place: Scene) -> None:
    _leader, standby = await two(place)
    await place.create()
    await place.cluster.until_ready()
    ready = await ask(standby, "readyz")
    assert ready.is_success
    assert "stands by" in ready.text
    assert (await ask(standby, "healthz")).is_success
    await until_it_leads(standby, leads=False)
    answer = await ask(standby, "v1/status")
    assert answer.status_code == 503
    assert await lease.holder(place.cluster) in answer.json()["error"]
    status, _, errors = await command(place, "status")  # the last one started
    assert status != 0
    assert "stands by" in errors
    assert "The operator is watching." not in standby.log.read_text()


async def test_who_takes_over_works_before_the_watch_has_listed_all(place: Scene) -> None:
    """The watch's list of all tenants, the second that is made, never ends.

    Only an unknown version of Kopf lists them again.
    """
    lists = 0

    async def hold(request: Request) -> None:
        nonlocal lists
        if request.method == "GET" and request.path.endswith("/tenantdatabases") and not request.watches:
            lists += 1
            if lists == 2:
                await asyncio.Event().wait()

    async with wired(place) as traffic:
        traffic.before = hold
        await place.create()
        operator = await place.start_operator(before="kopf_unknown", **SHORT)
        await place.cluster.until_ready()
        assert lists == 2
        assert "The operator is watching." in operator.log.read_text()
        assert (await ask(operator, "readyz")).status_code == 503


@pytest.mark.proves("F01", "F51")
@pytest.mark.parametrize("mode", [Mode.CRASH_BEFORE, Mode.CRASH_SENT, Mode.CRASH_ANSWERED])
@pytest.mark.parametrize("kind", ["POST leases", "PUT leases"])
async def test_a_replica_that_is_killed_at_a_write_of_its_lease_is_followed(
    place: Scene, kind: str, mode: Mode
) -> None:
    async with wired(place) as traffic:
        traffic.begin(At(kind, 1, mode))
        first = await place.start_operator(**SHORT)
        await place.create()
        await first.wait()
        assert traffic.injected
        await place.start_operator(**SHORT)
        await all_is_well(place, ["acme"])


@pytest.mark.proves("F51", "I1")
async def test_a_create_that_is_cut_off_by_a_lost_lease_is_found_by_its_marker(place: Scene) -> None:
    """The leader loses the Lease while Neon makes the project; its answer reaches nobody."""
    let_go, arrived = asyncio.Event(), asyncio.Event()

    async def hold(request: Request) -> None:
        if request.kind == "POST projects" and not arrived.is_set():
            arrived.set()
            await let_go.wait()

    async with wired(place) as traffic:
        traffic.before = hold
        leader, _standby = await two(place, request_timeout="15", intent_lifetime="60")
        await place.create()
        await arrived.wait()
        await lease.change(place.cluster, holderIdentity="")
        await until_said(leader, "This replica does not lead any more.")
        let_go.set()
        await all_is_well(place, ["acme"])  # by whichever of the two leads now
        assert place.requests("POST", "/projects") == 1
