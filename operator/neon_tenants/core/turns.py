"""Whose turn it is: lanes in their order, and inside a lane the namespaces in turn.

The queue shares out workers by it, the budget requests, so that both favour the same passes.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Collection, KeysView
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from neon_tenants.core.lane import Lane

GUARANTEE: Final = 10
"""One of so many choices goes to the waiting lane that was served longest ago, whatever waits before it.
So with all six lanes full a lane gets at least one in 50, and a create waits for one more."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Waiting:
    """Who waits in a lane."""

    depth: int = 0
    oldest: float = 0.0
    """Seconds for which the first of them has been waiting."""


@dataclass(slots=True, eq=False)
class Place(Generic[T]):
    """A place in a line."""

    item: T
    namespace: str
    gate: str
    held: bool = True


@dataclass(slots=True)
class _Namespace:
    places: int
    next_round: int


class Line(Generic[T]):
    """Who waits in one lane, at one of a few gates that may be closed; the namespaces take turns.

    Each place belongs to a round, and a namespace has one place in a round, over all gates.

    | a place is asked for by | it is of the round |
    |---|---|
    | a namespace that waits | after that of its last place |
    | one that does not wait, and was served in the round that is served now | after that |
    | another, the first since that round began | that is served now |
    | another, a later one | after that |

    So a namespace that comes anew waits for at most one place of each other, and mostly for none of a crowd;
    and however many come anew, the others go on. Each call costs O(log n) and the number of gates, however
    many wait at a closed one.
    """

    def __init__(self) -> None:
        self._heaps: dict[str, list[tuple[int, int, Place[T]]]] = {}
        self._namespaces: dict[str, _Namespace] = {}
        """Those that wait."""
        self._round = 0
        """The one that is served."""
        self._served: set[str] = set()
        """Who was served in it."""
        self._admits = False
        """Whether it takes one more in: nobody has joined it yet who came while it is served."""
        self._tickets = itertools.count()

    def join(self, namespace: str, item: T, gate: str = "") -> Place[T]:
        """Takes the last place of this namespace."""
        if not self._namespaces:
            self._admits = False  # there is nobody to go before
        waiting = self._namespaces.setdefault(namespace, _Namespace(0, 0))
        late = self._admits and not waiting.places and namespace not in self._served
        mine = self._round if late else max(self._round + 1, waiting.next_round)
        self._admits = self._admits and not late
        waiting.places += 1
        waiting.next_round = mine + 1
        place = Place(item, namespace, gate)
        heapq.heappush(self._heaps.setdefault(gate, []), (mine, next(self._tickets), place))
        return place

    def leave(self, place: Place[T]) -> None:
        """Gives a place up; one that is not held any more may be given up as well."""
        if place.held:
            place.held = False
            waiting = self._namespaces[place.namespace]
            waiting.places -= 1
            if not waiting.places:
                del self._namespaces[place.namespace]
            self._tidy(place.gate)

    def gates(self) -> KeysView[str]:
        """The gates at which somebody waits."""
        return self._heaps.keys()

    def pop(self, gates: Collection[str] = ("",)) -> T | None:
        """The first of those who wait at one of these gates."""
        firsts = [(self._heaps[gate][0][:2], gate) for gate in gates if gate in self._heaps]
        if not firsts:
            return None
        _, gate = min(firsts)
        mine, _, place = self._heaps[gate][0]
        # Those who waited at a closed gate come from earlier rounds.
        if mine > self._round:
            self._round, self._served, self._admits = mine, set(), True
        self._served.add(place.namespace)
        self.leave(place)
        return place.item

    def _tidy(self, gate: str) -> None:
        """Sees to it that the first at a gate holds its place; a gate where nobody does is none."""
        heap = self._heaps[gate]
        while heap and not heap[0][2].held:
            heapq.heappop(heap)
        if not heap:
            del self._heaps[gate]


class Precedence:
    """Which lane is served next: the first that waits, but one in `GUARANTEE` the one that waited longest."""

    def __init__(self) -> None:
        self._choices = 0
        self._served = dict.fromkeys(Lane, 0)

    def choose(self, waiting: Collection[Lane]) -> Lane:
        """One of these, which are at least one."""
        self._choices += 1
        if self._choices % GUARANTEE:
            lane = min(waiting)
        else:
            lane = min(waiting, key=lambda lane: (self._served[lane], -lane))
        self._served[lane] = self._choices
        return lane
