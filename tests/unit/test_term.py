"""What a term of work does to its own process."""

from __future__ import annotations

import gc
import weakref

import pytest

from neon_tenants.term import _no_looks_for_cycles


class _Circle:
    """Refers to itself."""

    def __init__(self) -> None:
        self.itself = self


def test_cycles_that_reading_left_are_found_at_its_end() -> None:
    try:
        with _no_looks_for_cycles():
            left = weakref.ref(_Circle())
            assert left() is not None
        assert left() is None
    finally:
        gc.unfreeze()


def _read_and_break() -> None:
    with _no_looks_for_cycles():
        assert not gc.isenabled()
        raise ValueError("broken")


def test_looks_for_cycles_rest_while_much_is_read_and_go_on_after_it_whatever_happens() -> None:
    frozen = gc.get_freeze_count()
    try:
        with pytest.raises(ValueError, match="broken"):
            _read_and_break()
        assert gc.isenabled()
        assert gc.get_freeze_count() > frozen
    finally:
        gc.unfreeze()
