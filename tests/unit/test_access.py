"""Where the API server is, and who we are: by a pod's service account."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from neon_tenants.kube.access import HOST, PORT, TOKEN_AGE, NoClusterError, of_pod
from neon_tenants.spared import spared

POD = {HOST: "10.96.0.1", PORT: "443"}


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text("first\n")
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.crt")
    (tmp_path / "namespace").write_text("platform\n")
    return tmp_path


@pytest.mark.parametrize(
    ("host", "server"),
    [("10.96.0.1", "https://10.96.0.1:443"), ("fd00::1", "https://[fd00::1]:443")],
)
async def test_a_pod_finds_its_api_server(folder: Path, host: str, server: str) -> None:
    found = of_pod({**POD, HOST: host}, Clock(), folder)
    assert (found.server, found.namespace) == (server, "platform")
    assert await found.authorization() == "Bearer first"
    (authority,) = found.tls().get_ca_certs()
    assert authority["notAfter"]


async def test_a_token_is_read_again_after_a_minute(folder: Path) -> None:
    clock = Clock()
    found = of_pod(POD, clock, folder)
    (folder / "token").write_text("second")
    clock.now += TOKEN_AGE - 1
    assert await found.authorization() == "Bearer first"
    clock.now += 1
    assert await found.authorization() == "Bearer second"


@pytest.mark.parametrize("left", [None, "", "\n"])
async def test_a_token_that_cannot_be_read_any_more_leaves_the_last_one(
    folder: Path, left: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    found = of_pod(POD, clock, folder)
    (folder / "token").unlink() if left is None else (folder / "token").write_text(left)
    clock.now += TOKEN_AGE
    assert await found.authorization() == "Bearer first"
    assert [record.message for record in caplog.records] == ["The service account's token could not be read."]
    (folder / "token").write_text("second")
    assert await found.authorization() == "Bearer first"  # not a file a request
    clock.now += TOKEN_AGE
    assert await found.authorization() == "Bearer second"


@pytest.mark.parametrize("name", ["token", "ca.crt"])
@pytest.mark.parametrize("left", [None, "", "\n"])
def test_a_pod_without_a_login_is_told_what_is_missing(folder: Path, name: str, left: str | None) -> None:
    (folder / name).unlink() if left is None else (folder / name).write_text(left)
    with pytest.raises(NoClusterError, match=rf"{name}.*Give --kubeconfig\."):
        of_pod(POD, Clock(), folder)


@pytest.mark.parametrize("variable", [HOST, PORT])
def test_an_address_without_a_part_is_none(folder: Path, variable: str) -> None:
    with pytest.raises(NoClusterError, match=HOST):
        of_pod({**POD, variable: ""}, Clock(), folder)


def test_certificates_that_are_none_are_told(folder: Path) -> None:
    (folder / "ca.crt").write_text("no certificate")
    with pytest.raises(NoClusterError, match="certificate"):
        of_pod(POD, Clock(), folder).tls()


def test_a_pod_does_not_import_the_kubernetes_client() -> None:
    """It takes 13 MB, and Kopf would import it by itself."""
    asked = "import sys, neon_tenants.cli; print('kopf' in sys.modules, 'kubernetes' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]


def test_what_was_spared_can_be_imported_afterwards() -> None:
    name = "xdrlib_of_nobody"
    with spared(name), pytest.raises(ModuleNotFoundError):
        __import__(name)
    assert name not in sys.modules
    with spared("json"):
        assert __import__("json") is json
