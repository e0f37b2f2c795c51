"""The verdicts of the probes, a row each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from neon_tenants.core.health import (
    STUCK_LIMIT,
    WATCH_LIMIT,
    Signs,
    Standby,
    not_alive,
    not_ready,
    not_standing_by,
)

WELL = Signs(installed=True, unlisted=(), heard_ago=1, tried_ago=1, waiting=0, moved_ago=1)
SILENT, STUCK = WATCH_LIMIT + 1, STUCK_LIMIT + 1

READY: dict[str, tuple[dict[str, Any], str | None]] = {
    "all is well": ({}, None),
    "no CRDs": ({"installed": False, "unlisted": ("tenantdatabases",), "heard_ago": SILENT}, "CRDs"),
    "still listing": ({"unlisted": ("tenantdatabases", "databasetiers")}, "tenantdatabases, databasetiers"),
    "the API server is away": ({"heard_ago": SILENT}, "not answered"),
    "heard at the last moment": ({"heard_ago": WATCH_LIMIT}, None),
    "workers are stuck": ({"waiting": 1, "moved_ago": STUCK}, None),
}

ALIVE: dict[str, tuple[dict[str, Any], str | None]] = {
    "all is well": ({}, None),
    "no CRDs": ({"installed": False, "unlisted": ("x",), "heard_ago": SILENT, "tried_ago": SILENT}, None),
    "the API server is away": ({"heard_ago": SILENT}, None),
    "asked at the last moment": ({"tried_ago": WATCH_LIMIT}, None),
    "the watch is stuck": ({"heard_ago": SILENT, "tried_ago": SILENT}, "not asked"),
    "nothing to do": ({"moved_ago": STUCK}, None),
    "work waits a little": ({"waiting": 7, "moved_ago": STUCK_LIMIT}, None),
    "workers are stuck": ({"waiting": 7, "moved_ago": STUCK}, "7 tenants wait"),
}


@pytest.mark.parametrize(("changes", "trouble"), READY.values(), ids=READY.keys())
def test_ready(changes: dict[str, Any], trouble: str | None) -> None:
    found = not_ready(replace(WELL, **changes))
    assert found is None if trouble is None else found is not None and trouble in found


@pytest.mark.parametrize(("changes", "trouble"), ALIVE.values(), ids=ALIVE.keys())
def test_alive(changes: dict[str, Any], trouble: str | None) -> None:
    found = not_alive(replace(WELL, **changes))
    assert found is None if trouble is None else found is not None and trouble in found


STANDS_BY: dict[str, tuple[Standby, str | None]] = {
    "no CRDs": (Standby(installed=False, looked=True, trouble=None), "CRDs"),
    "the Lease cannot be read": (Standby(installed=True, looked=False, trouble="403"), "403"),
    "the Lease cannot be read any more": (Standby(installed=True, looked=True, trouble="500"), "500"),
    "before the first look": (Standby(installed=True, looked=False, trouble=None), "not been read yet"),
    "all is well": (Standby(installed=True, looked=True, trouble=None), None),
}


@pytest.mark.parametrize(("standby", "trouble"), STANDS_BY.values(), ids=STANDS_BY.keys())
def test_stands_by(standby: Standby, trouble: str | None) -> None:
    found = not_standing_by(standby)
    assert found is None if trouble is None else found is not None and trouble in found
