"""Published programs are taken only with their published hash, and a dead address costs seconds."""

import contextlib
import functools
import hashlib
import io
import socket
import subprocess
import tarfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from neon_sandbox.controlplane import (
    ETCD_VERSION,
    KUBERNETES_VERSION,
    MissingProgramsError,
    Report,
    download,
    prepare,
)
from neon_sandbox.controlplane.download import Addresses
from neon_sandbox.controlplane.release import Release, for_this_machine

RELEASE = for_this_machine(KUBERNETES_VERSION)
pytestmark = pytest.mark.skipif(RELEASE.system != "linux", reason="not all programs are published for it")

PLATFORM = f"{RELEASE.system}-{RELEASE.machine}"
ENVTEST = f"envtest-v{KUBERNETES_VERSION}-{PLATFORM}.tar.gz"
FOLDER = f"v{KUBERNETES_VERSION}/bin/{RELEASE.system}/{RELEASE.machine}"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        pass


@dataclass(frozen=True)
class Site:
    """A web site with everything that is published, as a folder."""

    folder: Path
    url: str

    @property
    def addresses(self) -> Addresses:
        return Addresses(
            envtest_index=f"{self.url}/envtest-releases.yaml", kubernetes=self.url, etcd=f"{self.url}/etcd"
        )

    def publish_envtest(self, programs: Mapping[str, str], digest: str | None = None) -> None:
        archive = packed({f"controller-tools/envtest/{name}": text for name, text in programs.items()})
        (self.folder / ENVTEST).write_bytes(archive)
        entry = {
            "hash": digest or hashlib.sha512(archive).hexdigest(),
            "selfLink": f"{self.url}/{ENVTEST}",
        }
        index = {"releases": {f"v{KUBERNETES_VERSION}": {ENVTEST: entry}}}
        (self.folder / "envtest-releases.yaml").write_text(yaml.safe_dump(index))

    def publish_kubernetes(self, programs: Mapping[str, str], digest: str | None = None) -> None:
        folder = self.folder / FOLDER
        folder.mkdir(parents=True)
        for name, text in programs.items():
            (folder / name).write_text(text)
            (folder / f"{name}.sha512").write_text(digest or hashlib.sha512(text.encode()).hexdigest())

    def publish_etcd(self, text: str) -> None:
        folder = self.folder / "etcd" / f"v{ETCD_VERSION}"
        folder.mkdir(parents=True)
        name = f"etcd-v{ETCD_VERSION}-{PLATFORM}"
        archive = packed({f"{name}/etcd": text, f"{name}/etcdctl": "not asked for"})
        (folder / f"{name}.tar.gz").write_bytes(archive)
        (folder / "SHA256SUMS").write_text(
            f"{'0' * 64}  other.zip\n{hashlib.sha256(archive).hexdigest()}  {name}.tar.gz\n"
        )


