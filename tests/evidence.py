"""Evidence of a scene, laid where tests/verdict finds it; and the verdict on it."""

from __future__ import annotations

import json
import uuid

from scene import Scene
from verdict import Verdict, judge
from waiting import until


async def verdict(scene: Scene, *, at_rest: bool = True) -> Verdict:
    """What can be counted so far. Stop the operators before, or they go on meanwhile."""
    if at_rest:
        await scene.until_idle()
    await _until_written(scene)
    return judge(scene.folder, namespace=scene.namespace, at_rest=at_rest)


async def _until_written(scene: Scene) -> None:
    """The API server writes a line just after its answer: ours is written, so are those before it."""
    name = f"mark-{uuid.uuid4().hex}"
    await scene.cluster.get("Secret", name)
    begin = json.loads((scene.folder / "about.json").read_text())["audit_begin"]

    async def written() -> bool:
        with scene.plane.audit_log.open("rb") as file:
            file.seek(begin)
            return name.encode() in file.read()

    await until(written, "the audit log is written")
