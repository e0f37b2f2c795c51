"""The create intent: who may send the one POST that makes a project, and until when.

Neon has no idempotency key, so the right to POST is won by compare-and-swap on the resource
(docs/protocol.md, rules 3 to 6). This module reads and writes the annotation and decides what it
means *to this process at this moment*. Times are seconds of this process's monotonic clock; no
timestamp of another process is ever compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final

from neon_tenants.core import form

FORM: Final = 1
"""Of the annotation's text (docs/upgrade.md)."""
MAX_LIFETIME: Final = 3600.0
"""Seconds. An intent is honored no longer than this, whatever its text (which tenants can edit) says.
An intent of an unknown form counts as alive for as long (a newer version of us may have written it)."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A declared create, as the annotation holds it."""

    nonce: str
    holder: str
    uid: str
    lifetime: float
    started: str
    """For people who read the annotation; never compared."""

    def encode(self) -> str:
        """The annotation's value."""
        return form.encode(
            FORM,
            {
                "nonce": self.nonce,
                "holder": self.holder,
                "uid": self.uid,
                "lifetime": self.lifetime,
                "started": self.started,
            },
        )


@dataclass(frozen=True, slots=True)
class SeenIntent:
    """What of an annotation matters to those who did not write it."""

    nonce: str
    lifetime: float


@lru_cache(maxsize=1024)  # a pass asks some fifteen times
def decode(annotation: str | None, uid: str) -> SeenIntent | None:
    """The intent that stands on a resource; None where there is none of this resource.

    An intent with another uid came along with a copied manifest or a restored backup: the resource
    that it spoke of is not this one.
    """
    if annotation is None:
        return None
    try:
        value = form.decode(FORM, annotation)
        nonce, owner, lifetime = str(value["nonce"]), value["uid"], float(value["lifetime"])
    except (ValueError, TypeError, KeyError, OverflowError):
        return SeenIntent(nonce=annotation, lifetime=MAX_LIFETIME)
    if owner != uid:
        return None
    known = 0 <= lifetime <= MAX_LIFETIME  # false for NaN as well
    return SeenIntent(nonce=nonce, lifetime=lifetime if known else MAX_LIFETIME)


class Sent(Enum):
    """What became of the POST of an attempt of this process."""

    NOT_YET = "not yet"
    """Not sent; or sent and certainly not carried out, which leaves the intent unused."""
    UNKNOWN = "unknown"
    """Sent, and nobody knows what became of it."""
    DONE = "done"
    """A project was made and answered."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A create that this process declared."""

    nonce: str
    started: float
    """When the patch was about to leave: the clock starts *before* it (rule 4)."""
    lifetime: float
    sent: Sent = Sent.NOT_YET
    turn: float | None = None
    """When its turn in the request budget came, if nothing was sent yet on that."""

    @property
    def send_before(self) -> float:
        """The send gate: the POST leaves inside the first half of the lifetime, or never."""
        return self.started + self.lifetime / 2

    @property
    def until(self) -> float:
        """Until when a POST whose answer was lost may still land and be listed."""
        return self.started + self.lifetime


@dataclass(frozen=True, slots=True)
class Sighting:
    """An intent as this process saw it, and since when."""

    nonce: str
    since: float
    lifetime: float

    @property
    def until(self) -> float:
        """Until when its POST may be under way."""
        return self.since + self.lifetime


def sight(
    known: Sighting | None, seen: SeenIntent | None, resolved: str | None, now: float
) -> Sighting | None:
    """What to remember after a look: the same nonce keeps its first sighting (rule 5).

    An intent that disappeared from the resource (kubectl replace, Argo CD's Replace) is still
    honored for the lifetime that was seen; one that status notes as resolved need not be remembered.
    """
    if seen is None or seen.nonce == resolved:
        return known
    if known is not None and known.nonce == seen.nonce:
        return known
    return Sighting(seen.nonce, since=now, lifetime=seen.lifetime)


class IntentState(Enum):
    """What the intent on a resource allows this process to do now."""

    FREE = "free"
    """No POST can be under way: a new intent may be declared."""
    MINE = "mine"
    """This process won it and has not sent yet, and the send gate is open: POST now."""
    ALIVE = "alive"
    """A POST may be under way, here or elsewhere: wait."""


def intent_state(
    *,
    seen: SeenIntent | None,
    sighting: Sighting | None,
    attempt: Attempt | None,
    resolved: str | None,
    now: float,
) -> IntentState:
    """What may be done about a create.

    | the nonce on the resource, or last seen | state |
    |---|---|
    | none | FREE |
    | noted as resolved in status | FREE |
    | mine, not sent, stands on the resource, gate open | MINE |
    | mine, not sent, gate closed or annotation gone | FREE: nobody else may send it, and I will not |
    | mine, done | FREE: its outcome is known |
    | mine, unknown | ALIVE until its lifetime is over |
    | another's, seen unchanged for less than its lifetime | ALIVE |
    | another's, seen unchanged for its lifetime | FREE |
    """
    if sighting is None or sighting.nonce == resolved:
        return IntentState.FREE
    if attempt is not None and attempt.nonce == sighting.nonce:
        if attempt.sent is Sent.UNKNOWN:
            return IntentState.ALIVE if now < attempt.until else IntentState.FREE
        stands = seen is not None and seen.nonce == attempt.nonce
        may_send = attempt.sent is Sent.NOT_YET and stands and now < attempt.send_before
        return IntentState.MINE if may_send else IntentState.FREE
    return IntentState.ALIVE if now < sighting.until else IntentState.FREE


def alive_until(sighting: Sighting, attempt: Attempt | None) -> float:
    """Until when an intent that is ALIVE stays so: by our own clock if it is ours, else since we saw it."""
    if attempt is not None and attempt.nonce == sighting.nonce:
        return attempt.until
    return sighting.until
