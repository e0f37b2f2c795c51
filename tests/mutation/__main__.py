"""`python -m mutation [MODULE...]`: tries the changes of some modules; prints and judges their scores."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

# What children that import our modules themselves need as well.
import hypothesis  # noqa: F401
import kubernetes.client  # noqa: F401
import pytest_asyncio  # noqa: F401

from mutation import survivors
from mutation.children import Outcome
from mutation.mutants import AROUND, CORE, GATED, Mutant
from mutation.run import FOLDER, TESTS, Results, baseline_of, fingerprint, progress, reached, run

ENOUGH: Final = 0.9
"""The share of a module's changes that a test must notice."""


@dataclass(frozen=True, slots=True)
class Score:
    """Of one module, or of all."""

    name: str
    outcomes: Counter[Outcome]

    @property
    def share(self) -> float:
        """Noticed among all; 1 where there are none."""
        total = self.outcomes.total()
        return 1 - self.outcomes[Outcome.SURVIVED] / total if total else 1.0

    def line(self) -> str:
        """For the table."""
        counts = (self.outcomes[outcome] for outcome in (Outcome.KILLED, Outcome.HUNG, Outcome.SURVIVED))
        columns = "".join(f"{count:>10}" for count in (self.outcomes.total(), *counts))
        return f"{self.name:<24}{columns}{self.share:>9.1%}"


def table(mutants: Sequence[Mutant], outcomes: Mapping[str, Outcome]) -> list[Score]:
    """Scores of all modules, and the sum at the end."""
    modules = {mutant.module: None for mutant in mutants}
    scores = [
        Score(
            module.removeprefix("neon_tenants."),
            Counter(outcomes[mutant.name] for mutant in mutants if mutant.module == module),
        )
        for module in modules
    ]
    return [*scores, Score("all", Counter(outcomes[mutant.name] for mutant in mutants))]


def faults(
    mutants: Sequence[Mutant],
    outcomes: Mapping[str, Outcome],
    listed: Mapping[str, str],
    modules: Sequence[str],
) -> list[str]:
    """Why the run fails; empty where it does not."""
    found = [
        f"Tests notice {score.share:.1%} of the changes of {score.name}; {ENOUGH:.0%} is wanted."
        for score in table(mutants, outcomes)[:-1]
        if score.share < ENOUGH
    ]
    survived = {mutant.name for mutant in mutants if outcomes[mutant.name] is Outcome.SURVIVED}
    found += [f"Not listed in survivors.yaml: {name}" for name in sorted(survived - set(listed))]
    prefixes = tuple(f"{module.removeprefix('neon_tenants.')} " for module in modules)
    of_these = {name for name in listed if name.startswith(prefixes)}
    found += [
        f"Listed in survivors.yaml, and does not survive: {name}" for name in sorted(of_these - survived)
    ]
    return found


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="python -m mutation", description=__doc__)
    parser.add_argument("modules", nargs="*", help="core.intent neon.errors ...; by default the gated ones")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--tests", nargs="*", default=TESTS, help="other tests: tests/unit")
    parser.add_argument("--imports", action="store_true", help="change what runs at import, too")
    parser.add_argument(
        "--trust-kills", action="store_true", help="try only survivors again, after tests were added"
    )
    given = parser.parse_args()
    every = [*CORE, *AROUND]
    modules = [f"neon_tenants.{module}" for module in given.modules] or list(GATED)
    if unknown := set(modules) - set(every):
        parser.error(f"not in scope: {' '.join(sorted(unknown))}")

    os.nice(10)
    now = fingerprint(given.tests)
    results = Results(FOLDER / "results.jsonl")
    baseline = baseline_of(every, given.tests, now)
    mutants = [mutant for module in modules for mutant in reached(module, baseline)]
    if not given.imports:
        mutants = [mutant for mutant in mutants if mutant.place]
    outcomes = results.read(now, trust_kills=given.trust_kills)
    wanted = [mutant for mutant in mutants if mutant.name not in outcomes]
    sys.stdout.write(f"{len(mutants)} changes, {len(wanted)} to try\n")
    done = 0

    def tell(mutant: Mutant, outcome: Outcome) -> None:
        nonlocal done
        done += 1
        outcomes[mutant.name] = outcome
        results.add(now, mutant, outcome)
        progress(done, len(wanted), mutant, outcome)

    run(wanted, baseline, given.tests, given.workers, tell)
    head = "".join(f"{word:>10}" for word in ("changes", "killed", "hung", "survived"))
    sys.stdout.write(f"{'module':<24}{head}{'noticed':>9}\n")
    for score in table(mutants, outcomes):
        sys.stdout.write(f"{score.line()}\n")
    why = faults(mutants, outcomes, survivors.listed(), modules)
    sys.stdout.writelines(f"{fault}\n" for fault in why)
    return 1 if why else 0


if __name__ == "__main__":
    sys.exit(main())
