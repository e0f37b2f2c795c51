"""The election on a real API server, with the operator's own rights. Clocks are moved by the tests."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

import lease
from cluster import Cluster, Object
from fault import At, Mode, Request
from neon_sandbox import installation
from neon_sandbox.controlplane import ControlPlane
from neon_tenants.core.lease import Terms
from neon_tenants.election import Election
from neon_tenants.kube.client import KubeClient
from neon_tenants.kube.leases import Leases
from neon_tenants.shards import LEASE
from waiting import until
from wire import Traffic, Wire

TERMS = Terms(duration=10, deadline=7, retry=0.02)
"""By the tests' clocks; only the time between two tries is by the real one."""


_writes = itertools.count()


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Candidate:
    election: Election
    clock: Clock
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    notes: dict[str, str] = field(default_factory=dict)
    """What it writes into a Lease that it has."""
    noticed: list[str] = field(default_factory=list)
    """The note `colour`, each time when other notes stood there."""

    async def stands_by(self, behind: str) -> asyncio.Task[bool]:
        """Lets it wait, and returns when it has seen who leads."""
        waiting = asyncio.create_task(self.election.acquire(self.stop))

        async def saw() -> bool:
            return self.election.leader == behind and self.election.trouble is None

        await until(saw, f"it stands by for {behind}")
        return waiting


@dataclass
class Field:
    """Where candidates meet."""

    admin: Cluster
    kube: KubeClient
    traffic: Traffic

    def candidate(self, identity: str, *, terms: Terms = TERMS, real: bool = False) -> Candidate:
        clock, notes, noticed = Clock(), dict[str, str](), list[str]()
        election = Election(
            leases=Leases(self.kube, namespace=lease.NAME, name=LEASE),
            identity=identity,
            terms=terms,
            clock=time.monotonic if real else clock,
            dice=lambda: 0.0,
            # As long ago as no clock should say.
            wall_time=lambda: f"2001-02-03T04:05:06.{next(_writes):06d}Z",
            notes=lambda: notes,
            noticed=lambda: noticed.append(election.noted("colour")),
        )
        return Candidate(election, clock, notes=notes, noticed=noticed)

    async def leader(self, identity: str = "first", *, terms: Terms = TERMS, real: bool = False) -> Candidate:
        found = self.candidate(identity, terms=terms, real=real)
        assert await found.election.acquire(found.stop)
        return found


@asynccontextmanager
async def _wired(plane: ControlPlane, folder: Path) -> AsyncIterator[tuple[KubeClient, Traffic]]:
    kubeconfig, traffic = folder / "kubeconfig", Traffic()
    await installation.write_operator_kubeconfig(plane, kubeconfig)
    async with AsyncExitStack() as stack:
        wire = await stack.enter_async_context(
            Wire.to(plane.url, name="kube", ca_file=plane.ca_file, traffic=traffic)
        )
        config = yaml.safe_load(kubeconfig.read_text())
        config["clusters"][0]["cluster"] = {"server": wire.url}
        kubeconfig.write_text(yaml.safe_dump(config))
        yield await stack.enter_async_context(KubeClient.connect(kubeconfig=kubeconfig)), traffic


@pytest.fixture
async def place(plane: ControlPlane, tmp_path: Path) -> AsyncIterator[Field]:
    async with Cluster.connect(plane, lease.NAME) as admin, _wired(plane, tmp_path) as (kube, traffic):
        await lease.remove(admin)
        yield Field(admin, kube, traffic)
        await lease.remove(admin)


async def until_more(traffic: Traffic, kind: str, more: int) -> None:
    """Waits until so many requests of a kind were made from now on: all but the last are through."""

    def count() -> int:
        return sum(request.kind == kind for request in traffic.requests)

    before = count()

    async def made() -> bool:
        return count() >= before + more

    await until(made, f"{more} more {kind} are made")


@pytest.mark.proves("F51")
async def test_of_ten_candidates_at_once_exactly_one_leads(place: Field) -> None:
    candidates = [place.candidate(f"candidate-{number}") for number in range(10)]
    waiting = [asyncio.create_task(each.election.acquire(each.stop)) for each in candidates]

    async def agreed() -> bool:
        leaders = {each.election.leader for each in candidates}
        return len(leaders) == 1 and "" not in leaders

    await until(agreed, "all know who leads")
    assert [each.election.leads for each in candidates].count(True) == 1
    (leader,) = (each for each in candidates if each.election.leads)
    assert await lease.holder(place.admin) == leader.election.leader
    for each in candidates:
        each.stop.set()
    assert sorted(await asyncio.gather(*waiting)) == [False] * 9 + [True]


