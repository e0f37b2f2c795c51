"""Neon's published OpenAPI document, from its npm package.

The document's license does not let us keep a copy in the repository, so it is fetched once into the
user's cache, and its hash is checked at each use.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import yaml

from neon_sandbox.controlplane.cache import cache_root

PACKAGE = "@neondatabase/api-client@2.7.3"
INTEGRITY = "hqJmcd8qeCNjcsSNlz77peGIwB9SLj8NC6kK6AjPRyb4bUvXB+TCmffx5893/0oRHYjqpua0nBLa5ql8z6acmw=="
"""SHA-512 in base64, as `npm view PACKAGE dist.integrity` gives it."""
_MEMBER = "package/public-v2-for-users.gen.yaml"
_SECONDS = 120


class NoDocumentError(Exception):
    """The document is not to be had; the message says what is missing."""


def load(cache: Path | None = None) -> dict[str, Any]:
    """The document, parsed. Raises NoDocumentError."""
    archive = (cache or cache_root()) / "neondatabase-api-client-2.7.3.tgz"
    if not _intact(archive):
        _fetch(archive)
    with tarfile.open(archive) as package:
        member = package.extractfile(_MEMBER)
        assert member is not None
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where it was built
        document: dict[str, Any] = yaml.load(member.read(), Loader=loader)  # noqa: S506  # both are safe loaders
    return document


def _fetch(archive: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise NoDocumentError(
            f"npm is needed once, to fetch Neon's OpenAPI document ({PACKAGE}); it is not on the PATH."
        )
    archive.parent.mkdir(parents=True, exist_ok=True)
    # Beside its place, so that the last step is a rename: two test processes may fetch at once.
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        try:
            subprocess.run(
                [npm, "pack", PACKAGE, "--silent", "--ignore-scripts", "--pack-destination", folder],
                cwd=folder,
                check=True,
                capture_output=True,
                text=True,
                timeout=_SECONDS,
            )
        except subprocess.CalledProcessError as error:
            raise NoDocumentError(f"npm could not fetch {PACKAGE}: {error.stderr.strip()}") from error
        except subprocess.TimeoutExpired as error:
            raise NoDocumentError(f"npm did not fetch {PACKAGE} in {_SECONDS} seconds.") from error
        (fetched,) = Path(folder).glob("*.tgz")
        if not _intact(fetched):
            raise NoDocumentError(f"{PACKAGE} is not the package that this test was written for (SHA-512).")
        fetched.replace(archive)


def _intact(archive: Path) -> bool:
    if not archive.exists():
        return False
    return base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() == INTEGRITY
