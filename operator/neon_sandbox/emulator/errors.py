"""Neon's refusals: one exception, and a function for each refusal with Neon's own words."""

from __future__ import annotations

import math


class ApiError(Exception):
    """A refusal of the API: nothing was executed.

    The texts are Neon's where a source for them is known (docs/neon.md);
    where none is, they are ours, in the same manner.
    """

    def __init__(self, status: int, message: str, *, code: str = "", retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.retry_after = retry_after


def invalid(message: str) -> ApiError:
    """400: a value that Neon does not take, or that is above what the plan allows."""
    return ApiError(400, message)


def unauthorized() -> ApiError:
    """401: no API key, or one that is not valid."""
    return ApiError(401, "supplied credentials do not pass authentication")


def not_available_on_plan(plans: str) -> ApiError:
    """403: the account's plan lacks this route."""
    return ApiError(403, f"This endpoint is not available. It is only supported with {plans} plan accounts.")


def not_found(kind: str) -> ApiError:
    """404: there is no such project, branch, endpoint and so on."""
    return ApiError(404, f"{kind} not found")


def role_not_found(role: str, branch_id: str) -> ApiError:
    """404: seen in terraform-provider-neon#120."""
    return ApiError(404, f"role not found for branch; role_name:{role}, branch_id:{branch_id}")


def method_not_allowed() -> ApiError:
    """405: the path exists, with other methods."""
    return ApiError(405, "method not allowed")


def outside_window(message: str) -> ApiError:
    """406: consumption was asked for outside the times for which there is any."""
    return ApiError(406, message)


def passwords_not_stored() -> ApiError:
    """412: the project was made with store_passwords false."""
    return ApiError(412, "passwords are not stored for this project")


def conflict(message: str, code: str = "") -> ApiError:
    """422: the state of things forbids it, or a limit is reached."""
    return ApiError(422, message, code=code)


def limit_exceeded(code: str, what: str, limit: int, count: int) -> ApiError:
    """422, for example: user projects limit of 1 exceeded, got 1 (neonctl#255)."""
    return ApiError(422, f"{what} limit of {limit} exceeded, got {count}", code=code)


def locked() -> ApiError:
    """423: operations of this project are under way; nothing was executed, and a retry is safe."""
    return ApiError(
        423, "project already has running conflicting operations, scheduling of new ones is prohibited"
    )


def too_many_requests(seconds: float) -> ApiError:
    """429, with the whole seconds after which there is room again."""
    return ApiError(429, "too many requests", retry_after=max(1, math.ceil(seconds)))


def unavailable() -> ApiError:
    """503: nothing was executed, and a retry is safe."""
    return ApiError(503, "service is temporarily unavailable")
