"""Where the tenants' databases really are: the seam between Neon's API and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from neon_sandbox.emulator.state import Branch, Database, Endpoint, Project


class HostingError(Exception):
    """PostgreSQL refused a piece of work, or is gone; the operation that needed it has failed."""


@dataclass(frozen=True, slots=True)
class Address:
    """How to reach one endpoint."""

    host: str
    pooler_host: str
    port: int | None
    """None is PostgreSQL's own, 5432, and is left out of URIs as Neon does."""
    parameters: str
    """The query of a connection URI."""


class Hosting(Protocol):
    """What the API needs of the place that holds the databases.

    `Branch` and `Database` are asked for by their records; the names that they have in PostgreSQL
    are this side's own business. The async methods raise HostingError.
    """

    @property
    def physical(self) -> bool:
        """Whether there is anything behind it; without, operations have no work to do."""

    def open(self, endpoint: Endpoint) -> None:
        """Gives the endpoint its address; connections can be made from now on."""

    def close(self, endpoint: Endpoint) -> None:
        """Takes the address away, for ever."""

    def address(self, endpoint: Endpoint) -> Address:
        """The endpoint's address."""

    async def create_branch(self, branch: Branch, passwords: dict[str, str]) -> None:
        """Makes the roles, with these passwords by role name, and the databases of a root branch."""

    async def copy_branch(self, parent: Branch, branch: Branch) -> None:
        """Makes a branch with its parent's data, and with its roles under the same passwords."""

    async def drop_branch(self, branch: Branch) -> None:
        """Removes its roles and databases."""

    async def drop_project(self, project: Project) -> None:
        """Removes everything of the project."""

    async def create_database(self, branch: Branch, database: Database) -> None:
        """Makes one more database."""

    async def drop_database(self, branch: Branch, database: Database) -> None:
        """Removes one."""

    async def set_password(self, branch: Branch, role: str, password: str) -> None:
        """Changes a role's password."""

    async def drop_sessions(self, endpoints: Iterable[Endpoint]) -> None:
        """Ends all connections to these endpoints, and returns when they have ended."""


class NoHosting:
    """Nothing behind the API: addresses are handed out in Neon's own form, and nobody answers there.

    The domain is one that can never exist (RFC 2606), so that no benchmark reaches the real Neon.
    """

    @property
    def physical(self) -> bool:
        """False."""
        return False

    def open(self, endpoint: Endpoint) -> None:
        """Nothing to do."""

    def close(self, endpoint: Endpoint) -> None:
        """Nothing to do."""

    def address(self, endpoint: Endpoint) -> Address:
        """For example ep-little-smoke-85142612.aws-us-east-2.neon.invalid."""
        domain = f"{endpoint.region_id}.neon.invalid"
        return Address(
            host=f"{endpoint.id}.{domain}",
            pooler_host=f"{endpoint.id}-pooler.{domain}",
            port=None,
            parameters="sslmode=require&channel_binding=require",
        )

    async def create_branch(self, branch: Branch, passwords: dict[str, str]) -> None:
        """Nothing to do."""

    async def copy_branch(self, parent: Branch, branch: Branch) -> None:
        """Nothing to do."""

    async def drop_branch(self, branch: Branch) -> None:
        """Nothing to do."""

    async def drop_project(self, project: Project) -> None:
        """Nothing to do."""

    async def create_database(self, branch: Branch, database: Database) -> None:
        """Nothing to do."""

    async def drop_database(self, branch: Branch, database: Database) -> None:
        """Nothing to do."""

    async def set_password(self, branch: Branch, role: str, password: str) -> None:
        """Nothing to do."""

    async def drop_sessions(self, endpoints: Iterable[Endpoint]) -> None:
        """There are none."""
