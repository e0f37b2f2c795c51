"""No name can leave its place in a path or a query, whatever it is made of: of Kubernetes and of Neon."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import kubeconfig
from answering import Server, answering
from neon_tenants.kube.client import KubeClient
from neon_tenants.kube.secrets import Secrets
from neon_tenants.neon.budget import Budget
from neon_tenants.neon.client import NeonClient
from neon_tenants.neon.http import Http, Request
from neon_tenants.neon.key import ApiKey
from neon_tenants.neon.limits import Rates

SOME = settings(max_examples=settings().max_examples // 4)
"""As many as `make test` can pay for; `--hypothesis-profile=thorough` tries a hundred times as many."""

pytestmark = pytest.mark.proves("T6")

PIECES = st.sampled_from(
    [
        "..",
        ".",
        "/",
        "\\",
        "%2f",
        "%2e",
        "%",
        "?",
        "#",
        "status",
        "{name}",
        "{namespace}",
        ";",
        "&",
        "\r\n",
        " ",
        "x",
    ]
)
names = st.text(max_size=300) | st.lists(PIECES, max_size=6).map("".join)
TRICKS = (
    "../x",
    "x/status",
    "x" * 300,
    "..",
    ".",
    "",
    "x?y=z",
    "x#y",
    "%2e%2e",
    "..%2f..",
    "x\r\nHost: evil",
    "{name}",
)


def on_the_wire(server: Server) -> tuple[str, str]:
    """Path and query of the one request that was sent."""
    (line,) = server.asked
    method, target, version = line.split(" ")
    assert (method, version) == ("GET", "HTTP/1.1")
    parts = urlsplit(target)
    assert not parts.fragment
    return parts.path, parts.query


# --- Kubernetes ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[Server]:
    async with answering() as server:
        yield server


@pytest.fixture(scope="module")
async def kube(server: Server, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[KubeClient]:
    path = kubeconfig.write(tmp_path_factory.mktemp("kube") / "kubeconfig", server.url)
    async with KubeClient.connect(kubeconfig=path) as client:
        yield client


@SOME
@given(namespace=names, name=names)
@example("a", "b")
async def test_a_name_stays_in_its_segment_of_a_path_of_kubernetes(
    server: Server, kube: KubeClient, namespace: str, name: str
) -> None:
    await stays(server, kube, namespace, name)


@pytest.mark.parametrize("name", TRICKS)
async def test_a_trick_stays_in_its_segment(server: Server, kube: KubeClient, name: str) -> None:
    await stays(server, kube, "tenants", name)


async def stays(server: Server, kube: KubeClient, namespace: str, name: str) -> None:
    server.says(b'{"reason": "NotFound"}', "404 Not Found")
    server.asked.clear()
    try:
        assert await Secrets(kube).get(namespace, name) is None
    except ValueError:  # refused before it was sent; a NotFoundError would be a KubeError
        assert server.asked == []
        return
    path, query = on_the_wire(server)
    assert query == ""
    assert [unquote(part) for part in path.split("/")] == [
        *("", "api", "v1", "namespaces", namespace, "secrets", name),
    ]
    assert not {"", ".", ".."} & {namespace, name}


# --- Neon ------------------------------------------------------------------------------------------------


@SOME
@given(st.lists(names | st.from_regex(r"\A[A-Za-z0-9_-]{1,256}\Z"), min_size=2, max_size=2))
@example(["a", ".."])
@example(["a", "b\n"])
def test_an_id_stays_in_its_segment_of_a_path_of_neon(ids: list[str]) -> None:
    request = Request("try", "GET", "/projects/{}/endpoints/{}", tuple(ids))
    try:
        path = request.path
    except ValueError:
        return
    assert path.split("/") == ["", "projects", ids[0], "endpoints", ids[1]]
    assert all(char.isascii() and (char.isalnum() or char in "-_") for char in "".join(ids))


@pytest.fixture(scope="module")
async def neon(server: Server, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NeonClient]:
    key = tmp_path_factory.mktemp("neon") / "key"
    key.write_text("napi_key")
    clock = time.monotonic
    budget = Budget(Rates(10_000_000, 1_000_000), clock)
    url = server.url + "/api/v2"
    async with Http.connect(url, key=ApiKey(key, clock), budget=budget, clock=clock, timeout=5) as http:
        yield NeonClient(http, org_id=None)


@SOME
@given(cursor=names, search=names)
async def test_a_cursor_and_a_search_stay_in_their_parameters(
    server: Server, neon: NeonClient, cursor: str, search: str
) -> None:
    server.says(b'{"projects": []}')
    server.asked.clear()
    await neon.list_projects(cursor=cursor, search=lambda: search)
    path, query = on_the_wire(server)
    assert path == "/api/v2/projects"
    asked = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=True))
    assert asked == {"limit": "400", "cursor": cursor, "search": search}
