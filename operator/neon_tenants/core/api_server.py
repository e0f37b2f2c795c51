"""Is this the API server that the operator worked on before?

A copy of etcd or a backup, restored elsewhere, has the same resources, uids and cluster id, and would act
on the projects of the original. What differs is told by two witnesses: the uid of the Namespace
kube-system (another one where a backup's objects were made anew) and the certificate authorities that
sign for the API server (others where a copy of etcd runs under a new control plane).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, Self

from neon_tenants.core import form

FORM: Final = 1
"""Of the stored record (docs/upgrade.md)."""


@dataclass(frozen=True, slots=True)
class ApiServer:
    """What tells one API server from another."""

    uid: str
    """Of the Namespace kube-system."""
    authorities: frozenset[str] = frozenset()
    """Digests of the certificate authorities that we trust for it; empty where none are named."""

    def is_same(self, other: Self) -> bool:
        """Whether both are the same cluster.

        | uid | authorities | same |
        |---|---|---|
        | differs | any | no |
        | equal | unknown on one side | yes |
        | equal | at least one in common (a rotation keeps the old one for a while) | yes |
        | equal | none in common | no |
        """
        if self.uid != other.uid:
            return False
        return (
            not self.authorities
            or not other.authorities
            or not self.authorities.isdisjoint(other.authorities)
        )

    def merged(self, found: Self) -> Self:
        """What to record of the same cluster: its authorities as they are now, where they are known."""
        return found if found.authorities else self

    @property
    def code(self) -> str:
        """What a person names to confirm exactly this API server."""
        return hashlib.sha256(self.encode().encode()).hexdigest()[:10]

    def encode(self) -> str:
        """As it is stored."""
        return form.encode(FORM, {"uid": self.uid, "authorities": sorted(self.authorities)})

    @classmethod
    def decode(cls, text: str | None) -> Self | None:
        """What is stored; None where nothing is. What cannot be read is no API server that there is."""
        if text is None:
            return None
        try:
            stored = form.decode(FORM, text)
            return cls(str(stored["uid"]), frozenset(map(str, stored["authorities"])))
        except (ValueError, TypeError, KeyError):
            return cls("unreadable")
