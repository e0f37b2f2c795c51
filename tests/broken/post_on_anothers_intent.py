"""An intent of another process does not count: this one declares over it and sends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from broken import breaks
from neon_tenants.core import observed
from neon_tenants.core.intent import IntentState


def _broken(original: Callable[..., IntentState]) -> Callable[..., IntentState]:
    def intent_state(**known: Any) -> IntentState:
        state = original(**known)
        mine = known["attempt"] is not None and known["attempt"].nonce == known["sighting"].nonce
        return IntentState.FREE if state is IntentState.ALIVE and not mine else state

    return intent_state


breaks(observed, "intent_state", _broken)
