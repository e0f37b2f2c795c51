"""A page for a disaster, whose commands a test carries out as a person would."""

from __future__ import annotations

import os
import re
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

import canaries
import warm
from neon_sandbox.child import Child
from neon_sandbox.controlplane import ControlPlane
from scene import Scene, served

PAGES: Final = Path(__file__).parents[1] / "docs" / "drills"


class Site(Protocol):
    """Where a person works: a cluster, and the operators that ran there."""

    @property
    def plane(self) -> ControlPlane:
        """The cluster."""

    @property
    def operators(self) -> Sequence[Child]:
        """The last one answers."""


class Runbook:
    """The commands of a page, and which of them were carried out."""

    def __init__(self, page: str) -> None:
        blocks = re.findall(r"^ *```\n(.*?)^ *```", (PAGES / page).read_text(), re.MULTILINE | re.DOTALL)
        lines = "".join(blocks).replace("\\\n", " ").splitlines()
        self.commands = [line.strip() for line in lines if line.strip()]
        self.left = list(self.commands)

    async def run(self, site: Site, words: str, **names: str) -> str:
        """Carries out the command of the page that is these words, or the one that has them; its output.

        `names` stand for what the page calls otherwise: `acme` for this test's tenant.

        Raises:
            AssertionError: it failed.
        """
        found = [line for line in self.commands if line == words or words in line]
        command = words if words in found else found[0]
        assert words in found or len(found) == 1, f"{words} stands in several commands"
        if command in self.left:
            self.left.remove(command)
        for name, ours in names.items():
            assert name in command, f"{command} names no {name}"
            command = command.replace(name, ours)
        code, output = await _carried_out(site, command)
        canaries.note(f"what {words} said", output)
        assert code == 0, f"{command}:\n{output}"
        return output

    async def projects(self, scene: Scene, words: str) -> set[str]:
        """The ids of living projects that a command's output names."""
        named = (await self.run(scene, words)).split()
        return {project["id"] for project in scene.projects()} & set(named)

    def all_run(self, *others: str) -> None:
        """Every command of the page was carried out, but those that begin so: they are others' to try."""
        left = [command for command in self.left if not command.startswith(others)]
        assert left == [], "the page has commands that nobody has tried"


async def _carried_out(site: Site, command: str) -> tuple[int, str]:
    """Runs it as cluster-admin, asking the last operator where it asks one; exit status and what it said."""
    env = {
        "PATH": os.pathsep.join([str(site.plane.kubectl.parent), os.defpath]),
        "NEON_TENANTS_KUBECONFIG": str(site.plane.kubeconfig),
        **site.plane.kubectl_env,
    }
    if site.operators:
        env["NEON_TENANTS_SERVER"] = await served(site.operators[-1])
    words = shlex.split(command)
    with tempfile.TemporaryDirectory() as folder:
        log, checkout = Path(folder) / "said", PAGES.parents[1]
        if words[0] == warm.PROGRAM:
            child = await warm.start(command, words, log=log, env=env, cwd=checkout)
        else:
            child = await Child.start(command, ["/bin/sh", "-c", command], log=log, env=env, cwd=checkout)
        try:
            status, said = await child.wait(), log.read_text()
            if words[0] == warm.PROGRAM:
                canaries.note(f"what {command} said", said)
            return status, said
        finally:
            await child.stop()
