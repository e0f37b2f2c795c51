"""The API server's answers, classified once.

KubeError             a request did not succeed; `done` says whether it may have been carried out
  ConflictError       somebody else was faster: read again and decide anew
  NotFoundError       there is no such object
  ForbiddenError      our own permissions, or the namespace is being deleted
"""

from __future__ import annotations

from neon_tenants.core.failure import Done


class KubeError(Exception):
    """A request to the API server did not succeed. The message holds no object's content."""

    def __init__(self, message: str, done: Done, *, status: int | None = None) -> None:
        super().__init__(message)
        self.done = done
        self.status = status


class ConflictError(KubeError):
    """The object is not what we read: 409, or a JSON patch whose test failed (a bare 422)."""


class NotFoundError(KubeError):
    """404."""


class ForbiddenError(KubeError):
    """403. Creating in a namespace that is being deleted is forbidden, too."""


def refused(status: int, reason: str, what: str) -> KubeError:
    """The error for an answer that is not a success.

    | status | error | done |
    |---|---|---|
    | 403 | ForbiddenError | no |
    | 404 | NotFoundError | no |
    | 409, 422 | ConflictError | no |
    | 429, other 4xx | KubeError | no |
    | 5xx | KubeError | maybe |
    """
    message = f"The API server answered {status} {reason} to the request to {what}."
    match status:
        case 403:
            return ForbiddenError(message, Done.NO, status=status)
        case 404:
            return NotFoundError(message, Done.NO, status=status)
        case 409 | 422:
            return ConflictError(message, Done.NO, status=status)
        case _:
            return KubeError(message, Done.MAYBE if status >= 500 else Done.NO, status=status)
