"""The connection Secret: what stands in it, and whose it is."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from neon_tenants.api import names
from neon_tenants.api.tenant_database import SECRET_KEYS, ConnectionSecret
from neon_tenants.core.connection import Connection, ConnectionUriError

PROVIDER: Final = "neon"

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,252}")
"""No stricter than Kubernetes about names."""
_ID: Final = re.compile(r"[a-z0-9-]{1,60}")
"""Neon's pattern for project ids."""


@dataclass(frozen=True, slots=True)
class SecretContent:
    """A connection Secret as it should stand."""

    data: Mapping[str, str] = field(repr=False)
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SecretObject:
    """A Secret as it was read."""

    type: str
    data: Mapping[str, str] = field(repr=False)
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    owner_uids: tuple[str, ...]
    resource_version: str
    immutable: bool


@dataclass(frozen=True, slots=True)
class Absent:
    """No Secret of this name exists."""


@dataclass(frozen=True, slots=True)
class Ours:
    """Written by us for this resource."""

    found: SecretObject
    project_id: str | None
    """An id that tenants can edit: it counts only together with the exact name (protocol, rule 2)."""
    owned: bool
    """Whether the owner reference stands, so that it goes with its resource."""

    @property
    def connection(self) -> Connection | None:
        """The login, where the data is still what we wrote; None after somebody edited it."""
        return _connection(self.found)


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """Written by us for an earlier resource of the same name, which is gone. It may be taken over."""

    found: SecretObject


@dataclass(frozen=True, slots=True)
class Conflict:
    """Written by us for another TenantDatabase of this namespace."""

    owner: str


@dataclass(frozen=True, slots=True)
class Foreign:
    """Somebody else's. It is never written."""


SecretState: TypeAlias = Absent | Ours | LeftBehind | Conflict | Foreign


def state_of(found: SecretObject | None, *, uid: str, name: str) -> SecretState:
    """Whose Secret it is, for the resource with this uid and name.

    The proof is our type (which cannot be changed after creation) *and* our annotation. A Secret that
    lacks either is refused, ownerless or not: adopting ownerless ones would overwrite other people's.

    | type, owner-uid, owner-name | state |
    |---|---|
    | none found | Absent |
    | another type, or no owner-uid | Foreign |
    | our uid | Ours |
    | another uid, our name | LeftBehind: two resources of one name cannot live at once |
    | another uid, another name | Conflict |
    """
    if found is None:
        return Absent()
    owner_uid = found.annotations.get(names.OWNER_UID)
    if found.type != names.SECRET_TYPE or owner_uid is None:
        return Foreign()
    if owner_uid == uid:
        return Ours(
            found,
            project_id=_project_id(found),
            owned=uid in found.owner_uids,
        )
    owner_name = found.annotations.get(names.OWNER_NAME, "")
    if not _NAME.fullmatch(owner_name):
        owner_name = ""  # tenants can edit it, and it is told to people
    return LeftBehind(found) if owner_name == name else Conflict(owner_name)


def render(
    connection: Connection, wishes: ConnectionSecret, *, uid: str, name: str, project_id: str
) -> SecretContent:
    """The Secret for this login."""
    uri, pooled_uri = connection.uri, connection.pooled_uri
    jdbc_uri, pooled_jdbc_uri = connection.jdbc_uri, connection.pooled_jdbc_uri
    data = {
        "type": "postgresql",
        "provider": PROVIDER,
        "host": connection.host,
        "port": str(connection.port),
        "dbname": connection.database,
        "database": connection.database,
        "username": connection.username,
        "password": connection.password,
        "uri": uri,
        "jdbc-uri": jdbc_uri,
        "pgpass": connection.pgpass,
        "pooled-host": connection.pooled_host,
        "pooled-uri": pooled_uri,
        "pooled-jdbc-uri": pooled_jdbc_uri,
    }
    assert tuple(data) == SECRET_KEYS
    values = {
        "uri": uri,
        "pooled_uri": pooled_uri,
        "jdbc_uri": jdbc_uri,
        "pooled_jdbc_uri": pooled_jdbc_uri,
        "host": connection.host,
        "pooled_host": connection.pooled_host,
        "port": str(connection.port),
        "database": connection.database,
        "username": connection.username,
        "password": connection.password,
    }
    # The CRD admits only these placeholders, and no other braces.
    data |= {key: text.format_map(values) for key, text in wishes.extra.items()}
    return SecretContent(
        data=data,
        labels=dict(wishes.labels),
        annotations={
            **wishes.annotations,
            names.OWNER_UID: uid,
            names.OWNER_NAME: name,
            names.PROJECT_ID: project_id,
            names.DATA_DIGEST: digest(data),
        },
    )


def differs(content: SecretContent, found: SecretObject) -> bool:
    """Whether the Secret must be written.

    Labels and annotations that others added are left alone; ours must stand.
    """
    return (
        dict(content.data) != dict(found.data)
        or any(found.labels.get(key) != value for key, value in content.labels.items())
        or any(found.annotations.get(key) != value for key, value in content.annotations.items())
    )


def digest(data: Mapping[str, str]) -> str:
    """SHA-256 over the data, in hexadecimal.

    It stands beside the data, is as hard to read as the data, and the password in it is random, so it
    tells nobody anything; it lets us notice an edit without asking Neon for the password.
    """
    text = "".join(f"{key}\0{data[key]}\0" for key in sorted(data))
    return hashlib.sha256(text.encode()).hexdigest()


def _project_id(found: SecretObject) -> str | None:
    """Tenants can edit it: what cannot be an id of Neon's is none."""
    text = found.annotations.get(names.PROJECT_ID, "")
    return text if _ID.fullmatch(text) else None


def _connection(found: SecretObject) -> Connection | None:
    if found.annotations.get(names.DATA_DIGEST) != digest(found.data):
        return None
    try:
        return Connection.parse(found.data.get("uri", ""), pooled_host=found.data.get("pooled-host", ""))
    except ConnectionUriError:
        return None
