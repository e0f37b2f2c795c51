"""Published programs, each checked against its published hash: envtest, Kubernetes, etcd."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import shutil
import tarfile
from collections.abc import AsyncIterator, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pydantic
import yaml

from neon_sandbox.controlplane import release as releases
from neon_sandbox.controlplane.release import Release
from neon_sandbox.controlplane.report import Advance, Report
from neon_sandbox.controlplane.source import Source, SourceError

_SMALL = 4_000_000  # bytes; the index of envtest has 30 kB, a file of hashes less


@dataclass(frozen=True)
class Addresses:
    """Where programs are published, and how long to wait for an answer, in seconds."""

    envtest_index: str = (
        "https://raw.githubusercontent.com/kubernetes-sigs/controller-tools/HEAD/envtest-releases.yaml"
    )
    kubernetes: str = "https://dl.k8s.io"
    etcd: str = "https://github.com/etcd-io/etcd/releases/download"
    # Short: without a network every source is tried in vain before the build starts.
    connect_timeout: float = 3.0
    read_timeout: float = 15.0


def sources(addresses: Addresses | None = None) -> tuple[Source, ...]:
    """All of them, the one that gives most programs first."""
    where = addresses or Addresses()
    return EnvtestArchive(where), KubernetesPrograms(where), EtcdArchive(where)


@dataclass(frozen=True)
class EnvtestArchive:
    """etcd, kube-apiserver and kubectl for Linux and macOS; not every patch release is there."""

    addresses: Addresses
    title: str = "envtest archive"

    async def supply(self, release: Release, names: Collection[str], into: Path, report: Report) -> None:
        """See Source."""
        wanted = {releases.ETCD, releases.KUBE_APISERVER, releases.KUBECTL} & set(names)
        if not wanted:
            return
        async with _client(self.addresses) as client:
            archive = await self._find(client, release)
            path = into / "envtest.tar.gz"
            await _download(client, _Published(archive.link, "sha512", archive.hash), path, report)
        await asyncio.to_thread(_unpack, path, wanted, into)

    async def _find(self, client: httpx.AsyncClient, release: Release) -> _Archive:
        text = await _text(client, self.addresses.envtest_index)
        try:
            index = _Index.model_validate(yaml.safe_load(text))
        except (yaml.YAMLError, pydantic.ValidationError) as error:
            raise SourceError(
                f"{self.addresses.envtest_index} is not the index that was expected."
            ) from error
        version = f"v{release.version}"
        name = f"envtest-{version}-{release.system}-{release.machine}.tar.gz"
        archive = index.releases.get(version, {}).get(name)
        if archive is None:
            raise SourceError(f"envtest has not published {name}.")
        return archive


@dataclass(frozen=True)
class KubernetesPrograms:
    """Kubernetes' own release: servers for Linux only, kubectl for macOS too."""

    addresses: Addresses
    title: str = "Kubernetes release"

    async def supply(self, release: Release, names: Collection[str], into: Path, report: Report) -> None:
        """See Source."""
        published = {releases.KUBECTL}
        if release.system == "linux":
            published |= {releases.KUBE_APISERVER, releases.KUBE_CONTROLLER_MANAGER}
        folder = f"{self.addresses.kubernetes}/v{release.version}/bin/{release.system}/{release.machine}"
        async with _client(self.addresses) as client:
            for name in names:
                if name not in published:
                    continue
                digest = (await _text(client, f"{folder}/{name}.sha512")).strip()
                path = into / f"{name}.download"
                await _download(client, _Published(f"{folder}/{name}", "sha512", digest), path, report)
                path.rename(into / name)


