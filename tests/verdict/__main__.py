"""`python -m verdict FOLDER...`: the report as a table, and as one line of JSON.

The exit status is 1 where a zero is not zero, and 2 where evidence is missing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from verdict import NoEvidenceError, Verdict, judge


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the report on all folders together; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="verdict", description="Counts what must be zero in a run's evidence."
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--namespace", help="judge this one in place of the one that about.json names")
    chosen = parser.parse_args(arguments)
    try:
        verdict = Verdict.total(judge(folder, namespace=chosen.namespace) for folder in chosen.folders)
    except NoEvidenceError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(report(verdict) + "\n")
    return 0 if verdict.ok else 1


def report(verdict: Verdict) -> str:
    """The table, the problems, and last the line of JSON."""
    parts = [
        _table("must be zero", verdict.counts),
        _table("faults injected", {**verdict.faults, "all": sum(verdict.faults.values())}),
        _table("the run", {**verdict.facts, "states visited": len(verdict.states)}),
    ]
    if verdict.problems:
        parts.append("\n".join(verdict.problems))
    return "\n\n".join([*parts, as_json(verdict)])


def as_json(verdict: Verdict) -> str:
    """All that was counted, on one line."""
    return json.dumps(
        {
            "ok": verdict.ok,
            "counts": dict(verdict.counts),
            "faults": dict(verdict.faults),
            "facts": dict(verdict.facts),
            "states_visited": len(verdict.states),
            "states": [asdict(state) for state in sorted(verdict.states)],
            "problems": verdict.problems,
        }
    )


def _table(head: str, rows: Mapping[str, int]) -> str:
    width = max(len(name) for name in (head, *rows))
    return "\n".join([head.upper(), *(f"  {name:<{width}} {number:>8}" for name, number in rows.items())])


if __name__ == "__main__":
    sys.exit(main())
