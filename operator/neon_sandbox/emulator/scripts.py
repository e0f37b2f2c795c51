"""Scripted answers: what a test says shall happen to a coming request."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

MAX_SCRIPTS = 1_000


class Script(BaseModel):
    """What happens to the `nth` matching request, and to the `times` - 1 after it.

    | execute | drop | status | the client sees | it was done |
    |---------|------|--------|-----------------|-------------|
    | true    | no   | -      | the true answer, after the delays | yes |
    | true    | yes  | -      | a closed connection | yes |
    | true    | no   | 5xx    | that status and body | yes |
    | false   | yes  | -      | a closed connection | no |
    | false   | no   | any    | that status and body | no |

    Left out, `execute` is false where a status is given, and true otherwise.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str | None = None
    route: str | None = None
    """The template, as in Neon's document: /projects/{project_id}. None is any."""
    path: str | None = None
    """A regular expression, searched in the request's path."""
    nth: Annotated[int, Field(ge=1)] = 1
    times: Annotated[int, Field(ge=1)] = 1
    delay_before: Annotated[float, Field(ge=0)] = 0
    """Seconds before it is executed; then it is, even if the client has gone."""
    delay_after: Annotated[float, Field(ge=0)] = 0
    """Seconds between the execution and the answer."""
    execute: bool | None = None
    drop: bool = False
    status: Annotated[int, Field(ge=200, le=599)] | None = None
    body: Any = None
    """A string is sent as HTML, anything else as JSON."""
    headers: dict[str, str] = Field(default_factory=dict)

    @property
    def executes(self) -> bool:
        """Whether the request takes effect."""
        return self.status is None if self.execute is None else self.execute

    @property
    def mode(self) -> str:
        """In a few words: what becomes of the request."""
        what = "dropped" if self.drop else "an answer of its own" if self.status is not None else "late"
        return f"{what}, {'executed' if self.executes else 'not executed'}"

    def matches(self, method: str, route: str, path: str) -> bool:
        """Whether it is about this request."""
        return (
            self.method in (None, method)
            and self.route in (None, route)
            and (self.path is None or re.search(self.path, path) is not None)
        )


@dataclass(slots=True)
class _Pending:
    script: Script
    seen: int = 0


class Scripts:
    """The scripts that still wait for their requests, in the order in which they were added."""

    def __init__(self) -> None:
        self._pending: list[_Pending] = []

    def add(self, script: Script) -> None:
        """Adds one behind the others. Raises ValueError if there are too many, or if it says nothing."""
        if len(self._pending) >= MAX_SCRIPTS:
            raise ValueError(f"There are {MAX_SCRIPTS} scripts already.")
        if not script.executes and not script.drop and script.status is None:
            raise ValueError("A request that is not executed needs a status, or drop.")
        self._pending.append(_Pending(script))

    def clear(self) -> None:
        """Forgets all of them."""
        self._pending.clear()

    @property
    def pending(self) -> list[Script]:
        """Those that wait."""
        return [pending.script for pending in self._pending]

    def take(self, method: str, route: str, path: str) -> Script | None:
        """The script for this request, if there is one. Each that matches counts it, up to that one."""
        for pending in self._pending:
            script = pending.script
            if not script.matches(method, route, path):
                continue
            pending.seen += 1
            if pending.seen < script.nth:
                continue
            if pending.seen >= script.nth + script.times - 1:
                self._pending.remove(pending)
            return script
        return None
