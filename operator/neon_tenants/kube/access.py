"""Where the API server is and who we are there: a pod's service account, or somebody of a kubeconfig."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

logger = logging.getLogger(__name__)

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes mounts a pod's login: `token`, `ca.crt` and `namespace`."""
HOST: Final = "KUBERNETES_SERVICE_HOST"
PORT: Final = "KUBERNETES_SERVICE_PORT"
"""Variables of every pod: where the API server is."""
TOKEN_AGE: Final = 60.0
"""Seconds until a token is read again, as client-go does. The kubelet writes a new one at four fifths of the
old one's life, which is ten minutes at least."""


class NoClusterError(Exception):
    """Neither a service account nor a kubeconfig says where the API server is."""


@dataclass(frozen=True, slots=True)
class Access:
    """How requests reach the API server, and whose they are."""

    server: str
    authorization: Callable[[], Awaitable[str | None]] = field(repr=False)
    """The header that says who we are, at this moment: tokens rotate. None where a certificate says it."""
    ca_path: str | None = None
    certificate_path: str | None = None
    private_key_path: str | None = None
    insecure: bool = False
    proxy: str | None = None
    proxy_headers: Mapping[str, str] | None = None
    server_hostname: str | None = None
    """The name in the API server's certificate, where it is another than in its address."""
    namespace: str | None = None
    """The pod's own; None outside of one."""

    def tls(self) -> ssl.SSLContext:
        """Who is believed to be the API server, and the certificate that we show.

        Raises:
            NoClusterError: a certificate or a key cannot be read.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca_path)
            if self.certificate_path is not None:
                context.load_cert_chain(self.certificate_path, self.private_key_path)
        except OSError as error:
            raise _no_cluster("a certificate for it", error) from None
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def of_pod(
    environment: Mapping[str, str], clock: Callable[[], float], folder: Path = SERVICE_ACCOUNT
) -> Access:
    """That of the service account of the pod that we run in. Its files are read again and again.

    Raises:
        NoClusterError: it has none.
    """
    host, port = environment.get(HOST), environment.get(PORT)
    if not host or not port:
        raise _no_cluster("the service account", f"{HOST} or {PORT} is empty")
    address = f"[{host}]" if ":" in host else host
    namespace = folder / "namespace"
    try:
        token = _TokenFile(folder / "token", clock)
        _content(folder / "ca.crt")  # an empty file would name no authority, and so the public ones
        return Access(
            server=f"https://{address}:{port}",
            authorization=token.header,
            ca_path=str(folder / "ca.crt"),
            namespace=namespace.read_text().strip() if namespace.is_file() else None,
        )
    except (OSError, ValueError) as error:
        raise _no_cluster("the service account", error) from None


async def of_kubeconfig(path: Path | None, context: str | None) -> Access:
    """That of a kubeconfig and its context, if given, else of $KUBECONFIG or ~/.kube/config.

    Raises:
        NoClusterError: there is none that could be used.
    """
    # Takes 13 MB and a fifth of a second, which a pod has no use for (docs/decisions/0047).
    from kubernetes.aio import config  # noqa: PLC0415
    from kubernetes.aio.client import Configuration  # noqa: PLC0415

    found = Configuration()
    try:
        await config.load_kube_config(
            config_file=None if path is None else str(path), context=context, client_configuration=found
        )
    except (config.ConfigException, OSError) as error:
        raise _no_cluster("the kubeconfig", error) from None

    async def authorization() -> str | None:
        token: str | None = await found.get_api_key_with_prefix("BearerToken", alias="authorization")
        return token

    return Access(
        server=found.host,
        authorization=authorization,
        ca_path=found.ssl_ca_cert,
        certificate_path=found.cert_file,
        private_key_path=found.key_file,
        insecure=not found.verify_ssl,
        proxy=found.proxy,
        proxy_headers=found.proxy_headers,
        server_hostname=found.tls_server_name,
    )


class _TokenFile:
    """A token that the kubelet renews. The last one is used for as long as there is none to read."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        """Raises OSError or ValueError where there is no token."""
        self._path = path
        self._clock = clock
        self._token = _content(path)
        self._read_at = clock()

    async def header(self) -> str:
        """The value of the header `Authorization`."""
        if self._clock() - self._read_at >= TOKEN_AGE:
            self._read_at = self._clock()
            try:
                self._token = _content(self._path)
            except (OSError, ValueError) as error:
                logger.warning(
                    "The service account's token could not be read.", extra={"error": type(error).__name__}
                )
        return f"Bearer {self._token}"


def _content(path: Path) -> str:
    """Raises OSError or ValueError where there is none."""
    content = path.read_text().strip()
    if not content:
        raise ValueError(f"{path} is empty")
    return content


def _no_cluster(source: str, why: object) -> NoClusterError:
    return NoClusterError(f"No cluster to talk to: {source} could not be used ({why}). Give --kubeconfig.")
