"""Redaction: the second line of defense."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from neon_tenants import logs, redaction

SECRETS = (
    "postgresql://app_owner:npg_Abc123@ep-x.neon.tech/app",
    "password npg_Abc123 was refused",
    "Authorization: Bearer napi_abcdef0123456789",
    "bearer eyJhbGciOi.payload.sig",
    "jdbc:postgresql://h/app?user=x&password=S3cr3t&sslmode=require",
    "postgresql://me:pl%40in@host/db",
)
CANARIES = ("npg_Abc123", "napi_abcdef0123456789", "eyJhbGciOi.payload.sig", "S3cr3t", "pl%40in")


@pytest.mark.proves("T9")
@pytest.mark.parametrize("text", SECRETS)
def test_what_looks_like_a_secret_is_taken_out(text: str) -> None:
    redacted = redaction.redact(text)
    assert redaction.REDACTED in redacted
    assert not any(canary in redacted for canary in CANARIES)


@pytest.mark.proves("T9")
def test_a_secret_behind_a_line_break_is_taken_out_of_the_json_line(written: io.StringIO) -> None:
    logging.getLogger("neon_tenants.test").error("the password:\nnpg_Abc123")
    assert "npg_Abc123" not in written.getvalue()


HOSTILE = (
    "two\nlines\r\nand a third",
    "\x1b[31mred\x1b[0m \x07",
    '", "level": "CRITICAL", "message": "forged',
    'password=x", "level": "CRITICAL',
    'bearer a\\"}\n{"level": "CRITICAL"}',
    "%s %d %(levelname)s %n {0} {levelname}",
    "\u2028\u2029\u202e\x00\ud800",
    "x" * 100_000,
)


def lines(written: io.StringIO) -> list[dict[str, Any]]:
    assert written.getvalue().isascii()
    return [json.loads(line) for line in written.getvalue().splitlines()]


@pytest.mark.proves("T9")
@pytest.mark.parametrize("text", HOSTILE, ids=[ascii(text[:20]).replace("\\", "") for text in HOSTILE])
def test_no_text_ends_a_line_or_adds_a_field(
    written: io.StringIO, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ours alone: what pytest captures goes between its processes, which a lone surrogate cannot.
    monkeypatch.setattr(logging.getLogger(), "handlers", logging.getLogger().handlers[:1])
    logger = logging.getLogger("neon_tenants.test")
    logger.error("Failed for %s", text, extra={"why": text}, exc_info=ValueError(text))
    (line,) = lines(written)
    assert line["level"] == "ERROR"
    assert line.keys() == {"timestamp", "level", "logger", "message", "exc_info", "why"}


@pytest.mark.proves("T9")
@hypothesis.given(
    st.lists(st.sampled_from(['"', "\\", "password=", "bearer ", "://a:", "@", " ", "\n", "npg_", "x", ","]))
)
def test_whatever_is_redacted_a_line_stays_json(parts: list[str]) -> None:
    text = "".join(parts)
    line = json.loads(redaction.redact(json.dumps({"message": text, "level": "INFO"})))
    assert line.keys() == {"message", "level"}
    assert line["level"] == "INFO"


def test_ordinary_words_stay() -> None:
    for text in (
        "https://console.neon.tech/api/v2/projects?limit=400",
        "tenants/acme",
        "the password is revealed",
    ):
        assert redaction.redact(text) == text


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (root.handlers, root.level)
    stream = io.StringIO()
    logs.configure("DEBUG", stream)
    yield stream
    root.handlers, root.level = before[0], before[1]


@pytest.mark.proves("T9")
def test_lines_are_json_and_no_field_escapes(written: io.StringIO) -> None:
    logger = logging.getLogger("neon_tenants.test")
    try:
        int(SECRETS[0])
    except ValueError:
        logger.exception("Failed for %s", SECRETS[1], extra={"uri": SECRETS[4]})
    line = json.loads(written.getvalue())
    assert line["level"] == "ERROR"
    assert line["logger"] == "neon_tenants.test"
    assert "ValueError" in line["exc_info"]
    assert not any(canary in written.getvalue() for canary in CANARIES)


@pytest.mark.proves("T9")
def test_libraries_that_log_urls_and_objects_are_quiet_even_at_debug(written: io.StringIO) -> None:
    for name in ("httpx", "kopf.objects", "aiohttp.access"):
        logging.getLogger(name).info("GET https://console.neon.tech/")
    assert written.getvalue() == ""
