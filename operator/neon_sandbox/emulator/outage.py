"""An outage of Neon, as its clients meet it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from neon_sandbox.emulator.clock import Clock

Kind = Literal["503", "524", "hang"]


class Outage(BaseModel):
    """What to do, and for how long: so many seconds, so many requests, or until it is ended."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    """503 in Neon's form, the HTML page of its CDN's time-out, or no answer. None executes anything."""
    seconds: Annotated[float, Field(gt=0)] | None = None
    requests: Annotated[int, Field(gt=0)] | None = None
    route: str | None = None
    """A regular expression, searched in `METHOD /template`; none is every route."""

    @field_validator("route")
    @classmethod
    def _compiles(cls, route: str | None) -> str | None:
        if route is not None:
            try:
                re.compile(route)
            except re.error as error:
                raise ValueError(f"not a regular expression: {error}") from error
        return route


@dataclass(slots=True)
class _Running:
    outage: Outage
    until: float | None
    left: int | None


class OutageSwitch:
    """Begins and ends outages; at most one at a time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._running: _Running | None = None

    def begin(self, outage: Outage) -> None:
        """Starts `outage` now, in place of one that runs."""
        until = None if outage.seconds is None else self._clock.now() + outage.seconds
        self._running = _Running(outage, until, outage.requests)

    def end(self) -> None:
        """Ends it, if one runs."""
        self._running = None

    @property
    def current(self) -> Outage | None:
        """The outage that runs, if one does."""
        running = self._running
        if running is None:
            return None
        if running.until is not None and self._clock.now() >= running.until:
            self._running = None
            return None
        return running.outage

    def meet(self, method: str, route: str) -> Kind | None:
        """Whether this request meets an outage, which it then uses up by one."""
        outage = self.current
        if outage is None or self._running is None:
            return None
        if outage.route is not None and re.search(outage.route, f"{method} {route}") is None:
            return None
        if self._running.left is not None:
            self._running.left -= 1
            if self._running.left <= 0:
                self._running = None
        return outage.kind
