"""The production image without a container engine: the Dockerfile's own steps, and the pod that runs them."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import shlex
import shutil
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
APP: Final = "/app"
"""Where the file set stands in the image."""
_POD: Final = Path(__file__).with_name("pod.sh")


@dataclass
class Stage:
    """What one FROM begins."""

    base: str
    lines: list[tuple[str, str]] = field(default_factory=list)

    def all(self, instruction: str) -> list[str]:
        """The arguments of each line with this instruction."""
        return [rest for name, rest in self.lines if name == instruction]

    def pairs(self, instruction: str) -> dict[str, str]:
        """The `name=value` pairs of ENV, LABEL or ARG."""
        words = [word for rest in self.all(instruction) for word in shlex.split(rest)]
        return {name: value for name, _, value in (word.partition("=") for word in words)}

    def words(self, instruction: str) -> list[str]:
        """The list of ENTRYPOINT or CMD, in their form without a shell."""
        (rest,) = self.all(instruction)
        words: list[str] = json.loads(rest)
        return words


def stages(text: str) -> list[Stage]:
    """The stages of a Dockerfile; the lines before the first FROM are a stage without a base."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    found = [Stage("")]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        name, _, rest = line.partition(" ")
        if name == "FROM":
            found.append(Stage(rest))
        elif name:
            found[-1].lines.append((name, rest.strip()))
    return found


def dockerfile() -> tuple[Stage, Stage, Stage]:
    """What stands before the stages, the stage that builds, and the image itself."""
    before, build, image = stages((ROOT / "Dockerfile").read_text())
    return before, build, image


async def make(folder: Path) -> Path:
    """Carries out the stage that builds, in `folder`; where the file set is then.

    Only what it copies is there. Its PIP_ settings are left out: this machine has a cache.
    """
    _, build, _ = dockerfile()
    source, target = folder / "source", folder / "app"
    for copy in build.all("COPY"):
        *names, _place = copy.split()
        for name in names:
            _copy(ROOT / name, source / name)
    for run in build.all("RUN"):
        words = [str(target) if word == APP else word for word in shlex.split(run)]
        settings = {name: value for name, value in build.pairs("ARG").items() if value}
        await _run(words, cwd=source, env={**os.environ, **settings, "PYTHON": sys.executable})
    return target


def _copy(origin: Path, copy: Path) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True)
    if origin.is_dir():
        shutil.copytree(origin, copy, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(origin, copy)


async def _run(words: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *words, cwd=cwd, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


def digests(folder: Path) -> dict[str, str]:
    """Each file below `folder`, and what tells two of them apart: content, mode and time."""
    return {
        str(path.relative_to(folder)): f"{_digest(path)} {path.lstat().st_mode:o} {path.lstat().st_mtime_ns}"
        for path in sorted(folder.rglob("*"))
        if not path.is_dir()
    }


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass(frozen=True)
class Pod:
    """Runs commands as the chart's pod does: the file set at /app, read-only, as an unprivileged user.

    With root's rights it is a root folder of its own where only /tmp can be written, as user 65532 without
    capabilities. Without them nobody can make such a folder: the commands then run as the (unprivileged) user
    of the tests, on a file set without write permission.
    """

    app: Path
    secrets: Path
    """Its files stand at `secret_folder`."""
    account: Path | None = None
    """The login of its service account, which stands where Kubernetes mounts it."""

    @property
    def confined(self) -> bool:
        """Whether the pod has a root folder of its own."""
        return os.geteuid() == 0 and sys.platform.startswith("linux")

    @property
    def secret_folder(self) -> str:
        """As a command sees it."""
        return "/etc/neon" if self.confined else str(self.secrets)

    def argv(self, *command: str) -> list[str]:
        """What starts a command in the pod. Each word is executed in turn: the process id stays the same."""
        for folder in filter(None, (self.secrets, self.account)):
            for path in (folder, *folder.iterdir()):
                path.chmod(0o750 if path.is_dir() else 0o440)
                if self.confined:
                    os.chown(path, 0, int(self.user[1]))
        if not self.confined:
            self.app.chmod(0o555)
            return ["env", *command]
        ids = [f"--reuid={self.user[0]}", f"--regid={self.user[1]}", "--clear-groups"]
        limits = ["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all", "--pdeathsig=KILL"]
        packages = sysconfig.get_path("purelib", vars={"base": sys.base_prefix})
        mounted = [str(self.app), str(self.secrets), str(self.account or "")]
        folders = [str(self.secrets.parent), *mounted, sys.base_prefix, packages]
        return ["unshare", "--mount", "sh", str(_POD), *folders, "setpriv", *ids, *limits, *command]

    @property
    def user(self) -> tuple[str, str]:
        """The image's."""
        _, _, image = dockerfile()
        user, _, group = image.all("USER")[0].partition(":")
        return user, group

    def env(self, **variables: str) -> dict[str, str]:
        """The image's variables, with the Python of the tests first in the PATH."""
        _, _, image = dockerfile()
        own = image.pairs("ENV")
        if not self.confined:
            own = {name: value.replace(APP, str(self.app)) for name, value in own.items()}
        path = f"{Path(sys.base_prefix) / 'bin'}:{own['PATH']}"
        return {**own, "PATH": path, **variables}
