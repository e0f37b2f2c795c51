"""The form of stored texts: what is written is read again, and what is unknown is never taken for nothing."""

from __future__ import annotations

from typing import Any

import pytest

from neon_tenants.core import form


def test_a_text_names_its_form_first_and_has_no_space() -> None:
    assert form.encode(2, {"a": 1, "b": [1, 2]}) == '{"form":2,"a":1,"b":[1,2]}'


READ: dict[str, tuple[int, str, dict[str, Any]]] = {
    "the form asked for": (2, '{"form":2,"a":1}', {"form": 2, "a": 1}),
    "no form is the first": (1, '{"a":1}', {"a": 1}),
    "nothing else": (1, "{}", {}),
}

UNKNOWN: dict[str, tuple[int, str]] = {
    "a newer form": (1, '{"form":2,"a":1}'),
    "an older form": (2, '{"form":1,"a":1}'),
    "no form where the first is gone": (2, '{"a":1}'),
    "a form that is null": (1, '{"form":null}'),
    "a list": (1, "[]"),
    "null": (1, "null"),
    "no JSON": (1, "form"),
    "no text": (1, ""),
    "deeper than can be read": (1, "[" * 100_000),
}


@pytest.mark.parametrize(("number", "text", "value"), READ.values(), ids=READ.keys())
def test_what_is_of_the_form_is_read(number: int, text: str, value: dict[str, Any]) -> None:
    assert form.decode(number, text) == value


@pytest.mark.parametrize(("number", "text"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_what_is_of_no_known_form_raises(number: int, text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        form.decode(number, text)
