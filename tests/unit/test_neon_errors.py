"""Neon's answers, classified by whether they were carried out."""

from __future__ import annotations

import pytest

from neon_tenants.api.conditions import Reason
from neon_tenants.core.failure import Done
from neon_tenants.kube import errors as kube_errors
from neon_tenants.neon.errors import MAX_TEXT, Answer, NotFoundError, refused, tidy, unreachable


def answer(status: int, code: str | None = "", message: str = "", retry_after: float | None = None) -> Answer:
    return Answer(status, code, message, retry_after, "req-1")


LOCKED = "project already has running conflicting operations, scheduling of new ones is prohibited"
RETENTION = "requested history retention seconds exceeds allowed maximum"

ROWS: dict[str, tuple[Answer, Done, Reason, bool]] = {
    "an HTML page of a proxy": (answer(524, None), Done.MAYBE, Reason.NEON_UNREACHABLE, False),
    "a proxy's 503": (answer(503, None), Done.MAYBE, Reason.NEON_UNREACHABLE, False),
    "a proxy's 403": (answer(403, None), Done.MAYBE, Reason.NEON_UNREACHABLE, False),
    "a redirect": (answer(302, None), Done.MAYBE, Reason.NEON_UNREACHABLE, False),
    "a rejected key": (answer(401), Done.NO, Reason.CREDENTIALS_REJECTED, True),
    "a key without rights": (answer(403), Done.NO, Reason.CREDENTIALS_REJECTED, True),
    "nothing there": (answer(404), Done.NO, Reason.OPERATION_FAILED, True),
    "a request time-out": (answer(408), Done.MAYBE, Reason.NEON_UNREACHABLE, False),
    "an internal error": (answer(500), Done.MAYBE, Reason.NEON_UNREACHABLE, False),
    "a bad gateway in Neon's form": (answer(502), Done.MAYBE, Reason.NEON_UNREACHABLE, False),
    "a locked project": (answer(423, message=LOCKED), Done.NO, Reason.UPDATING, False),
    "too many requests": (answer(429, retry_after=7), Done.NO, Reason.THROTTLED, False),
    "out of order": (answer(503), Done.NO, Reason.NEON_UNREACHABLE, False),
    "too many projects": (
        answer(422, "PROJECTS_LIMIT_EXCEEDED", "user projects limit of 1 exceeded, got 1"),
        Done.NO,
        Reason.PLAN_LIMIT_REACHED,
        True,
    ),
    "a value above the plan's": (answer(400, "", RETENTION), Done.NO, Reason.PLAN_LIMIT_REACHED, True),
    "an invalid value": (answer(400, "", "invalid region"), Done.NO, Reason.OPERATION_FAILED, True),
    "passwords not stored": (answer(412), Done.NO, Reason.OPERATION_FAILED, True),
}


@pytest.mark.parametrize(("found", "done", "reason", "stalled"), ROWS.values(), ids=ROWS.keys())
def test_an_answer_is_classified(found: Answer, done: Done, reason: Reason, stalled: bool) -> None:
    error = refused(found, "create a project")
    assert (error.failure.done, error.failure.reason, error.failure.stalled) == (done, reason, stalled)
    assert error.failure.retry_after == found.retry_after
    assert error.status == found.status
    assert isinstance(error, NotFoundError) == (found.status == 404)


@pytest.mark.parametrize("status", [408, 423, 429, 500, 503])
def test_neons_wish_for_a_pause_reaches_the_failure(status: int) -> None:
    assert refused(answer(status, retry_after=7), "create a project").failure.retry_after == 7


@pytest.mark.parametrize(("found", "done", "reason", "stalled"), ROWS.values(), ids=ROWS.keys())
def test_a_failure_says_what_happened(found: Answer, done: Done, reason: Reason, stalled: bool) -> None:
    error = refused(found, "create a project")
    assert error.failure.message
    assert str(error) == error.failure.message


def test_silence_has_no_status_and_asks_for_no_pause() -> None:
    error = unreachable("Neon did not answer.", Done.MAYBE)
    assert (error.status, error.failure.retry_after) == (None, None)
    assert (error.failure.done, error.failure.reason) == (Done.MAYBE, Reason.NEON_UNREACHABLE)


def test_neons_own_words_are_shown_where_they_help() -> None:
    error = refused(answer(400, "", "invalid region"), "create a project")
    assert error.failure.message == "Neon refused to create a project (400). Neon said: invalid region"


@pytest.mark.proves("T9", "T15")
def test_foreign_words_are_printable_and_bounded_and_give_no_secret_back() -> None:
    """Who answers in Neon's place has our key, and could send it to where tenants read."""
    assert tidy("bad key: napi_0123abcd for\npostgresql://me:pw@host/db") == (
        "bad key: [redacted] for postgresql://[redacted]@host/db"
    )
    assert tidy("a\nb\x00c\u202ed") == "a b c d"
    assert len(tidy("x" * 10_000)) == MAX_TEXT


KUBE_ROWS: dict[int, tuple[type[kube_errors.KubeError], Done]] = {
    400: (kube_errors.KubeError, Done.NO),
    403: (kube_errors.ForbiddenError, Done.NO),
    404: (kube_errors.NotFoundError, Done.NO),
    409: (kube_errors.ConflictError, Done.NO),
    422: (kube_errors.ConflictError, Done.NO),
    429: (kube_errors.KubeError, Done.NO),
    500: (kube_errors.KubeError, Done.MAYBE),
    504: (kube_errors.KubeError, Done.MAYBE),
}


@pytest.mark.parametrize(("status", "row"), KUBE_ROWS.items())
def test_an_answer_of_kubernetes_is_classified(
    status: int, row: tuple[type[kube_errors.KubeError], Done]
) -> None:
    error = kube_errors.refused(status, "Reason", "write the status")
    assert (type(error), error.done) == row
    assert error.status == status
    assert f"{status} Reason" in str(error)
    assert "write the status" in str(error)
