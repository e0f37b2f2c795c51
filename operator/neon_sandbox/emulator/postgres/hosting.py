"""The tenants' databases in one PostgreSQL.

| Neon | here |
|---|---|
| a branch's database | a database of its own, with a name that says nothing |
| a branch's role | a role that logs in, likewise, so that each branch has passwords of its own |
| the owner of a database | one more role, without login, that only the first one is a member of |

PostgreSQL knows roles for the whole server, and copies a database with the owners in it. What a
branch's copy contains is therefore given to the branch's own role (REASSIGN OWNED). That command also
gives away whole databases that the role owns; they belong to the second role so that none does.

What is different from Neon: `current_user` and `current_database()` give the names used here; the
catalog shows that there are other databases and roles, with names that mean nothing, but nobody gets
into them; roles and databases cannot be made in SQL; Neon's extensions are not there; a branch is a
full copy, without privileges that one role gave another and without default privileges; the storage
quota makes transactions read only (25006) where Neon refuses to grow a file (53100), and a client may
turn that off for a transaction to delete something; every version is this server's.
"""

from __future__ import annotations

import resource
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Self

from psycopg import sql

from neon_sandbox.emulator.background import Background
from neon_sandbox.emulator.computes import Refused
from neon_sandbox.emulator.hosting import Address, HostingError
from neon_sandbox.emulator.postgres import proxy
from neon_sandbox.emulator.postgres.server import PostgresServer
from neon_sandbox.emulator.postgres.session import Backend, Gate, Login, Told
from neon_sandbox.emulator.state import Branch, Database, Endpoint, Project

_STRATEGY_SINCE = 15
_OPEN_FILES = 8_192
"""Each endpoint holds one file descriptor and each session two; macOS begins with 256."""


@dataclass(slots=True)
class _PhysicalBranch:
    """A branch's names in PostgreSQL, by its own."""

    logins: dict[str, str] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    databases: dict[str, str] = field(default_factory=dict)


