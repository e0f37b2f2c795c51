"""Logs: JSON lines on stderr, redacted before they are written."""

from __future__ import annotations

import logging
import sys
from datetime import datetime
from typing import Final, TextIO

from pythonjsonlogger.json import JsonFormatter

from neon_tenants.redaction import redact

# httpx logs whole URLs at INFO; Kopf logs whole objects at DEBUG and every handler call at INFO.
_QUIET: Final = ("httpx", "httpcore", "kopf", "asyncio", "aiohttp", "kubernetes")


class RedactingFormatter(JsonFormatter):
    """JSON lines; the redaction sees the finished line, so that no field and no traceback escapes it."""

    def format(self, record: logging.LogRecord) -> str:
        """The finished line."""
        return redact(super().format(record))


def _as_text(thing: object) -> str:
    return thing.isoformat() if isinstance(thing, datetime) else type(thing).__name__


class RedactingHandler(logging.StreamHandler[TextIO]):
    """Writes lines; one that cannot be written is said without its arguments, which nobody redacted."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        """Instead of the traceback with the arguments."""
        self.stream.write(
            f'{{"level": "ERROR", "message": "A line of {record.name} could not be logged."}}\n'
        )


def configure(level: str, stream: TextIO = sys.stderr) -> None:
    """Sends all logs to the stream."""
    handler = RedactingHandler(stream)
    handler.setFormatter(
        RedactingFormatter(
            "%(levelname)s %(name)s %(message)s",
            timestamp=True,
            # Libraries put objects of theirs into records; their kind says enough.
            json_default=_as_text,
            rename_fields={"levelname": "level", "name": "logger"},
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
