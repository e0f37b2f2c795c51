"""How a command asks the operator: through the API server's service proxy, or at an address.

Through the proxy Kubernetes decides who reads, and no port needs to be open.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import click
import orjson

from neon_tenants.cli.options import CLUSTER, Option, gathered
from neon_tenants.kube.access import NoClusterError
from neon_tenants.kube.client import KubeClient
from neon_tenants.kube.errors import KubeError
from neon_tenants.question import Question
from neon_tenants.settings import ENVIRONMENT_PREFIX

TIMEOUT: Final = 900.0
"""Seconds for an answer: consumption history of 10,000 projects takes Neon's limit 4 minutes."""

_TRIES: Final = 75
_PAUSE: Final = 0.2
"""Seconds between two tries to reach the replica that leads; all together, as long as a take-over takes."""

_PROXY: Final = "/api/v1/namespaces/{namespace}/services/{service}/proxy/v1/{read}"


class ReadError(click.ClickException):
    """The operator could not be asked, or could not answer; the message says what to do next."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the operator answers."""

    server: str | None
    namespace: str
    service: str
    kubeconfig: Path | None
    context: str | None

    def ask(self, read: str, question: Question | None = None, *, post: bool = False) -> Any:
        """The answer to one question, as JSON. `post` for what is too much for a query.

        Raises:
            ReadError: there is no answer.
        """
        asked = {name: value for name, value in (question or {}).items() if value is not None}
        if self.server is not None:
            return asyncio.run(_ask_address(self.server, read, asked, post=post))
        return asyncio.run(self._ask_service(read, asked, post=post))

    async def _ask_service(self, read: str, question: Question, *, post: bool) -> Any:
        try:
            async with KubeClient.connect(kubeconfig=self.kubeconfig, context=self.context) as kube:
                status, data = await self._ask_the_leader(kube, read, question, post=post)
        except NoClusterError as error:
            raise ReadError(str(error)) from None
        except KubeError as error:
            raise ReadError(f"{error} Is the cluster up, and is it the right --context?") from None
        if _is_by_the_api_server(data) and status >= 400:
            raise ReadError(self._refused(status, post=post))
        return _content(status, data, read)

    async def _ask_the_leader(
        self, kube: KubeClient, read: str, question: Question, *, post: bool
    ) -> tuple[int, bytes]:
        """Status and body of the replica that leads: the Service leads to any, at random."""
        ids = {"namespace": self.namespace, "service": self.service, "read": read}
        tries = _TRIES
        while True:
            status, data = await kube.exchange(
                "ask the operator",
                "POST" if post else "GET",
                _PROXY,
                ids,
                query=None if post else question,
                body=question if post else None,
                timeout=TIMEOUT,
            )
            tries -= 1
            if not _stands_by(status, data) or not tries:
                return status, data
            await asyncio.sleep(_PAUSE)

    def _refused(self, status: int, *, post: bool) -> str:
        service = f"{self.namespace}/{self.service}"
        match status:
            case 401:
                return "The API server does not know you. Log in again, or choose another --context."
            case 403:
                verb = "create" if post else "get"
                return (
                    f"You may not ask the operator. Your Kubernetes user needs the verb {verb} on "
                    f"services/proxy for {service}, or use --server URL."
                )
            case 404:
                return (
                    f"There is no Service {service}, or no pods of it. Name it with --operator-namespace and "
                    "--service, or use --server URL."
                )
            case 503:
                return (
                    f"No pod stands behind the Service {service}. See: kubectl -n {self.namespace} get pods. "
                    "The operator must run with --listen 0.0.0.0:8080."
                )
            case _:
                return f"The API server answered {status} when the operator was asked through {service}."


async def _ask_address(server: str, read: str, question: Question, *, post: bool) -> Any:
    url = f"{server.rstrip('/')}/v1/{read}"
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT)) as session:
            asking = session.post(url, json=question) if post else session.get(url, params=question)
            async with asking as response:
                return _content(response.status, await response.read(), read)
    except aiohttp.InvalidURL:
        raise ReadError(f"--server {server} is no address such as http://127.0.0.1:8080.") from None
    except (aiohttp.ClientError, TimeoutError, OSError):
        raise ReadError(
            f"Nobody answers at {server}. Does the operator run there, with --listen of that address?"
        ) from None


def _content(status: int, data: bytes, read: str) -> Any:
    content = _json(data)
    if status == 200 and content is not None:
        return content
    if isinstance(content, dict) and isinstance(content.get("error"), str):
        raise ReadError(content["error"])
    if status == 404:
        raise ReadError(
            f"What answers does not know the question {read!r}. Is it an operator of this version?"
        )
    raise ReadError(f"The operator answered {status}. Its log says why.")


def _stands_by(status: int, data: bytes) -> bool:
    content = _json(data)
    return status == 503 and isinstance(content, dict) and content.get("standby") is True


def _is_by_the_api_server(data: bytes) -> bool:
    content = _json(data)
    return isinstance(content, dict) and content.get("kind") == "Status"


def _json(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return None


_OPTIONS: Final[tuple[Option, ...]] = (
    click.option(
        "--server",
        envvar=f"{ENVIRONMENT_PREFIX}SERVER",
        show_envvar=True,
        metavar="URL",
        help="Address of the operator, for example http://127.0.0.1:8080. Left out: through the API server.",
    ),
    click.option(
        "--operator-namespace",
        default="neon-tenant-operator",
        show_default=True,
        metavar="NAME",
        help="Namespace of the operator's Service.",
    ),
    click.option(
        "--service",
        default="neon-tenant-operator:http",
        show_default=True,
        metavar="NAME:PORT",
        help="The operator's Service and its port's name or number.",
    ),
    *CLUSTER,
)


def _source(given: dict[str, Any]) -> Source:
    return Source(
        server=given.pop("server"),
        namespace=given.pop("operator_namespace"),
        service=given.pop("service"),
        kubeconfig=given.pop("kubeconfig"),
        context=given.pop("kube_context"),
    )


reads = gathered("source", _OPTIONS, _source)
"""The options that say where the operator answers; the command gets them as `source`."""
