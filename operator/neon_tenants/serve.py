"""What is only read, over HTTP: probes, metrics, and the answers to the CLI's questions.

It is reached through the API server's service proxy, so that Kubernetes' RBAC and audit log decide and
see who reads. Nothing here changes anything, and no answer holds a secret.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson
from aiohttp import web

from neon_tenants.neon.errors import NeonError
from neon_tenants.question import BadQuestionError, Question, StandbyError

logger = logging.getLogger(__name__)

Read: TypeAlias = Callable[[Question], Awaitable[Any]]
"""Answers a question with JSON. Raises BadQuestionError, StandbyError and NeonError."""


@dataclass(frozen=True, slots=True)
class Health:
    """What a probe finds."""

    well: bool
    says: str
    """In a sentence or a word."""


Probe: TypeAlias = Callable[[], Health]


@asynccontextmanager
async def serving(
    listen: str, *, reads: Mapping[str, Read], probes: Mapping[str, Probe], metrics: Callable[[], bytes]
) -> AsyncIterator[str | None]:
    """Serves until the block ends; gives the address, or None where `listen` is off.

    `reads` stand below `/v1/`, `probes` at the root.

    Raises:
        OSError: the address cannot be used.
    """
    if listen == "off":
        yield None
        return
    host, _, port = listen.rpartition(":")
    app = web.Application()
    for name, read in reads.items():
        app.router.add_get(f"/v1/{name}", _answering(read))
        app.router.add_post(f"/v1/{name}", _answering(read))
    for name, probe in probes.items():
        app.router.add_get(f"/{name}", _probing(probe))

    async def show(_request: web.Request) -> web.Response:
        return web.Response(body=metrics(), headers={"Content-Type": "text/plain; version=0.0.4"})

    app.router.add_get("/metrics", show)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host.strip("[]"), int(port))
        await site.start()
        bound = runner.addresses[0]
        address = f"http://{host}:{bound[1]}"
        logger.info("The operator serves.", extra={"address": address})
        yield address
    finally:
        await runner.cleanup()


def _answering(read: Read) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        try:
            return _json(200, await read(await _question(request)))
        except BadQuestionError as error:
            return _json(400, {"error": str(error)})
        except StandbyError as error:
            return _json(503, {"error": str(error), "standby": True})
        except NeonError as error:
            return _json(502, {"error": error.failure.message})

    return answer


async def _question(request: web.Request) -> Question:
    if request.method == "GET":
        return request.query
    try:
        question = orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        question = None
    if not isinstance(question, dict):
        raise BadQuestionError("The question must be a JSON object.")
    return question


def _probing(probe: Probe) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_request: web.Request) -> web.Response:
        health = probe()
        return web.Response(status=200 if health.well else 503, text=f"{health.says}\n")

    return answer


def _json(status: int, content: Any) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(content), content_type="application/json")
