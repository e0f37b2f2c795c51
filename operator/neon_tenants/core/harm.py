"""What a changed tier would destroy, or whom it would shut out; and limits that do neither.

Shorter history destroys restore points. A quota below the present use suspends a tenant's compute, or
stops its writes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from neon_tenants.api.database_tier import Overrides, QuotaOverrides
from neon_tenants.core.entitlement import Tier, limits_of
from neon_tenants.core.project import RETENTION, Limits, Project
from neon_tenants.core.quota import QUOTA_KINDS, Quota, QuotaKind
from neon_tenants.core.record import Record

EITHER: Final = "either"


def harms(limits: Limits, project: Project, record: Record) -> tuple[str, ...]:
    """What these limits would take from the tenant of this project, by the names in the DatabaseTier.

    | limit | harms when |
    |---|---|
    | historyRetention | shorter than the project's |
    | a quota | lower than the project's, and not above what is used |

    What Neon's list leaves out is not known to be lowered.
    """
    found = [
        kind.name
        for kind in QUOTA_KINDS
        if _is_lower(limits.quota, project.quota, kind)
        and used(kind, project, record) >= getattr(limits.quota, kind.neon)
    ]
    if project.retention_seconds is not None and limits.retention_seconds < project.retention_seconds:
        found.append(RETENTION)
    return tuple(found)


def used(kind: QuotaKind, project: Project, record: Record) -> int:
    """How much of a quota is used, as far as anything tells: the status, and Neon's list."""
    meter = getattr(record.usage, kind.attribute) if record.usage else None
    told = meter.used if meter else 0
    match kind.name:
        case "activeTime":
            return max(told, project.signs.active_seconds or 0)
        case "storagePerBranch":
            # The list counts history as well: it may ask once too often, and never once too little.
            return told if meter else project.signs.storage_bytes or 0
        case _:
            return told


def survey(tier: Tier, pairs: Iterable[tuple[Record, Project]]) -> Counter[str]:
    """How many tenants a tier would harm, by what it takes from them; and how many in all, as `EITHER`."""
    count: Counter[str] = Counter()
    for record, project in pairs:
        limits = limits_of(tier, record.overrides)
        found = harms(limits, project, record) if isinstance(limits, Limits) else ()
        count.update(found)
        count[EITHER] += bool(found)
    return count


def held_back(limits: Limits, project: Project, overrides: Overrides | None) -> Limits:
    """What a tenant gets that no rollout has reached but that a person has changed.

    | part | result |
    |---|---|
    | a quota that the tenant overrides | as it wishes |
    | any other quota, and the retention | the larger of the project's and the tier's |
    | the compute, overridden | as the tenant wishes |
    | the compute, not overridden | the project's |
    """
    asked = (overrides and overrides.quota) or QuotaOverrides()
    kept = {
        kind.neon: getattr(project.quota, kind.neon)
        for kind in QUOTA_KINDS
        if kind.text(asked) is None and _is_lower(limits.quota, project.quota, kind)
    }
    own_size = overrides is not None and overrides.compute is not None
    return Limits(
        quota=replace(limits.quota, **kept),
        compute=limits.compute if own_size or project.defaults is None else project.defaults,
        retention_seconds=max(limits.retention_seconds, project.retention_seconds or 0),
    )


def _is_lower(wanted: Quota, found: Quota | None, kind: QuotaKind) -> bool:
    """Whether a quota would be lowered; 0 is unlimited."""
    if found is None:
        return False
    new, old = getattr(wanted, kind.neon), getattr(found, kind.neon)
    return bool(new) and (not old or new < old)
