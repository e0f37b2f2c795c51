"""When to look first whether Neon's work is finished: each look costs a request of the budget."""

from __future__ import annotations

from typing import Final

FIRST: Final = 0.75
"""Seconds, while nothing is known."""
CAUTIOUS: Final = 1.5
"""Seconds for those who come while the first of a crowd are still out."""
SCOUTS: Final = 8
"""How many look after `FIRST`."""
LEAST: Final = 0.1
MOST: Final = 10.0
COARSE: Final = (1.5, 0.8)
FINE: Final = (1.1, 0.995)
"""Factors after a look that came too early, and after one that did not."""


class Pace:
    """How long one kind of Neon's work takes, by whether the first looks found it finished.

    Neon's own times are in whole seconds. A look that is a little late costs only time; one that is too early
    costs a request and a longer wait.

    | the first look | the next ones come |
    |---|---|
    | too early, after a time not shorter than the pace | later by a factor |
    | not too early, after a time not longer than the pace | earlier by a factor |
    | else: it tells of an older pace | as before |

    The factors are coarse until both has happened, and fine from then on.
    """

    def __init__(self) -> None:
        self._seconds = FIRST
        self._out = 0
        self._met: set[bool] = set()

    def first(self) -> float:
        """Seconds until the first look at work that begins now."""
        if self._met:
            return self._seconds
        self._out += 1
        return FIRST if self._out <= SCOUTS else CAUTIOUS

    def found(self, *, after: float, finished: bool) -> None:
        """What a first look found, so many seconds after the work began."""
        later, earlier = FINE if {finished, *self._met} == {True, False} else COARSE
        self._met.add(finished)
        if finished:
            self._seconds = max(min(self._seconds, after * earlier), LEAST)
        else:
            self._seconds = min(max(self._seconds, after * later), MOST)
