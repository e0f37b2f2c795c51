"""Whose an API key is, asked of Neon once for each key, before anything else is sent with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from neon_tenants.core.failure import Done
from neon_tenants.core.lane import Lane
from neon_tenants.neon import models
from neon_tenants.neon.errors import NeonError, NotFoundError
from neon_tenants.neon.key import ApiKey
from neon_tenants.neon.turn import Turn, taking_turns

logger = logging.getLogger(__name__)

_OF_A_PERSON: Final = frozenset({"api_key_user", "oauth", "session_cookie", "keycloak"})


def is_personal(auth_method: str) -> bool:
    """Whether this is how a person is let in.

    | Neon says | personal |
    |---|---|
    | `api_key_user`, `oauth`, `session_cookie`, `keycloak` | yes |
    | `api_key_org` | no |
    | a word that its document does not have yet | no: a new kind of key must not stop all work |
    """
    return auth_method in _OF_A_PERSON


class Introduction:
    """One question at a time, whoever waits for its answer."""

    def __init__(self, key: ApiKey, ask: Callable[[], Awaitable[models.Auth]]) -> None:
        self._key = key
        self._ask = ask
        self._asking: asyncio.Task[None] | None = None

    async def make(self) -> None:
        """Asks whose the key is, or waits for the answer to who asked before.

        Raises:
            NeonError: it is not known, or the key is refused. The request that waits was not sent.
        """
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._make())
        try:
            await asyncio.shield(self._asking)
        except NeonError as error:
            # Without its status, too: it says nothing of what the request that waits is about.
            raise NeonError(replace(error.failure, done=Done.NO)) from None

    def end(self) -> None:
        """Nobody waits any more."""
        if self._asking is not None:
            self._asking.cancel()

    async def _make(self) -> None:
        key = self._key.current()
        try:
            # All that is to be done waits for it.
            with taking_turns(Turn(Lane.CREATE)):
                personal = is_personal((await self._ask()).auth_method)
        except NotFoundError:
            logger.warning("Neon does not tell whose the API key is; it is used.")
            personal = False
        if self._key.current().get_secret_value() == key.get_secret_value():
            self._key.introduce(key, personal=personal)
            self._key.current()  # raises where it is refused
