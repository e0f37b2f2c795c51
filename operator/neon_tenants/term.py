"""One term of the operator's work: its watch started, its chores kept going, its end in order."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import kopf

from neon_tenants import handlers, kopf_tasks, shortcut
from neon_tenants.api import names
from neon_tenants.assembly import Operator
from neon_tenants.core.key import Key
from neon_tenants.core.lane import Lane
from neon_tenants.core.shard import Scope
from neon_tenants.fleet.brake import REFRESH
from neon_tenants.fleet.sweep import trickle
from neon_tenants.kube.client import KubeClient
from neon_tenants.kube.errors import KubeError
from neon_tenants.sleep import sleep_unless

logger = logging.getLogger(__name__)

KEY_POLL: Final = 2.0
"""Seconds between looks at the API key's file. A mounted Secret sends no event."""
START_DELAYS: Final = (1.0, 2.0, 5.0, 10.0)
"""Seconds between tries while the API server or the CRDs are not there; the last one repeats."""
_KINDS: Final = frozenset({names.TENANT_DATABASES, names.DATABASE_TIERS, names.FLEET_OPERATIONS})


@dataclass(frozen=True, slots=True)
class End:
    """How a term ends."""

    stop: asyncio.Event
    """The process is asked to end: what runs is finished."""
    lost: asyncio.Event
    """Another may begin: what runs is cut off, as by a crash."""
    moved: asyncio.Event
    """Set when the replica works on other shards than before."""
    take_signals: Callable[[], None]
    """Takes the signals back from Kopf, which takes them whenever it starts: all ends by one flag."""


async def work(operator: Operator, end: End) -> None:
    """Does the operator's work until it is to end. Raises what a part of it ended with."""
    settings = operator.settings
    end.moved.clear()  # what is held now is what is listed first
    ended, anew = asyncio.Event(), asyncio.Event()
    triggers = _triggers(operator)
    watch = asyncio.create_task(_watch(operator, triggers, ended, anew, end.take_signals))
    causes = [asyncio.create_task(event.wait()) for event in (end.stop, end.lost)]
    try:
        async with operator.queue.working(
            operator.passes.run, workers=settings.workers, grace=settings.grace, cut=end.lost
        ):
            # No pass begins between this and the end of the queue's work.
            with operator.passes.given_up_at_the_end():
                async with _chores(operator, triggers, end.moved, anew) as chores:
                    await asyncio.wait({watch, *chores, *causes}, return_when=asyncio.FIRST_COMPLETED)
                    ended.set()
                    for task in (watch, *chores):
                        if task.done():
                            task.result()  # a chore ends only by an error, which ends the process
        if not end.lost.is_set():
            await operator.passes.finish(tenant.key for tenant in operator.memory.all_unrecorded())
    finally:
        # Kopf takes its time to end. What changes anything has ended before.
        ended.set()
        for cause in causes:
            cause.cancel()
        await asyncio.gather(watch, *causes, return_exceptions=True)
        end.take_signals()


def _triggers(operator: Operator) -> handlers.Triggers:
    return handlers.Triggers(
        queue=operator.queue,
        roster=operator.roster,
        memory=operator.memory,
        operations=operator.operations,
        scope=operator.scope,
        became_ready=lambda record: operator.metrics.became_ready(time.time() - record.created),
        rollouts=operator.rollouts,
    )


async def _watch(
    operator: Operator,
    triggers: handlers.Triggers,
    stop: asyncio.Event,
    anew: asyncio.Event,
    take_signals: Callable[[], None],
) -> None:
    """Lets Kopf watch; starts it again when its watch breaks for good, or is to begin anew."""
    namespaces = operator.settings.watch_namespaces
    while not stop.is_set():
        anew.clear()
        selector = operator.scope().selector
        listed = await _cluster_is_read(operator, triggers, stop)
        if listed is None:
            return
        started, ended = asyncio.Event(), asyncio.Event()
        operator.pulse.begin()
        ends = (_handed_on(event, ended) for event in (stop, operator.pulse.deaf, anew))
        beside = [asyncio.create_task(each) for each in (_started(started, take_signals), *ends)]
        try:
            with shortcut.taken(triggers.hands(), listed):
                tasks = await kopf.spawn_tasks(
                    registry=handlers.registry(triggers, operator.kube.access, operator.pulse),
                    settings=handlers.settings(selector),
                    standalone=True,
                    clusterwide=not namespaces,
                    namespaces=namespaces,
                    stop_flag=ended,
                    ready_flag=started,
                )
                await kopf_tasks.run(tasks)
        # Kopf ends with whatever error its watch met: an expired list, a CRD that went away.
        except Exception as error:  # noqa: BLE001
            logger.error("The watch ended and is started again.", extra={"error": type(error).__name__})  # noqa: TRY400
            await sleep_unless(stop, START_DELAYS[0])
        else:
            if not (operator.pulse.deaf.is_set() or anew.is_set()):
                return  # a signal, or the stop flag
        finally:
            ended.set()  # Kopf leaves a task behind that waits for it
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            operator.pulse.end()
            if operator.pulse.deaf.is_set():
                # What is known of the history that is gone is no measure of what is read now.
                operator.queue.renew()


