"""Started before an operator: what Kopf itself does for an object leaves a line in the log."""

from __future__ import annotations

import logging
from typing import Any

from kopf._core.reactor import processing

from broken import breaks

WORKS = "Kopf works on an object."


def _counted(original: Any) -> Any:
    async def process_resource_event(*args: Any, **named: Any) -> Any:
        logging.getLogger("neon_tenants").info(WORKS, extra={"kind": named["resource"].plural})
        return await original(*args, **named)

    return process_resource_event


breaks(processing, "process_resource_event", _counted)