@pytest.mark.proves("F51", "F52")
async def test_a_leader_that_died_is_followed_when_its_lease_has_been_seen_unchanged_for_its_duration(
    place: Field,
) -> None:
    """By the clock of who follows: what the Lease says of the time is twenty years old."""
    await place.leader("first")
    second = place.candidate("second")
    waiting = await second.stands_by("first")
    second.clock.now += 9.9
    await until_more(place.traffic, "GET leases", 2)
    assert not second.election.leads
    second.clock.now += 0.1
    assert await waiting
    found = (await lease.read(place.admin))["spec"]
    assert (found["holderIdentity"], found["leaseTransitions"]) == ("second", 1)


@pytest.mark.proves("F51")
async def test_a_renewed_lease_is_not_taken(place: Field) -> None:
    first = await place.leader("first", real=True)
    second = place.candidate("second")
    waiting = await second.stands_by("first")
    renewing = asyncio.create_task(first.election.renew())
    for _ in range(4):
        second.clock.now += 9
        await until_more(place.traffic, "PUT leases", 2)
        await until_more(place.traffic, "GET leases", 2)
    assert not second.election.leads
    assert not renewing.done()
    renewing.cancel()
    second.stop.set()
    assert not await waiting


async def test_a_released_lease_is_taken_at_once(place: Field) -> None:
    first = await place.leader("first")
    second = place.candidate("second")
    waiting = await second.stands_by("first")
    await first.election.release()
    assert not first.election.leads
    assert await waiting


@pytest.mark.parametrize("mode", [Mode.CONFLICT, Mode.ERROR_DONE, Mode.ANSWER_LOST])
async def test_a_fault_at_the_release_leaves_nobody_in_the_lease(place: Field, mode: Mode) -> None:
    first = await place.leader("first")
    place.traffic.begin(At("PUT leases", 1, mode))
    await first.election.release()
    assert place.traffic.injected
    assert await lease.holder(place.admin) == ""


async def test_what_another_holds_is_not_released(place: Field) -> None:
    first = await place.leader("first")
    await lease.change(place.admin, holderIdentity="second")
    await first.election.release()
    assert await lease.holder(place.admin) == "second"


async def test_a_lease_that_is_gone_is_not_released(place: Field) -> None:
    first = await place.leader("first")
    await lease.remove(place.admin)
    await first.election.release()


GARBAGE: dict[str, tuple[Object, Object | None]] = {
    "nothing in it": ({}, None),
    "no holder": ({}, {"leaseDurationSeconds": 5}),
    "an empty holder": ({}, {"holderIdentity": "", "renewTime": "2038-01-19T03:14:07.000000Z"}),
    "a holder for ever": ({}, {"holderIdentity": "x", "leaseDurationSeconds": 2**31 - 1}),
    "a holder in the future": ({}, {"holderIdentity": "x", "renewTime": "9999-01-19T03:14:07.000000Z"}),
    "a holder of no name": ({}, {"holderIdentity": "\u202e\x00 {}", "leaseTransitions": 2**31 - 2}),
    "labels and annotations": (
        {"labels": {"a": "b"}, "annotations": {"c": "d"}},
        {"holderIdentity": "x", "leaseDurationSeconds": 1},
    ),
}


@pytest.mark.parametrize(("metadata", "spec"), GARBAGE.values(), ids=GARBAGE.keys())
async def test_a_foreign_lease_holds_nobody_up_for_longer_than_ours_would(
    place: Field, metadata: Object, spec: Object | None
) -> None:
    await lease.create(place.admin, metadata, spec)
    candidate = place.candidate("ours")
    waiting = asyncio.create_task(candidate.election.acquire(candidate.stop))

    async def looked() -> bool:
        return candidate.election.looked

    await until(looked, "it has looked")
    candidate.clock.now += 10
    assert await waiting
    found = await lease.read(place.admin)
    assert found["spec"]["holderIdentity"] == "ours"
    for name, value in metadata.items():
        assert found["metadata"][name] == value


