"""The scan for secrets: whatever a test's operators, its cluster and its commands showed, looked through.

Secrets are the keys and passwords that Neon ever issued, and the operator's own token. They are found as they
are, inside other words, and in base64 at any alignment; a login in a URI is found by its form.
"""

from __future__ import annotations

import base64
import json
import re
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx
import yaml

from cluster import Cluster
from neon_sandbox import installation

if TYPE_CHECKING:
    from scene import Scene

PAGES: Final = ("metrics", "v1/status")
"""What every operator serves that asks Neon for nothing."""
PREFIXES: Final = ("npg_", "napi_")
"""Of Neon's passwords and keys. What has one is looked for in one go, however many there are."""

_LOGIN: Final = re.compile(r"://[^\s/:@\"'\\]+:[^\s@\"'\\]+@")
_TOKEN: Final = re.compile(f"(?:{'|'.join(PREFIXES)})[A-Za-z0-9]+")
_RUN: Final = re.compile(r"[A-Za-z0-9+/_-]+")

_PROCESS: Final = ("environ", "cmdline")

_said: deque[tuple[str, str]] = deque(maxlen=1000)


def note(place: str, text: str) -> None:
    """Keeps what a command said for the next scans."""
    _said.append((place, text))


async def scan(scene: Scene) -> None:
    """Nothing secret stands anywhere that people can look at; the places where it does are told."""
    everything = await found(scene)
    assert not everything, "\n".join(everything)


async def found(scene: Scene) -> list[str]:
    """What stands where it does not belong."""
    needles = Needles(issued(scene))
    stands = [f"{why} in {place}" for place, text in await _seen(scene) if (why := needles.in_text(text))]
    for child in scene.operators:
        # A killed process may leave half a line. Anything else that is no JSON is a traceback or a warning.
        lines = child.log.read_text().splitlines()[:-1]
        stands += [f"no JSON in log {child.log.name}: {line}" for line in lines if not line.startswith("{")]
    return stands


def scan_logs(folder: Path, secrets: Iterable[str]) -> None:
    """The same for the files named `log` of processes that no scene knows."""
    needles = Needles(secrets)
    stands = [str(log) for log in folder.rglob("log") if needles.in_text(log.read_text())]
    assert not stands, "\n".join(stands)


def issued(scene: Scene) -> set[str]:
    """Every secret that a test could have seen."""
    config = yaml.safe_load(scene.kubeconfig.read_text())
    return {*scene.neon.issued, config["users"][0]["user"]["token"]}


class Needles:
    """What is looked for."""

    def __init__(self, secrets: Iterable[str]) -> None:
        every = {secret for secret in secrets if secret}
        self._prefixed = {secret for secret in every if _TOKEN.fullmatch(secret)}
        self._lengths = {len(secret) for secret in self._prefixed}
        self._others = every - self._prefixed
        encoded = {core for prefix in PREFIXES for core in cores(prefix)}
        self._encoded = re.compile("|".join(map(re.escape, sorted(encoded))))
        self._encoded_others = {core for secret in self._others for core in cores(secret)}

    def in_text(self, text: str) -> str | None:
        """What of it stands in the text; None where nothing does."""
        if self._has_token(text) or any(secret in text for secret in self._others):
            return "a secret stands"
        if any(core in text for core in self._encoded_others) or any(
            map(self._has_token, _decoded(self, text))
        ):
            return "a secret in base64 stands"
        return "a login stands" if _LOGIN.search(text) else None

    def _has_token(self, text: str) -> bool:
        tokens = (match.group() for match in _TOKEN.finditer(text))
        return any(token[:length] in self._prefixed for token in tokens for length in self._lengths)

    @property
    def encoded_prefix(self) -> re.Pattern[str]:
        """A prefix in base64, at any alignment."""
        return self._encoded


def _decoded(needles: Needles, text: str) -> Iterator[str]:
    """Every run that may hold a prefix in base64, decoded at each alignment."""
    for match in needles.encoded_prefix.finditer(text):
        start = match.start()
        # To the left to the run's begin, to the right far enough for a key.
        begin = _run_begin(text, start)
        run = _RUN.match(text, begin)
        assert run is not None
        plain = run.group()[: start - begin + 120].replace("-", "+").replace("_", "/")
        for offset in range(4):
            part = plain[offset:]
            part = part if len(part) % 4 != 1 else part[:-1]
            yield base64.b64decode(part + "=" * (-len(part) % 4)).decode("latin-1")


def _run_begin(text: str, position: int) -> int:
    while position > 0 and _RUN.fullmatch(text[position - 1]):
        position -= 1
    return position


def cores(secret: str) -> set[str]:
    """What base64 of any text with this secret in it must contain: one of three, as the secret is aligned."""
    found = set()
    for shift in range(3):
        raw = b"\0" * shift + secret.encode()
        whole = base64.b64encode(raw).decode()
        # Letters that also stand for bits of what comes before or after are left out.
        core = whole[(0, 2, 3)[shift] : len(raw) * 8 // 6]
        found |= {core, core.replace("+", "-").replace("/", "_")}
    return found


# --- where it is looked for ------------------------------------------------------------------------------


async def _seen(scene: Scene) -> list[tuple[str, str]]:
    seen = [(f"log {child.log.name}", child.log.read_text()) for child in scene.operators]
    seen += _said
    seen += [("a request to Neon", f"{entry.path}?{entry.query}") for entry in scene.neon.requests]
    seen.append(("the audit log", _audit_log(scene)))
    for place in sorted(scene.namespaces | {"default", installation.NAMESPACE}):
        seen += await _namespace(scene, place)
    for kind in ("DatabaseTier", "FleetOperation"):
        seen.append((kind, json.dumps(await scene.cluster.list(kind))))
    return seen + await _processes(scene)


def _audit_log(scene: Scene) -> str:
    with scene.plane.audit_log.open("rb") as file:
        file.seek(scene.audited_from)
        return file.read().decode(errors="replace")


async def _namespace(scene: Scene, name: str) -> list[tuple[str, str]]:
    async with Cluster.connect(scene.plane, name) as cluster:
        namespace = await cluster.get("Namespace", name)
        if namespace is None:
            return []
        seen = [(f"Namespace {name}", json.dumps(namespace))]
        kinds = ("TenantDatabase", "Event", "ConfigMap")
        seen += [(f"{kind} in {name}", json.dumps(await cluster.list(kind))) for kind in kinds]
        secrets: list[dict[str, Any]] = await cluster.list("Secret")
        seen += [(f"Secret {s['metadata']['name']} in {name}", json.dumps(s["metadata"])) for s in secrets]
        return seen


async def _processes(scene: Scene) -> list[tuple[str, str]]:
    """What running operators show: their pages, and on Linux their environment and arguments."""
    from scene import served

    seen = []
    async with httpx.AsyncClient(trust_env=False) as http:
        for child in (child for child in scene.operators if child.running):
            for page in PAGES:
                answer = await http.get(f"{await served(child)}/{page}")
                assert answer.is_success or "stands by" in answer.text, f"{page}: {answer.text}"
                seen.append((f"/{page} of {child.log.name}", answer.text))
            seen += [(f"{file} of {child.log.name}", _of_process(child.pid, file)) for file in _PROCESS]
    return seen


def _of_process(pid: int, file: str) -> str:
    """On Linux; elsewhere nothing."""
    path = Path(f"/proc/{pid}/{file}")
    return path.read_text() if path.exists() else ""
