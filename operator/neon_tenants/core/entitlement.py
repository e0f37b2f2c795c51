"""What a tier grants a tenant: its limits, or the refusal with the words that say what to do."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from neon_tenants.api.conditions import Reason
from neon_tenants.api.database_tier import DatabaseTierSpec, DatabaseTierStatus, Overrides, QuotaOverrides
from neon_tenants.api.quantity import NEVER, parse_seconds
from neon_tenants.api.schema import MAX_AUTOSCALING_CU, MAX_CU_SPAN
from neon_tenants.api.tenant_database import DEFAULT_POSTGRES_VERSION, TenantDatabaseSpec
from neon_tenants.core.project import ComputeSettings, Limits
from neon_tenants.core.quota import QUOTA_KINDS, Quota, amount_of


@dataclass(frozen=True, slots=True)
class Tier:
    """A DatabaseTier as it was read."""

    name: str
    generation: int
    spec: DatabaseTierSpec
    status: DatabaseTierStatus = field(default_factory=DatabaseTierStatus)
    annotations: Mapping[str, str] = field(default_factory=dict)
    resource_version: str = ""
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the tenant does not get what it asks for. What is applied already stays."""

    reason: Reason
    message: str


class _RefusedError(Exception):
    def __init__(self, reason: Reason, message: str) -> None:
        self.refusal = Refusal(reason, message)


def granted(
    spec: TenantDatabaseSpec, tier: Tier | None, namespace_labels: Mapping[str, str] | None
) -> Limits | Refusal:
    """The limits that the tier grants, for a new tenant and for an old one.

    `namespace_labels` is None where the tier does not ask for any.

    | case | result |
    |---|---|
    | no such tier | TierNotFound |
    | namespace lacks a label that the tier asks for | TierNotAllowed |
    | an override that the tier does not open | OverrideNotAllowed |
    | an override above the tier's maximum, or one that makes no compute | OverrideNotAllowed |
    | else | the tier's limits, with the overrides in their place |
    """
    if tier is None:
        return Refusal(
            Reason.TIER_NOT_FOUND,
            f"There is no DatabaseTier {spec.tier!r}. Create it, or choose another one.",
        )
    wanted = tier.spec.namespace_selector.match_labels if tier.spec.namespace_selector else {}
    labels = namespace_labels or {}
    if missing := [f"{key}={value}" for key, value in sorted(wanted.items()) if labels.get(key) != value]:
        return Refusal(
            Reason.TIER_NOT_ALLOWED,
            f"The tier {tier.name} is for namespaces with the label {', '.join(missing)}. "
            "Choose another tier, or ask the platform team to label this namespace.",
        )
    return limits_of(tier, spec.overrides)


def limits_of(tier: Tier, overrides: Overrides | None) -> Limits | Refusal:
    """The limits of a tier with these overrides, whoever asks: the last two rows of `granted`."""
    if overrides is not None:
        return _limits_of(tier, overrides)
    # Nearly all tenants have none, and each asks several times.
    known = next((limits for asked, limits in _plain if asked is tier), None)
    if known is None:
        known = _limits_of(tier, None)
        _plain.append((tier, known))
    return known


_plain: deque[tuple[Tier, Limits | Refusal]] = deque(maxlen=8)
"""Of the tiers that were asked for last. A tier is a value: what it grants never changes."""


def _limits_of(tier: Tier, overrides: Overrides | None) -> Limits | Refusal:
    try:
        return Limits(
            quota=_quota(tier, overrides),
            compute=_compute(tier, overrides),
            retention_seconds=parse_seconds(tier.spec.history_retention),
        )
    except _RefusedError as refused:
        return refused.refusal


