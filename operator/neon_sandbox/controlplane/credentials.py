"""Who may speak to a control plane: its certificate authority, its keys, its tokens, and kubeconfig files."""

from __future__ import annotations

import base64
import os
import secrets
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import trustme
import yaml


@dataclass(frozen=True)
class Credentials:
    """Files of one control plane, and the tokens of its two users."""

    ca_file: Path
    certificate: Path
    key: Path
    service_account_key: Path
    token_file: Path
    admin_token: str = field(repr=False)
    controller_token: str = field(repr=False)


def issue(folder: Path) -> Credentials:
    """Makes all of them anew, in `folder`."""
    authority = trustme.CA()
    serving = authority.issue_cert("127.0.0.1", "localhost")
    # Only its key is used, to sign and check the tokens of service accounts.
    signing = authority.issue_cert("service-accounts.invalid")
    admin, controller = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    files = {
        "ca.pem": authority.cert_pem.bytes().decode(),
        "tls.pem": serving.cert_chain_pems[0].bytes().decode(),
        "tls.key": serving.private_key_pem.bytes().decode(),
        "service-accounts.key": signing.private_key_pem.bytes().decode(),
        # token,user,uid,groups. The controllers get no finer rights: this cluster runs nothing else.
        "tokens.csv": (
            f'{admin},admin,admin,"system:masters"\n'
            f'{controller},system:kube-controller-manager,controllers,"system:masters"\n'
        ),
    }
    for name, text in files.items():
        write_private(folder / name, text)
    return Credentials(
        ca_file=folder / "ca.pem",
        certificate=folder / "tls.pem",
        key=folder / "tls.key",
        service_account_key=folder / "service-accounts.key",
        token_file=folder / "tokens.csv",
        admin_token=admin,
        controller_token=controller,
    )


def kubeconfig(*, url: str, ca_file: Path, token: str, namespace: str) -> str:
    """A kubeconfig that stands alone: it names no other file."""
    name = "neon-sandbox"
    authority = base64.b64encode(ca_file.read_bytes()).decode()
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {"server": url, "certificate-authority-data": authority}}],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": namespace}}],
            "current-context": name,
        },
        sort_keys=False,
    )


def write_private(path: Path, text: str) -> None:
    """Writes or replaces `path` as a whole, readable by its owner only from the first moment."""
    # mkstemp makes it with mode 0600.
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink()
        raise
