"""What needs no more than a look: secrets seen, Secrets overwritten, passwords reset."""

from __future__ import annotations

from collections.abc import Iterator

from verdict.evidence import Evidence
from verdict.projects import by_operator


def found(evidence: Evidence) -> dict[str, list[str]]:
    """Each count with its problems."""
    return {
        "secrets_seen": [f"{place} holds {what}" for place, what in evidence.seen],
        "secrets_overwritten": list(_overwritten(evidence)),
        "passwords_reset": [
            f"{effect['project']}, role {effect['role']}"
            for effect in evidence.effects
            if effect["event"] == "password_reset" and by_operator(effect)
        ],
    }


def _overwritten(evidence: Evidence) -> Iterator[str]:
    makers: dict[str, str] = {}
    for write in sorted(evidence.secrets, key=lambda each: each.answered):
        if write.verb == "create":
            makers[write.name] = write.user
            continue
        maker = makers.get(write.name, write.user)
        if write.user == evidence.operator and maker != evidence.operator:
            yield f"{write.name}, made by {maker}, was changed ({write.verb})"
        if write.verb == "delete":
            makers.pop(write.name, None)
