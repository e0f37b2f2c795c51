"""Evidence of a scene, laid where tests/verdict finds it; and the verdict on it."""

from __future__ import annotations

import json
import uuid
from typing import Final

from scene import Scene
from verdict import Verdict, judge
from waiting import until

CANARIES: Final = "canaries"
"""The file of every key and password that Neon gave out, one a line; for its owner only."""
_run: Final[list[Verdict]] = []
"""All that this process judged for the run's report."""


async def verdict(scene: Scene, *, at_rest: bool = True, reported: bool = True) -> Verdict:
    """What can be counted so far. Stop the operators before, or they go on meanwhile.

    It goes into the report at the end of the run, unless it is not to be `reported`: of a broken operator.
    """
    if at_rest:
        await scene.until_idle()
    await _until_written(scene)
    canaries = scene.folder / CANARIES
    canaries.touch(mode=0o600)
    canaries.write_text("".join(f"{secret}\n" for secret in sorted(scene.neon.issued)))
    found = judge(scene.folder, namespace=scene.namespace, at_rest=at_rest)
    if reported:
        report(found)
    return found


def report(found: Verdict) -> None:
    """Puts a verdict into the report at the end of the run."""
    _run.append(found)


def run() -> Verdict | None:
    """The verdict on all that this process judged; None where it judged nothing."""
    return Verdict.total(_run) if _run else None


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
