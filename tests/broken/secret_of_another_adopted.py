"""A Secret of our type without an owner is taken for one that an earlier resource left (Crossplane, ESO)."""

from __future__ import annotations

from collections.abc import Callable

from broken import breaks
from neon_tenants.core import secret
from neon_tenants.core.secret import Foreign, LeftBehind, SecretObject, SecretState

StateOf = Callable[..., SecretState]


def _broken(original: StateOf) -> StateOf:
    def state_of(found: SecretObject | None, *, uid: str, name: str) -> SecretState:
        state = original(found, uid=uid, name=name)
        return LeftBehind(found) if found is not None and isinstance(state, Foreign) else state

    return state_of


breaks(secret, "state_of", _broken)
