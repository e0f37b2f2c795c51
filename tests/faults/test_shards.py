"""Several replicas that share the fleet: parts that move, and that nothing is doubled or lost by it."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator

import pytest

import lease
from cluster import Object, condition
from crowd import create_all, create_refused, each_has_its_own, judged, until_deleted, until_posted
from lease import ELECTING
from neon_sandbox import installation
from neon_sandbox.bench.figures import busiest
from neon_sandbox.child import Child
from neon_sandbox.emulator.scripts import Script
from neon_tenants.core.shard import shard_of, told
from neon_tenants.shards import lease_of
from scene import Scene, example_tier
from scraping import shown
from stories import HOUR
from waiting import until

COUNT = 4
SHARED = {
    **ELECTING,
    "shards": str(COUNT),
    "request_timeout": "1",
    "intent_lifetime": "4",
    "retry_max": "1",
}

SLOW = {**SHARED, "request_timeout": "60", "intent_lifetime": "300"}
"""For requests that are under way while shards move."""


@pytest.fixture
async def place(scene: Scene) -> AsyncIterator[Scene]:
    """No replica before, no replica after."""
    await lease.remove_all(scene.cluster)
    await installation.allow_shards(scene.plane, COUNT, 3)
    yield scene
    await scene.stop_operators()
    await lease.remove_all(scene.cluster)


def moves(operator: Child) -> list[set[int]]:
    """The shards that it held after each of their moves, as it said."""
    said = (json.loads(line) for line in operator.log.read_text().splitlines() if "have moved" in line)
    return [set(line["held"]) for line in said]


def held(operator: Child) -> set[int]:
    """The shards that it said last that it holds."""
    return ([set(), *moves(operator)])[-1]


async def until_shared(operators: list[Child]) -> None:
    """Each shard is somebody's, and nobody holds two more than another."""

    async def even() -> bool:
        parts = [held(operator) for operator in operators]
        sizes = [len(part) for part in parts]
        return sum(sizes) == COUNT == len(set().union(*parts)) and max(sizes) - min(sizes) <= 1

    await until(even, f"{len(operators)} replicas share {COUNT} shards")


async def start(scene: Scene, replicas: int, **settings: str) -> list[Child]:
    operators = [await scene.start_operator(**{**SHARED, **settings}) for _ in range(replicas)]
    await until_shared(operators)
    return operators


async def create_slowly(scene: Scene, names: list[str]) -> None:
    """Creates them while Neon takes an hour of its clock for each project: all are under way."""
    scene.neon.answers.add(Script(method="POST", route="/projects", delay_before=HOUR, times=len(names)))
    await create_all(scene, names)
    await scene.until_scripts_met()


def conductor(operators: list[Child]) -> Child:
    (found,) = (operator for operator in operators if 0 in held(operator))
    return found


async def all_is_well(scene: Scene, names: list[str]) -> None:
    """Each has one project of its own, and tells its shard; so says the evidence, too."""
    await each_has_its_own(scene, names)
    for name in names:
        tenant = await scene.cluster.tenant(name)
        assert tenant["status"]["shard"] == told(tenant["metadata"]["uid"], COUNT)
    await judged(scene, names)


def maker(tenant: Object) -> int:
    """The process that made the tenant's project, as its intent tells."""
    intent = json.loads(tenant["metadata"]["annotations"]["neontenants.io/create-intent"])
    return int(intent["holder"].split("-")[-2])


@pytest.mark.proves("F51", "I1")
async def test_four_replicas_work_each_on_its_part(place: Scene) -> None:
    """With as many writes as one would need, and each tenant by the replica that holds its shard."""
    names = [f"t{number}" for number in range(24)]
    operators = await start(place, 4)
    parts = {operator.pid: held(operator) for operator in operators}
    await create_all(place, names)
    for name in names:
        tenant = await place.cluster.until_ready(name)
        assert shard_of(tenant["metadata"]["uid"], COUNT) in parts[maker(tenant)]
    assert len(place.writes()) == 3 * len(names)
    assert place.requests("POST", "/projects") == len(names)
    await all_is_well(place, names)


@pytest.mark.proves("F51", "F05", "I1", "I4")
@pytest.mark.parametrize("victim", ["who conducts", "another"])
async def test_what_a_killed_replica_held_is_taken_by_the_others_under_load(
    place: Scene, victim: str
) -> None:
    names = [f"t{number}" for number in range(24)]
    operators = await start(place, 3)
    first = conductor(operators)
    killed = first if victim == "who conducts" else next(o for o in operators if o is not first)
    await create_all(place, names)
    await until_posted(place, 4)
    killed.send(signal.SIGKILL)
    await killed.wait()
    await until_shared([operator for operator in operators if operator is not killed])
    await all_is_well(place, names)


@pytest.mark.proves("F51", "I1", "I11")
async def test_a_replica_that_sleeps_past_its_leases_wakes_beside_others_and_nothing_is_doubled(
    place: Scene,
) -> None:
    names = [f"t{number}" for number in range(24)]
    operators = await start(place, 2)
    sleeper, other = operators
    await create_all(place, names)
    await until_posted(place, 4)
    sleeper.send(signal.SIGSTOP)
    await until_shared([other])
    sleeper.send(signal.SIGCONT)
    await until_shared(operators)
    await all_is_well(place, names)


