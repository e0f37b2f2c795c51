"""Is the operator well? Two questions of a kubelet: is it of use now, and would a restart help?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

WATCH_LIMIT: Final = 400.0
"""Seconds. Every watch begins anew after 310 at the latest (`handlers.settings`); the rest is back-off."""
STUCK_LIMIT: Final = 900.0
"""Seconds. A pass may wait for Neon's budget, and one Retry-After is taken for 300 at most."""
_NOT_INSTALLED: Final = (
    "The API server does not answer, or the CRDs are not installed: kubectl apply -f crds/"
)


@dataclass(frozen=True, slots=True)
class Signs:
    """What the parts of the operator show of themselves."""

    installed: bool
    """Whether the API server was there and served our resources, so that the watch was begun."""
    unlisted: tuple[str, ...]
    """What the watch has not listed completely yet."""
    heard_ago: float
    """Seconds since the API server answered that watch which was answered longest ago."""
    tried_ago: float
    """Seconds since anything was asked of the API server by the watch, whatever came of it."""
    waiting: int
    """Keys that a worker could take now."""
    moved_ago: float
    """Seconds since a worker took a key or finished one."""


@dataclass(frozen=True, slots=True)
class Standby:
    """What a replica that does not work shows of itself."""

    installed: bool
    """Whether the API server served our resources."""
    looked: bool
    """Whether the Lease was seen at all."""
    trouble: str | None
    """Why the last try to see or to get it failed."""


def not_ready(signs: Signs) -> str | None:
    """Why the operator is of no use at the moment; None when it is.

    | installed | all listed | heard | ready |
    |---|---|---|---|
    | no | any | any | no |
    | yes | no | any | no |
    | yes | yes | too long ago | no |
    | yes | yes | lately | yes |
    """
    if not signs.installed:
        return _NOT_INSTALLED
    if signs.unlisted:
        return f"The first list is not complete yet: {', '.join(signs.unlisted)}."
    if signs.heard_ago > WATCH_LIMIT:
        return f"The API server has not answered the watch for {signs.heard_ago:.0f} s."
    return None


def not_alive(signs: Signs) -> str | None:
    """Why a restart would help; None where it would not. An API server that is away is no reason.

    | installed | tried | keys wait | moved | alive |
    |---|---|---|---|---|
    | yes | too long ago | any | any | no |
    | any | else | yes | too long ago | no |
    | any | else | yes | lately | yes |
    | any | else | no | any | yes |
    """
    if signs.installed and signs.tried_ago > WATCH_LIMIT:
        return f"The watch has not asked the API server for anything for {signs.tried_ago:.0f} s."
    if signs.waiting and signs.moved_ago > STUCK_LIMIT:
        return f"{signs.waiting} tenants wait, and no worker has moved for {signs.moved_ago:.0f} s."
    return None


def not_standing_by(standby: Standby) -> str | None:
    """Why a replica could not take over; None where it could.

    | installed | last try | Lease seen | stands by |
    |---|---|---|---|
    | no | any | any | no |
    | yes | failed | any | no |
    | yes | none yet | no | no |
    | yes | went well | yes | yes |
    """
    if not standby.installed:
        return _NOT_INSTALLED
    if standby.trouble is not None:
        return standby.trouble
    return None if standby.looked else "The Lease has not been read yet."