@dataclass(frozen=True)
class EtcdArchive:
    """etcd's own release, for Linux; only for the pinned release, whose etcd is known without asking."""

    addresses: Addresses
    title: str = "etcd release"

    async def supply(self, release: Release, names: Collection[str], into: Path, report: Report) -> None:
        """See Source."""
        if releases.ETCD not in names or not release.pinned or release.system != "linux":
            return
        folder = f"{self.addresses.etcd}/v{releases.ETCD_VERSION}"
        name = f"etcd-v{releases.ETCD_VERSION}-{release.system}-{release.machine}.tar.gz"
        async with _client(self.addresses) as client:
            lines = (await _text(client, f"{folder}/SHA256SUMS")).splitlines()
            digests = {parts[1]: parts[0] for line in lines if len(parts := line.split()) == 2}
            if name not in digests:
                raise SourceError(f"etcd has not published {name}.")
            path = into / "etcd.tar.gz"
            await _download(client, _Published(f"{folder}/{name}", "sha256", digests[name]), path, report)
        await asyncio.to_thread(_unpack, path, {releases.ETCD}, into)


@dataclass(frozen=True)
class _Published:
    """A file on the network, and what its publisher says that it hashes to."""

    url: str
    algorithm: str
    digest: str

    @property
    def name(self) -> str:
        return urlsplit(self.url).path.rpartition("/")[2]


class _Archive(pydantic.BaseModel):
    hash: str
    link: str = pydantic.Field(alias="selfLink")


class _Index(pydantic.BaseModel):
    releases: dict[str, dict[str, _Archive]]


def _client(addresses: Addresses) -> httpx.AsyncClient:
    timeout = httpx.Timeout(addresses.read_timeout, connect=addresses.connect_timeout)
    # Byte for byte: the hashes are of the files, not of what a server might compress on the way.
    headers = {"Accept-Encoding": "identity"}
    return httpx.AsyncClient(timeout=timeout, headers=headers, follow_redirects=True)


@contextlib.asynccontextmanager
async def _get(client: httpx.AsyncClient, url: str) -> AsyncIterator[httpx.Response]:
    with _explained(url):
        async with client.stream("GET", url) as response:
            if response.status_code != 200:
                raise SourceError(f"{url} answers {response.status_code}.")
            yield response


@contextlib.contextmanager
def _explained(url: str) -> Iterator[None]:
    host = urlsplit(url).netloc
    try:
        yield
    except (httpx.ConnectTimeout, httpx.ReadTimeout) as error:
        raise SourceError(f"{host} gives no answer.") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SourceError(f"{host} cannot be read ({str(error) or type(error).__name__}).") from error


async def _text(client: httpx.AsyncClient, url: str) -> str:
    """The text at `url`, which must be small."""
    content = bytearray()
    async with _get(client, url) as response:
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > _SMALL:
                raise SourceError(f"{url} is far larger than expected.")
    return content.decode(errors="replace")


async def _download(client: httpx.AsyncClient, file: _Published, path: Path, report: Report) -> None:
    """Writes `file` to `path`, a draft; raises SourceError when it is not what was published."""
    async with _get(client, file.url) as response:
        size = int(response.headers.get("Content-Length", "0")) or None
        with report.step(f"Downloading {file.name}", size=size) as advance:
            digest = await _write(response, path, file.algorithm, advance)
    if digest != file.digest.lower():
        raise SourceError(f"{file.name} does not have its published hash; it was thrown away.")


async def _write(response: httpx.Response, path: Path, algorithm: str, advance: Advance) -> str:
    """Writes what comes to `path`; returns its hash."""
    digest = hashlib.new(algorithm)
    with path.open("wb") as file:
        async for chunk in response.aiter_bytes():
            digest.update(chunk)
            file.write(chunk)
            advance(len(chunk))
    return digest.hexdigest()


def _unpack(archive: Path, names: Collection[str], into: Path) -> None:
    """Takes `names` out of `archive`, wherever in it they are; writes nothing else."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                name = Path(member.name).name
                content = tar.extractfile(member) if name in names else None
                if content is None:  # not asked for, or not a file
                    continue
                draft = into / f"{name}.unpacked"
                with content, draft.open("wb") as file:
                    shutil.copyfileobj(content, file)
                draft.rename(into / name)
    except (tarfile.TarError, EOFError) as error:
        raise SourceError(f"{archive.name} cannot be unpacked ({error}).") from error
