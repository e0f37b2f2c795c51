"""The protocol holds in every state that its model can reach, and each broken variant is seen to break."""

from __future__ import annotations

import pytest

from model.variants import VARIANTS, Variant

ROWS = [
    pytest.param(variant, id=variant.name, marks=[pytest.mark.long] if variant.long else [])
    for variant in VARIANTS
]


@pytest.mark.parametrize("variant", ROWS)
def test_a_variant_holds_or_breaks_as_the_table_says(variant: Variant) -> None:
    verdict = variant.run()
    assert verdict.rule == variant.broken, verdict
    if variant.states is not None:
        assert verdict.states == variant.states
    if variant.steps is not None:
        assert len(verdict.trace) == variant.steps, verdict.trace
