"""A route of the API: what it takes, what it may answer, and who answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

from neon_sandbox.emulator.bodies import Body
from neon_sandbox.emulator.queries import Nothing, Query
from neon_sandbox.emulator.world import World

_Q = TypeVar("_Q", bound=Query)
_B = TypeVar("_B", bound=Body)

ANSWERED_BY_ALL = frozenset({401, 429, 503})
"""Refusals that every route knows: a wrong key, too many requests, an outage."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request that has been read and found well-formed."""

    world: World
    path: Mapping[str, str]
    parsed_query: Query
    parsed_body: Body | None

    def query(self, model: type[_Q]) -> _Q:
        """The query, as the model that the route names."""
        assert isinstance(self.parsed_query, model)
        return self.parsed_query

    def body(self, model: type[_B]) -> _B:
        """The body, as the model that the route names."""
        assert isinstance(self.parsed_body, model)
        return self.parsed_body


@dataclass(frozen=True, slots=True)
class Answer:
    """A success: a status, and a body that JSON can hold, or none."""

    status: int
    body: Any = None


Handler = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Route:
    """One method on one path of Neon's document (without its base, /api/v2)."""

    method: str
    path: str
    handler: Handler
    query: type[Query] = Nothing
    body: type[Body] | None = None
    body_required: bool = True
    success: frozenset[int] = frozenset({HTTPStatus.OK})
    refuses: frozenset[int] = frozenset()
    """The statuses of its own refusals; those of ANSWERED_BY_ALL come on top."""