async def test_a_leader_makes_a_deleted_lease_again(place: Field) -> None:
    first = await place.leader("first", real=True)
    renewing = asyncio.create_task(first.election.renew())
    await lease.remove(place.admin)
    assert await lease.until_held(place.admin) == "first"
    assert not renewing.done()
    renewing.cancel()


@pytest.mark.parametrize("holder", ["second", ""])
async def test_a_leader_steps_down_where_another_or_nobody_is_written(place: Field, holder: str) -> None:
    first = await place.leader("first", real=True)
    renewing = asyncio.create_task(first.election.renew())
    await lease.change(place.admin, holderIdentity=holder)
    await renewing
    assert not first.election.leads
    assert await lease.holder(place.admin) == holder


@pytest.mark.proves("F31", "F51")
@pytest.mark.parametrize("mode", [Mode.NEVER_ARRIVES, Mode.HANGS, Mode.UNAVAILABLE, Mode.ERROR])
async def test_a_leader_that_cannot_renew_steps_down_and_leads_again_when_it_can(
    place: Field, mode: Mode
) -> None:
    terms = Terms(duration=3600, deadline=0.5, retry=0.05)
    first = place.candidate("first", terms=terms, real=True)
    assert await first.election.acquire(first.stop)
    place.traffic.begin(_always(mode))
    await first.election.renew()
    assert not first.election.leads
    assert first.election.trouble is not None
    waiting = asyncio.create_task(first.election.acquire(first.stop))
    place.traffic.begin()
    assert await waiting
    assert first.election.trouble is None


def _always(mode: Mode) -> Callable[[Request], Mode | None]:
    return lambda _request: mode


ONCE = [Mode.CONFLICT, Mode.ANSWER_LOST, Mode.NEVER_ARRIVES, Mode.ERROR_DONE, Mode.THROTTLED]


@pytest.mark.proves("F30", "F31")
@pytest.mark.parametrize("mode", ONCE)
@pytest.mark.parametrize("kind", ["GET leases", "POST leases", "PUT leases"])
async def test_one_fault_ends_no_lead(place: Field, kind: str, mode: Mode) -> None:
    place.traffic.begin(At(kind, 1, mode))
    first = await place.leader("first", real=True)
    renewing = asyncio.create_task(first.election.renew())

    await until_more(place.traffic, "PUT leases", 4)
    assert place.traffic.injected
    assert first.election.leads
    assert await lease.holder(place.admin) == "first"
    assert (await lease.read(place.admin))["spec"]["leaseTransitions"] == 0
    renewing.cancel()


async def test_an_unchanged_lease_is_renewed_by_one_request(place: Field) -> None:
    first = await place.leader("first", real=True)
    place.traffic.begin()
    renewing = asyncio.create_task(first.election.renew())
    await until_more(place.traffic, "PUT leases", 3)
    assert {request.kind for request in place.traffic.requests} == {"PUT leases"}
    renewing.cancel()


async def test_new_notes_are_written_at_once_where_others_wait_for_them(place: Field) -> None:
    """By itself this leader would renew after more than the test's patience."""
    first = await place.leader("first", terms=Terms(duration=300, deadline=280, retry=200))
    first.notes["colour"] = "blue"
    renewing = asyncio.create_task(first.election.renew())
    first.election.hurry()

    async def written() -> bool:
        notes = (await lease.read(place.admin))["metadata"].get("annotations", {})
        return bool(list(notes.values()) == ["blue"])

    await until(written, "the note stands on the Lease")
    assert not renewing.done()
    renewing.cancel()


async def test_each_change_of_notes_is_noticed_once_by_who_writes_and_by_who_stands_by(place: Field) -> None:
    first = await place.leader("first")
    second = place.candidate("second")
    waiting = await second.stands_by("first")
    renewing = asyncio.create_task(first.election.renew())
    for colour in ("blue", "red"):
        first.notes["colour"] = colour

        async def saw(colour: str = colour) -> bool:
            return second.election.noted("colour") == colour == first.election.noted("colour")

        await until(saw, f"both see {colour}")
        await until_more(place.traffic, "GET leases", 2)
    assert (first.noticed, second.noticed) == (["blue", "red"], ["blue", "red"])
    renewing.cancel()
    second.stop.set()
    await waiting
