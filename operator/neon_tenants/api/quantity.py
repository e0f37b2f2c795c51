"""Quantities and durations as users write them: `512Mi`, `10G`, `100h`, `1h30m`, `Unlimited`.

Bytes follow Kubernetes' resource.Quantity, seconds follow Go's time.ParseDuration, both without
fractions: `512m` (half a byte) and `1.5s` are refused instead of rounded, and `1.5Gi` is written
1536Mi, since CEL cannot tell which fractions are whole bytes. The CRD refuses the same strings; an
integration test holds the two against each other.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

UNLIMITED: Final = "Unlimited"
NEVER: Final = "Never"

TOO_MANY_BYTES: Final = 4 * 1024**6
"""4Ei. Neon's quota fields are int64; Kubernetes rounds quantities silently at 8Ei."""
MAX_INT64: Final = 2**63 - 1

MAX_LENGTH: Final = 24
"""Characters of a quantity or duration, in the CRD, too. Python reads no number of thousands of digits."""

BYTES_PATTERN: Final = "[0-9]+([KMGTPE]i|[kMGTPE]|[eE][0-9]{1,2})?"
SECONDS_PATTERN: Final = "([0-9]+h)?([0-9]+m)?([0-9]+s)?"

_BYTES: Final = re.compile(r"(?P<number>[0-9]+)(?:(?P<unit>[KMGTPE]i|[kMGTPE])|[eE](?P<power>[0-9]{1,2}))?")
_SUFFIXES: Final = {
    "": 1,
    **{unit: 1000**power for power, unit in enumerate("kMGTPE", start=1)},
    **{unit + "i": 1024**power for power, unit in enumerate("KMGTPE", start=1)},
}
_PART: Final = re.compile(r"([0-9]+)([hms])")
_DURATION: Final = re.compile(SECONDS_PATTERN)
_SECONDS: Final = {"h": 3600, "m": 60, "s": 1}


class QuantityError(ValueError):
    """The text is not a whole quantity or duration; the message says what is expected."""


@lru_cache(maxsize=1024)
def parse_bytes(text: str) -> int:
    """The number of bytes that a Kubernetes quantity names.

    Raises:
        QuantityError: not a quantity, with a fraction, negative, or not below 4Ei.
    """
    match = _BYTES.fullmatch(text)
    if match is None or len(text) > MAX_LENGTH:
        raise QuantityError(f"{text!r} is not a quantity of bytes such as 512Mi, 10Gi or 5G")
    factor = 10 ** int(match["power"]) if match["power"] else _SUFFIXES[match["unit"] or ""]
    value: int = int(match["number"]) * factor
    if value >= TOO_MANY_BYTES:
        raise QuantityError(f"{text!r} is not below 4Ei")
    return value


@lru_cache(maxsize=1024)
def parse_seconds(text: str) -> int:
    """The number of seconds that a Go duration of hours, minutes and seconds names.

    Raises:
        QuantityError: not a duration, not in whole seconds, or longer than Go's 292 years.
    """
    if not 0 < len(text) <= MAX_LENGTH or _DURATION.fullmatch(text) is None:
        raise QuantityError(f"{text!r} is not a duration such as 100h, 5m or 1h30m")
    seconds = sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    if seconds > MAX_INT64 // 10**9:
        raise QuantityError(f"{text!r} is longer than 292 years")
    return seconds


def format_bytes(amount: int) -> str:
    """An exact quantity with the largest binary unit: `512Mi`."""
    units = [
        unit for unit in ("Ei", "Pi", "Ti", "Gi", "Mi", "Ki") if amount and amount % _SUFFIXES[unit] == 0
    ]
    return f"{amount // _SUFFIXES[units[0]]}{units[0]}" if units else str(amount)


def format_seconds(amount: int) -> str:
    """A duration of hours, minutes and seconds: `1h30m`."""
    minutes, seconds = divmod(amount, 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"
