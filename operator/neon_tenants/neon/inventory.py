"""The shared look-up: which projects stand in a place, for many tenants by one list.

Creates that wait at the same time share one complete list that *began after* each of them was read
(docs/protocol.md, rule 7). Where a list takes more pages than there are tenants waiting,
each searches for its own place instead, which is one request. So does a list for which only one waits when it
leaves: Neon has less to tell.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from neon_tenants.core.crowd import CROWD, crowd_of, patience
from neon_tenants.core.failure import Done
from neon_tenants.core.lane import Lane
from neon_tenants.core.marker import Marker, place_in
from neon_tenants.core.project import Project
from neon_tenants.neon.client import NeonClient, ProjectPage
from neon_tenants.neon.errors import unreachable
from neon_tenants.neon.turn import Turn, current_turn, is_cancelled, taking_turns
from neon_tenants.sleep import sleep_unless

POLL: Final = 0.25
"""Seconds until a list that gathers a crowd looks again who may still come."""
SLOW_GATHER: Final = 8.0
"""Where requests wait for the budget, a crowd comes one by one, as slowly as its other requests leave. A list
waits for it as long as that, and so many seconds at most."""
OTHERS: Final = 2
"""Requests of a create, or of a delete, beside its part of a list."""
MAX_PAGES: Final = 2500
"""A list longer than a million projects is a server that repeats itself."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A complete list: every project of the organization by id, those with names like ours by place.

    One that was read for a few places knows of no others.
    """

    began: float
    by_id: Mapping[str, Project]
    by_place: Mapping[str, tuple[Project, ...]]
    pages: int = 1


class _Round:
    """The list that begins next, and those who will share it."""

    def __init__(self, task: asyncio.Task[Listing | None]) -> None:
        self.task = task
        self.waiting = 0
        self.alone = False
        """Whether one waits that is of no crowd."""
        self.whole = False
        self.places: dict[str, Marker] = {}
        """Where those look who do not ask for the whole list."""
        self.joined = asyncio.Event()
        """Set when one more waits."""

    def join(self, marker: Marker | None, *, alone: bool) -> None:
        """One more waits, for the projects of a place, or with None for all."""
        self.waiting += 1
        self.alone |= alone
        if marker is None:
            self.whole = True
        else:
            self.places[marker.place] = marker
        self.joined.set()

    def wants(self, name: str) -> bool:
        """Whether anybody waits for the project of this name."""
        return self.whole or place_in(name) in self.places

    @property
    def search(self) -> str | None:
        """What the list may be narrowed to, where only one waits for it."""
        if self.waiting > 1 or self.whole:
            return None
        return next(iter(self.places.values())).search_text

    @property
    def worth_pages(self) -> int:
        """How long a list may be before a search each takes fewer requests."""
        return MAX_PAGES if self.whole else self.waiting


class _Rounds:
    """Lists that are made one after another, for those of some lanes."""

    def __init__(self, lane: Lane, last: Lane) -> None:
        self.lane = lane
        """The first of them, in which the lists are asked for."""
        self.last = last
        self.next: _Round | None = None
        self.one_at_a_time = asyncio.Lock()
        self.began = 0.0
        """When the last one began."""
        self.served = 0
        """How many it served."""


class Inventory:
    """The organization's projects, alive or (`recoverable`) deleted within the last 7 days."""

    def __init__(
        self,
        neon: NeonClient,
        clock: Callable[[], float],
        *,
        lookers: int,
        at_work: Callable[[Lane, Lane], int],
        recoverable: bool = False,
        takes: Callable[[int], float] = lambda _: 0.0,
        wait_for: float = math.inf,
    ) -> None:
        """`takes` tells in how many seconds so many requests leave, where some wait; 0 where none does.

        Who looks has `wait_for` seconds for that and for all else. Of a crowd up to `lookers` look at the
        same time, and `at_work` counts the passes that run, from a lane to another.
        """
        self._lookers = lookers
        self._at_work = at_work
        self._takes = takes
        self._slow = min(SLOW_GATHER, wait_for / 10)
        self._neon = neon
        self._clock = clock
        self._recoverable = recoverable
        self._latest: Listing | None = None
        # Those for whom a person waits never wait for a list of the others, which may have 750 pages to go
        # and goes last. Each kind has its rounds, in the lane of the most urgent who may join them.
        self._urgent = _Rounds(Lane.CREATE, Lane.REPAIR)
        self._others = _Rounds(Lane.ROLLOUT, Lane.SWEEP)
        self._pages = 1
        """How many pages a complete list takes, at least."""

    async def in_place(
        self, marker: Marker, *, newer_than: float, whole: bool = False
    ) -> tuple[Project, ...]:
        """All projects whose names lie in the marker's place, oldest first, as of after `newer_than`.

        `whole` asks for a complete list in any case: for looks that many tenants take one by one.

        Raises:
            NeonError: the list failed or is incomplete, and so says nothing.
        """
        listing = self._latest
        if listing is None or listing.began < newer_than:
            listing = await self._shared(None if whole else marker)
        if listing is not None:
            found = listing.by_place.get(marker.place, ())
        else:
            pages = [page async for page in self._page_by_page(lambda: marker.search_text)]
            found = tuple(project for page in pages for project in page.projects)
        ours = (project for project in found if marker.in_place(project.name))
        return tuple(sorted(ours, key=lambda project: (project.created_at, project.id)))

    async def whole(self) -> Listing:
        """A complete list that begins from now on. It serves those as well who ask `in_place` afterwards.

        Raises:
            NeonError: the list failed or is incomplete, and so says nothing.
        """
        listing = await self._shared(None)
        assert listing is not None  # a whole list is worth any number of pages
        return listing

    async def _shared(self, marker: Marker | None) -> Listing | None:
        """A listing of this place at least (None: of all) that begins from now on; None where a search each
        takes fewer requests.
        """
        rounds = self._rounds(whole=marker is None)
        # A list that has left began before: join the next. One that waits for the budget has not begun.
        if rounds.next is None:
            # On no waiter's own account: the list serves many, also such as are more urgent than the first.
            with taking_turns(Turn(rounds.lane)):
                task = asyncio.create_task(self._run(rounds))
            task.add_done_callback(_seen)
            rounds.next = _Round(task)
        joined = rounds.next
        joined.join(marker, alone=not current_turn().crowd)
        try:
            # One waiter's cancellation is not the others'.
            return await current_turn().wait(asyncio.shield(joined.task))
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            # Kopf, when it ends, cancels tasks that are not its own; ours waits on.
            raise unreachable("Neon's list of projects was interrupted. It is read again.", Done.NO) from None

    def _rounds(self, *, whole: bool) -> _Rounds:
        if current_turn().lane < self._others.lane:
            return self._urgent
        # A list that is about to begin in any case serves others as well, unless they made it longer.
        return self._urgent if self._urgent.next and not whole else self._others

    async def _run(self, rounds: _Rounds) -> Listing | None:
        async with rounds.one_at_a_time:
            assert rounds.next is not None
            await self._gather(rounds, rounds.next)
            current = rounds.next

            def leaving() -> str | None:
                # From here on it would not show what was made before somebody asked.
                if rounds.next is current:
                    rounds.next, rounds.began, rounds.served = None, self._clock(), current.waiting
                return current.search

            try:
                if self._pages > current.worth_pages:
                    return None
                pages = await self._list(current, leaving)
            finally:
                leaving()
            if pages is None:
                return None
            listing = _listing(rounds.began, pages)
            if current.whole and (self._latest is None or listing.began > self._latest.began):
                self._latest = listing
            return listing

    async def _gather(self, rounds: _Rounds, current: _Round) -> None:
        """Lets more of a crowd join, so that the budget goes to creates and not to lists."""
        while (left := rounds.began + self._patience(rounds, current) - self._clock()) > 0:
            current.joined.clear()
            # Who is waited for may have ended, and what waits for the budget may be gone.
            await sleep_unless(current.joined, min(left, POLL))

    def _patience(self, rounds: _Rounds, current: _Round) -> float:
        return patience(
            waiting=current.waiting,
            crowd=crowd_of(pages=self._pages, lookers=self._lookers),
            more=not current.alone and current.waiting < self._at_work(rounds.lane, rounds.last),
            served=rounds.served,
            busy=min(self._takes(OTHERS * CROWD), self._slow),
        )

    async def _list(self, current: _Round, leaving: Callable[[], str | None]) -> list[ProjectPage] | None:
        """All pages, or None as soon as they prove more than they are worth."""
        pages: list[ProjectPage] = []
        async with aclosing(self._page_by_page(leaving, current.wants)) as all_pages:
            async for page in all_pages:
                pages.append(page)
                if page.cursor is not None and len(pages) >= current.worth_pages:
                    self._pages = 2 * len(pages)
                    return None
        if current.search is None:
            self._pages = max(len(pages), 1)
        return pages

    async def _page_by_page(
        self,
        search: Callable[[], str | None],
        wanted: Callable[[str], bool] | None = None,
    ) -> AsyncGenerator[ProjectPage, None]:
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = await self._neon.list_projects(
                cursor=cursor, search=search, recoverable=self._recoverable, wanted=wanted
            )
            if not page.complete:
                raise unreachable(
                    "Neon's list of projects is incomplete at the moment. It is read again.", Done.NO
                )
            yield page
            if page.cursor is None:
                return
            cursor = page.cursor
        raise unreachable("Neon's list of projects does not end. It is read again.", Done.NO)


def _listing(began: float, pages: list[ProjectPage]) -> Listing:
    by_id: dict[str, Project] = {}
    by_place: dict[str, list[Project]] = {}
    for page in pages:
        for project in page.projects:
            by_id[project.id] = project
            if place := place_in(project.name):
                by_place.setdefault(place, []).append(project)
    places = {place: tuple(projects) for place, projects in by_place.items()}
    return Listing(began, by_id, places, len(pages))


def _seen(task: asyncio.Task[Listing | None]) -> None:
    """Where all who waited were cancelled, nobody else asks for the error."""
    if not task.cancelled():
        task.exception()