def refused_start(spec: TenantDatabaseSpec, tier: Tier, older_tenants: int | None) -> Refusal | None:
    """What stands against a *new* project of this tier; a project that exists is not held to it.

    `older_tenants` counts the tenants of the namespace that come before this one in the tier; None
    where the tier sets no limit, and for a tenant that has the tier.

    | case | result |
    |---|---|
    | region not in the tier's list | RegionNotAllowed |
    | PostgreSQL version not in the tier's list | TierNotAllowed |
    | as many older tenants as the tier allows | TierFull |
    | else | None |
    """
    offered = tier.spec
    if spec.region is not None and offered.regions and spec.region not in offered.regions:
        return Refusal(
            Reason.REGION_NOT_ALLOWED,
            f"The tier {tier.name} offers {', '.join(offered.regions)}, not {spec.region}. "
            "The region cannot be changed: delete this resource and create it with another region.",
        )
    version = spec.postgres_version
    if version is not None and offered.postgres_versions and version not in offered.postgres_versions:
        versions = ", ".join(map(str, offered.postgres_versions))
        return Refusal(
            Reason.TIER_NOT_ALLOWED,
            f"The tier {tier.name} offers PostgreSQL {versions}, not {version}. "
            "The version cannot be changed: delete this resource and create it with another version.",
        )
    return refused_room(tier, older_tenants)


def refused_room(tier: Tier, older_tenants: int | None) -> Refusal | None:
    """The refusal of a tier that is full, for a new tenant and for one that comes from another tier."""
    most = tier.spec.max_tenants_per_namespace
    if most is not None and older_tenants is not None and older_tenants >= most:
        return Refusal(
            Reason.TIER_FULL,
            f"The tier {tier.name} allows {most} tenants in a namespace, and {older_tenants} came before. "
            "Delete one of them, or choose another tier.",
        )
    return None


def region(spec: TenantDatabaseSpec, tier: Tier) -> str | None:
    """The region for a new project; None leaves it to Neon."""
    return spec.region or (tier.spec.regions[0] if tier.spec.regions else None)


def postgres_version(spec: TenantDatabaseSpec, tier: Tier) -> int:
    """The PostgreSQL version for a new project."""
    offered = tier.spec.postgres_versions
    return spec.postgres_version or (offered[0] if offered else DEFAULT_POSTGRES_VERSION)


def _quota(tier: Tier, overrides: Overrides | None) -> Quota:
    asked = (overrides and overrides.quota) or QuotaOverrides()
    most = (tier.spec.overrides and tier.spec.overrides.quota) or QuotaOverrides()
    amounts: dict[str, int] = {}
    for kind in QUOTA_KINDS:
        amount = amount_of(kind, tier.spec.quota) or 0
        wanted, limit = amount_of(kind, asked), amount_of(kind, most)
        if wanted is not None:
            # 0 is unlimited, and so above everything.
            if limit is None or (limit != 0 and (wanted == 0 or wanted > limit)):
                raise _RefusedError(
                    Reason.OVERRIDE_NOT_ALLOWED, _too_much(tier, f"quota.{kind.name}", kind.text(most))
                )
            amount = wanted
        amounts[kind.neon] = amount
    return Quota(**amounts)


def _compute(tier: Tier, overrides: Overrides | None) -> ComputeSettings:
    base = tier.spec.compute
    asked = overrides.compute.max_cu if overrides and overrides.compute else None
    limits = tier.spec.overrides.compute if tier.spec.overrides else None
    most = limits.max_cu if limits else None
    max_cu = base.max_cu if asked is None else asked
    if asked is not None and (most is None or asked > most):
        raise _RefusedError(
            Reason.OVERRIDE_NOT_ALLOWED,
            _too_much(tier, "compute.maxCU", None if most is None else f"{most:g}"),
        )
    scales = base.min_cu < max_cu
    if max_cu < base.min_cu or max_cu - base.min_cu > MAX_CU_SPAN or (scales and max_cu > MAX_AUTOSCALING_CU):
        raise _RefusedError(
            Reason.OVERRIDE_NOT_ALLOWED,
            f"compute.maxCU {max_cu:g} does not go with the tier's minCU {base.min_cu:g}: Neon scales over "
            f"at most {MAX_CU_SPAN:g} CU, and not above {MAX_AUTOSCALING_CU:g}. Choose another maxCU.",
        )
    after = base.suspend_after
    return ComputeSettings(base.min_cu, max_cu, -1 if after == NEVER else parse_seconds(after))


def _too_much(tier: Tier, what: str, most: str | None) -> str:
    if most is None:
        return f"The tier {tier.name} does not allow to override {what}. Remove it from spec.overrides."
    return f"The tier {tier.name} allows {what} up to {most}. Lower it in spec.overrides."
