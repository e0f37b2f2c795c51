"""The operator, broken in one place: a module for each variant of the protocol that must not pass.

`Scene.start_operator(before="broken.without_intent")` imports one in the forked operator before the program
runs. Nothing in the program knows of it. tests/faults/test_broken_variants.py plays them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def breaks(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Puts `make(what was there)` in the place of an attribute, which must be there and be a function.

    Raises KeyError if it is not: a variant that patches nothing would pass as one that is found.
    """
    original = vars(owner)[name]
    assert callable(original), name
    setattr(owner, name, make(original))
