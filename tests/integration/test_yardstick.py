"""The controller in Go that the benchmarks compare with does the operator's work: 4 writes, then 1 and 1."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from measuring import ground_of
from neon_sandbox.bench.ground import OPERATOR_USER, Ground
from neon_sandbox.bench.program import SOURCES, yardstick
from neon_sandbox.bench.seeding import CLUSTER
from neon_sandbox.controlplane import module
from neon_tenants.api import names
from neon_tenants.api.tenant_database import ConnectionSecret
from neon_tenants.core.connection import Connection
from neon_tenants.core.marker import Certificate, Marker
from neon_tenants.core.secret import render
from waiting import until

FEW = "few"
HOURS = 77
"""Of compute time, once the tier has changed."""
TENANTS = [f"t{number}" for number in range(8)]

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(900),  # the first build, with nothing in Go's cache
    pytest.mark.skipif(shutil.which("go") is None, reason="needs a Go toolchain"),
]


def writes(ground: Ground) -> int:
    """All that were asked for in the namespace, refused ones included."""
    return sum(
        request.user == OPERATOR_USER and request.is_write and request.namespace == FEW
        for request in ground.plane.requests()
    )


async def after(ground: Ground, done: Callable[[], bool], each: int) -> None:
    """Waits until `done`, and until the audit log tells of so many writes a tenant, and never of more."""
    await ground.until(done)

    async def told() -> bool:
        found = writes(ground)
        assert found <= each * len(TENANTS)
        return found == each * len(TENANTS)

    await until(told, f"the tenants have cost {each} writes each")


def living(ground: Ground) -> list[dict[str, Any]]:
    """The projects of the tenants that are counted, as they truly are."""
    found = ground.neon.projects()
    return [each for each in found if each["name"].startswith(f"{FEW}-") and not each["deleted_at"]]


def texts(secret: dict[str, Any]) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}


async def is_as_the_operator_leaves_it(ground: Ground, tenants: Iterable[str]) -> None:
    base = f"/apis/neontenants.io/v1alpha1/namespaces/{FEW}/tenantdatabases"
    for name in tenants:
        tenant = await ground.request("GET", f"{base}/{name}")
        uid, status = tenant["metadata"]["uid"], tenant["status"]
        marker = Marker(CLUSTER, FEW, name, uid)
        project = ground.neon.store.project(status["projectId"])
        assert project.name == marker.project_name
        assert project.default_branch.annotations == Certificate.of(marker).annotations()
        secret = await ground.request("GET", f"/api/v1/namespaces/{FEW}/secrets/{status['binding']['name']}")
        found = texts(secret)
        login = Connection.parse(found["uri"], pooled_host=found["pooled-host"])
        rendered = render(login, ConnectionSecret(), uid=uid, name=name, project_id=status["projectId"])
        assert found == rendered.data
        assert secret["metadata"]["annotations"] == rendered.annotations
        assert secret["type"] == names.SECRET_TYPE
        assert [owner["uid"] for owner in secret["metadata"]["ownerReferences"]] == [uid]


async def test_a_life_costs_four_writes_one_and_one() -> None:
    async with ground_of(await yardstick(), FEW) as ground:
        async with ground.unlimited("yardstick"):
            await ground.create_many(FEW, TENANTS)
            await after(ground, lambda: ground.readied[FEW] == len(TENANTS), 4)
            await is_as_the_operator_leaves_it(ground, TENANTS)
            generation = await ground.change_tier({"quota": {"computeTime": f"{HOURS}h"}})
            await after(ground, lambda: ground.moved[FEW, generation] == len(TENANTS), 4 + 1)
            assert {project["settings"]["quota"]["compute_time_seconds"] for project in living(ground)} == {
                HOURS * 3600
            }
            await ground.delete_many(FEW, TENANTS)
            await after(ground, lambda: ground.gone[FEW] == len(TENANTS), 4 + 1 + 1)
        assert writes(ground) == (4 + 1 + 1) * len(TENANTS)
        assert not living(ground)
        warm_up = 1
        assert ground.neon.requests.count("POST", "/projects") == len(TENANTS) + warm_up
        assert ground.neon.requests.count("GET") == 0


def test_its_sources_are_formatted_and_vetted(tmp_path: Path) -> None:
    module.unpack(SOURCES, tmp_path)
    env = {**os.environ, "GOFLAGS": "-mod=readonly", "GOWORK": "off", "CGO_ENABLED": "0"}
    # Says on stderr what it downloads, where Go's cache is empty.
    subprocess.run(["go", "build", "-o", os.devnull, "."], cwd=tmp_path, env=env, check=True)
    for command in (["gofmt", "-l", "."], ["go", "vet", "."], ["go", "mod", "verify"]):
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), command
        if command[0] == "gofmt":
            assert done.stdout == ""
