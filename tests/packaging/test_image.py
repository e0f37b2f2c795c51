"""The production image: what is in it, that the same source makes the same, and that it runs."""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import re
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import image
from image import Pod
from neon_sandbox import installation
from neon_sandbox.child import Child
from scene import FAST, Scene

pytestmark = pytest.mark.timeout(600)

RUN = (image.ROOT / "requirements/run.txt").read_text()
LOCKED = [Requirement(text) for text in re.findall(r"^([a-z][^\\\n]*)", RUN, re.MULTILINE)]


@pytest.fixture(scope="module")
async def file_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Dockerfile's steps, carried out."""
    return await image.make(tmp_path_factory.mktemp("image"))


def test_the_base_is_pinned_and_the_user_is_nobody() -> None:
    before, build, final = image.dockerfile()
    assert re.fullmatch(r"python:[\w.-]+@sha256:[0-9a-f]{64}", before.pairs("ARG")["PYTHON"])
    assert (build.base, final.base) == ("${PYTHON} AS build", "${PYTHON}")
    assert final.all("USER") == ["65532:65532"]
    assert final.all("RUN") == []
    assert final.words("ENTRYPOINT") == ["neon-tenant-operator"]


def test_the_label_names_the_version_and_the_place_of_the_bill_of_materials(file_set: Path) -> None:
    _, _, final = image.dockerfile()
    labels = final.pairs("LABEL")
    assert final.pairs("ARG")["VERSION"] == importlib.metadata.version("neon-tenant-operator")
    assert labels["org.opencontainers.image.version"] == "${VERSION}"
    place = labels["io.neontenants.sbom"]
    assert (file_set / Path(place).relative_to(image.APP)).is_file()


def test_the_context_has_only_what_is_copied() -> None:
    """An allow-list: a key that lies in the folder does not get into a layer or a builder's cache."""
    _, build, _ = image.dockerfile()
    copied = {name.split("/")[0] for copy in build.all("COPY") for name in copy.split()[:-1]}
    _, *lines = (image.ROOT / ".dockerignore").read_text().splitlines()
    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == copied
    assert "operator/neon_sandbox" in lines


@pytest.mark.long
@pytest.mark.proves("T18")
async def test_the_same_source_makes_the_same_file_set(file_set: Path, tmp_path: Path) -> None:
    first, second = image.digests(file_set), image.digests(await image.make(tmp_path))
    assert {name for name in first.keys() | second.keys() if first.get(name) != second.get(name)} == set()
    assert len(first) > 1000


@pytest.mark.proves("T18")
def test_the_file_set_holds_what_is_locked_and_the_operator(file_set: Path) -> None:
    installed = {
        d.name.lower().replace("_", "-") for d in importlib.metadata.distributions(path=[str(file_set)])
    }
    here = {locked.name for locked in LOCKED if locked.marker is None or locked.marker.evaluate()}
    assert installed == here | {"neon-tenant-operator"}
    assert not (file_set / "neon_sandbox").exists()
    assert not (file_set / "bin/neon-sandbox").exists()


