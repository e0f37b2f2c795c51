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
_KEPT_BELOW: Final = 8
"""One worker in so many is never occupied by the lanes in which a person waits, so that the rest goes on."""


class Staff:
    """The workers, by the lanes of the passes that they are at.

    A pass of a lane may start while

    | these passes | are fewer than |
    |---|---|
    | all | the workers |
    | creates, changes and deletes, for one of them | seven eighths (all, where there are fewer than 8) |
    | changes and all below, for one of them | seven eighths |
    | deletes and all below, for one of them | six eighths |
    | repairs and all below, for one of them | half |
    | rollouts and sweeps, for one of them | three eighths |
    | sweeps, for one of them | two eighths |
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._at = dict.fromkeys(Lane, 0)
        self._above = workers - workers // _KEPT_BELOW
        self._below = [(first, max(1, workers * eighths // 8)) for first, eighths in _EIGHTHS]

    def may_start(self, lane: Lane) -> bool:
        """Whether a worker may begin a pass of this lane."""
        if self._occupied(Lane.CREATE, Lane.SWEEP) >= self._workers:
            return False
        if lane <= _LAST_WITH_A_PERSON and self._occupied(Lane.CREATE, _LAST_WITH_A_PERSON) >= self._above:
            return False
        return all(self._occupied(first, Lane.SWEEP) < most for first, most in self._below if lane >= first)

    def start(self, lane: Lane) -> None:
        """A worker begins a pass."""
        self._at[lane] += 1

    def finish(self, lane: Lane) -> None:
        """A worker has ended a pass."""
        self._at[lane] -= 1

    def _occupied(self, first: Lane, last: Lane) -> int:
        return sum(count for lane, count in self._at.items() if first <= lane <= last)
