"""Neon's answers and silences, classified once by what matters most: was it done?

    NeonError          a request did not succeed; `failure` says what that means
      NotFoundError    404 in Neon's own form
      GivenUpError     it never left: nobody waits for its turn any more

Only an answer in Neon's own JSON form proves that Neon itself refused. A proxy's 503, an HTML page or
a lost connection may follow the execution (docs/protocol.md, rule 6).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from neon_tenants.api.conditions import Reason
from neon_tenants.core.failure import Done, Failure
from neon_tenants.redaction import redact

MAX_TEXT: Final = 300
"""Characters of Neon's own words that reach a condition or a log."""

# Codes of Neon's control plane for plan limits (docs/neon.md, Errors), and the one message that has none.
_LIMIT_CODE: Final = re.compile(r".*(_LIMIT_EXCEEDED|LIMIT_EXCEEDED_THRESHOLD)")
_LIMIT_TEXT: Final = "exceeds allowed maximum"


class NeonError(Exception):
    """A request to Neon did not succeed."""

    def __init__(self, failure: Failure, *, status: int | None = None) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.status = status


class NotFoundError(NeonError):
    """Neon knows no such thing, and said so itself."""


class GivenUpError(NeonError):
    """The request was not sent, since whoever asked for it is to end."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, and Neon's error form if it was one."""

    status: int
    code: str | None
    """None where the body was not in Neon's error form."""
    message: str
    retry_after: float | None
    request_id: str | None


def refused(answer: Answer, what: str) -> NeonError:
    """The error for an answer that is not a success. `what` names the request, as in "create a project".

    | answer | done | reason |
    |---|---|---|
    | not in Neon's form | maybe | NeonUnreachable |
    | 401, 403 | no | CredentialsRejected, stalled |
    | 404 | no | NotFoundError |
    | 408, 500 and other 5xx | maybe | NeonUnreachable |
    | 423 | no | Updating: Neon works on the project |
    | 429 | no | Throttled |
    | 503 | no | NeonUnreachable |
    | a limit of the plan | no | PlanLimitReached, stalled |
    | any other 4xx | no | OperationFailed, stalled |
    """
    if answer.code is None or answer.status == 408 or (answer.status >= 500 and answer.status != 503):
        return unreachable(f"Neon answered {answer.status} to the request to {what}.", Done.MAYBE, answer)
    said = f"Neon said: {tidy(answer.message)}"
    match answer.status:
        case 401 | 403:
            message = "Neon rejected the API key. Mount a valid key; no restart is needed."
            failure = Failure(Reason.CREDENTIALS_REJECTED, message, Done.NO, stalled=True)
        case 404:
            failure = Failure(
                Reason.OPERATION_FAILED, f"Neon could not {what}. {said}", Done.NO, stalled=True
            )
            return NotFoundError(failure, status=404)
        case 423:
            message = "Neon is busy with another operation of this project. The request is repeated."
            failure = Failure(Reason.UPDATING, message, Done.NO, retry_after=answer.retry_after)
        case 429:
            message = "Neon's request limit is used up. The request is repeated when Neon allows."
            failure = Failure(Reason.THROTTLED, message, Done.NO, retry_after=answer.retry_after)
        case 503:
            message = f"Neon is out of order and could not {what}. The request is repeated."
            failure = Failure(Reason.NEON_UNREACHABLE, message, Done.NO, retry_after=answer.retry_after)
        case _ if _LIMIT_CODE.fullmatch(answer.code) or _LIMIT_TEXT in answer.message:
            message = f"The plan of the Neon organization does not allow to {what}. {said}"
            failure = Failure(Reason.PLAN_LIMIT_REACHED, message, Done.NO, stalled=True)
        case _:
            message = f"Neon refused to {what} ({answer.status}). {said}"
            failure = Failure(Reason.OPERATION_FAILED, message, Done.NO, stalled=True)
    return NeonError(failure, status=answer.status)


def unreachable(message: str, done: Done, answer: Answer | None = None) -> NeonError:
    """The error where Neon did not answer, or not in a way that can be understood."""
    retry_after = answer.retry_after if answer else None
    return NeonError(
        Failure(Reason.NEON_UNREACHABLE, message, done, retry_after=retry_after),
        status=answer.status if answer else None,
    )


def given_up() -> GivenUpError:
    """The error for a request whose turn is not waited for any more."""
    return GivenUpError(
        Failure(Reason.NEON_UNREACHABLE, "Neon was not asked: this replica ends its part.", Done.NO)
    )


def rejected_key(message: str) -> NeonError:
    """The error where there is no key to send, or only one that Neon rejected a moment ago."""
    return NeonError(Failure(Reason.CREDENTIALS_REJECTED, message, Done.NO, stalled=True))


def password_unavailable(role: str, database: str, *, stored: bool) -> NeonError:
    """The error where the login cannot be had back without changing something."""
    cause = (
        f"The role {role} or the database {database} is gone from the project"
        if stored
        else "Neon does not store this project's passwords"
    )
    message = f"{cause}, so the Secret cannot be written. Nothing is reset by itself: a person must decide."
    return NeonError(Failure(Reason.PASSWORD_UNAVAILABLE, message, Done.NO, stalled=True))


def tidy(text: str) -> str:
    """Words of the other side made fit for a condition or a log: printable, one line, redacted, bounded."""
    clean = text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)
    return redact(" ".join(clean.split()))[:MAX_TEXT]
