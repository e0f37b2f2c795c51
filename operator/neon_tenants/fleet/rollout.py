"""Tier rollouts, done: whom a changed tier may reach, fed to the queue in small portions; and told.

`core.rollout` decides; here are the clock, the queue, the list of projects and the status.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from neon_tenants.api.database_tier import RolloutStatus
from neon_tenants.core import rollout, tier_status
from neon_tenants.core.census import Census, Standing
from neon_tenants.core.entitlement import Tier
from neon_tenants.core.harm import EITHER, survey
from neon_tenants.core.key import Key
from neon_tenants.core.lane import Lane
from neon_tenants.core.observed import is_pending
from neon_tenants.core.record import Record
from neon_tenants.core.rollout import Decision
from neon_tenants.core.shard import Scope
from neon_tenants.kube.errors import KubeError
from neon_tenants.kube.events import Events, Regarding
from neon_tenants.kube.tiers import Tiers
from neon_tenants.neon.errors import NeonError
from neon_tenants.neon.inventory import Listing
from neon_tenants.neon.turn import Turn, taking_turns
from neon_tenants.queue import Queue
from neon_tenants.roster import Roster

logger = logging.getLogger(__name__)

TICK: Final = 1.0
"""Seconds between two writes of a tier's status that tell of other numbers alone."""
LOOK: Final = 0.1
"""Seconds between two looks at the rollouts: what has changed since the last one is looked at together."""
IDLE_FACTOR: Final = 20
"""How many times as long as a look took the next one waits, up to `TICK`: where all tenants of a large tier
must be counted, the others' passes go on."""
PORTION: Final = 256
"""Tenants of a rollout that the queue holds at a time: eight for each of the default's workers. When Neon
is out of order, no more than these back off."""
RETRY: Final = 10.0
"""Seconds until a look that failed is taken again."""
IDLE_LOOKS: Final = 30
"""Looks within `idle_interval`, of a tier, at computes that wait to be idle; each costs Neon one request."""


_ON_THE_WAY: Final = (Standing.TO_COME, Standing.FAILED, Standing.WAITING, Standing.SICK)


class CannotGoOnError(Exception):
    """A rollout that cannot be let go; the message says why."""


@dataclass(slots=True)
class _Course:
    """What this process knows of one tier's rollout. Losing it costs time."""

    generation: int
    census: Census | None = None
    """Follows each record."""
    decision: Decision | None = None
    fed: set[Key] = field(default_factory=set)
    """Put on the queue for this generation."""
    looked: dict[Key, float] = field(default_factory=dict)
    """When a compute that waits was last asked to be looked at."""
    looking: asyncio.Task[None] | None = None
    told_at: float = -math.inf
    """When its status was written last."""
    harms: Counter[str] | None = None
    """Whom the change harms; None while nobody has looked."""


