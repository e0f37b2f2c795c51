"""Packages that another would import and has no use for here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def spared(package: str) -> Iterator[None]:
    """Whoever tries to import the package until the block ends is told that it is not installed.

    Where it was imported before, nothing is gained by that, and it can be imported as always.
    """
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]  # what Python documents for this
    try:
        yield
    finally:
        del sys.modules[package]