@pytest.mark.proves("T18")
def test_the_bill_of_materials_names_every_dependency(file_set: Path) -> None:
    bill = json.loads((file_set / "sbom.cdx.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    subject = bill["metadata"]["component"]
    assert (subject["name"], subject["version"]) == (
        "neon-tenant-operator",
        importlib.metadata.version(subject["name"]),
    )
    listed = {f"{component['name']}=={component['version']}" for component in bill["components"]}
    assert listed == {f"{locked.name}{locked.specifier}" for locked in LOCKED}
    hashes = {
        component["name"]: {h["content"] for r in component["externalReferences"] for h in r["hashes"]}
        for component in bill["components"]
    }
    # Each package's lines of the lock, up to those of the next one.
    parts = re.split(r"^([a-z][\w-]*)==", RUN, flags=re.MULTILINE)[1:]
    locked = {
        name: set(re.findall(r"sha256:([0-9a-f]{64})", text))
        for name, text in zip(parts[::2], parts[1::2], strict=True)
    }
    assert hashes == locked
    assert all(locked.values())


@pytest.mark.proves("T18")
@pytest.mark.parametrize(
    ("target", "packages"),
    [("wheel", {"neon_tenants", "neon_sandbox"}), ("custom", {"neon_tenants"})],
    ids=["for everybody", "of the image"],
)
async def test_the_same_source_makes_the_same_wheel(tmp_path: Path, target: str, packages: set[str]) -> None:
    wheels: list[Path] = []
    for number in range(2):
        folder = tmp_path / str(number)
        words = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
        process = await asyncio.create_subprocess_exec(
            *words, cwd=image.ROOT, stderr=asyncio.subprocess.DEVNULL
        )
        assert await process.wait() == 0
        wheels += folder.glob("*.whl")
    assert wheels[0].read_bytes() == wheels[1].read_bytes()
    with zipfile.ZipFile(wheels[0]) as archive:
        folders = {name.split("/")[0] for name in archive.namelist()}
        (entry_points,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
        scripts = archive.read(entry_points).decode()
    assert {folder for folder in folders if not folder.endswith(".dist-info")} == packages
    assert set(re.findall(r"= (\w+)\.", scripts)) == packages


PROBE = """
import importlib.util, json, os, sys
import neon_tenants.cli, neon_tenants.process
def writable(folder):
    try:
        open(f"{folder}/probe", "w").close()
    except OSError:
        return False
    return True
places = [module.__file__ for module in list(sys.modules.values()) if getattr(module, "__file__", None)]
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines())
print(json.dumps({
    "ids": [os.getuid(), os.getgid(), os.getgroups()],
    "capabilities": int(status["CapEff"], 16),
    "no_new_privs": status["NoNewPrivs"],
    "writable": [folder for folder in ("/", os.environ["PYTHONPATH"], "/etc", "/tmp") if writable(folder)],
    "sandbox": importlib.util.find_spec("neon_sandbox") is not None,
    "foreign": [p for p in places if "site-packages" in p or "dist-packages" in p],
    "operator": neon_tenants.__file__,
}))
"""


async def test_the_pod_can_do_little(file_set: Path, tmp_path: Path) -> None:
    """Read-only, without privilege; and all modules are those of the file set or of Python itself."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    pod = Pod(file_set, secrets)
    process = await asyncio.create_subprocess_exec(
        *pod.argv("python3", "-c", PROBE), env=pod.env(), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    found = json.loads(output)
    assert not found["sandbox"]
    assert found["operator"].startswith(pod.env()["PYTHONPATH"])
    if pod.confined:
        assert found["ids"] == [65532, 65532, []]
        assert (found["capabilities"], found["no_new_privs"]) == (0, "1")
        assert found["writable"] == ["/tmp"]
        assert found["foreign"] == []
    else:
        assert found["ids"][0] != 0
        assert found["capabilities"] == 0
        assert pod.env()["PYTHONPATH"] not in found["writable"]


async def test_the_operator_of_the_image_makes_a_tenant_ready(file_set: Path, unconnected: Scene) -> None:
    before = image.digests(file_set)
    secrets = unconnected.folder / "secrets"
    secrets.mkdir()
    (secrets / "api-key").write_text(unconnected.key_file.read_text())
    account = unconnected.folder / "account"
    token = await installation.token_of(unconnected.plane)
    installation.mount_service_account(
        unconnected.plane, account, token=token, namespace=installation.NAMESPACE
    )
    pod = Pod(file_set, secrets, account)
    settings = {
        **unconnected.settings(**FAST),
        "api_key_file": f"{pod.secret_folder}/api-key",
    }
    variables = {f"NEON_TENANTS_{name.upper()}": value for name, value in settings.items()}
    variables |= installation.as_pod(unconnected.plane, account)
    if pod.confined:
        del variables["NEON_TENANTS_SERVICE_ACCOUNT_PATH"]  # there it is where the operator looks by itself
    _, _, final = image.dockerfile()
    child = await Child.start(
        "the operator of the image",
        pod.argv(*final.words("ENTRYPOINT"), *final.words("CMD")),
        log=unconnected.folder / "image.log",
        env=pod.env(**variables),
        cwd=unconnected.folder,
    )
    unconnected.operators.append(child)
    try:
        await unconnected.create()
        await unconnected.cluster.until_ready()
        child.check()
    finally:
        await child.stop(grace=30.0)
    assert await child.wait() == 0
    assert image.digests(file_set) == before
