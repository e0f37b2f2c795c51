"""Prometheus' own programs: left out with a reason where they are not there, never in CI."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from toolbox import prometheus


def _program(name: str) -> Path:
    try:
        return prometheus.path(name)
    except prometheus.NoPrometheusError as error:
        if os.environ.get(prometheus.REQUIRED):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def promtool() -> Path:
    """The checker of rule files."""
    return _program("promtool")


@pytest.fixture(scope="session")
def prometheus_server() -> Path:
    """Prometheus itself."""
    return _program("prometheus")
