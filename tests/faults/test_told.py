"""What the operator is told is wrong: events lost, repeated, reordered or old, reads that lie behind, 410.

The end is that of a life without faults, and Neon was written to as often.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cluster import Object
from end_state import end_state, neon_writes
from neon_sandbox.controlplane import ControlPlane
from neon_sandbox.emulator.scripts import Script
from scene import Scene, example_tier, playing
from soak.holding import Holding
from waiting import until
from watch_wire import (
    Deed,
    Dice,
    EventScript,
    Nth,
    Read,
    ReadScript,
    WatchWire,
    as_it_is,
    tenants_only,
    up_to_date,
    watched,
)

RESYNC = {"resync_interval": "1"}
"""What no event told is found by a list once a second."""
FIRST = 40
"""Events that are spoiled in turn."""
OLD_READS = 12
"""Reads that are answered with an older state; then that stops, since no end comes before."""


async def tier_changes(scene: Scene, tier: str) -> None:
    """Its tier changes, and the tenant follows."""
    await scene.cluster.patch("DatabaseTier", scene.tiers[tier], {"spec": {"historyRetention": "720h"}})
    await scene.cluster.until_tenant(
        "acme", lambda found: found["status"]["tier"]["generation"] == 2, "it has the new tier"
    )


async def life(scene: Scene) -> Object:
    """A create, another tier, a suspension, a tier that changes; a second tenant that comes and goes."""
    await scene.create()
    await scene.cluster.until_ready()
    await scene.change(tier=scene.tiers["pro"])
    await scene.cluster.until_ready()
    await scene.change(state="Suspended")
    await scene.cluster.until_ready()
    await tier_changes(scene, "pro")
    await scene.create("other")
    await scene.cluster.until_ready("other")
    await scene.cluster.delete("TenantDatabase", "other")
    await scene.cluster.until_gone("TenantDatabase", "other")
    await scene.cluster.until_ready()
    return {"end": await end_state(scene), "writes": neon_writes(scene)}


@pytest.fixture(scope="module")
async def reference(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Object:
    """The same life without faults."""
    folder: Path = tmp_path_factory.mktemp("reference")
    async with playing(plane, None, folder) as scene:
        for tier in ("free", "pro"):
            await scene.create_tier(tier, example_tier(tier))
        await scene.start_operator(**RESYNC)
        return await life(scene)


@pytest.fixture
async def wire(unconnected: Scene) -> AsyncIterator[WatchWire]:
    """An operator that sees the API server through this wire."""
    async with watched(unconnected) as wire:
        await unconnected.start_operator(**RESYNC)
        await unconnected.until_logged("The operator is watching")
        yield wire


async def stays(scene: Scene, wire: WatchWire, end: Object) -> None:
    """When the faults have stopped, a thorough look changes nothing."""
    wire.events, wire.reads = as_it_is, up_to_date
    before = neon_writes(scene)
    await scene.annotate(reconcile_requested_at="at rest")
    await scene.cluster.until_tenant(
        "acme", lambda found: found["status"].get("lastHandledReconcileAt") == "at rest", "it was looked at"
    )
    assert neon_writes(scene) == before
    assert await end_state(scene) == end


def every(deed: Deed) -> EventScript:
    """The same for all events of all kinds, without an end."""
    return lambda _event: deed


def in_turn(*deeds: Deed) -> EventScript:
    """One after the other, for the first events."""
    return lambda event: deeds[event.number % len(deeds)] if event.number <= FIRST else Deed.PASS


EVENTS: dict[str, EventScript] = {
    "all are lost": every(Deed.DROP),
    "all about tenants are lost": tenants_only(Deed.DROP),
    "each comes twice": every(Deed.REPEAT),
    "each second comes after the next": in_turn(Deed.HOLD, Deed.PASS),
    "a third is lost, a third comes twice, a third late": in_turn(Deed.DROP, Deed.REPEAT, Deed.HOLD),
}


@pytest.mark.proves("F33", "I5", "I6", "I11")
@pytest.mark.parametrize("events", EVENTS.values(), ids=EVENTS.keys())
async def test_events_that_are_lost_doubled_or_late_lead_to_the_same_end(
    unconnected: Scene, wire: WatchWire, reference: Object, events: EventScript
) -> None:
    wire.events = events
    found = await life(unconnected)
    assert found == reference
    assert wire.spoiled() > 0
    await stays(unconnected, wire, found["end"])


BREAKS: dict[str, dict[int, Deed]] = {
    "cut in the middle of an event": {2: Deed.CUT, 5: Deed.CUT, 6: Deed.CUT},
    "410 Gone": {1: Deed.EXPIRE, 2: Deed.EXPIRE, 5: Deed.EXPIRE},
    "an internal error": {3: Deed.FAIL},
}


@pytest.mark.proves("F33", "I11")
@pytest.mark.parametrize("deeds", BREAKS.values(), ids=BREAKS.keys())
async def test_a_watch_that_breaks_leads_to_the_same_end(
    unconnected: Scene, wire: WatchWire, reference: Object, deeds: dict[int, Deed]
) -> None:
    wire.events = Nth(dict(deeds))
    found = await life(unconnected)
    assert found == reference
    assert wire.spoiled() == len(deeds)
    await stays(unconnected, wire, found["end"])


@pytest.mark.proves("F33")
async def test_a_watch_that_breaks_again_and_again_leaves_nothing_behind(unconnected: Scene) -> None:
    """Nor does it keep the process from its end: the scene would tell."""
    scene = unconnected
    async with watched(scene) as wire:
        await scene.start_operator(before="soak.counted")
        await scene.create()
        await scene.cluster.until_ready()
        before = await Holding.of(scene)
        for number in range(1, 5):
            wire.events = tenants_only(Deed.FAIL)
            await scene.annotate(reconcile_requested_at=str(number))
            await scene.until_watching(number + 1)
            wire.events = as_it_is

        async def as_before() -> bool:
            return (await Holding.of(scene)).tasks <= before.tasks

        await until(as_before, "it has no more tasks than before")


@pytest.mark.proves("F32", "I11")
async def test_events_of_an_older_state_lead_to_the_same_end(
    unconnected: Scene, wire: WatchWire, reference: Object
) -> None:
    wire.events = every(Deed.OLDER)
    found = await life(unconnected)
    assert found == reference
    assert wire.spoiled() > 0
    await stays(unconnected, wire, found["end"])


def behind(wire: WatchWire, versions: int) -> ReadScript:
    """Every second read of a tenant lies so many versions back, for as long as the faults last."""
    count = 0

    def script(read: Read) -> int:
        nonlocal count
        if read.resource != "tenantdatabases" or len(wire.aged) >= OLD_READS:
            return 0
        count += 1
        return versions if count % 2 == 0 else 0

    return script


def irreversible(found: Object) -> Object:
    """Its end, with the writes that nothing takes back.

    Limits of an older spec may be set, and set right by the next pass: the API server answers a read of one
    object with what is stored, so a spec that lies behind is not known to happen.
    """
    return {"end": found["end"], **{k: n for k, n in found["writes"].items() if not k.startswith("PATCH")}}


async def life_to_rest(scene: Scene, wire: WatchWire, reference: Object) -> Object:
    """The life with reads that lie behind, and what is there when the last pass on one was set right."""
    found = await life(scene)
    wire.events, wire.reads = as_it_is, up_to_date

    async def is_right() -> bool:
        found["end"] = await end_state(scene)
        return bool(found["end"] == reference["end"])

    with contextlib.suppress(AssertionError):  # who compares shows the difference
        await until(is_right, "the next pass has set it right")
    return {"end": found["end"], "writes": neon_writes(scene)}


@pytest.mark.proves("F32", "I1", "I3")
@pytest.mark.parametrize("versions", [1, 3])
async def test_reads_that_lie_behind_repeat_no_create_and_no_deletion(
    unconnected: Scene, wire: WatchWire, reference: Object, versions: int
) -> None:
    wire.reads = behind(wire, versions)
    found = await life_to_rest(unconnected, wire, reference)
    assert irreversible(found) == irreversible(reference)
    assert wire.aged
    await stays(unconnected, wire, found["end"])


@pytest.mark.proves("F32", "I6")
async def test_what_a_pass_did_on_an_old_read_is_looked_at_once_more(
    unconnected: Scene, wire: WatchWire
) -> None:
    """It started the computes of a tenant that was suspended since. Its status loses; the next pass looks."""
    await unconnected.create()
    await unconnected.cluster.until_ready()
    await unconnected.change(state="Suspended")
    await unconnected.cluster.until_ready()
    await tier_changes(unconnected, "free")
    before, (_, patched) = await end_state(unconnected), unconnected.patches()
    back = iter([3])  # as it was before its state was changed, with the tier of now to be followed
    wire.reads = lambda read: next(back, 0) if read == Read("tenantdatabases", "acme") else 0

    async def started() -> bool:
        return unconnected.patches()[1] > patched

    async def is_right() -> bool:
        return await end_state(unconnected) == before

    await until(started, "a pass on an old read has started its computes")
    await until(is_right, "the next one has suspended them")
    await stays(unconnected, wire, before)


@pytest.mark.proves("F32", "I1", "I2", "I3")
async def test_a_read_of_an_earlier_life_of_the_name_touches_neither_life(
    unconnected: Scene, wire: WatchWire
) -> None:
    """After a deletion and a second create, reads answer with the first resource, in any of its states."""
    await unconnected.create()
    await unconnected.cluster.until_ready()
    await unconnected.cluster.delete("TenantDatabase", "acme")
    await unconnected.cluster.until_gone("TenantDatabase", "acme")
    back = iter([5, 4, 3, 2, 1] * 2)
    wire.reads = lambda read: next(back, 0) if read == Read("tenantdatabases", "acme") else 0
    # The first pass decides on what the watch told, and fails: every other one reads.
    refusal = {"request_id": "r-1", "code": "", "message": "out of order"}
    unconnected.neon.answers.add(Script(method="GET", route="/projects", status=503, body=refusal))
    second = await unconnected.create()
    await unconnected.cluster.until_ready()
    assert len(wire.aged) >= 1
    project = unconnected.project()
    assert project["annotations"]["neontenants.io/uid"] == second["metadata"]["uid"]
    assert unconnected.requests("POST", "/projects") == 2
    assert unconnected.requests("DELETE", "/projects/{project_id}") == 1
    await stays(unconnected, wire, await end_state(unconnected))


DEEDS = (Deed.DROP, Deed.REPEAT, Deed.HOLD, Deed.OLDER, Deed.CUT, Deed.EXPIRE)


async def at_random(scene: Scene, wire: WatchWire, reference: Object, seed: int) -> None:
    dice = Dice(seed, chance=0.3, deeds=DEEDS)
    wire.events = dice
    wire.reads = lambda read: dice.reads(read) if len(wire.aged) < OLD_READS else 0
    found = await life_to_rest(scene, wire, reference)
    assert irreversible(found) == irreversible(reference), f"seed {seed}: {wire.told} {wire.aged}"
    assert wire.spoiled() > 0
    await stays(scene, wire, found["end"])


@pytest.mark.proves("F32", "F33", "I1", "I3")
@pytest.mark.parametrize("seed", range(2))
async def test_events_and_reads_that_are_spoiled_at_random_lead_to_the_same_end(
    unconnected: Scene, wire: WatchWire, reference: Object, seed: int
) -> None:
    await at_random(unconnected, wire, reference, seed)


@pytest.mark.long
@pytest.mark.proves("F32", "F33", "I1", "I3")
@pytest.mark.parametrize("seed", range(2, 42))
async def test_many_seeds_of_spoiled_events_and_reads_lead_to_the_same_end(
    unconnected: Scene, wire: WatchWire, reference: Object, seed: int
) -> None:
    await at_random(unconnected, wire, reference, seed)


@pytest.mark.proves("F33")
async def test_an_operation_and_a_tier_of_which_no_event_told_are_found(
    unconnected: Scene, wire: WatchWire
) -> None:
    wire.events = every(Deed.DROP)
    done = await unconnected.operate("release", "ReleaseDeletions")
    assert done["status"]["phase"] == "Succeeded"
    await unconnected.create(tier="later")
    await unconnected.cluster.until_reason("TierNotFound")
    tier = unconnected.tiers.get("later") or await unconnected.create_tier("later")
    await unconnected.change(tier=tier)
    await unconnected.cluster.until_ready()
    await unconnected.cluster.delete("DatabaseTier", tier)
    del unconnected.tiers["later"]
    await unconnected.cluster.until_reason("TierNotFound")
