"""Asks all questions of one account and says what differs from the emulator.

Environment: NEON_API_KEY_FILE (a file with an API key; without it the emulator itself is asked),
NEON_API_URL (default https://console.neon.tech/api/v2), NEON_ORG_ID (a personal key needs it).
Exit status: 0 no difference, 1 some, 2 the account could not be asked.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from neon_sandbox.conformance.account import Account, NoAnswerError
from neon_sandbox.conformance.checks import CHECKS
from neon_sandbox.emulator import Emulator

_NEON = "https://console.neon.tech/api/v2"
_HTTP_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Result:
    """The answer to one question."""

    question: str
    expected: str
    found: str | None
    """None if it could not be found out."""
    problem: str = ""

    @property
    def same(self) -> bool:
        """Whether the account does as the emulator does."""
        return self.found == self.expected


async def examine(account: Account) -> list[Result]:
    """Asks everything on a project of its own, and removes all it has made, also after a failure.

    Raises NoAnswerError if there is no project to ask about, or if one could not be removed.
    """
    try:
        project = await account.create(branch={"annotations": {"sandbox": "conformance"}})
        await account.settle(project)
        results: list[Result] = []
        for check in CHECKS:
            try:
                found = await check.ask(account, project)
                results.append(Result(check.question, check.expected, found))
            except NoAnswerError as error:
                results.append(Result(check.question, check.expected, None, str(error)))
            except (KeyError, ValueError, TypeError) as error:
                # An answer in another form than this program knows: that is a finding, too.
                problem = f"the answer has an unexpected form ({type(error).__name__})"
                results.append(Result(check.question, check.expected, None, problem))
        return results
    finally:
        left = await account.remove_all()
        if left:
            raise NoAnswerError(f"Please delete by hand: {', '.join(left)}")


def report(results: list[Result], where: str) -> str:
    """What differs, and a summary."""
    lines = [f"Asked: {where}"]
    lines += [
        f"DIFFERS    {r.question}: expected {r.expected!r}, found {r.found!r}"
        for r in results
        if r.found is not None and not r.same
    ]
    lines += [f"UNDECIDED  {r.question}: {r.problem}" for r in results if r.found is None]
    same = sum(result.same for result in results)
    lines.append(f"{same} of {len(results)} answers are as the emulator's.")
    return "\n".join(lines)


@asynccontextmanager
async def _account() -> AsyncIterator[tuple[Account, str]]:
    """The account that the environment names. Raises OSError if the key cannot be read."""
    key_file = os.environ.get("NEON_API_KEY_FILE", "")
    org_id = os.environ.get("NEON_ORG_ID") or None
    async with httpx.AsyncClient(timeout=_HTTP_SECONDS, follow_redirects=False) as client:
        if key_file:
            url = os.environ.get("NEON_API_URL") or _NEON
            yield Account(client, url, _read(key_file), org_id), url
            return
        async with Emulator.start() as emulator:
            yield (
                Account(client, emulator.url, emulator.api_key, org_id),
                "the emulator (no NEON_API_KEY_FILE)",
            )


def _read(key_file: str) -> str:
    return Path(key_file).read_text().strip()


async def _main() -> int:
    try:
        async with _account() as (account, where):
            results = await examine(account)
    except (NoAnswerError, OSError) as error:
        print(f"The account could not be asked: {error}", file=sys.stderr)
        return 2
    print(report(results, where))
    return 0 if all(result.same for result in results) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(_main()))
