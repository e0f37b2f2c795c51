"""The evidence of a run, read from its folder."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from verdict import lives, names, projects

_WRITES: Final = frozenset({"create", "update", "patch", "delete", "deletecollection"})


class NoEvidenceError(Exception):
    """Something that must be there to judge is not."""


@dataclass(frozen=True)
class SecretWrite:
    """A successful write to a Secret, of which the audit log tells no more."""

    received: float
    answered: float
    user: str
    verb: str
    name: str


@dataclass(frozen=True)
class Evidence:
    """What a folder holds, of one namespace."""

    cluster: str
    operator: str
    """The operator's user at the API server."""
    tenants: Mapping[str, lives.Life]
    """By uid."""
    tiers: Mapping[str, list[lives.Life]]
    """By name: one can be made anew."""
    orders: frozenset[str]
    """Project ids that a FleetOperation DeleteOrphans names."""
    secrets: list[SecretWrite]
    effects: list[dict[str, Any]]
    projects: Mapping[str, projects.Project]
    faults: list[dict[str, Any]]
    probes: list[dict[str, Any]]
    seen: list[tuple[str, str]]
    """Where a secret stands, and in which form."""


def read(folder: Path, namespace: str | None) -> Evidence:
    """Raises NoEvidenceError."""
    about = json.loads(_bytes(folder / "about.json"))
    namespace = namespace or about["namespace"]
    audit = _bytes(folder / "audit.log", about["audit_begin"])
    canaries = _bytes(folder / "canaries").decode().split()
    journal = _bytes(folder / "neon.jsonl")
    if not canaries:
        raise NoEvidenceError(f"{folder / 'canaries'} names no secret, so none could be found.")
    events = list(_writes(audit, namespace))
    effects = sorted(_lines(journal), key=lambda effect: float(effect["at"]))
    optional = {name: _bytes(folder / name, missing=b"") for name in ("faults.jsonl", "probes.jsonl")}
    texts = {"audit.log": audit, "neon.jsonl": journal, **optional}
    texts |= {file.name: file.read_bytes() for file in sorted(folder.glob("*.log")) if file.name not in texts}
    return Evidence(
        cluster=about["cluster"],
        operator=about["operator"],
        tenants=lives.replay(_of(events, "tenantdatabases")),
        tiers=_by_name(lives.replay(_of(events, "databasetiers"))),
        orders=_orders(events),
        secrets=[_secret(event) for event in _of(events, "secrets")],
        effects=effects,
        projects=projects.replay(effects),
        faults=_lines(optional["faults.jsonl"]),
        probes=_lines(optional["probes.jsonl"]),
        seen=[(place, form) for place, text in texts.items() for form in _found(canaries, text)],
    )


def _bytes(path: Path, begin: int = 0, *, missing: bytes | None = None) -> bytes:
    try:
        with path.open("rb") as file:
            if begin:
                # A line may have been half written when the run began: it was before.
                file.seek(begin - 1)
                file.readline()
            return file.read()
    except FileNotFoundError:
        if missing is None:
            raise NoEvidenceError(f"{path} is not there.") from None
        return missing


def _lines(text: bytes) -> list[dict[str, Any]]:
    """The lines that are whole; the last one may still be being written."""
    return [json.loads(line) for line in text.split(b"\n")[:-1]]


def _writes(audit: bytes, namespace: str) -> Iterator[dict[str, Any]]:
    """The successful writes to the namespace, and to our kinds that have none."""
    wanted = (namespace.encode(), b'"databasetiers"', b'"fleetoperations"')
    for line in audit.split(b"\n")[:-1]:
        if not any(part in line for part in wanted):
            continue
        event = json.loads(line)
        target = event.get("objectRef") or {}
        succeeded = (
            event.get("responseStatus", {}).get("code", 0) < 300 and "dryRun" not in event["requestURI"]
        )
        here = target.get("namespace", "") in ("", namespace)
        if event["verb"] in _WRITES and succeeded and here:
            yield event


def _of(events: list[dict[str, Any]], resource: str) -> list[dict[str, Any]]:
    group = "" if resource == "secrets" else names.GROUP
    return [
        event
        for event in events
        if event["objectRef"].get("resource") == resource and event["objectRef"].get("apiGroup", "") == group
    ]


def _by_name(tiers: Mapping[str, lives.Life]) -> dict[str, list[lives.Life]]:
    found: dict[str, list[lives.Life]] = {}
    for tier in tiers.values():
        found.setdefault(tier.name, []).append(tier)
    return found


def _orders(events: list[dict[str, Any]]) -> frozenset[str]:
    specs = [
        (event.get("responseObject") or {}).get("spec") or {} for event in _of(events, "fleetoperations")
    ]
    targets = [
        t for spec in specs if spec.get("operation") == "DeleteOrphans" for t in spec.get("targets", [])
    ]
    return frozenset(target.partition("=")[0] for target in targets)


def _secret(event: Mapping[str, Any]) -> SecretWrite:
    return SecretWrite(
        lives.seconds(event["requestReceivedTimestamp"]),
        lives.seconds(event["stageTimestamp"]),
        event["user"]["username"],
        event["verb"],
        event["objectRef"].get("name", ""),
    )


def _found(canaries: list[str], text: bytes) -> list[str]:
    """Which secrets stand in a text, told without them."""
    return [
        f"secret {number} of the run, {form}"
        for number, canary in enumerate(canaries, start=1)
        if (form := next((form for form, wanted in _forms(canary.encode()) if wanted in text), None))
    ]


def _forms(secret: bytes) -> Iterator[tuple[str, bytes]]:
    """As it is, and in base64, where what stands before it shifts it by up to two bytes."""
    yield "in clear", secret
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + secret)
        whole = 4 * ((shift + len(secret)) // 3)
        yield "in base64", encoded[4 if shift else 0 : whole]
