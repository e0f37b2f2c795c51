"""Which tests execute which lines, and for how long, without any change."""

from __future__ import annotations

import json
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import coverage
import pytest

from mutation.mutants import path_of


class NotGreenError(Exception):
    """The tests fail as it is: then they say nothing about changes."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the tests do on the code as it is."""

    seconds: dict[str, float]
    """Of each test, by its id."""
    lines: dict[str, dict[int, list[str]]]
    """The tests that execute a line, by module and line; none where it runs at import alone."""

    def tests_of(self, module: str, first: int, last: int) -> list[str]:
        """The tests that execute any of these lines; the quickest first."""
        found = {test for line in range(first, last + 1) for test in self.lines[module].get(line, ())}
        return sorted(found, key=lambda test: (self.seconds[test], test))

    def tests_of_all(self, module: str) -> list[str]:
        """The tests that execute any line of a module; the quickest first."""
        return self.tests_of(module, 0, max(self.lines[module], default=0))

    def save(self, path: Path) -> None:
        """For `load`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"seconds": self.seconds, "lines": self.lines}))

    @classmethod
    def load(cls, path: Path) -> Baseline:
        """What `save` saved."""
        read = json.loads(path.read_text())
        lines = {
            module: {int(line): tests for line, tests in by_line.items()}
            for module, by_line in read["lines"].items()
        }
        return cls(read["seconds"], lines)


class _Watch:
    """A plugin of pytest that tells coverage which test runs."""

    def __init__(self, measure: coverage.Coverage) -> None:
        self._measure = measure
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._measure.switch_context(item.nodeid)
        started = time.process_time()
        result = yield
        self.seconds[item.nodeid] = time.process_time() - started
        self._measure.switch_context("")
        return result


def measure(arguments: list[str], modules: list[str]) -> Baseline:
    """Runs the tests once. This process must not have imported the modules yet.

    Raises:
        NotGreenError: A test failed.
    """
    measured = coverage.Coverage(
        data_file=None, config_file=False, include=[str(path_of(module)) for module in modules]
    )
    watch = _Watch(measured)
    measured.start()
    code = pytest.main(arguments, plugins=[watch])
    measured.stop()
    if code != 0:
        raise NotGreenError(f"pytest ended with {code} on the code as it is")
    data = measured.get_data()
    lines = {
        module: {
            line: [test for test in tests if test]
            for line, tests in data.contexts_by_lineno(str(path_of(module))).items()
        }
        for module in modules
    }
    return Baseline(watch.seconds, lines)
