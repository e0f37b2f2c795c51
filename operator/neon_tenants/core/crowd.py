"""How many tenants wait for a list of Neon's projects before it leaves, and how long: a list serves many.

It is a matter of counts, and hardly of how fast the machine is: Neon's requests are what is scarce.
"""

from __future__ import annotations

import math
from typing import Final

GATHER: Final = 0.25
"""Seconds between two lists while fewer than a crowd wait. Who waits alone never waits for this."""
MAX_GATHER: Final = 1.0
"""Likewise, once a list has served several: the next begins when a crowd waits, or nobody else can come."""
CROWD: Final = 16
"""How many are a crowd, for a short list and a few that can look."""
OF_LOOKERS: Final = 3
"""One in so many who can look are a crowd, where they are many."""
FOR_EACH_PAGE: Final = 4
"""Of a crowd, for each page of a longer list."""


def crowd_of(*, pages: int, lookers: int) -> int:
    """How many are a crowd, for a list of so many pages, of `lookers` that can look at the same time.

    | pages | a crowd |
    |---|---|
    | one of them costs each at most a quarter of a request | `CROWD`, or two thirds of all; a third of many |
    | more | `FOR_EACH_PAGE` for each, or all |
    | more than lookers: a search each is less, none waits for long | likewise |
    """
    least = max(min(CROWD, math.ceil(2 * lookers / 3)), lookers // OF_LOOKERS)
    return least if pages > lookers else max(least, min(FOR_EACH_PAGE * pages, lookers))


def patience(*, waiting: int, crowd: int, more: bool, served: int, busy: float) -> float:
    """How many seconds after the last list the next one begins, as things stand.

    `more` says whether anybody may join who is worth waiting for: others of the lane are at work, and none
    waits that is of no crowd. `busy` is how long a crowd's other requests take to leave; 0 where none waits
    for the budget.

    | who waits | more | the last list served | busy | seconds |
    |---|---|---|---|---|
    | a crowd | any | any | any | 0 |
    | one | no | any | any | 0 |
    | several | no | any | any | `GATHER` |
    | one | yes | any | no | 0 |
    | several | yes | one | no | `GATHER` |
    | several | yes | several | no | `MAX_GATHER` |
    | any | yes | any | yes | as long, and `MAX_GATHER` at least |
    """
    if waiting >= crowd or (waiting == 1 and not (more and busy)):
        return 0.0
    if not more:
        return GATHER
    if busy:
        return max(MAX_GATHER, busy)
    return MAX_GATHER if served > 1 else GATHER