async def _handed_on(cause: asyncio.Event, ended: asyncio.Event) -> None:
    await cause.wait()
    ended.set()


async def _started(started: asyncio.Event, take_signals: Callable[[], None]) -> None:
    await started.wait()
    take_signals()
    logger.info("The operator is watching.")


async def until_served(kube: KubeClient, stop: asyncio.Event) -> bool:
    """Waits until the API server serves our resources; false when asked to stop."""
    return await _until(stop, lambda: _is_served(kube))


async def _cluster_is_read(
    operator: Operator, triggers: handlers.Triggers, stop: asyncio.Event
) -> shortcut.Listed | None:
    """Likewise, and reads them; None when asked to stop."""
    listed: shortcut.Listed = {}

    async def is_read() -> bool:
        if not await _is_served(operator.kube):
            return False
        await operator.pauses.meet()
        await operator.brake.load()
        with _no_looks_for_cycles():
            listed.update(await _read_all(operator, triggers))
        return True

    return listed if await _until(stop, is_read) else None


@contextmanager
def _no_looks_for_cycles() -> Iterator[None]:
    """While much is read that stays: each look for cycles of garbage goes through all that is there by then,
    which took half the time. One at the end finds them, and what stays need not be looked at again.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


async def _is_served(kube: KubeClient) -> bool:
    if await kube.serves(names.GROUP, names.VERSION, _KINDS):
        return True
    logger.warning("The CRDs are not installed. Install them with: kubectl apply -f crds/ (waiting)")
    return False


async def _until(stop: asyncio.Event, is_ready: Callable[[], Coroutine[Any, Any, bool]]) -> bool:
    """Tries again and again; false when asked to stop."""
    delays = iter(START_DELAYS)
    delay = START_DELAYS[0]
    while not stop.is_set():
        try:
            if await _unless(stop, is_ready()):
                return True
        except KubeError as error:
            logger.warning("The cluster is not ready (waiting).", extra={"why": str(error)})
        delay = next(delays, delay)
        await sleep_unless(stop, delay)
    return False


async def _unless(stop: asyncio.Event, doing: Coroutine[Any, Any, bool]) -> bool:
    """What it comes to; false when asked to stop: a list of all tenants may take a minute."""
    tasks = {asyncio.create_task(doing), asyncio.create_task(stop.wait())}
    done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    return not stop.is_set() and done.pop().result()


async def _read_all(operator: Operator, triggers: handlers.Triggers) -> shortcut.Listed:
    """Reads tiers and tenants; the versions of these lists, from which on they are to be watched.

    Tiers before tenants: whether one is settled depends on its tier. And both before the watch: a rollout
    that does not know all tenants would choose its canaries among the first that are told. What is not there
    any more goes: Kopf notices no deletion across a new list.

    Work begins as soon as all are known.
    """
    listed: shortcut.Listed = {}
    await _read_tiers(operator, triggers, listed)
    wishes = await _read_tenants(operator, triggers, listed)
    for tier in operator.roster.tiers():
        operator.rollouts.note(tier.name)
    for wish in wishes:
        triggers.ask(wish)
    return listed


async def _read_tiers(operator: Operator, triggers: handlers.Triggers, listed: shortcut.Listed) -> None:
    gone = {tier.name for tier in operator.roster.tiers()}
    path = handlers.path_of(names.DATABASE_TIERS)
    async for page, version in operator.kube.pages("list DatabaseTiers", path):
        listed[names.DATABASE_TIERS, None] = version
        for body in page:
            triggers.meet_tier(body)
            gone.discard(body["metadata"]["name"])
    for name in gone:
        operator.roster.drop_tier(name)


async def _read_tenants(
    operator: Operator, triggers: handlers.Triggers, listed: shortcut.Listed
) -> list[handlers.Wish]:
    """Reads them; the passes that they want."""
    gone = {record.key: record.uid for record in operator.roster.records()}
    wishes: list[handlers.Wish] = []
    scope = operator.scope()
    for namespace in operator.settings.watch_namespaces or (None,):
        path = handlers.path_of(names.TENANT_DATABASES, namespace)
        query = _query(scope)
        async for page, version in operator.kube.pages("list TenantDatabases", path, query=query):
            listed[names.TENANT_DATABASES, namespace] = version
            for body in page:
                if not scope.sees(body["metadata"]["uid"]):
                    continue
                gone.pop(Key(body["metadata"]["namespace"], body["metadata"]["name"]), None)
                if wish := triggers.meet(body):
                    wishes.append(wish)
    for key, uid in gone.items():
        triggers.gone(key, uid)
    return wishes


def _query(scope: Scope) -> dict[str, str]:
    """Of lists of tenants."""
    return {"fieldSelector": scope.selector} if scope.selector else {}


@asynccontextmanager
async def _chores(
    operator: Operator, triggers: handlers.Triggers, moved: asyncio.Event, anew: asyncio.Event
) -> AsyncIterator[set[asyncio.Task[None]]]:
    settings, scope = operator.settings, operator.scope()
    chores = [
        _resync(operator, triggers),
        _watch_key(operator),
        _watch_history(operator),
        operator.rollouts.run(),
    ]
    if scope.is_split:
        chores += [_follow_shards(operator, triggers, moved, anew), _hear_others(operator)]
    if scope.conducts:
        chores += [
            operator.sweep.run(settings.sweep_interval, random.random),
            trickle(operator.roster, operator.queue, settings.resync_interval),
            operator.operations.run(),
        ]
    tasks = {asyncio.create_task(chore) for chore in chores}
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _follow_shards(
    operator: Operator, triggers: handlers.Triggers, moved: asyncio.Event, anew: asyncio.Event
) -> None:
    """Lets the watch follow the shards that are held. Who conducts watches all, and only looks through it."""
    while True:
        await moved.wait()
        moved.clear()
        if operator.scope().conducts:
            triggers.gained()
        else:
            anew.set()


async def _hear_others(operator: Operator) -> None:
    """Reads again and again what others have stored: deletions that they counted, what a person confirmed."""
    while True:
        await asyncio.sleep(REFRESH)
        was_blocked = operator.pauses.report_only is not None
        try:
            await operator.brake.load()
            await operator.pauses.meet()
        except KubeError as error:
            logger.info("What others have stored was not read.", extra={"why": str(error)})
            continue
        if was_blocked and operator.pauses.report_only is None:
            for key in operator.roster.all_keys():
                operator.queue.add(key, Lane.SWEEP)


async def _resync(operator: Operator, triggers: handlers.Triggers) -> None:
    """Lists what is watched once in the resync interval: what no event has told of.

    Of tenants that are not there any more, their passes tell.
    """
    while True:
        await asyncio.sleep(operator.settings.resync_interval * random.uniform(0.9, 1.0))  # noqa: S311 - jitter
        if not operator.pulse.complete:
            continue  # the watch is about to list by itself
        tiers = {tier.name for tier in operator.roster.tiers()}
        try:
            for path in sorted(handlers.streams(operator.settings.watch_namespaces)):
                kind = path.rpartition("/")[2]
                query = _query(operator.scope()) if kind == names.TENANT_DATABASES else {}
                async for body in operator.kube.items(f"list {kind}", path, query=query):
                    triggers.listed(kind, body)
                    if kind == names.DATABASE_TIERS:
                        tiers.discard(body["metadata"]["name"])
        except KubeError as error:
            logger.warning("What is watched was not listed anew.", extra={"why": str(error)})
            continue
        for name in tiers:
            triggers.unlisted_tier(name)


async def _watch_key(operator: Operator) -> None:
    """Ends every back-off when the API key's file changes: its old content may have been the cause."""
    known = operator.key.fingerprint()
    while True:
        await asyncio.sleep(KEY_POLL)
        found = operator.key.fingerprint()
        if found != known:
            known = found
            logger.info("The API key's file has changed.")
            operator.queue.expedite()


async def _watch_history(operator: Operator) -> None:
    """Lets the watch begin anew where the API server's history went back: a backup of etcd was restored.

    A watch that goes on from a version which is yet to come gets no error. It is told nothing at all until
    that version has come again.
    """
    while True:
        resumed = await operator.pulse.resumed()
        while resumed:
            path, version = resumed.popitem()
            try:
                found = await operator.kube.version(path)
            except KubeError as error:
                logger.info(
                    "The version of what is stored is not known (waiting).", extra={"why": str(error)}
                )
                resumed[path] = version
                await asyncio.sleep(START_DELAYS[0])
                continue
            if 0 < found < version:
                logger.warning(
                    "The API server's history went back, as after a backup of etcd was restored. "
                    "Everything is read anew.",
                    extra={"known": version, "found": found},
                )
                operator.pulse.deaf.set()
                break
