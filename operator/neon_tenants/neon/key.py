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
PERSONAL_MESSAGE: Final = (
    "The API key is a person's, which may do all that this person may, and is not used. Mount a key of the "
    "organization; no restart is needed."
)


class ApiKey:
    """The key in a file. Read again for each request, so that a rotated key needs no restart."""

    def __init__(self, path: Path, clock: Callable[[], float], *, personal: bool = True) -> None:
        """`personal`: whether a person's key will do. If not, each key is introduced before it is used."""
        self._path = path
        self._clock = clock
        self._personal = personal
        self._introduced: bytes | None = None
        self._refused: bytes | None = None
        self._rejected: tuple[bytes, float] | None = None

    def current(self) -> SecretStr:
        """The key to send now.

        Raises:
            NeonError: the file cannot be read or is empty, Neon rejected this very key a moment ago, or it is
                a person's and must not be.
        """
        text = self._text()
        if not text:
            raise rejected_key(
                "The file with Neon's API key is missing or empty. Mount it; no restart is needed."
            )
        if self._refused is not None and self._refused == _digest(text):
            raise rejected_key(PERSONAL_MESSAGE)
        if self._rejected is not None:
            digest, until = self._rejected
            if digest == _digest(text) and self._clock() < until:
                raise rejected_key("Neon rejected the API key. Mount a valid key; no restart is needed.")
        return SecretStr(text)

    def may_use(self, key: SecretStr) -> bool:
        """Whether it need not be introduced any more."""
        return self._personal or self._introduced == _digest(key.get_secret_value())

    @property
    def is_new(self) -> bool:
        """Whether no key was introduced yet, and one must be."""
        return not self._personal and self._introduced is None

    def introduce(self, key: SecretStr, *, personal: bool) -> None:
        """Notes whose the key is."""
        digest = _digest(key.get_secret_value())
        if personal and not self._personal:
            self._refused = digest
        else:
            self._introduced = digest

    def reject(self, key: SecretStr) -> None:
        """Notes that Neon answered 401 to this key."""
        self._rejected = (_digest(key.get_secret_value()), self._clock() + REJECTED_PAUSE)

    def accept(self) -> None:
        """Notes that Neon took the key."""
        self._rejected = None

    @property
    def usable(self) -> bool:
        """Whether there is a key that Neon did not reject when it was last sent, nor we."""
        text = self._text()
        unusable = (self._refused, self._rejected and self._rejected[0])
        return bool(text) and _digest(text) not in unusable

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
