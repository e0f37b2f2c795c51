"""Faults of a request on a wire, and scripts that say which request meets which."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_RESOURCES: Final = (
    "tenantdatabases",
    "databasetiers",
    "fleetoperations",
    "secrets",
    "events",
    "configmaps",
    "leases",
    "namespaces",
    "endpoints",
    "branches",
    "operations",
    "projects",
)
"""A kind is named after the first of these that stands in its path."""


@dataclass(frozen=True)
class Request:
    """A request on its way from the operator to one of its servers."""

    wire: str
    """`kube` or `neon`."""
    method: str
    path: str
    number: int
    """Its place among all requests on both wires, from 1."""
    watches: bool = False

    @property
    def is_write(self) -> bool:
        """Whether it changes something."""
        return self.method not in READS

    @property
    def kind(self) -> str:
        """Its name without ids: POST secrets, PATCH tenantdatabases/status, DELETE projects."""
        parts = [part for part in self.path.split("/") if part]
        for resource in _RESOURCES:
            if resource == "namespaces" and self.wire == "kube" and parts[-2:-1] != ["namespaces"]:
                continue  # in the path of everything that lives in one
            if resource in parts:
                rest = parts[parts.index(resource) + 1 :]
                tail = rest[-1] if rest[-1:] in (["status"], ["recover"], ["reveal_password"]) else ""
                return f"{self.method} {resource}" + (f"/{tail}" if tail else "")
        return f"{self.method} {self.path}"


class Mode(Enum):
    """What becomes of a request. `done`: the server carries it out."""

    CRASH_BEFORE = "crash before it is sent"
    """The operator is killed; the server never sees the request."""
    CRASH_SENT = "crash after it was sent"
    """It is done; the operator is killed before the answer."""
    CRASH_ANSWERED = "crash after the answer"
    """It is done and answered; then the operator is killed."""
    NEVER_ARRIVES = "lost on its way"
    """The connection is closed; nothing is done."""
    ANSWER_LOST = "answer lost"
    """It is done; the connection is closed without an answer."""
    ANSWER_LATE = "answer late"
    """It is done at once; the answer comes when a client of Neon has given up."""
    LANDS_LATE = "lands late"
    """It is done when a client of Neon has given up; nobody hears the answer."""
    HANGS = "hangs"
    """Nothing is done, and no answer comes until the client gives up."""
    CONFLICT = "409"
    GONE = "410"
    THROTTLED = "429"
    UNAVAILABLE = "503"
    ERROR = "500, not done"
    """Likewise the four above: refused in the server's own form."""
    ERROR_DONE = "500, done"
    """It is done, and the server says that something went wrong."""
    PROXY_DONE = "524 in HTML, done"
    """It is done; a proxy on the way was impatient and answers with a page."""

    @property
    def kills(self) -> bool:
        """Whether the operator dies of it."""
        return self in KILLS


KILLS: Final = (Mode.CRASH_BEFORE, Mode.CRASH_SENT, Mode.CRASH_ANSWERED)
REFUSED: Final = (Mode.CONFLICT, Mode.GONE, Mode.THROTTLED, Mode.UNAVAILABLE, Mode.ERROR)
DONE: Final = (Mode.CRASH_SENT, Mode.ANSWER_LOST, Mode.LANDS_LATE, Mode.ERROR_DONE, Mode.PROXY_DONE)
"""Done, and the answer does not say so."""
REFUSALS: Final = {
    Mode.CONFLICT: (409, "Conflict"),
    Mode.GONE: (410, "Expired"),
    Mode.THROTTLED: (429, "TooManyRequests"),
    Mode.UNAVAILABLE: (503, "ServiceUnavailable"),
    Mode.ERROR: (500, "InternalError"),
    Mode.ERROR_DONE: (500, "InternalError"),
}
"""Status, and the reason in the words of Kubernetes."""

TIER_TOLD: Final = "PATCH databasetiers/status"

Script = Callable[[Request], Mode | None]
"""Asked for each request, in their order."""


def no_faults(_request: Request) -> Mode | None:
    """The script of a reference run."""
    return None


@dataclass
class At:
    """A fault at the `occurrence`-th request of a kind, from 1, and at the `times` - 1 after it."""

    kind: str
    occurrence: int
    mode: Mode
    times: int = 1
    _seen: int = field(default=0, init=False)

    def __call__(self, request: Request) -> Mode | None:
        """The mode, where it is meant."""
        if request.kind != self.kind:
            return None
        self._seen += 1
        return self.mode if self.occurrence <= self._seen < self.occurrence + self.times else None


@dataclass(frozen=True)
class Kills:
    """Kills at these requests on both wires, reads and watches too, by their numbers.

    Those whose request has not come when the work is done come at rest.
    """

    at: Mapping[int, Mode]

    def __call__(self, request: Request) -> Mode | None:
        """The mode, where the number is one of them."""
        return self.at.get(request.number)


@dataclass
class Dice:
    """A fault at random requests among the first `until`, reads and watches too; all from one seed.

    Which request meets which fault depends on the seed and on the request's number alone, so a seed replays
    as exactly as the operator repeats its requests.
    """

    seed: int
    chance: float
    modes: Sequence[Mode]
    until: int

    def __call__(self, request: Request) -> Mode | None:
        """The mode, where the dice say so."""
        dice = random.Random(f"{self.seed}/{request.number}")
        if request.number > self.until or dice.random() >= self.chance:
            return None
        return dice.choice(list(self.modes))


def occurrences(requests: Sequence[Request]) -> list[tuple[str, int]]:
    """Each write of a run by its kind and its occurrence among those of its kind.

    Without what is told of a tier: that comes with the clock, so a fault there may never happen.
    """
    seen: Counter[str] = Counter()
    places = []
    for request in requests:
        if request.is_write and request.kind != TIER_TOLD:
            seen[request.kind] += 1
            places.append((request.kind, seen[request.kind]))
    return places
