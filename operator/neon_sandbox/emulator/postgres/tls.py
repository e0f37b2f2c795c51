"""One certificate for PostgreSQL and for the proxy in front of it.

SCRAM-SHA-256-PLUS binds a login to the hash of the server's certificate (tls-server-end-point,
RFC 5929). The proxy ends the client's TLS and opens its own to PostgreSQL; since both ends show the
same certificate, what the client binds to is what PostgreSQL expects.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True, slots=True)
class Tls:
    """The two sides of the proxy."""

    server: ssl.SSLContext
    """For the clients' connections."""
    client: ssl.SSLContext
    """For the proxy's own to PostgreSQL."""


def issue(certificate: Path, key: Path) -> Tls:
    """Makes a certificate for 127.0.0.1 and writes it and its key to the two files."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    for number, pem in enumerate(issued.cert_chain_pems):
        pem.write_to_path(str(certificate), append=number > 0)
    key.touch(mode=0o600)
    issued.private_key_pem.write_to_path(str(key))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(server)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(client)
    return Tls(server, client)
