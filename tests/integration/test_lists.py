"""Lists of Kubernetes, page by page, by a server of which one knows when it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import kubeconfig
from neon_tenants.kube.client import KubeClient
from waiting import PATIENCE

PAGES = 3


class Pages(ThreadingHTTPServer):
    """A list of three pages with an item each, from threads of its own."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.asked = [threading.Event() for _ in range(PAGES)]
        """For which pages."""


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Pages

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        number = int(query.get("continue", ["0"])[0])
        self.server.asked[number].set()
        more = str(number + 1) if number + 1 < PAGES else ""
        body = {"metadata": {"resourceVersion": "7", "continue": more}, "items": [{"number": number}]}
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def pages() -> Iterator[Pages]:
    with Pages() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


async def test_the_next_page_is_on_its_way_while_one_is_looked_at(pages: Pages, tmp_path: Path) -> None:
    """The look stands for one that never waits: nothing else runs in the event loop meanwhile."""
    config = kubeconfig.write(tmp_path / "kubeconfig", f"http://127.0.0.1:{pages.server_port}")
    seen = []
    async with KubeClient.connect(kubeconfig=config) as kube:
        async for page, version in kube.pages("list what there is", "/api/v1/things"):
            seen.append((page[0]["number"], version))
            if len(seen) < PAGES:
                assert pages.asked[len(seen)].wait(PATIENCE)
    assert seen == [(0, "7"), (1, "7"), (2, "7")]


async def test_no_page_stays_in_memory_while_the_next_is_read(pages: Pages, tmp_path: Path) -> None:
    config = kubeconfig.write(tmp_path / "kubeconfig", f"http://127.0.0.1:{pages.server_port}")
    seen: list[list[Any]] = []
    async with KubeClient.connect(kubeconfig=config) as kube:
        async for page, _ in kube.pages("list what there is", "/api/v1/things"):
            assert [len(earlier) for earlier in seen] == [0] * len(seen)
            assert len(page) == 1
            seen.append(page)
    assert len(seen) == PAGES
