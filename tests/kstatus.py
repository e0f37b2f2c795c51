"""What Flux, Helm's `--wait` and others read from an object: the real kstatus."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable

import toolbox
from cluster import Object


async def kstatus(objects: Iterable[Object]) -> list[str]:
    """The status of each: InProgress, Current, Failed or Terminating."""
    process = await asyncio.create_subprocess_exec(
        toolbox.path(toolbox.KSTATUS),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    text = "\n".join(json.dumps(found) for found in objects)
    output, errors = await process.communicate(text.encode())
    assert process.returncode == 0, errors.decode()
    return [json.loads(line)["status"] for line in output.decode().splitlines()]
