"""What this process knows of its tenants. Losing it costs time, never safety."""

from __future__ import annotations

from neon_tenants.core.knowledge import Knowledge

_NOTHING = Knowledge()


class Memory:
    """Knowledge by uid. An entry exists only while there is something to know: a settled fleet has none."""

    def __init__(self) -> None:
        self._entries: dict[str, Knowledge] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def of(self, uid: str) -> Knowledge:
        """What is known of a tenant."""
        return self._entries.get(uid, _NOTHING)

    def keep(self, uid: str, knowledge: Knowledge) -> None:
        """Replaces what is known of a tenant."""
        if knowledge == _NOTHING:
            self.forget(uid)
        else:
            self._entries[uid] = knowledge

    def forget(self, uid: str) -> None:
        """Drops what is known, as when the tenant is gone."""
        self._entries.pop(uid, None)
