"""What a term of work does to its own process."""

from __future__ import annotations

import gc

import pytest

from neon_tenants.term import _no_looks_for_cycles


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
