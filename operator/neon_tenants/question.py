"""A question that the CLI asks the operator, and what is wrong with one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

Question: TypeAlias = Mapping[str, Any]
"""The query's parameters, or the JSON object of a POST, for what is too much for a query."""


class BadQuestionError(Exception):
    """The question cannot be answered; the message says how to ask."""


class StandbyError(Exception):
    """This replica only stands by; the message says who can answer."""

    def __init__(self, leader: str) -> None:
        super().__init__(
            f"This replica stands by. Ask the one that leads: {leader}."
            if leader
            else "This replica stands by, and none leads yet. Ask again."
        )