@pytest.mark.proves("F06", "F51", "F53", "I1", "I4")
async def test_shards_move_to_replicas_that_come_and_away_from_those_that_end_under_load(
    place: Scene,
) -> None:
    names = [f"t{number}" for number in range(30)]
    operators = await start(place, 1)
    await create_all(place, names[:10])
    await until_posted(place, 2)
    operators += [await place.start_operator(**SHARED) for _ in range(3)]
    await until_shared(operators)
    await create_all(place, names[10:20])
    await until_posted(place, 12)
    first = conductor(operators)
    for ending in (first, next(operator for operator in operators if operator is not first)):
        operators.remove(ending)
        await ending.stop(grace=60)
        assert "is not released" not in ending.log.read_text()
    await until_shared(operators)
    await create_all(place, names[20:])
    await all_is_well(place, names)


@pytest.mark.proves("F51", "I1")
async def test_shards_are_handed_over_while_their_creates_wait_for_their_turns(place: Scene) -> None:
    """The turns would come in five minutes. Who gets the shards has a budget that Neon refused nothing."""
    names = [f"t{number}" for number in range(16)]
    (first,) = await start(place, 1)
    await create_refused(place, names)

    async def all_wait() -> bool:
        return await shown(place, "budget_waiting", lane="create") == len(names)

    await until(all_wait, "all wait for their turns")
    second = await place.start_operator(**SHARED)
    await until_shared([first, second])
    uids = {name: (await place.cluster.tenant(name))["metadata"]["uid"] for name in names}
    moved = [name for name, uid in uids.items() if shard_of(uid, COUNT) in held(second)]
    await each_has_its_own(place, moved)


@pytest.mark.proves("F51", "I1")
async def test_a_shard_stays_promised_to_who_asked_while_its_creates_are_under_way(place: Scene) -> None:
    """Else who asked would ask again and again, and another could take the shard."""
    names = [f"t{number}" for number in range(24)]
    (first,) = await start(place, 1, **SLOW)
    await create_slowly(place, names)
    second = await place.start_operator(**SLOW)

    async def one_is_given() -> bool:
        return len(held(first)) < COUNT

    await until(one_is_given, "the first gives a shard up")
    (given,) = set(range(COUNT)) - held(first)
    renewals, promised = set(), set()

    async def renewed() -> bool:
        found = await lease.read(place.cluster, lease_of(given, COUNT))
        renewals.add(found["spec"]["renewTime"])
        promised.add(found["metadata"]["annotations"].get("neontenants.io/wanted-by"))
        return len(renewals) == 10

    await until(renewed, "the first keeps the Lease")
    assert len(promised) == 1, "nobody asked again"
    assert None not in promised
    assert (len(held(first)), held(second)) == (COUNT - 1, set())
    place.neon.clock.advance(HOUR)
    await until_shared([first, second])
    await all_is_well(place, names)


@pytest.mark.proves("F36", "F51", "I1")
async def test_what_was_made_for_resources_that_vanished_goes_although_their_shards_move(
    place: Scene,
) -> None:
    """Who gets the shards never heard of these resources, and who conducts made none of their projects."""
    names = [f"t{number}" for number in range(24)]
    operators = await start(place, 2, **SLOW)
    first, other = operators
    await create_slowly(place, names)
    for name in names:
        await place.cluster.strip_and_delete(name)
    operators += [await place.start_operator(**SLOW) for _ in range(2)]
    await until_shared(operators)
    # Whoever is left with none ends its work as at a crash, and nobody knows any more what it made.
    assert all(each_time for operator in (first, other) for each_time in moves(operator))
    place.neon.clock.advance(HOUR)
    await until_deleted(place, len(names))
    assert place.projects() == []
    await until_shared(operators)
    await judged(place, [])


@pytest.mark.proves("F51")
async def test_a_changed_tier_reaches_each_tenant_of_all_shards_once(place: Scene) -> None:
    names = [f"t{number}" for number in range(16)]
    await start(place, 3)
    await create_all(place, names)
    for name in names:
        await place.cluster.until_ready(name)
    change = {"spec": {"quota": {"storagePerBranch": "768Mi"}}}
    await place.cluster.patch("DatabaseTier", place.tiers["free"], change)

    async def rolled_out() -> bool:
        found = await place.cluster.get("DatabaseTier", place.tiers["free"])
        rollout = (found or {})["status"].get("rollout", {})
        return (rollout.get("generation"), rollout.get("phase")) == (2, "Done")

    await until(rolled_out, "the tier has reached all")
    assert place.patches()[0] == len(names)
    sizes = Counter(p["settings"]["quota"]["logical_size_bytes"] for p in place.projects())
    assert sizes == {768 * 2**20: len(names)}
    await all_is_well(place, names)