class Rollouts:
    """The rollouts of all tiers that have tenants here. Who does not conduct follows what is told of them."""

    def __init__(
        self,
        *,
        roster: Roster,
        queue: Queue,
        tiers: Tiers,
        events: Events,
        projects: Callable[[], Awaitable[Listing]],
        scope: Callable[[], Scope],
        idle_interval: float,
        clock: Callable[[], float],
        wall_time: Callable[[], str],
    ) -> None:
        self._roster = roster
        self._queue = queue
        self._tiers = tiers
        self._events = events
        self._projects = projects
        self._scope = scope
        self._idle_interval = idle_interval
        self._clock = clock
        self._wall_time = wall_time
        self._courses: dict[str, _Course] = {}
        self._changed: set[str] = set()
        self._news = asyncio.Event()
        roster.listen(self._follow)

    def _follow(self, before: Record | None, after: Record | None) -> None:
        for tier in {record.tier for record in (before, after) if record is not None}:
            course = self._courses.get(tier)
            if course is not None and course.census is not None:
                course.census.change(before, after)

    def note(self, tier: str) -> None:
        """A tier, or one of its tenants, has changed: it is looked at. Not while a list is being read."""
        self._changed.add(tier)
        self._news.set()

    def admits(self, tier: Tier, key: Key) -> bool:
        """Whether a tenant that has this tier of another generation may have it as it is."""
        course = self._courses.get(tier.name)
        if course is None or course.generation != tier.generation or course.decision is None:
            return False
        return course.decision.admits(key)

    async def confirm(self, name: str, generation: int) -> None:
        """A person says that the rollout of this generation shall go on, with the failures so far.

        Raises:
            CannotGoOnError: there is no such rollout.
            KubeError: the tier's status could not be written.
        """
        tier, status = self.check(name, generation)
        confirmed = tier.status.model_copy(update={"rollout": rollout.let_go(status, status.failed)})
        self._roster.wrote_tier(tier, await self._tiers.write_status(tier, confirmed))
        self.note(name)

    def check(self, name: str, generation: int) -> tuple[Tier, RolloutStatus]:
        """The rollout that a person would let go.

        Raises:
            CannotGoOnError: there is no such rollout.
        """
        tier = self._roster.tier(name)
        if tier is None:
            raise CannotGoOnError(f"There is no DatabaseTier {name}.")
        status = tier.status.rollout
        if status is None or status.generation != tier.generation or generation != tier.generation:
            raise CannotGoOnError(
                f"The tier {name} is at generation {tier.generation}, and a confirmation names the one that "
                "it lets go. Look at the tier's conditions again."
            )
        return tier, status

    async def run(self) -> None:
        """Looks at what has changed, again and again; never ends by itself."""
        try:
            while True:
                await self._something()
                changed, self._changed = self._changed, set()
                self._news.clear()
                took = 0.0
                for name in changed:
                    took += await self._look(name)
                await asyncio.sleep(min(max(IDLE_FACTOR * took, LOOK), TICK))
        finally:
            for course in self._courses.values():
                if course.looking is not None:
                    course.looking.cancel()

    async def _something(self) -> None:
        """Waits for news, or until computes that wait to be idle are due for a look."""
        waiting = [n for n, c in self._courses.items() if c.decision is not None and c.decision.waiting]
        try:
            async with asyncio.timeout(self._idle_interval if waiting else None):
                await self._news.wait()
        except TimeoutError:
            self._changed.update(waiting)

    async def _look(self, name: str) -> float:
        """Decides anew about one tier, feeds the queue, tells the reader; the seconds before the telling."""
        tier = self._roster.tier(name)
        if tier is None:
            self._courses.pop(name, None)
            return 0.0
        tenants = self._roster.count_of(name)
        if not tenants and name not in self._courses and tier.status.tenants != 0:
            return 0.0  # a tier of somebody else's tenants, or one that never had any
        course = self._courses.get(name)
        if course is None or course.generation != tier.generation:
            course = self._courses[name] = _Course(tier.generation)
        looked_at = self._clock()
        decision = course.decision = self._decide(tier, course)
        self._feed(course)
        took = self._clock() - looked_at
        if not self._scope().conducts:
            return took
        if decision.is_early:
            self.note(name)
        if not decision.is_blind:
            await self._tell(tier, decision, course, tenants=tenants)
        elif course.looking is None:
            course.looking = asyncio.create_task(self._survey(tier, course))
        return took

    def _decide(self, tier: Tier, course: _Course) -> Decision:
        now = self._wall_time()
        begun = rollout.begun(tier, self._roster.records_of(tier.name), now)
        conducts = self._scope().conducts
        census = self._census(course, tier, begun, conducts=conducts)
        most, mine = PORTION + len(course.fed), self._is_mine
        if not conducts:
            return rollout.followed(begun, census, most=most, mine=mine)
        status = rollout.heard(begun, tier)
        harmed = None if course.harms is None else course.harms[EITHER]
        decision = rollout.decide(tier, census, status, harmed=harmed, wall_time=now, most=most, mine=mine)
        if not rollout.has_canaries(decision.status):
            census.forget_canaries()
        return decision

    def _census(self, course: _Course, tier: Tier, begun: RolloutStatus, *, conducts: bool) -> Census:
        """That of the rollout's beginning; counted anew where it begins otherwise than was thought."""
        canaries = conducts and rollout.has_canaries(begun)
        known = course.census
        if known is None or known.started != begun.started or (canaries and not known.knows_canaries):
            records = self._roster.records_of(tier.name)
            known = course.census = Census(tier, records, begun.started, canaries=canaries)
        return known

    def _is_mine(self, key: Key) -> bool:
        record = self._roster.record(key)
        return record is not None and self._scope().holds(record.uid)

    def _feed(self, course: _Course) -> None:
        """Puts tenants on the queue that are admitted, each once, and no more than it shall hold."""
        census = course.census
        assert course.decision is not None
        assert census is not None
        if not course.decision.to_do:
            # Paused or over: who was fed and not updated is fed again when it goes on.
            course.fed.clear()
        course.fed = {key for key in course.fed if census.has(key, *_ON_THE_WAY)}
        on_the_way = sum(census.has(key, Standing.TO_COME) for key in course.fed)
        for key in course.decision.to_do:
            if on_the_way >= PORTION:
                break
            if key not in course.fed:
                course.fed.add(key)
                self._queue.add(key, Lane.ROLLOUT)
                on_the_way += 1
        self._look_at_the_idle(course)

    def _look_at_the_idle(self, course: _Course) -> None:
        """Asks for a look at computes that wait to be idle: those first that wait longest for one."""
        assert course.decision is not None
        now = self._clock()
        waiting = course.decision.waiting
        course.looked = {key: course.looked.get(key, now) for key in waiting}
        recent = sum(now - at < self._idle_interval for at in course.looked.values())
        due = [key for key in waiting if now - course.looked[key] >= self._idle_interval]
        for key in sorted(due, key=course.looked.__getitem__)[: max(IDLE_LOOKS - recent, 0)]:
            course.looked[key] = now
            self._queue.add(key, Lane.SWEEP)

    async def _survey(self, tier: Tier, course: _Course) -> None:
        """Looks whom the change harms, by one list of Neon's; again after a while where there is none."""
        while True:
            try:
                with taking_turns(Turn(Lane.ROLLOUT)):
                    listing = await self._projects()
                break
            except NeonError as error:
                logger.info(
                    "A rollout waits for Neon's list of projects.",
                    extra={"tier": tier.name, "why": error.failure.message},
                )
                await asyncio.sleep(RETRY)
        pairs = [
            (record, project)
            for record in self._roster.records_of(tier.name)
            if is_pending(record.applied, tier) and (project := listing.by_id.get(record.project_id or ""))
        ]
        course.harms = survey(tier, pairs)
        self.note(tier.name)

    async def _tell(self, tier: Tier, decision: Decision, course: _Course, *, tenants: int) -> None:
        """Writes the status where a reader would notice, and posts an event for what a person should."""
        new = tier_status.told(
            tier,
            decision.status,
            tenants=tenants,
            harms=course.harms or Counter(),
            wall_time=self._wall_time(),
        )
        if new == tier.status:
            return
        now = self._clock()
        if now - course.told_at < TICK and tier_status.tells_numbers_alone(tier.status, new):
            self.note(tier.name)  # a write costs the API server more than a look costs us
            return
        course.told_at = now
        try:
            written = await self._tiers.write_status(tier, new)
        except KubeError as error:
            # Somebody wrote in between, or the API server is away: decided anew, by what is true then.
            logger.info("A tier's status was not written: %s", error, extra={"tier": tier.name})
            self.note(tier.name)
            return
        self._roster.wrote_tier(tier, written)
        if event := tier_status.event(tier, new):
            await self._events.post(Regarding.of_tier(written), event)
