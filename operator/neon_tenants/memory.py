"""What this process knows of its tenants. Losing it costs time, never safety."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from neon_tenants.core.key import Key
from neon_tenants.core.knowledge import Knowledge
from neon_tenants.core.note import Note
from neon_tenants.core.observed import Tenant

_NOTHING = Knowledge()
_NO_NOTE = Note()


class Memory:
    """Knowledge by uid. An entry exists only while there is something to know: a settled fleet has none."""

    def __init__(self) -> None:
        self._entries: dict[str, Knowledge] = {}
        self._notes: dict[str, Note] = {}
        self._let_in: dict[str, str] = {}
        self._unrecorded: dict[Key, Tenant] = {}
        """Those for which a POST of ours left, until their status records the project."""

    def __len__(self) -> int:
        return len(self._entries)

    def of(self, uid: str) -> Knowledge:
        """What is known of a tenant."""
        return self._entries.get(uid, _NOTHING)

    def keep(self, uid: str, knowledge: Knowledge) -> None:
        """Replaces what is known of a tenant."""
        if knowledge == _NOTHING:
            self._entries.pop(uid, None)
        else:
            self._entries[uid] = knowledge

    def forget(self, key: Key, uid: str) -> None:
        """Drops what is known, as when the tenant is gone."""
        self._entries.pop(uid, None)
        self._notes.pop(uid, None)
        self._let_in.pop(uid, None)
        found = self._unrecorded.get(key)
        if found is not None and found.uid == uid:
            del self._unrecorded[key]

    def sends(self, tenant: Tenant) -> None:
        """Notes that the POST of its project leaves."""
        self._unrecorded[tenant.key] = tenant

    def recorded(self, key: Key, uid: str) -> None:
        """Notes that the status of the resource that stands there records a project.

        Who bound that may have meant the one that was made for a resource before it: nothing is known of it
        any more.
        """
        found = self._unrecorded.pop(key, None)
        if found is not None and found.uid != uid:
            self.forget(key, found.uid)

    def unrecorded(self, key: Key) -> Tenant | None:
        """The resource for which a POST of ours left, as it was then, while its status records no project."""
        return self._unrecorded.get(key)

    def all_unrecorded(self) -> tuple[Tenant, ...]:
        """All of these."""
        return tuple(self._unrecorded.values())

    def let_in(self, uid: str, tier: str | None) -> None:
        """Notes that the tenant has a place in a tier, or with None in no tier.

        Noted until the watch has told that its status says so: until then nobody else could know.
        """
        if tier is None:
            self._let_in.pop(uid, None)
        else:
            self._let_in[uid] = tier

    def is_let_in(self, uid: str, tier: str) -> bool:
        """Whether the tenant was given a place in this tier."""
        return self._let_in.get(uid) == tier

    def note(self, uid: str) -> Note:
        """What was left for the tenant's next pass."""
        return self._notes.get(uid, _NO_NOTE)

    def leave(self, uid: str, **changes: Any) -> None:
        """Leaves something for the tenant's next pass, beside what lies there already."""
        self._notes[uid] = replace(self.note(uid), **changes)

    def take(self, uid: str, note: Note) -> None:
        """A pass has dealt with this note. One that was left meanwhile stays for the next."""
        if self._notes.get(uid) is note:
            del self._notes[uid]
