"""The form of what we store in the cluster as JSON: a number, by which a version knows what it cannot read.

Texts outlive the process that wrote them, and after a rollback an older operator reads those of a newer one
(docs/upgrade.md). Whoever reads decides what a text of an unknown form means; it is never taken for nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

_FORM: Final = "form"
_FIRST: Final = 1
"""The form of a text that names none."""


def encode(form: int, value: Mapping[str, Any]) -> str:
    """The text of `value` in this form."""
    return json.dumps({_FORM: form, **value}, separators=(",", ":"))


def decode(form: int, text: str) -> dict[str, Any]:
    """The value of a text in this form.

    Raises:
        ValueError: the text is no JSON object, or of another form.
    """
    try:
        value = json.loads(text)
    except RecursionError:  # tenants can edit annotations, and nest as deep as they like
        value = None
    if not isinstance(value, dict) or value.get(_FORM, _FIRST) != form:
        raise ValueError("This was written in a form that this version does not know.")
    return value
