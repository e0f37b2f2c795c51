"""Opaque positions in lists."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from itertools import islice
from typing import TypeVar

from neon_sandbox.emulator import errors

_T = TypeVar("_T")

_NUMBER = re.compile(r"[0-9]{1,18}")
"""Python reads no number of thousands of digits."""


def encode(position: int | str) -> str:
    """The cursor that stands for `position`."""
    return base64.urlsafe_b64encode(f"after:{position}".encode()).decode()


def text(cursor: str) -> str:
    """What `encode` was given. Raises ApiError 400 for anything else."""
    try:
        prefix, _, position = base64.urlsafe_b64decode(cursor.encode()).decode().partition(":")
    except (binascii.Error, UnicodeError) as error:
        raise errors.invalid("invalid cursor") from error
    if prefix != "after":
        raise errors.invalid("invalid cursor")
    return position


def number(cursor: str) -> int:
    """The number that `encode` was given. Raises ApiError 400 for anything else."""
    position = text(cursor)
    if _NUMBER.fullmatch(position) is None:
        raise errors.invalid("invalid cursor")
    return int(position)


def page(items: Iterable[_T], limit: int) -> tuple[list[_T], bool]:
    """The first `limit` items, and whether more follow."""
    taken = list(islice(items, limit + 1))
    return taken[:limit], len(taken) > limit
