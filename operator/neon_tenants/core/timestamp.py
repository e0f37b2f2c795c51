"""Moments as text: RFC 3339 in whole seconds and UTC, as Kubernetes and Neon write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def stamp(moment: datetime) -> str:
    """As metav1.Time."""
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def seconds(text: str) -> float:
    """Seconds of the epoch.

    Raises:
        ValueError: not a moment.
    """
    return datetime.fromisoformat(text).timestamp()


def next_second(text: str) -> str:
    """The moment one second later.

    Raises:
        ValueError: not a moment.
    """
    return stamp(datetime.fromisoformat(text) + timedelta(seconds=1))