class PostgresHosting:
    """One emulator's part of a server. Leaving the block drops all it has made there."""

    def __init__(
        self, server: PostgresServer, *, gate: Gate, background: Background, tag: str, told: Told
    ) -> None:
        self._server = server
        self._prefix = f"neon_{tag}_"
        self._next = 0
        self._branches: dict[str, _PhysicalBranch] = {}
        self._proxy = proxy.Proxy(
            server,
            gate,
            background,
            Backend(
                tls=server.tls,
                dial=partial(proxy.dial, server),
                dial_plain=partial(proxy.dial_plain, server),
                login=self._login,
                told=told,
            ),
        )

    async def __aenter__(self) -> Self:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server.disposable:
            return
        # By name and not from memory: an operation may have been cut off halfway.
        pattern = self._prefix.replace("_", r"\_") + "%"
        databases = await self._server.fetch(
            sql.SQL("SELECT datname FROM pg_database WHERE datname LIKE %s"), [pattern]
        )
        await self._server.run(*(_drop_database(name) for (name,) in databases))
        roles = await self._server.fetch(
            sql.SQL("SELECT rolname FROM pg_roles WHERE rolname LIKE %s"), [pattern]
        )
        await self._server.run(*(_drop_role(name) for (name,) in roles))

    @property
    def physical(self) -> bool:
        """True."""
        return True

    def open(self, endpoint: Endpoint) -> None:
        """Gives the endpoint a port."""
        self._proxy.open(endpoint)

    def close(self, endpoint: Endpoint) -> None:
        """Takes the port away."""
        self._proxy.close(endpoint)

    def address(self, endpoint: Endpoint) -> Address:
        """127.0.0.1 with the endpoint's port. The pooler's host is the same: there is no pooler."""
        secured = "sslmode=require&channel_binding=require"
        return Address(
            host="127.0.0.1",
            pooler_host="127.0.0.1",
            port=self._proxy.port(endpoint),
            parameters="sslmode=disable" if self._server.tls is None else secured,
        )

    def stop_listening(self) -> None:
        """Takes all addresses away; for the end, before the background work is cancelled."""
        self._proxy.stop()

    async def create_branch(self, branch: Branch, passwords: dict[str, str]) -> None:
        """Makes the roles and databases of a root branch."""
        physical = self._branches.setdefault(branch.id, _PhysicalBranch())
        for name, password in passwords.items():
            await self._create_role(physical, name, await self._server.verifier(password))
        for database in branch.databases.values():
            await self.create_database(branch, database)

    async def copy_branch(self, parent: Branch, branch: Branch) -> None:
        """Copies each of the parent's databases, which nobody may be in."""
        source = self._branches[parent.id]
        target = self._branches.setdefault(branch.id, _PhysicalBranch())
        for name in branch.roles:
            await self._create_role(target, name, await self._stored_verifier(source.logins[name]))
        for database in branch.databases.values():
            await self._create_database(target, database, template=source.databases[database.name])
            for name in branch.roles:
                await self._server.run_in(
                    target.databases[database.name],
                    sql.SQL("REASSIGN OWNED BY {} TO {}").format(
                        sql.Identifier(source.logins[name]), sql.Identifier(target.logins[name])
                    ),
                )

    async def drop_branch(self, branch: Branch) -> None:
        """Removes its databases, and then its roles, which nothing refers to any more."""
        physical = self._branches.pop(branch.id, None)
        if physical is not None:
            await self._server.run(*map(_drop_database, physical.databases.values()))
            await self._server.run(*map(_drop_role, (*physical.logins.values(), *physical.owners.values())))

    async def drop_project(self, project: Project) -> None:
        """Removes all branches: a copy goes before its original, whose roles it may refer to."""
        for branch in reversed(project.branches.values()):
            await self.drop_branch(branch)

    async def create_database(self, branch: Branch, database: Database) -> None:
        """Makes an empty database."""
        await self._create_database(self._branches[branch.id], database, template="template0")

    async def drop_database(self, branch: Branch, database: Database) -> None:
        """Removes one with all connections to it."""
        name = self._branches[branch.id].databases.pop(database.name, None)
        if name is not None:
            await self._server.run(_drop_database(name))

    async def set_password(self, branch: Branch, role: str, password: str) -> None:
        """Changes the password of this branch's login."""
        login = self._branches[branch.id].logins.get(role)
        if login is None:
            raise HostingError(f"role {role} was never made")
        verifier = await self._server.verifier(password)
        await self._server.run(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(login), sql.Literal(verifier))
        )

    async def drop_sessions(self, endpoints: Iterable[Endpoint]) -> None:
        """Ends all sessions of these endpoints."""
        await self._proxy.drop(endpoints)

    def _login(self, branch_id: str, role: str, database: str) -> Login:
        """Raises Refused for names that this branch does not have, whatever else has them here."""
        physical = self._branches.get(branch_id)
        login = None if physical is None else physical.logins.get(role)
        if physical is None or login is None:
            raise Refused("28P01", f"password authentication failed for user '{role}'")
        found = physical.databases.get(database)
        if found is None:
            raise Refused("3D000", f'database "{database}" does not exist')
        return Login(login, found)

    async def _create_role(self, physical: _PhysicalBranch, name: str, verifier: str) -> None:
        login, owner = self._name(), self._name()
        # One message, hence one transaction: both or none.
        await self._server.run(
            sql.SQL("CREATE ROLE {} NOLOGIN; CREATE ROLE {} LOGIN PASSWORD {} IN ROLE {}").format(
                sql.Identifier(owner), sql.Identifier(login), sql.Literal(verifier), sql.Identifier(owner)
            )
        )
        physical.logins[name], physical.owners[name] = login, owner

    async def _create_database(self, physical: _PhysicalBranch, database: Database, *, template: str) -> None:
        name = self._name()
        # Copying files costs a third of writing their content to the log, which is the default.
        strategy = " STRATEGY file_copy" if self._server.version >= _STRATEGY_SINCE else ""
        await self._server.run(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}" + strategy).format(
                sql.Identifier(name),
                sql.Identifier(physical.owners[database.owner_name]),
                sql.Identifier(template),
            ),
            sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)),
        )
        physical.databases[database.name] = name

    async def _stored_verifier(self, login: str) -> str:
        rows = await self._server.fetch(
            sql.SQL("SELECT rolpassword FROM pg_authid WHERE rolname = %s"), [login]
        )
        verifier: str = rows[0][0]
        return verifier

    def _name(self) -> str:
        self._next += 1
        return f"{self._prefix}{self._next}"


def _drop_database(name: str) -> sql.Composed:
    return sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))


def _drop_role(name: str) -> sql.Composed:
    return sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name))
