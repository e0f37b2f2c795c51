"""One emulated Neon account in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Self

from neon_sandbox.emulator import app, control, copying
from neon_sandbox.emulator.background import Background
from neon_sandbox.emulator.clock import Clock
from neon_sandbox.emulator.computes import Computes
from neon_sandbox.emulator.copying import Copy
from neon_sandbox.emulator.effects import Effects
from neon_sandbox.emulator.gateway import Gateway
from neon_sandbox.emulator.hosting import Hosting, NoHosting
from neon_sandbox.emulator.httpserver import HttpServer
from neon_sandbox.emulator.journal import Journal
from neon_sandbox.emulator.keys import Keys
from neon_sandbox.emulator.knobs import Knobs
from neon_sandbox.emulator.limits import Limits
from neon_sandbox.emulator.names import Names
from neon_sandbox.emulator.operations import Operations
from neon_sandbox.emulator.outage import OutageSwitch
from neon_sandbox.emulator.postgres.hosting import PostgresHosting
from neon_sandbox.emulator.postgres.server import PostgresServer
from neon_sandbox.emulator.scripts import Scripts
from neon_sandbox.emulator.state import ORGANIZATION_ID
from neon_sandbox.emulator.store import Store
from neon_sandbox.emulator.world import World


class Emulator:
    """A running emulator: its address, and everything that a test wants to see and turn."""

    def __init__(self, world: World, origin: str) -> None:
        self._world = world
        self._origin = origin

    @classmethod
    @asynccontextmanager
    async def start(
        cls,
        *,
        postgres: PostgresServer | None = None,
        port: int = 0,
        clock: Clock | None = None,
        api_key: str | None = None,
        knobs: Knobs | None = None,
        seed: int | None = None,
        journal: Path | None = None,
    ) -> AsyncIterator[Self]:
        """Serves the API on 127.0.0.1 until the block ends, and then drops all databases it has made.

        Without `postgres` nobody can log in anywhere. `seed` makes ids and passwords repeatable. What takes
        effect is appended to `journal`, without secrets (see `effects`).
        Raises OSError if the port is taken, and ExceptionGroup at the end if background work failed.
        """
        async with AsyncExitStack() as stack:
            effects = stack.enter_context(Effects.written(journal))
            parts = (postgres, clock or Clock(), knobs or Knobs(), Names(seed), Keys(api_key))
            world = _world(*parts, effects=effects)
            gateway = Gateway(world)
            server = HttpServer(app.build(world, gateway))
            gateway.server = server
            if isinstance(world.hosting, PostgresHosting):
                await stack.enter_async_context(world.hosting)
            stack.push_async_callback(world.background.close)
            if isinstance(world.hosting, PostgresHosting):
                stack.callback(world.hosting.stop_listening)
            stack.push_async_callback(server.stop)
            bound = await server.start(port)
            stack.callback(gateway.close)
            yield cls(world, f"http://127.0.0.1:{bound}")

    @property
    def url(self) -> str:
        """The API's base, as a client is configured with it: http://127.0.0.1:PORT/api/v2."""
        return self._origin + app.BASE_PATH

    @property
    def sandbox_url(self) -> str:
        """The base of the emulator's own controls: http://127.0.0.1:PORT/sandbox."""
        return f"{self._origin}/sandbox"

    @property
    def api_key(self) -> str:
        """A key that is valid now. Raises IndexError when all were revoked."""
        return self._world.keys.first

    @property
    def issued(self) -> frozenset[str]:
        """Every key and password that it ever gave out: what nobody may find where it does not belong."""
        return frozenset({*self._world.keys.issued, *self._world.names.passwords})

    @property
    def organization_id(self) -> str:
        """The one organization of the account."""
        return ORGANIZATION_ID

    @property
    def keys(self) -> Keys:
        """Issues and revokes keys."""
        return self._world.keys

    @property
    def knobs(self) -> Knobs:
        """Assign to its fields."""
        return self._world.knobs

    @property
    def clock(self) -> Clock:
        """The emulator's time."""
        return self._world.clock

    @property
    def store(self) -> Store:
        """The true state."""
        return self._world.store

    @property
    def requests(self) -> Journal:
        """What was asked so far."""
        return self._world.journal

    @property
    def answers(self) -> Scripts:
        """Scripted answers to coming requests."""
        return self._world.scripts

    @property
    def outage(self) -> OutageSwitch:
        """Begins and ends outages."""
        return self._world.outage

    def copy_project(self, project_id: str, copies: Iterable[Copy]) -> None:
        """Adds copies of a live project that differ in ids and owners alone. Raises ApiError 404."""
        copying.copy(self._world, project_id, copies)

    async def set_usage(self, project_id: str, meters: Mapping[str, int]) -> None:
        """Sets meters; returns when the computes have stopped, if a quota is used up. Raises ApiError 404."""
        await control.set_usage(self._world, project_id, meters)

    def projects(self) -> list[dict[str, Any]]:
        """The true state of all projects, deleted ones too, without secrets."""
        return control.dump(self._world)


def _world(
    postgres: PostgresServer | None, clock: Clock, knobs: Knobs, names: Names, keys: Keys, *, effects: Effects
) -> World:
    store = Store(clock)
    computes = Computes(store, clock)
    background = Background()
    hosting: Hosting = NoHosting()
    if postgres is not None:
        hosting = PostgresHosting(
            postgres,
            gate=computes,
            background=background,
            tag=names.tag(),
            told=partial(effects.tell, "login"),
        )
    return World(
        knobs=knobs,
        clock=clock,
        names=names,
        keys=keys,
        store=store,
        background=background,
        hosting=hosting,
        computes=computes,
        operations=Operations(knobs, clock, names, background, hosting),
        limits=Limits(knobs, clock),
        scripts=Scripts(),
        outage=OutageSwitch(clock),
        journal=Journal(),
        effects=effects,
    )
