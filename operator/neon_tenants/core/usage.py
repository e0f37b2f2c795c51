"""Usage: how much of each quota a tenant has used, and what that means for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Final

from neon_tenants.api.quantity import MAX_INT64
from neon_tenants.api.tenant_database import Meter, Usage
from neon_tenants.core.entitlement import Tier
from neon_tenants.core.observed import Observed
from neon_tenants.core.project import Consumption, Project, Signs
from neon_tenants.core.quota import QUOTA_KINDS, Quota, QuotaKind
from neon_tenants.core.timestamp import stamp

DEFAULT_WARNING: Final = 80
"""Percent of a quota from which QuotaNear is true, where the tier does not say."""
STEP: Final = 5
"""Points by which a percentage must move to be worth a write."""
MAX_PERCENT: Final = 1_000_000
"""What the CRD admits."""
MIN_YEAR: Final = 2000
MAX_YEAR: Final = 9999
"""Ends of billing periods in between are taken for such."""
NOTHING: Final = Consumption()
STORAGE: Final = "logical_size_bytes"
"""The one that is per branch, never resets, and stops writes only (docs/neon.md, Quotas)."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Which quotas are near their end, and which are used up."""

    near: tuple[QuotaKind, ...] = ()
    suspending: tuple[QuotaKind, ...] = ()
    """Used up, so that Neon suspends the computes."""
    storage: bool = False
    """The logical size is used up, so that writes fail."""

    @property
    def exceeded(self) -> bool:
        """Whether any is used up."""
        return bool(self.suspending) or self.storage


def warning_percent(tier: Tier | None) -> int:
    """From which share of a quota on a tenant is warned."""
    chosen = tier.spec.quota_warning_percent if tier else None
    return DEFAULT_WARNING if chosen is None else chosen


def merged(known: Consumption, told: Consumption) -> Consumption:
    """What is known after Neon told more.

    Neon's numbers lag, and may come late: within a billing period a meter only grows.

    | told | meter |
    |---|---|
    | nothing at all | as known |
    | a number below 0, or none | as known; none where the period is another |
    | of the same period, or without one | the larger of the two |
    | of a later period | as told: it began again |
    | of an earlier period | as known: an answer that came late |
    | the logical size, whatever the period | as told, since it may shrink |
    """
    if told == NOTHING:
        return known
    order = _order(known.period_end, told.period_end)
    amounts: dict[str, int | None] = {}
    for kind in QUOTA_KINDS:
        old, new = getattr(known, kind.neon), _valid(getattr(told, kind.neon))
        if kind.neon == STORAGE:
            amounts[kind.neon] = old if new is None else new
        elif order > 0:
            amounts[kind.neon] = new
        elif order < 0 or new is None:
            amounts[kind.neon] = old
        else:
            amounts[kind.neon] = new if old is None else max(old, new)
    begins = _moment(told.period_end) if order > 0 or known.period_end is None else None
    end = known.period_end if begins is None else stamp(begins)
    return replace(known, period_end=end, **amounts)


def odd(told: Consumption) -> tuple[str, ...]:
    """Meters that were not told or make no sense, for the log. The logical size is read apart."""
    return tuple(
        kind.neon for kind in QUOTA_KINDS if kind.neon != STORAGE and _valid(getattr(told, kind.neon)) is None
    )


def consumed(usage: Usage | None) -> Consumption:
    """What a status says was used."""
    if usage is None:
        return NOTHING
    used = {kind.neon: meter.used for kind in QUOTA_KINDS if (meter := meter_of(usage, kind))}
    return Consumption(period_end=usage.period_end, **used)


@lru_cache(maxsize=1024)  # a pass asks several times, and new tenants are all alike
def measured(consumption: Consumption, quota: Quota) -> Usage:
    """The status for what was used of these quotas."""
    meters = {
        kind.attribute: _meter(used, getattr(quota, kind.neon))
        for kind in QUOTA_KINDS
        if (used := _valid(getattr(consumption, kind.neon))) is not None
    }
    return Usage(period_end=consumption.period_end, **meters)


