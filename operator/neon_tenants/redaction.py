"""Redaction: what looks like a password, a key or a login is taken out of a text.

We never show a secret in the first place; this is the second line, for libraries, mistakes and other people's
words.
"""

from __future__ import annotations

import re
from typing import Final

REDACTED: Final = "[redacted]"

# Neon's passwords and API keys have prefixes; a URI's user info and a bearer header are known by form. A line
# of a log is JSON by then: a key may follow the n of an escaped line break, and what is escaped goes as a
# whole, else a backslash would go without its quote.
_SECRETS: Final = re.compile(
    r"(?:npg|napi)_\w+|(?<=://)[^\s/@:\"']+:[^\s@\"']+(?=@)"
    r"|(?<=[Bb]earer )(?:\\.|[^\s\\\"',])+|(?<=password=)(?:\\.|[^\s\\&\"'])+"
)


def redact(text: str) -> str:
    """The text without what looks like a password, a key, or a login in a URI."""
    return _SECRETS.sub(REDACTED, text)
