"""All changes, each in a process of its own: `make mutants`."""

from __future__ import annotations

import gc
import hashlib
import inspect
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from mutation import children, placing
from mutation.baseline import Baseline, measure
from mutation.children import Job, Outcome
from mutation.mutants import Mutant, mutants

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "build" / "mutants"
TESTS: Final = tuple(
    f"tests/unit/test_{name}.py"
    for name in (
        "intent",
        "plan",
        "plan_drift",
        "plan_rollout",
        "identity",
        "removal",
        "marker",
        "secret",
        "status",
        "entitlement",
        "resize",
        "neon_errors",
        "formats",
        "preview",
        "harm",
        "difference",
        "drift",
        "usage",
        "rollout",
        "census",
        "tier_status",
        "metrics",
        "timestamp",
        "lease",
        "shard",
        "balance",
        "portion",
        "pace",
        "project",
        "consumption",
        "overview",
        "health",
        "form",
        "staff",
        "knowledge",
        "orphans",
        "protected",
        "brake",
        "turns",
        "api_server",
        "connection",
        "lane",
        "operation",
        "record",
        "room",
        "limits",
        "budget",
    )
)
"""The tables of the plan and its parts. The tests of properties would notice more, and take minutes more."""
ARGUMENTS: Final = [
    "-q",
    "-x",
    "--capture=no",
    "--tb=no",  # to render what failed costs ten times the rest
    "--hypothesis-profile=mutants",
    "--ignore=tests/unit/test_mutation.py",
    "-p",
    "no:cacheprovider",
    "-W",
    "ignore::pytest.PytestAssertRewriteWarning",  # what the parent imported need not be rewritten
    "--rootdir",
    str(ROOT),
]
PATIENCE: Final = 5.0
"""How much longer than without a change the tests may take; and as many seconds on top."""
STARTING: Final = 60.0
"""Seconds of processor time for the start of pytest and the imports, where a child needs them."""

Tell = Callable[[Mutant, Outcome], None]


def fingerprint(tests: Sequence[str]) -> str:
    """Of all that decides an outcome: code and tests. Not of how changes are made: that is in their names."""
    digest = hashlib.sha256(" ".join(tests).encode())
    for folder in ("operator", "tests"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path.is_relative_to(Path(__file__).parent):
                continue
            digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Results:
    """Outcomes on disk, so that a run goes on where one was stopped."""

    path: Path

    def read(self, print_of_now: str, *, trust_kills: bool) -> dict[str, Outcome]:
        """Outcomes by a mutant's name: those of this code and these tests.

        With `trust_kills` also that a change of the same name was noticed by tests of before, which is true
        where tests were only added since.
        """
        found: dict[str, Outcome] = {}
        if self.path.exists():
            for line in self.path.read_text().splitlines():
                entry = json.loads(line)
                outcome = Outcome(entry["outcome"])
                if entry["of"] == print_of_now or (trust_kills and outcome is not Outcome.SURVIVED):
                    found[entry["mutant"]] = outcome
        return found

    def add(self, print_of_now: str, mutant: Mutant, outcome: Outcome) -> None:
        """Notes one outcome."""
        entry = {"mutant": mutant.name, "outcome": outcome.value, "of": print_of_now}
        with self.path.open("a") as file:
            file.write(json.dumps(entry) + "\n")


def baseline_of(modules: Sequence[str], tests: Sequence[str], print_of_now: str) -> Baseline:
    """The tests' lines and times; measured once for this code and these tests."""
    of = hashlib.sha256(" ".join([print_of_now, *modules]).encode()).hexdigest()
    path = FOLDER / f"baseline-{of[:16]}.json"
    if not path.exists():

        def passes() -> bool:
            measure([*ARGUMENTS, *tests], list(modules)).save(path)
            return True

        job = Job("the tests as they are", passes, 3600.0)
        for _ in children.run(iter([job]), 1, FOLDER):
            pass
    return Baseline.load(path)


def run(wanted: Sequence[Mutant], baseline: Baseline, tests: Sequence[str], workers: int, tell: Tell) -> None:
    """Tries changes; each outcome is told when it is known."""
    # What runs at import comes first: its children need a process that has imported nothing of ours.
    at_import = [mutant for mutant in wanted if not mutant.place]
    in_functions = [mutant for mutant in wanted if mutant.place]
    for mutant, outcome in children.run(_imports(at_import, baseline), workers, FOLDER):
        tell(mutant, outcome)
    if not in_functions:
        return
    code = pytest.main([*ARGUMENTS, *tests], plugins=[_Loop(in_functions, baseline, workers, tell)])
    if code != 0:
        raise RuntimeError(f"pytest ended with {code}")


def reached(module: str, baseline: Baseline) -> list[Mutant]:
    """The changes of a module that any test executes."""
    return [
        mutant
        for mutant in mutants(module)
        if (not mutant.place and baseline.tests_of_all(module))
        or baseline.tests_of(module, mutant.first, mutant.last)
    ]


def _imports(wanted: Sequence[Mutant], baseline: Baseline) -> Iterator[Job[Mutant]]:
    """Jobs for what runs at import: nothing of ours is imported before, and much of others is."""
    for mutant in wanted:
        tests = baseline.tests_of_all(mutant.module)
        seconds = sum(baseline.seconds[test] for test in tests)

        def passes(mutant: Mutant = mutant, tests: list[str] = tests) -> bool:
            placing.at_import(mutant)
            return pytest.main([*ARGUMENTS, *tests]) == 0

        yield Job(mutant, passes, STARTING + PATIENCE * seconds)


class _Loop:
    """A plugin of pytest: where the tests are collected, it forks instead of running them."""

    def __init__(self, wanted: Sequence[Mutant], baseline: Baseline, workers: int, tell: Tell) -> None:
        self._wanted = wanted
        self._baseline = baseline
        self._workers = workers
        self._tell = tell
        self._failed = False

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        gc.freeze()  # children share what is there now
        for mutant, outcome in children.run(self._jobs(items), self._workers, FOLDER):
            self._tell(mutant, outcome)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._failed = self._failed or report.failed

    def _jobs(self, items: dict[str, pytest.Item]) -> Iterator[Job[Mutant]]:
        for mutant in self._wanted:
            tests = self._baseline.tests_of(mutant.module, mutant.first, mutant.last)
            # Those with an event loop come last: what never happens is waited for by the clock.
            tests.sort(key=lambda test: inspect.iscoroutinefunction(getattr(items[test], "obj", None)))
            seconds = sum(self._baseline.seconds[test] for test in tests)

            def passes(mutant: Mutant = mutant, tests: list[str] = tests) -> bool:
                placing.into_function(mutant)
                return self._pass([items[test] for test in tests])

            yield Job(mutant, passes, PATIENCE * (seconds + 1))

    def _pass(self, items: list[pytest.Item]) -> bool:
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self._failed:
                return False
        return True


def progress(done: int, of: int, mutant: Mutant, outcome: Outcome) -> None:
    """A line for each survivor, and now and then how far it is."""
    if outcome is Outcome.SURVIVED:
        sys.stdout.write(f"  survived: {mutant.name}\n")
    if done % 100 == 0:
        sys.stdout.write(f"{done} of {of}\n")
    sys.stdout.flush()
