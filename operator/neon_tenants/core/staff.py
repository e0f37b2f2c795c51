"""How many workers the lanes may occupy, so that none waits for workers that wait for requests."""

from __future__ import annotations

from typing import Final

from neon_tenants.core.lane import Lane

_EIGHTHS: Final = (
    (Lane.CHANGE, 7),
    (Lane.DELETE, 6),
    (Lane.REPAIR, 4),
    (Lane.ROLLOUT, 3),
    (Lane.SWEEP, 2),
)
"""Of the workers: what a lane and all below it may occupy together. At least one."""
_LAST_WITH_A_PERSON: Final = Lane.DELETE
_KEPT: Final = 8
"""One worker in so many is never occupied by the lanes in which a person waits, so that the rest goes on; as
many of theirs are kept for namespaces that occupy none."""


def of_a_crowd(workers: int) -> int:
    """How many of the workers passes of crowds occupy at most."""
    return workers - 2 * (workers // _KEPT)


class Staff:
    """The workers, by the lanes of the passes that they are at.

    Of a crowd is a pass whose namespace had others ready or at work. A pass of a lane may start while

    | these passes | are fewer than |
    |---|---|
    | all | the workers |
    | creates, changes and deletes, for one of them | seven eighths (all, where there are fewer than 8) |
    | those of them that are of crowds, for another of a crowd | six eighths (likewise) |
    | changes and all below, for one of them | seven eighths |
    | deletes and all below, for one of them | six eighths |
    | repairs and all below, for one of them | half |
    | rollouts and sweeps, for one of them | three eighths |
    | sweeps, for one of them | two eighths |
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._at = dict.fromkeys(Lane, 0)
        self._crowds = 0
        self._above = workers - workers // _KEPT
        self._above_of_crowds = of_a_crowd(workers)
        self._below = [(first, max(1, workers * eighths // 8)) for first, eighths in _EIGHTHS]

    def may_start(self, lane: Lane, *, crowd: bool = False) -> bool:
        """Whether a worker may begin a pass of this lane, of a crowd or not."""
        if self.at_work(Lane.CREATE, Lane.SWEEP) >= self._workers:
            return False
        if lane <= _LAST_WITH_A_PERSON:
            if self.at_work(Lane.CREATE, _LAST_WITH_A_PERSON) >= self._above:
                return False
            if crowd and self._crowds >= self._above_of_crowds:
                return False
        return all(self.at_work(first, Lane.SWEEP) < most for first, most in self._below if lane >= first)

    def start(self, lane: Lane, *, crowd: bool = False) -> None:
        """A worker begins a pass."""
        self._count(lane, 1, crowd=crowd)

    def finish(self, lane: Lane, *, crowd: bool = False) -> None:
        """A worker has ended a pass."""
        self._count(lane, -1, crowd=crowd)

    def _count(self, lane: Lane, change: int, *, crowd: bool) -> None:
        self._at[lane] += change
        if crowd and lane <= _LAST_WITH_A_PERSON:
            self._crowds += change

    def at_work(self, first: Lane, last: Lane) -> int:
        """How many passes run, of these lanes and those between."""
        return sum(count for lane, count in self._at.items() if first <= lane <= last)
