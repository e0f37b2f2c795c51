"""A login: what Neon hands out as a URI, in parts, and the forms in which a Secret shows it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Self
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

Parameters = tuple[tuple[str, str], ...]

DEFAULT_PORT: Final = 5432
"""What a URI without a port means; Neon's have none."""

# libpq's names of parameters, and pgjdbc's for the same thing.
_JDBC_NAMES: Final = {"channel_binding": "channelBinding"}


# What would read otherwise in a URI, or begin another line in a password file.
_HOST: Final = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.~-]+")
"""What stands in a URI as it is: nearly all names and passwords."""
_BREAKS: Final = re.compile(r"[\x00\r\n]")


class ConnectionUriError(ValueError):
    """Neon's answer is not a PostgreSQL URI with host, database, role and password. Holds no part of it."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A login to one database through its direct and its pooled host."""

    host: str
    pooled_host: str
    port: int
    database: str
    username: str
    password: str = field(repr=False)
    parameters: Parameters = ()
    """libpq's, such as sslmode=require, in Neon's order."""

    @classmethod
    def parse(cls, uri: str, *, pooled_host: str) -> Self:
        """The parts of a URI such as Neon hands out.

        Raises:
            ConnectionUriError: a part is missing, a host is no DNS name, or a line would end within a part.
        """
        try:
            parts = urlsplit(uri)
            port = parts.port
        except ValueError:
            raise ConnectionUriError("a connection URI of Neon could not be read") from None
        database = unquote(parts.path.removeprefix("/"))
        if parts.scheme not in ("postgres", "postgresql") or not (
            parts.hostname and parts.username and parts.password and database
        ):
            raise ConnectionUriError("a connection URI of Neon lacks its host, database, role or password")
        username, password = unquote(parts.username), unquote(parts.password)
        if any(host and _HOST.fullmatch(host) is None for host in (parts.hostname, pooled_host)):
            raise ConnectionUriError("a connection URI of Neon names a host that is no DNS name")
        if _BREAKS.search(f"{database}{username}{password}"):
            raise ConnectionUriError("a part of a connection URI of Neon has more than one line")
        return cls(
            host=parts.hostname,
            pooled_host=pooled_host,
            port=port or DEFAULT_PORT,
            database=database,
            username=username,
            password=password,
            parameters=tuple(parse_qsl(parts.query, keep_blank_values=True)),
        )

    @property
    def uri(self) -> str:
        """A libpq URI to the direct host."""
        return self._uri(self.host)

    @property
    def pooled_uri(self) -> str:
        """A libpq URI through Neon's pooler."""
        return self._uri(self.pooled_host)

    @property
    def jdbc_uri(self) -> str:
        """A pgjdbc URI to the direct host."""
        return self._jdbc_uri(self.host)

    @property
    def pooled_jdbc_uri(self) -> str:
        """A pgjdbc URI through Neon's pooler."""
        return self._jdbc_uri(self.pooled_host)

    @property
    def pgpass(self) -> str:
        """Lines of a libpq password file, for both hosts."""
        hosts = dict.fromkeys((self.host, self.pooled_host))
        rest = ":".join(map(_escaped, (str(self.port), self.database, self.username, self.password)))
        return "".join(f"{_escaped(host)}:{rest}\n" for host in hosts)

    def _uri(self, host: str) -> str:
        port = "" if self.port == DEFAULT_PORT else f":{self.port}"
        login = f"{_quoted(self.username)}:{_quoted(self.password)}"
        query = f"?{_query(self.parameters)}" if self.parameters else ""
        return f"postgresql://{login}@{host}{port}/{_quoted(self.database)}{query}"

    def _jdbc_uri(self, host: str) -> str:
        login = f"user={_quoted(self.username)}&password={_quoted(self.password)}"
        query = f"&{_jdbc_query(self.parameters)}" if self.parameters else ""
        return f"jdbc:postgresql://{host}:{self.port}/{_quoted(self.database)}?{login}{query}"


def _quoted(part: str) -> str:
    return part if _PLAIN.fullmatch(part) else quote(part, safe="")


# The same for all tenants, and no secret.
@lru_cache(maxsize=64)
def _query(parameters: Parameters) -> str:
    return urlencode(parameters, quote_via=quote)


@lru_cache(maxsize=64)
def _jdbc_query(parameters: Parameters) -> str:
    return _query(tuple((_JDBC_NAMES.get(name, name), value) for name, value in parameters))


def _escaped(part: str) -> str:
    return part.replace("\\", "\\\\").replace(":", "\\:")
