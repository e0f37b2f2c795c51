"""Started before an operator: each event that its triggers take, and each pass, leaves lines in the log."""

from __future__ import annotations

import logging
from typing import Any

from broken import breaks
from neon_tenants.handlers import Triggers
from neon_tenants.reconcile import Reconciler

EVENT = "An event was taken."
PASS = "A pass began."
ENDED = "A pass ended."
_log = logging.getLogger("neon_tenants.counted")


def _event(original: Any) -> Any:
    def tenant(self: Any, kind: Any, body: Any) -> None:
        _log.info(EVENT)
        original(self, kind, body)

    return tenant


def _pass(original: Any) -> Any:
    async def reconcile(self: Any, namespace: str, name: str) -> Any:
        _log.info(PASS)
        try:
            return await original(self, namespace, name)
        finally:
            _log.info(ENDED)

    return reconcile


breaks(Triggers, "tenant", _event)
breaks(Reconciler, "reconcile", _pass)
