"""The values of a chart, as `values.yaml` documents them: the comment above a key is its documentation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import yaml

_KEY: Final = re.compile(r"^( *)(\w+):(?: |$)")
_COMMENT: Final = re.compile(r"^ *# ?(.*)$")


@dataclass(frozen=True, slots=True)
class Value:
    """A documented value: where it is, what it is by default, and what it means."""

    path: tuple[str, ...]
    default: Any
    description: str

    @property
    def name(self) -> str:
        """Its path as Helm's `--set` takes it."""
        return ".".join(self.path)


class UndocumentedError(Exception):
    """A value has no comment."""


def documented(text: str) -> list[Value]:
    """The values of a `values.yaml`, in its order. A key with a comment ends the way down.

    Raises:
        UndocumentedError: a key has no comment, nor has every key below it.
    """
    comments = _comments(text)
    return list(_values(yaml.safe_load(text), (), comments))


def _values(
    node: dict[str, Any], above: tuple[str, ...], comments: dict[tuple[str, ...], str]
) -> list[Value]:
    found: list[Value] = []
    for key, default in node.items():
        path = (*above, key)
        if path in comments:
            found.append(Value(path, default, comments[path]))
        elif isinstance(default, dict) and default:
            found += _values(default, path, comments)
        else:
            raise UndocumentedError(f"{'.'.join(path)} has no comment above it in values.yaml")
    return found


def _comments(text: str) -> dict[tuple[str, ...], str]:
    found: dict[tuple[str, ...], str] = {}
    way: list[tuple[int, str]] = []
    lines: list[str] = []
    for line in text.splitlines():
        if comment := _COMMENT.match(line):
            lines.append(comment[1])
            continue
        if key := _KEY.match(line):
            depth = len(key[1])
            way = [*(step for step in way if step[0] < depth), (depth, key[2])]
            if lines:
                found[tuple(name for _, name in way)] = " ".join(lines)
        lines = []
    return found
