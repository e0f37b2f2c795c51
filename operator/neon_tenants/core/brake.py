"""The brake on mass deletions: which deletions go on, and from when on a person must say so.

A namespace deleted by mistake, a pruned Git folder or a bad selector marks many resources at once. The
first few go; then everything stands until somebody confirms. Times are seconds of the epoch.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from neon_tenants.core import form

FORM: Final = 1
"""Of the stored ledger (docs/upgrade.md)."""
FLEET: Final = "fleet"
"""The scope of all tenants; the others are `tier/<name>` and `namespace/<name>`."""
MAX_COUNTED: Final = 2000
"""Deletions that the ledger keeps, so that it fits into a ConfigMap (1 MiB)."""
MAX_ENGAGED: Final = 200
"""Scopes that are braked one by one; with more, all are."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A resource that was marked for deletion, and whose policy deletes its project."""

    uid: str
    at: float
    """Its deletionTimestamp, by the API server's clock."""
    tier: str
    namespace: str


@dataclass(frozen=True, slots=True)
class BrakeLimits:
    """How many deletions go on by themselves within a window of seconds; 0 sets no limit."""

    window: float
    fleet: int
    per_tier: int = 0
    per_namespace: int = 0

    def of(self, mark: Mark) -> dict[str, int]:
        """The limits that a deletion counts towards, by scope."""
        limits = {
            FLEET: self.fleet,
            f"tier/{mark.tier}": self.per_tier,
            f"namespace/{mark.namespace}": self.per_namespace,
        }
        return {scope: limit for scope, limit in limits.items() if limit}


@dataclass(frozen=True, slots=True)
class Counted:
    """A deletion that goes on, and when it was counted by our own clock."""

    mark: Mark
    counted: float


@dataclass(frozen=True, slots=True)
class Ledger:
    """What must outlive a restart. A deletion goes on only when the ledger that says so is stored."""

    counted: tuple[Counted, ...] = ()
    engaged: Mapping[str, float] = field(default_factory=dict)
    """The braked scopes, and since when."""
    released_until: float = 0.0
    """What was marked up to then was confirmed by a person."""


def count(ledger: Ledger, marks: Iterable[Mark], limits: BrakeLimits, now: float) -> Ledger:
    """The ledger after all known marks were counted, oldest first. `marks` are all that still stand.

    | a mark | result |
    |---|---|
    | counted before, confirmed by a person, or no limit applies | as it was |
    | one of its scopes is braked | as it was: held |
    | a scope has its limit of counted ones within the window around it | that scope is braked |
    | the ledger is full | the whole fleet is braked |
    | else | counted: it goes on |

    An entry is dropped when its resource is gone and both its mark and its count are older than the window.
    """
    marks = sorted(marks, key=lambda mark: (mark.at, mark.uid))
    standing = {mark.uid for mark in marks}
    counted = [
        entry
        for entry in ledger.counted
        if entry.mark.uid in standing or max(entry.mark.at, entry.counted) > now - limits.window
    ]
    known = {entry.mark.uid for entry in counted}
    engaged = dict(ledger.engaged)
    times = _Times(limits)
    for entry in counted:
        times.add(entry.mark)
    for mark in marks:
        scopes = limits.of(mark)
        if mark.uid in known or mark.at <= ledger.released_until or not scopes or _braked(engaged, mark):
            continue
        full = [scope for scope, limit in scopes.items() if times.near(mark.at, scope) >= limit]
        if full:
            engaged |= dict.fromkeys(full, now)
        elif len(counted) >= MAX_COUNTED:
            engaged[FLEET] = now
        else:
            counted.append(Counted(mark, now))
            times.add(mark)
    if len(engaged) > MAX_ENGAGED:
        engaged = {FLEET: now}
    return replace(ledger, counted=tuple(counted), engaged=engaged)


class _Times:
    """When the counted deletions were marked, by scope."""

    def __init__(self, limits: BrakeLimits) -> None:
        self._limits = limits
        self._times: dict[str, list[float]] = {}

    def add(self, mark: Mark) -> None:
        for scope in self._limits.of(mark):
            insort(self._times.setdefault(scope, []), mark.at)

    def near(self, at: float, scope: str) -> int:
        """How many of the scope lie within the window around this time."""
        times, window = self._times.get(scope, ()), self._limits.window
        return bisect_left(times, at + window) - bisect_right(times, at - window)


def held_by(ledger: Ledger, mark: Mark) -> str | None:
    """The scope whose brake holds a deletion; None for one that goes on. The ledger has counted it.

    | a mark | held |
    |---|---|
    | counted, or confirmed by a person | no |
    | one of its scopes is braked | by that scope |
    | else (no limit applies) | no |
    """
    return None if _goes_on(ledger, mark) else _braked(ledger.engaged, mark)


def is_decided(ledger: Ledger, mark: Mark) -> bool:
    """Whether counting once more would change nothing for this deletion: it is let go, or held."""
    return _goes_on(ledger, mark) or _braked(ledger.engaged, mark) is not None


def _goes_on(ledger: Ledger, mark: Mark) -> bool:
    return mark.at <= ledger.released_until or any(entry.mark.uid == mark.uid for entry in ledger.counted)


def _braked(engaged: Mapping[str, float], mark: Mark) -> str | None:
    scopes = (FLEET, f"tier/{mark.tier}", f"namespace/{mark.namespace}")
    return next((scope for scope in scopes if scope in engaged), None)


def release(ledger: Ledger, until: float) -> Ledger:
    """A person confirmed everything that was marked up to `until`; the count begins anew."""
    return Ledger(released_until=max(until, ledger.released_until))


def encode(ledger: Ledger) -> str:
    """The ledger as it is stored."""
    return form.encode(
        FORM,
        {
            "counted": [
                [entry.mark.uid, entry.mark.at, entry.mark.tier, entry.mark.namespace, entry.counted]
                for entry in ledger.counted
            ],
            "engaged": dict(ledger.engaged),
            "releasedUntil": ledger.released_until,
        },
    )


def decode(text: str | None) -> Ledger:
    """The stored ledger. One that cannot be read holds everything: somebody must look at it."""
    if text is None:
        return Ledger()
    try:
        stored = form.decode(FORM, text)
        return Ledger(
            counted=tuple(
                Counted(Mark(str(uid), float(at), str(tier), str(namespace)), float(counted))
                for uid, at, tier, namespace, counted in stored["counted"]
            ),
            engaged={str(scope): float(since) for scope, since in stored["engaged"].items()},
            released_until=float(stored["releasedUntil"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return Ledger(engaged={FLEET: 0.0})


def message(scope: str, limits: BrakeLimits) -> str:
    """What a held tenant's owner is told, and what to do."""
    kind, _, name = scope.partition("/")
    limit, where = {
        "tier": (limits.per_tier, f" in the tier {name}"),
        "namespace": (limits.per_namespace, f" in the namespace {name}"),
    }.get(kind, (limits.fleet, ""))
    return (
        f"Held: more than {limit} resources{where} were marked for deletion within {limits.window:g} "
        "seconds. The database works on, and nothing is deleted. If all of them are meant, an administrator "
        "confirms with `neon-tenant-operator release-deletions`. To keep this project, set "
        "spec.deletionPolicy to Retain."
    )
