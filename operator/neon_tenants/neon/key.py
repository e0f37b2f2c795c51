"""Neon's API key: a mounted file that may change at any time, and is never kept in an attribute for long."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from neon_tenants.neon.errors import rejected_key

REJECTED_PAUSE: Final = 60.0
"""Seconds for which a key that Neon rejected is not sent again: thousands of tenants must not knock
with it one by one. A changed file is tried at once."""


class ApiKey:
    """The key in a file. Read again for each request, so that a rotated key needs no restart."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock
        self._rejected: tuple[bytes, float] | None = None

    def current(self) -> SecretStr:
        """The key to send now.

        Raises:
            NeonError: the file cannot be read or is empty, or Neon rejected this very key a moment ago.
        """
        text = self._text()
        if not text:
            raise rejected_key(
                "The file with Neon's API key is missing or empty. Mount it; no restart is needed."
            )
        if self._rejected is not None:
            digest, until = self._rejected
            if digest == _digest(text) and self._clock() < until:
                raise rejected_key("Neon rejected the API key. Mount a valid key; no restart is needed.")
        return SecretStr(text)

    def reject(self, key: SecretStr) -> None:
        """Notes that Neon answered 401 to this key."""
        self._rejected = (_digest(key.get_secret_value()), self._clock() + REJECTED_PAUSE)

    def accept(self) -> None:
        """Notes that Neon took the key."""
        self._rejected = None

    @property
    def usable(self) -> bool:
        """Whether there is a key that Neon did not reject when it was last sent."""
        text = self._text()
        return bool(text) and (self._rejected is None or self._rejected[0] != _digest(text))

    def _text(self) -> str:
        try:
            return self._path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return ""

    def fingerprint(self) -> bytes:
        """Changes when the file's content does; equal for every unreadable file."""
        try:
            return hashlib.sha256(self._path.read_bytes()).digest()
        except OSError:
            return b""


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