async def test_a_tier_that_takes_only_so_many_takes_no_more_of_all_shards(place: Scene) -> None:
    names = [f"t{number}" for number in range(12)]
    await place.create_tier("few", {**example_tier("free"), "maxTenantsPerNamespace": 5})
    await start(place, 4)
    await create_all(place, names, "few")

    async def decided() -> bool:
        found = [condition(await place.cluster.tenant(name), "Ready")["reason"] for name in names]
        return bool(Counter(found) == {"Provisioned": 5, "TierFull": 7})

    await until(decided, "five are in, and seven are told that it is full")
    assert len(place.projects()) == 5


async def test_the_brake_holds_what_all_shards_delete_together(place: Scene) -> None:
    names = [f"t{number}" for number in range(12)]
    operators = await start(place, 3, deletions_per_window="5")
    await create_all(place, names)
    for name in names:
        await place.cluster.until_ready(name)
    await asyncio.gather(*(place.cluster.delete("TenantDatabase", name) for name in names))

    async def braked() -> bool:
        left = [await place.cluster.get("TenantDatabase", name) for name in names]
        reasons = Counter(condition(found, "Ready")["reason"] for found in left if found is not None)
        return bool(reasons == {"DeletionHeld": 7})

    await until(braked, "seven deletions are held")
    assert len(place.projects()) == 7
    done = await place.operate("all-are-meant", "ReleaseDeletions")
    assert done["status"]["phase"] == "Succeeded"
    for name in names:
        await place.cluster.until_gone("TenantDatabase", name)
    assert not place.projects()
    assert all(operator.running for operator in operators)


async def test_a_status_that_tells_another_shard_is_put_right(place: Scene) -> None:
    """An administrator could write it. The tenant's own replica does not see it any more."""
    operators = await start(place, 2)
    names = [f"t{number}" for number in range(8)]
    await create_all(place, names)
    ours = held(conductor(operators))
    forged = []
    for name in names:
        tenant = await place.cluster.until_ready(name)
        if shard_of(tenant["metadata"]["uid"], COUNT) not in ours:
            change = {"status": {"shard": f"{max(ours)}of{COUNT}"}}
            await place.cluster.patch("TenantDatabase", name, change, subresource="/status")
            forged.append((name, tenant["metadata"]["uid"]))
    assert forged
    for name, uid in forged:

        def right(found: Object, shard: str | None = told(uid, COUNT)) -> bool:
            return bool(found["status"]["shard"] == shard)

        await place.cluster.until_tenant(name, right, f"{name} tells its own shard")
        await place.change(name, state="Suspended")
    for name, _ in forged:
        await place.cluster.until_tenant(
            name, lambda found: found["status"].get("suspended") is True, f"{name} is worked on"
        )


async def test_replicas_that_split_the_fleet_otherwise_wait_for_who_conducts(place: Scene) -> None:
    """As when the number of shards is changed: replica by replica."""
    names = [f"t{number}" for number in range(12)]
    old = [await place.start_operator(**SHARED) for _ in range(2)]
    await until_shared(old)
    new = [await place.start_operator(**{**SHARED, "shards": "3"}) for _ in range(2)]
    await create_all(place, names)
    for name in names:
        await place.cluster.until_ready(name)
    assert [held(operator) for operator in new] == [set(), set()]
    for operator in old:
        await operator.stop(grace=60)

    async def taken() -> bool:
        parts = [held(operator) for operator in new]
        return sorted(map(len, parts)) == [1, 2] and set().union(*parts) == {0, 1, 2}

    await until(taken, "the new ones share the fleet as they were told to")
    for name in names:
        await place.annotate(name, reconcile_requested_at="again")
    for name in names:
        uid = (await place.cluster.tenant(name))["metadata"]["uid"]

        def told_anew(found: Object, shard: str | None = told(uid, 3)) -> bool:
            return bool(found["status"]["shard"] == shard)

        await place.cluster.until_tenant(name, told_anew, f"{name} tells its new shard")
    assert len(place.projects()) == len(names)


@pytest.mark.long
@pytest.mark.timeout(500)
@pytest.mark.proves("I12")
async def test_the_parts_of_the_budget_are_never_more_than_the_whole(place: Scene) -> None:
    """By Neon's own journal, while shards and needs move. It refuses what is more, and refused nothing."""
    share = 240
    place.neon.knobs.requests_per_minute = share
    limits = {
        "requests_per_minute": str(share),
        "requests_per_second_per_route": "32",
        "request_timeout": "5",
        "intent_lifetime": "300",  # creates wait for their turn
    }
    operators = await start(place, 2, **limits)
    names = [f"t{number}" for number in range(100)]
    await create_all(place, names)
    await until_posted(place, 40)
    operators.append(await place.start_operator(**{**SHARED, **limits}))
    await until_shared(operators)
    for posted in (80, len(names)):
        await until_posted(place, posted)
    for name in names:
        await place.cluster.until_ready(name)
    assert place.neon.requests.count(status=429) == 0
    assert busiest([request.at for request in place.neon.requests], 60.0) <= share
    assert len(place.projects()) == len(names)
