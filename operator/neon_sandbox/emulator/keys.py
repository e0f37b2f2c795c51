"""API keys: which the emulator takes."""

from __future__ import annotations

import hmac
import secrets


class Keys:
    """The valid keys. Several at a time, so that a rotation can be played through."""

    def __init__(self, first: str | None = None) -> None:
        self._keys = [first or self._new()]
        self.issued = set(self._keys)
        """All that were ever valid."""

    @property
    def first(self) -> str:
        """The oldest key that is valid. Raises IndexError when all were revoked."""
        return self._keys[0]

    def issue(self) -> str:
        """Makes one more."""
        key = self._new()
        self._keys.append(key)
        self.issued.add(key)
        return key

    def revoke(self, key: str) -> None:
        """From now on it answers 401. Raises ValueError for an unknown key."""
        self._keys.remove(key)

    def accepts(self, authorization: str) -> bool:
        """Whether this is the header `Authorization` of a valid key."""
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return False
        return any(hmac.compare_digest(given.strip().encode(), key.encode()) for key in self._keys)

    @staticmethod
    def _new() -> str:
        return "napi_" + secrets.token_hex(32)
