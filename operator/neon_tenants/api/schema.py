"""The base of the resource models, and the pieces of schema that several of them share."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from neon_tenants.api.quantity import (
    BYTES_PATTERN,
    MAX_LENGTH,
    NEVER,
    SECONDS_PATTERN,
    UNLIMITED,
    QuantityError,
    parse_bytes,
    parse_seconds,
)

VALIDATIONS: Final = "x-kubernetes-validations"


class Model(BaseModel):
    """A frozen part of a resource; camelCase in YAML.

    Unknown fields are dropped, as the API server prunes them: a newer CRD must not stop an older
    operator in the middle of a rolling update.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")


def rule(expression: str, message: str, **more: Any) -> dict[str, Any]:
    """One CEL rule of `x-kubernetes-validations`."""
    return {"rule": expression, "message": message, **more}


def _positive_bytes(text: str) -> str:
    if text != UNLIMITED and parse_bytes(text) == 0:
        raise QuantityError("0 would mean unlimited to Neon: write Unlimited if that is meant")
    return text


def _positive_seconds(text: str) -> str:
    if text != UNLIMITED and parse_seconds(text) == 0:
        raise QuantityError("0 would mean unlimited to Neon: write Unlimited if that is meant")
    return text


def _suspend_after(text: str) -> str:
    if text != NEVER and not MIN_SUSPEND <= parse_seconds(text) <= MAX_SUSPEND:
        raise QuantityError("Neon suspends after 1m to 168h, or Never")
    return text


def _history_retention(text: str) -> str:
    if parse_seconds(text) > MAX_RETENTION:
        raise QuantityError("Neon keeps at most 720h of history")
    return text


MIN_SUSPEND: Final = 60
MAX_SUSPEND: Final = 604_800
"""Seconds; Neon's `suspend_timeout_seconds` (docs/neon.md, Computes)."""
MAX_RETENTION: Final = 2_592_000
"""Seconds; Neon's `history_retention_seconds` (30 days)."""

ByteQuota = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_LENGTH,
        json_schema_extra={
            VALIDATIONS: [
                rule(
                    f"self == '{UNLIMITED}' || (self.matches('^{BYTES_PATTERN}$')"
                    # Not isInteger(): it says no to 1Pi.
                    " && quantity(self).isGreaterThan(quantity('0'))"
                    " && quantity(self).isLessThan(quantity('4Ei')))",
                    "must be a whole number of bytes above 0, such as 512Mi, 10Gi or 5G, or Unlimited",
                )
            ]
        },
    ),
    AfterValidator(_positive_bytes),
]
"""Bytes of a quota, more than 0 (which Neon takes for unlimited), or Unlimited."""

TimeQuota = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_LENGTH,
        json_schema_extra={
            VALIDATIONS: [
                rule(
                    f"self == '{UNLIMITED}' || (self.matches('^{SECONDS_PATTERN}$')"
                    " && duration(self) > duration('0s'))",
                    "must be a duration above 0 in whole seconds, such as 100h or 1h30m, or Unlimited",
                )
            ]
        },
    ),
    AfterValidator(_positive_seconds),
]
"""Seconds of a quota, more than 0 (which Neon takes for unlimited), or Unlimited."""

SuspendAfter = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_LENGTH,
        json_schema_extra={
            VALIDATIONS: [
                rule(
                    f"self == '{NEVER}' || (self.matches('^{SECONDS_PATTERN}$')"
                    " && duration(self) >= duration('1m') && duration(self) <= duration('168h'))",
                    "must be a duration from 1m to 168h, or Never",
                )
            ]
        },
    ),
    AfterValidator(_suspend_after),
]
"""Idle time after which Neon suspends a compute, or Never."""

HistoryRetention = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_LENGTH,
        json_schema_extra={
            VALIDATIONS: [
                rule(
                    f"self.matches('^{SECONDS_PATTERN}$') && duration(self) <= duration('720h')",
                    "must be a duration of at most 720h, such as 6h or 168h",
                )
            ]
        },
    ),
    AfterValidator(_history_retention),
]
"""How far back a restore can go."""

COMPUTE_SIZES: Final = (0.25, 0.5, *map(float, range(1, 17)), *map(float, range(18, 57, 2)))
"""The sizes in CU that Neon has (docs/neon.md, Computes)."""
MAX_AUTOSCALING_CU: Final = 16.0
"""Above this size a compute cannot scale: minimum and maximum must be equal."""
MAX_CU_SPAN: Final = 8.0
"""The largest difference between minimum and maximum that Neon accepts."""


def _compute_size(size: float) -> float:
    if size not in COMPUTE_SIZES:
        raise ValueError("Neon's compute sizes are 0.25, 0.5, 1 to 16 in steps of 1, 18 to 56 in steps of 2")
    return size


ComputeSize = Annotated[
    float,
    Field(
        ge=0.25,
        le=56,
        json_schema_extra={
            VALIDATIONS: [
                rule(
                    "self in [0.25, 0.5] || (self >= 1.0 && self <= 16.0 && self == double(int(self)))"
                    " || (self >= 18.0 && self <= 56.0 && self == double(int(self)) && int(self) % 2 == 0)",
                    "must be a size that Neon has: 0.25, 0.5, 1 to 16 in steps of 1, 18 to 56 in steps of 2",
                )
            ]
        },
    ),
    AfterValidator(_compute_size),
]
"""A compute size in CU (1 CU is about 4 GB of memory)."""

RegionId = Annotated[
    str,
    Field(min_length=1, max_length=64, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"),
]
"""A Neon region such as aws-us-east-2."""

PostgresVersion = Annotated[int, Field(ge=14, le=18)]
"""A PostgreSQL major version that Neon has."""

DnsName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    ),
]
"""A DNS-1123 subdomain: the form of most Kubernetes names."""
