"""Hypothesis: the same examples in every run of CI, many more on demand (`--hypothesis-profile=thorough`)."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "default",
    max_examples=200,
    deadline=None,  # time is no assertion here: machines differ
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "thorough", parent=settings.get_profile("default"), max_examples=20_000, derandomize=False
)
settings.register_profile(
    "mutants",  # tests/mutation asks only whether it fails, not for the smallest example
    parent=settings.get_profile("default"),
    max_examples=50,
    phases=(Phase.explicit, Phase.generate),
)
settings.load_profile("default")