def updated(old: Usage | None, told: Consumption, quota: Quota, warning: int) -> Usage | None:
    """The usage that a status should say: the old one unless there is news.

    | change | news |
    |---|---|
    | a limit is another | yes |
    | a percentage crosses the warning or 100, up or down | yes |
    | a percentage moved by `STEP` points or more; from 0 where none was told | yes |
    | the billing period is another, and something was told before | yes |
    | else | no |
    """
    known = consumed(old)
    new = measured(merged(known, told), quota)
    if old is not None and _order(old.period_end, new.period_end) > 0:
        return new
    for kind in QUOTA_KINDS:
        before, after = meter_of(old, kind) if old else None, meter_of(new, kind)
        if before is not None and after is not None and before.limit != after.limit:
            return new
        percents = (before and before.percent) or 0, (after and after.percent) or 0
        if _level(percents[0], warning) != _level(percents[1], warning):
            return new
        if abs(percents[0] - percents[1]) >= STEP:
            return new
    return old


def of_project(observed: Observed, project: Project) -> Usage | None:
    """What a tenant's status should say of its project's usage: by all that is known, and Neon's own quota.

    What was told of another project does not count. A project that was read by itself tells its meters.
    """
    status = observed.tenant.status
    old = status.usage if status.project_id in (None, project.id) else None
    if project.quota is None:
        return old
    told = merged(observed.note.consumption or NOTHING, project.consumption or NOTHING)
    return updated(old, told, project.quota, warning_percent(observed.tier))


def standing(usage: Usage | None, warning: int) -> Standing:
    """Which quotas are near their end or used up."""
    percents = [(kind, meter_of(usage, kind)) for kind in QUOTA_KINDS] if usage else []
    known = [(kind, meter.percent) for kind, meter in percents if meter and meter.percent is not None]
    over = [kind for kind, percent in known if percent >= 100]
    return Standing(
        near=tuple(kind for kind, percent in known if warning <= percent < 100),
        suspending=tuple(kind for kind in over if kind.neon != STORAGE),
        storage=any(kind.neon == STORAGE for kind in over),
    )


def was_active(told: Signs, before: tuple[int | None, int | None] | None, usage: Usage | None) -> bool:
    """Whether a list tells that a tenant used its database since an earlier one.

    `before` are active time and storage as the earlier list told them.

    | before | active |
    |---|---|
    | none, and nothing is told of the active time | no |
    | none: this process has just begun | where the active time is not what the status says, or 0 |
    | else | where either number is another |
    """
    if before is not None:
        return before != (told.active_seconds, told.storage_bytes)
    shown = usage.active_time.used if usage and usage.active_time else 0
    return told.active_seconds is not None and told.active_seconds != shown


def near_message(usage: Usage, standing: Standing) -> str:
    """What a person should know while quotas are near their end."""
    shares = "; ".join(f"{kind.name} {_share(usage, kind)}" for kind in standing.near)
    return f"{shares} of the quota is used. A larger tier, or an override that the tier allows, raises it."


def exceeded_message(usage: Usage, standing: Standing) -> str:
    """What a person should know while quotas are used up."""
    sentences = []
    if standing.suspending:
        what = "; ".join(f"{kind.name} {_share(usage, kind)}" for kind in standing.suspending)
        until = f"until {usage.period_end}" if usage.period_end else "until the billing period ends"
        sentences.append(
            f"Used up: {what}. Neon suspends the computes and refuses logins {until}, or until the quota is "
            "raised by a larger tier or an override."
        )
    if standing.storage:
        share = _share(usage, _STORAGE)
        sentences.append(
            f"Used up: {_STORAGE.name} {share}. Logins and reads work, only writes fail. Delete data, or "
            "choose a larger tier or an override."
        )
    return " ".join(sentences)


def meter_of(usage: Usage, kind: QuotaKind) -> Meter | None:
    """The meter of one quota."""
    meter: Meter | None = getattr(usage, kind.attribute)
    return meter


_STORAGE: Final = next(kind for kind in QUOTA_KINDS if kind.neon == STORAGE)


def _share(usage: Usage, kind: QuotaKind) -> str:
    meter = meter_of(usage, kind)
    assert meter is not None
    return f"{meter.percent} % of {kind.show(meter.limit or 0)}"


def _meter(used: int, limit: int) -> Meter:
    if not limit:
        return Meter(used=used)
    return Meter(used=used, limit=limit, percent=min(used * 100 // limit, MAX_PERCENT))


def _valid(amount: int | None) -> int | None:
    return amount if amount is not None and 0 <= amount <= MAX_INT64 else None


def _level(percent: int, warning: int) -> int:
    return (percent >= warning) + (percent >= 100)


def _order(known: str | None, told: str | None) -> int:
    """Whether the told period is later (1), earlier (-1), or the same as far as one can tell (0)."""
    first, second = _moment(known), _moment(told)
    if first is None or second is None:
        return 0
    return (second > first) - (second < first)


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo and MIN_YEAR <= moment.year < MAX_YEAR else None