def packed(files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def output(program: Path) -> str:
    return subprocess.check_output([program], stderr=subprocess.STDOUT, text=True)


def says(text: str) -> str:
    return f"#!/bin/sh\necho '{text}'\n"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "site"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield Site(folder, f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def env(cache: Path) -> dict[str, str]:
    return {"NEON_SANDBOX_CACHE": str(cache)}


@pytest.fixture
def said() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def report(said: io.StringIO) -> Report:
    return Report(Console(file=said))


def programs_in(cache: Path) -> set[str]:
    """Every file in the cache but the lock."""
    return {path.name for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"}


async def test_good_archives_give_all_four_programs(
    site: Site, env: dict[str, str], report: Report, said: io.StringIO
) -> None:
    three = {name: says(f"{name} of envtest") for name in ("etcd", "kube-apiserver", "kubectl")}
    site.publish_envtest(three | {"../../../escaped": "not asked for"})
    site.publish_kubernetes({"kube-controller-manager": says("of Kubernetes")})

    binaries = await prepare(env=env, sources=download.sources(site.addresses), report=report)

    assert output(binaries.etcd) == "etcd of envtest\n"
    assert output(binaries.kubectl) == "kubectl of envtest\n"
    assert output(binaries.kube_controller_manager) == "of Kubernetes\n"
    assert programs_in(Path(env["NEON_SANDBOX_CACHE"])) == {
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kubectl",
        "made-from.json",
    }
    assert f"Downloading {ENVTEST}: done" in said.getvalue()


async def test_a_release_that_envtest_lacks_comes_from_kubernetes_and_etcd(
    site: Site, env: dict[str, str], report: Report, said: io.StringIO
) -> None:
    (site.folder / "envtest-releases.yaml").write_text("releases: {v1.0.0: {}}")
    site.publish_kubernetes(
        {name: says(name) for name in ("kube-apiserver", "kube-controller-manager", "kubectl")}
    )
    site.publish_etcd(says("etcd of etcd"))

    binaries = await prepare(env=env, sources=download.sources(site.addresses), report=report)

    assert output(binaries.etcd) == "etcd of etcd\n"
    assert output(binaries.kubectl) == "kubectl\n"
    assert said.getvalue().startswith(f"envtest archive: envtest has not published {ENVTEST}. Trying")


@pytest.mark.parametrize("wrong", ["envtest", "kubernetes"])
async def test_a_wrong_hash_is_refused_and_nothing_is_kept(
    site: Site, env: dict[str, str], cache: Path, report: Report, wrong: str
) -> None:
    bad = "0" * 128
    if wrong == "envtest":
        site.publish_envtest({name: says(name) for name in ("etcd", "kube-apiserver", "kubectl")}, digest=bad)
    else:
        site.publish_kubernetes({"kube-apiserver": says("tampered")}, digest=bad)

    with pytest.raises(MissingProgramsError, match="does not have its published hash"):
        await prepare(env=env, sources=download.sources(site.addresses), report=report)

    assert programs_in(cache) == set()


async def test_what_is_not_there_is_said_with_its_status(
    site: Site, env: dict[str, str], report: Report
) -> None:
    with pytest.raises(MissingProgramsError) as caught:
        await prepare(env=env, sources=download.sources(site.addresses), report=report)

    assert f"envtest archive: {site.url}/envtest-releases.yaml answers 404." in str(caught.value)
    assert f"{FOLDER}/etcd" not in str(caught.value)  # Kubernetes publishes no etcd
    assert f"{FOLDER}/kube-apiserver.sha512 answers 404." in str(caught.value)


@pytest.mark.parametrize(
    "index", ["{", "releases: 3", "releases: {v1: {a: {hash: x}}}", "<html>Log in</html>"]
)
async def test_an_index_that_is_none_is_refused(
    site: Site, env: dict[str, str], report: Report, index: str
) -> None:
    (site.folder / "envtest-releases.yaml").write_text(index)

    with pytest.raises(MissingProgramsError, match="is not the index that was expected"):
        await prepare(env=env, sources=download.sources(site.addresses), report=report)


@contextlib.contextmanager
def refusing() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    yield port


@contextlib.contextmanager
def silent() -> Iterator[int]:
    """Accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@contextlib.contextmanager
def deaf() -> Iterator[int]:
    """Does not even answer a connection, as a firewall that drops packets: its backlog is full."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        with contextlib.suppress(TimeoutError):
            while True:
                client = stack.enter_context(socket.socket())
                client.settimeout(0.2)
                client.connect(server.getsockname())
        yield server.getsockname()[1]


@pytest.mark.parametrize("dead", [refusing, silent, deaf])
async def test_a_dead_address_moves_on_to_what_is_next(
    dead: Any, env: dict[str, str], report: Report, said: io.StringIO
) -> None:
    class Next:
        title = "next"

        async def supply(self, _release: Release, names: Any, into: Path, _report: Report) -> None:
            for name in names:
                (into / name).write_text(says("made by the next"))

    with dead() as port:
        url = f"http://127.0.0.1:{port}"
        addresses = Addresses(
            envtest_index=f"{url}/index", kubernetes=url, etcd=url, connect_timeout=0.2, read_timeout=0.2
        )
        binaries = await prepare(env=env, sources=[*download.sources(addresses), Next()], report=report)

    assert output(binaries.etcd) == "made by the next\n"
    lines = said.getvalue().splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "envtest archive",
        "Kubernetes release",
        "etcd release",
    ]
    assert all(f"127.0.0.1:{port} " in line and "Trying what is next" in line for line in lines)
    if dead is not refusing:
        assert all("gives no answer" in line for line in lines)
