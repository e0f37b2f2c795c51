"""Who leads: what a candidate makes of a Lease, by its own clock alone.

Other machines' clocks may be wrong, so what a Lease says of time is never compared with ours. It only matters
whether it changed, and when we saw that, as in client-go's leaderelection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Final

JITTER: Final = 0.2
"""Of the time between two tries: candidates that began together do not stay together."""
LONGEST: Final = 300.0
"""Seconds. A Lease that claims to last longer is not by one of us, whose settings allow no more."""


@dataclass(frozen=True, slots=True)
class Lease:
    """What stands in a Lease."""

    holder: str
    """Empty where nobody holds it."""
    duration: float
    """Seconds, as the holder wrote them; 0 where it wrote none."""
    acquired: str
    renewed: str
    transitions: int
    notes: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Annotations of ours. They say nothing of whether its holder lives: anybody may write them."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What all candidates agree on, in seconds."""

    duration: float
    """So long a Lease that does not change is honored."""
    deadline: float
    """So long after its last renewal a leader stops, before anybody else may begin."""
    retry: float
    """Between two tries."""

    def pause(self, dice: float) -> float:
        """Seconds until the next try; `dice` is a number from 0 to 1."""
        return self.retry * (1.0 + JITTER * dice)


@dataclass(frozen=True, slots=True)
class Sight:
    """A Lease, and since when we have seen it unchanged."""

    lease: Lease | None
    since: float


@dataclass(frozen=True, slots=True)
class View:
    """What a candidate or a leader knows when it decides."""

    identity: str
    lease: Lease | None
    """None where there is none."""
    unchanged: float
    """Seconds since we saw it change."""
    renewed: float | None
    """Seconds since we began the write by which we lead; None where we do not."""
    eager: bool = True
    """Whether we would lead if we could."""


class Move(Enum):
    """What is done next."""

    CREATE = auto()
    """Make the Lease, with us as its holder."""
    TAKE = auto()
    """Write us into it, in another's place or in nobody's."""
    RENEW = auto()
    """Write that we hold it still."""
    WAIT = auto()
    STEP_DOWN = auto()
    """Stop all work at once; we are a candidate again."""


def next_move(view: View, terms: Terms) -> Move:
    """The next move.

    | we lead, renewed | Lease | its holder | unchanged | move |
    |---|---|---|---|---|
    | the deadline or longer ago | any | any | any | step down |
    | lately | none | - | - | create |
    | lately | there | we | any | renew |
    | lately | there | another, or nobody | any | step down |
    | no, and would not | any | any | any | wait |
    | no | none | - | - | create |
    | no | there | nobody | any | take |
    | no | there | we, as we were | any | renew |
    | no | there | another | for as long as it lasts | take |
    | no | there | another | for less | wait |

    A person who empties the holder asks for another leader, so the one that is steps down.
    """
    if view.renewed is not None and view.renewed >= terms.deadline:
        return Move.STEP_DOWN
    if view.renewed is None and not view.eager:
        return Move.WAIT
    if view.lease is None:
        return Move.CREATE
    if view.lease.holder == view.identity:
        return Move.RENEW
    if view.renewed is not None:
        return Move.STEP_DOWN
    if is_free(view.lease, view.unchanged, terms):
        return Move.TAKE
    return Move.WAIT


def is_free(lease: Lease, unchanged: float, terms: Terms) -> bool:
    """Whether a Lease that did not change for so many seconds is nobody's."""
    return not lease.holder or unchanged >= honored(lease, terms)


def honored(lease: Lease, terms: Terms) -> float:
    """For how many seconds an unchanged Lease is another's.

    | it says | honored |
    |---|---|
    | nothing, or longer than any of us would | our own duration |
    | else | what it says |
    """
    return lease.duration if 0 < lease.duration <= LONGEST else terms.duration


def seen(before: Sight | None, lease: Lease | None, now: float) -> Sight:
    """The sight of a Lease that was read now."""
    return Sight(lease, before.since if before is not None and before.lease == lease else now)


def held(
    before: Lease | None, identity: str, terms: Terms, wall_time: str, notes: Mapping[str, str] | None = None
) -> Lease:
    """The Lease as we write it to hold it. `notes` go beside those that stand there; empty ones go away."""
    if before is not None and before.holder == identity:
        acquired, transitions = before.acquired or wall_time, before.transitions
    else:
        acquired, transitions = wall_time, 0 if before is None else before.transitions + 1
    kept = {} if before is None else before.notes
    return Lease(identity, terms.duration, acquired, wall_time, transitions, {**kept, **(notes or {})})


def released(before: Lease, wall_time: str, notes: Mapping[str, str] | None = None) -> Lease:
    """The Lease as we write it to let it go: nobody has to wait for it."""
    return replace(before, holder="", renewed=wall_time, notes={**before.notes, **(notes or {})})


def noted(before: Lease, notes: Mapping[str, str]) -> Lease:
    """Another's Lease with notes of ours beside those that stand there: it stays its holder's."""
    return replace(before, notes={**before.notes, **notes})
