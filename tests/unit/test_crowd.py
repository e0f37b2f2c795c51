"""When a list leaves that a crowd shares: how many are one, and how long it waits for more."""

from __future__ import annotations

import pytest

from neon_tenants.core.crowd import crowd_of, patience

CROWDS = {
    "a short list": (1, 32, 16),
    "still a quarter of a request each": (4, 32, 16),
    "a longer one": (5, 32, 20),
    "all who can look": (9, 32, 32),
    "as long as they are many": (32, 32, 32),
    "too long to be worth it": (33, 32, 16),
    "many who look": (1, 192, 64),
    "many who look, at a longer one": (9, 96, 36),
    "many more who look": (9, 128, 42),
    "many who look, at one that is too long": (193, 192, 64),
    "few who look": (1, 9, 6),
    "one who looks": (1, 1, 1),
}


@pytest.mark.parametrize(("pages", "lookers", "crowd"), CROWDS.values(), ids=CROWDS.keys())
def test_how_many_are_a_crowd(pages: int, lookers: int, crowd: int) -> None:
    assert crowd_of(pages=pages, lookers=lookers) == crowd


PATIENCE = {
    "a crowd, while another's requests wait": (16, True, 16, 8.0, 0.0),
    "one, and nobody else can come": (1, False, 5, 3.4, 0.0),
    "several, and nobody else can come": (2, False, 5, 3.4, 0.25),
    "one, and nothing waits for the budget": (1, True, 5, 0.0, 0.0),
    "several after one": (2, True, 1, 0.0, 0.25),
    "several after several": (2, True, 2, 0.0, 1.0),
    "one, and a crowd leaves soon": (1, True, 1, 0.5, 1.0),
    "one, and a crowd takes its time": (1, True, 1, 3.4, 3.4),
    "several, and a crowd takes its time": (3, True, 2, 8.0, 8.0),
}


@pytest.mark.parametrize(
    ("waiting", "more", "served", "busy", "seconds"), PATIENCE.values(), ids=PATIENCE.keys()
)
def test_how_long_a_list_waits_for_more(
    waiting: int, more: bool, served: int, busy: float, seconds: float
) -> None:
    assert patience(waiting=waiting, crowd=16, more=more, served=served, busy=busy) == seconds
