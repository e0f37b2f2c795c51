"""The five quotas: what users call them, what Neon calls them, and their amounts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from neon_tenants.api import database_tier
from neon_tenants.api.quantity import UNLIMITED, format_bytes, format_seconds, parse_bytes, parse_seconds


@dataclass(frozen=True, slots=True)
class Quota:
    """A project's quotas in Neon's units and by Neon's names; 0 is unlimited."""

    compute_time_seconds: int = 0
    active_time_seconds: int = 0
    logical_size_bytes: int = 0
    written_data_bytes: int = 0
    data_transfer_bytes: int = 0


@dataclass(frozen=True, slots=True)
class QuotaKind:
    """One of the five."""

    name: str
    """In YAML, and in messages."""
    attribute: str
    """On the pydantic models."""
    neon: str
    """On `Quota`, and in Neon's API."""
    parse: Callable[[str], int]
    write: Callable[[int], str]

    def show(self, limit: int) -> str:
        """Neon's number as a user would write it."""
        return self.write(limit) if limit else UNLIMITED

    def text(self, quotas: database_tier.Quota | database_tier.QuotaOverrides) -> str | None:
        """As the user wrote it; None where an override is left out."""
        text: str | None = getattr(quotas, self.attribute)
        return text


# Neon's guide maps the plans' "active time (compute time)" to compute_time_seconds, and their storage
# to logical_size_bytes, which is per branch (docs/neon.md, Quotas).
QUOTA_KINDS: Final = (
    QuotaKind("computeTime", "compute_time", "compute_time_seconds", parse_seconds, format_seconds),
    QuotaKind("activeTime", "active_time", "active_time_seconds", parse_seconds, format_seconds),
    QuotaKind("storagePerBranch", "storage_per_branch", "logical_size_bytes", parse_bytes, format_bytes),
    QuotaKind("writtenData", "written_data", "written_data_bytes", parse_bytes, format_bytes),
    QuotaKind("dataTransfer", "data_transfer", "data_transfer_bytes", parse_bytes, format_bytes),
)


def amount_of(kind: QuotaKind, quotas: database_tier.Quota | database_tier.QuotaOverrides) -> int | None:
    """Neon's number: seconds or bytes, 0 for Unlimited, None where an override is left out."""
    text = kind.text(quotas)
    if text is None:
        return None
    return 0 if text == UNLIMITED else kind.parse(text)
