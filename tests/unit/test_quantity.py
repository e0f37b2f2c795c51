"""Quantities and durations. That the API server reads them alike is held in the integration tests."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import builders as a
from neon_tenants.api.database_tier import DatabaseTierSpec
from neon_tenants.api.quantity import (
    MAX_INT64,
    QuantityError,
    format_bytes,
    format_seconds,
    parse_bytes,
    parse_seconds,
)

BYTES = {
    "0": 0,
    "1024": 1024,
    "512Mi": 536_870_912,
    "10Gi": 10 * 1024**3,
    "5G": 5 * 10**9,
    "2k": 2000,
    "1e3": 1000,
    "1E3": 1000,
    "1E": 10**18,
    "3Ei": 3 * 1024**6,
    "4611686018427387903": 4 * 1024**6 - 1,
}


@pytest.mark.parametrize(("text", "value"), BYTES.items())
def test_a_quantity_is_bytes(text: str, value: int) -> None:
    assert parse_bytes(text) == value


NO_BYTES = (
    "",
    "512m",
    "1.5",
    "-1Gi",
    "+1Gi",
    "512 Mi",
    "512mb",
    "Mi",
    "1e",
    "0x10",
    "8Ei",
    "1e19",
    "٣",
    "1e-3",
    ".5Gi",
)


@pytest.mark.parametrize("text", NO_BYTES)
def test_what_is_no_whole_quantity_is_refused(text: str) -> None:
    with pytest.raises(QuantityError):
        parse_bytes(text)


SECONDS = {"100h": 360_000, "5m": 300, "30s": 30, "1h30m": 5400, "0s": 0, "1h1m1s": 3661, "90m": 5400}


@pytest.mark.parametrize(("text", "value"), SECONDS.items())
def test_a_duration_is_seconds(text: str, value: int) -> None:
    assert parse_seconds(text) == value


NO_SECONDS = ("", "5", "1d", "1.5s", "-1h", "1h 30m", "30m1h", "100ms", "h", "9999999999h")


@pytest.mark.parametrize("text", NO_SECONDS)
def test_what_is_no_whole_duration_is_refused(text: str) -> None:
    with pytest.raises(QuantityError):
        parse_seconds(text)


@given(st.text(max_size=24))
def test_any_text_is_a_quantity_or_an_error(text: str) -> None:
    for parse in (parse_bytes, parse_seconds):
        with contextlib.suppress(QuantityError):
            assert 0 <= parse(text) <= MAX_INT64


BAD_TIERS: dict[str, dict[str, object]] = {
    "a quota of zero bytes": {"quota": {**a.tier_spec().quota.model_dump(by_alias=True), "writtenData": "0"}},
    "a quota of zero seconds": {
        "quota": {**a.tier_spec().quota.model_dump(by_alias=True), "computeTime": "0h"}
    },
    "a malformed quota": {"quota": {**a.tier_spec().quota.model_dump(by_alias=True), "dataTransfer": "5 GB"}},
    "a suspend time below a minute": {"compute": {"minCU": 1, "maxCU": 1, "suspendAfter": "59s"}},
    "a suspend time above a week": {"compute": {"minCU": 1, "maxCU": 1, "suspendAfter": "169h"}},
    "a size that Neon does not have": {"compute": {"minCU": 1.5, "maxCU": 2, "suspendAfter": "5m"}},
    "a history longer than 30 days": {"historyRetention": "721h"},
}


@pytest.mark.parametrize("changes", BAD_TIERS.values(), ids=BAD_TIERS.keys())
def test_the_model_refuses_a_tier(changes: dict[str, object]) -> None:
    spec = {**a.tier_spec().model_dump(by_alias=True, exclude_none=True), **changes}
    with pytest.raises(ValidationError):
        DatabaseTierSpec.model_validate(spec)


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0"), (1000, "1000"), (1024, "1Ki"), (1536 * 1024**2, "1536Mi"), (1024**4, "1Ti")],
)
def test_bytes_are_written_with_the_largest_unit_that_is_exact(amount: int, text: str) -> None:
    assert format_bytes(amount) == text


@pytest.mark.parametrize(("amount", "text"), [(0, "0s"), (90, "1m30s"), (360_000, "100h"), (3601, "1h1s")])
def test_seconds_are_written_as_hours_minutes_and_seconds(amount: int, text: str) -> None:
    assert format_seconds(amount) == text


@given(st.integers(0, 4 * 1024**6 - 1), st.integers(0, MAX_INT64 // 10**9))
def test_what_is_written_reads_as_the_same(size: int, seconds: int) -> None:
    assert parse_bytes(format_bytes(size)) == size
    assert parse_seconds(format_seconds(seconds)) == seconds
