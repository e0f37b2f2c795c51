"""The marker: a project's name, computed from its resource and never read from it.

    <readable>-<cluster id>-<place>-<owner>

The name *is* the ownership (docs/protocol.md, rule 2), since it is the one thing on a Neon project
that can be changed later: binding and releasing are one rename each. `place` stands for
`namespace/name`, `owner` for the uid of the resource, or for nobody: `released`.
"""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

from neon_tenants.api.names import GROUP

MAX_PROJECT_NAME: Final = 64
"""Neon's console shows and accepts 64 characters; the API takes 256 (docs/neon.md, Projects)."""
MAX_CLUSTER_ID: Final = 12
PLACE_LENGTH: Final = 10
"""Base32 characters: 50 bits of a hash. A collision only makes us stop and ask (rule 13)."""
OWNER_LENGTH: Final = 26
"""A uid's 128 bits in base32."""
RELEASED: Final = "released"


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()


# A pass asks several times for the same.
@lru_cache(maxsize=1024)
def _place(namespace: str, name: str) -> str:
    digest = hashlib.sha256(f"{namespace}/{name}".encode()).digest()
    return _base32(digest)[:PLACE_LENGTH]


@lru_cache(maxsize=1024)
def _owner(uid: str) -> str:
    return _base32(uuid.UUID(uid).bytes)


@dataclass(frozen=True, slots=True)
class Marker:
    """Who a project belongs to: this cluster's resource of this name, in this life."""

    cluster: str
    namespace: str
    name: str
    uid: str

    @property
    def place(self) -> str:
        """`namespace/name` in ten characters; the same for every resource that ever has this name."""
        return _place(self.namespace, self.name)

    @property
    def search_text(self) -> str:
        """What finds our project and all predecessors in Neon's substring search."""
        return f"{self.cluster}-{self.place}"

    @property
    def project_name(self) -> str:
        """The name of a project that is ours."""
        return f"{self._prefix}-{_owner(self.uid)}"

    @property
    def released_name(self) -> str:
        """The name of a project that was ours and is nobody's now."""
        return f"{self._prefix}-{RELEASED}"

    @property
    def _prefix(self) -> str:
        room = MAX_PROJECT_NAME - MAX_CLUSTER_ID - PLACE_LENGTH - OWNER_LENGTH - 3
        readable = f"{self.namespace}-{self.name}"[:room].rstrip("-.")
        return f"{readable}-{self.cluster}-{self.place}"

    def in_place(self, project_name: str) -> bool:
        """Whether the name is of our place: ours, released, or of an earlier resource of this name."""
        prefix, _, owner = project_name.rpartition("-")
        return prefix == self._prefix and (owner == RELEASED or len(owner) == OWNER_LENGTH)


def place_in(project_name: str) -> str | None:
    """The place that a name like ours names, whoever's it is; None for other names."""
    _, _, rest = project_name.rpartition("-")[0].rpartition("-")
    return rest if len(rest) == PLACE_LENGTH else None


def owner_in(project_name: str, cluster: str) -> str | None:
    """The uid that a name like ours names as its owner, or `RELEASED`; None for other names.

    A cluster named `prod` takes a name of the cluster `eu-prod` for its own: only the birth certificate
    tells them apart.
    """
    prefix, _, owner = project_name.rpartition("-")
    rest, _, place = prefix.rpartition("-")
    if len(place) != PLACE_LENGTH or not rest.endswith(f"-{cluster}"):
        return None
    if owner == RELEASED:
        return RELEASED
    if len(owner) != OWNER_LENGTH:
        return None
    try:
        raw = base64.b32decode(owner.upper() + "=" * (-OWNER_LENGTH % 8))
    except ValueError:
        return None
    return str(uuid.UUID(bytes=raw))


@dataclass(frozen=True, slots=True)
class Certificate:
    """The birth certificate: annotations that Neon accepts only in the request that makes a project.

    It cannot be changed afterwards, so it is the second witness beside the name.
    """

    cluster: str
    namespace: str
    name: str
    uid: str

    @classmethod
    def of(cls, marker: Marker) -> Self:
        """The certificate for a project that is made now."""
        return cls(marker.cluster, marker.namespace, marker.name, marker.uid)

    @classmethod
    def read(cls, annotations: Mapping[str, str]) -> Self | None:
        """The certificate among a branch's annotations, or None where there is none."""
        values = [annotations.get(f"{GROUP}/{key}") for key in ("cluster", "namespace", "name", "uid")]
        if any(value is None for value in values):
            return None
        return cls(*(value or "" for value in values))

    def annotations(self) -> dict[str, str]:
        """As Neon stores it."""
        return {
            f"{GROUP}/cluster": self.cluster,
            f"{GROUP}/namespace": self.namespace,
            f"{GROUP}/name": self.name,
            f"{GROUP}/uid": self.uid,
        }

    def names_place_of(self, marker: Marker) -> bool:
        """Whether it was made for a resource of this cluster, namespace and name, in any life."""
        return (self.cluster, self.namespace, self.name) == (marker.cluster, marker.namespace, marker.name)


def start_empty_token(project_ids: list[str]) -> str:
    """What a person writes into `neontenants.io/start-empty` to leave these projects aside.

    A hash, so that a new owner of a namespace learns no project id, and a manifest that keeps the
    annotation in Git does not disarm the rule for the next predecessor (protocol, rule 13).
    """
    digest = hashlib.sha256("\n".join(sorted(project_ids)).encode()).digest()
    return _base32(digest)[:8]
