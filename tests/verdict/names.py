"""Names as docs/protocol.md gives them, computed here anew: markers and owners."""

from __future__ import annotations

import base64
import hashlib
import uuid
from typing import Final

GROUP: Final = "neontenants.io"
FINALIZER: Final = f"{GROUP}/project"
INTENT: Final = f"{GROUP}/create-intent"
START_EMPTY: Final = f"{GROUP}/start-empty"
AGENT: Final = "neon-tenant-operator/"
"""How the operator's User-Agent begins."""
RELEASED: Final = "released"
_NAME: Final = 64
_CLUSTER: Final = 12
_PLACE: Final = 10
_OWNER: Final = 26


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()


def marker(cluster: str, namespace: str, name: str, uid: str) -> str:
    """The name of the project of this resource (rule 2)."""
    place = _base32(hashlib.sha256(f"{namespace}/{name}".encode()).digest())[:_PLACE]
    readable = f"{namespace}-{name}"[: _NAME - _CLUSTER - _PLACE - _OWNER - 3].rstrip("-.")
    return f"{readable}-{cluster}-{place}-{_base32(uuid.UUID(uid).bytes)}"


def owner(project_name: str, cluster: str) -> str | None:
    """The uid in a name of this cluster's, or `RELEASED`; None in other names."""
    prefix, _, last = project_name.rpartition("-")
    rest, _, place = prefix.rpartition("-")
    if len(place) != _PLACE or not f"-{rest}".endswith(f"-{cluster}"):
        return None
    if last == RELEASED:
        return RELEASED
    if len(last) != _OWNER:
        return None
    try:
        return str(uuid.UUID(bytes=base64.b32decode(last.upper() + "======")))
    except ValueError:
        return None
