"""The report of a run, printed at its end: what the verdicts of all its tests come to together.

A plugin of pytest. Under xdist each worker hands its part to the process that prints.
"""

from __future__ import annotations

from typing import Any

import pytest

import evidence
from verdict import Verdict
from verdict.__main__ import report

_PART = "verdict"


class RunReport:
    """Collects the parts, and prints their sum."""

    def __init__(self) -> None:
        self._parts: list[Verdict] = []

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        part = evidence.run()
        output = getattr(session.config, "workeroutput", None)
        if part is not None and output is not None:
            output[_PART] = part.data()
        elif part is not None:
            self._parts.append(part)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        data = getattr(node, "workeroutput", {}).get(_PART)
        if data is not None:
            self._parts.append(Verdict.of(data))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._parts:
            terminalreporter.section("what the API server and Neon wrote down")
            terminalreporter.write_line(report(Verdict.total(self._parts)))
