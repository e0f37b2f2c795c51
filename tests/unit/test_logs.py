"""Redaction: the second line of defense."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from neon_tenants import logs

SECRETS = (
    "postgresql://app_owner:npg_Abc123@ep-x.neon.tech/app",
    "password npg_Abc123 was refused",
    "Authorization: Bearer napi_abcdef0123456789",
    "bearer eyJhbGciOi.payload.sig",
    "jdbc:postgresql://h/app?user=x&password=S3cr3t&sslmode=require",
    "postgresql://me:pl%40in@host/db",
)
CANARIES = ("npg_Abc123", "napi_abcdef0123456789", "eyJhbGciOi.payload.sig", "S3cr3t", "pl%40in")


@pytest.mark.parametrize("text", SECRETS)
def test_what_looks_like_a_secret_is_taken_out(text: str) -> None:
    redacted = logs.redact(text)
    assert logs.REDACTED in redacted
    assert not any(canary in redacted for canary in CANARIES)


def test_ordinary_words_stay() -> None:
    for text in (
        "https://console.neon.tech/api/v2/projects?limit=400",
        "tenants/acme",
        "the password is revealed",
    ):
        assert logs.redact(text) == text


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (root.handlers, root.level)
    stream = io.StringIO()
    logs.configure("DEBUG", stream)
    yield stream
    root.handlers, root.level = before[0], before[1]


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


def test_libraries_that_log_urls_and_objects_are_quiet_even_at_debug(written: io.StringIO) -> None:
    for name in ("httpx", "kopf.objects", "aiohttp.access"):
        logging.getLogger(name).info("GET https://console.neon.tech/")
    assert written.getvalue() == ""
