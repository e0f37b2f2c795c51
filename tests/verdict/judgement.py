"""The verdict: every count from its definition in the package's docstring."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from verdict import availability, deletions, doubles, status, witnesses
from verdict.evidence import Evidence, read

COUNTS: Final = (
    "leaked",
    "doubled",
    "doubled_at_rest",
    "deleted_against_spec",
    "touched_not_ours",
    "replaced",
    "available_untrue",
    "passwords_reset",
    "secrets_overwritten",
    "secrets_seen",
    "unsettled",
    "undocumented_reasons",
)
"""Each must be zero. The order is that of the report."""


@dataclass(frozen=True)
class Verdict:
    """What was counted in one run, or in several together."""

    counts: Mapping[str, int]
    """By the names of `COUNTS`."""
    facts: Mapping[str, int]
    """What the run was like: resources, projects, probes."""
    faults: Mapping[str, int]
    """How many were injected, by wire and mode."""
    states: frozenset[status.State]
    """The states that resources were in."""
    problems: list[str] = field(default_factory=list)
    """A sentence for each that was counted."""

    @property
    def ok(self) -> bool:
        """Whether every zero is one."""
        return not any(self.counts.values())

    @classmethod
    def total(cls, verdicts: Iterable[Self]) -> Self:
        """Several runs as one."""
        every = list(verdicts)
        return cls(
            counts={name: sum(one.counts[name] for one in every) for name in COUNTS},
            facts=_sum(one.facts for one in every),
            faults=_sum(one.faults for one in every),
            states=frozenset().union(*(one.states for one in every)),
            problems=[problem for one in every for problem in one.problems],
        )


def _sum(several: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in several:
        total.update(one)
    return dict(total)


def judge(folder: Path, *, namespace: str | None = None, at_rest: bool = True) -> Verdict:
    """Judges the evidence in a folder, of one namespace: None is the one of its about.json.

    Where the run ended in the middle of something (not `at_rest`), what only counts at rest does not.
    Raises NoEvidenceError where evidence is missing.
    """
    evidence = read(folder, namespace)
    found = {
        **deletions.found(evidence),
        **doubles.found(evidence),
        **witnesses.found(evidence),
        "available_untrue": availability.untrue(evidence),
        "undocumented_reasons": status.undocumented_reasons(evidence),
        "unsettled": status.unsettled(evidence),
    }
    if not at_rest:
        found |= {name: [] for name in ("leaked", "doubled_at_rest", "unsettled")}
    return Verdict(
        counts={name: len(found[name]) for name in COUNTS},
        facts=_facts(evidence),
        faults=_faults(evidence),
        states=status.states(evidence),
        problems=[f"{name}: {problem}" for name in COUNTS for problem in found[name]],
    )


def _facts(evidence: Evidence) -> dict[str, int]:
    kinds = Counter(effect["event"] for effect in evidence.effects)
    logins = [effect for effect in evidence.effects if effect["event"] == "login"]
    return {
        "resources": len(evidence.tenants),
        "writes of resources": sum(len(life.versions) for life in evidence.tenants.values()),
        "projects created": kinds["project_created"],
        "projects renamed": kinds["project_renamed"],
        "projects deleted": kinds["project_deleted"],
        "duplicates removed": len(deletions.duplicates(evidence)),
        "left by others' hands": len(deletions.stripped(evidence)),
        "logins accepted": sum(login["accepted"] for login in logins),
        "logins refused": sum(not login["accepted"] for login in logins),
        "probes": len(evidence.probes),
        "probes of a standing claim": availability.telling(evidence),
    }


def _faults(evidence: Evidence) -> dict[str, int]:
    injected = Counter(f"{fault['wire']}: {fault['mode']}" for fault in evidence.faults)
    scripted = Counter(
        f"emulator: {effect['mode']}" for effect in evidence.effects if effect["event"] == "answer_scripted"
    )
    return dict(sorted((injected + scripted).items()))
