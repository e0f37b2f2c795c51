"""What the benchmarks know as the least that Python takes makes a create's requests, and no others."""

from __future__ import annotations

import signal

import pytest

from measuring import ground_of
from neon_sandbox.bench.ground import OPERATOR_USER, Ground
from neon_sandbox.bench.program import LEAST
from neon_sandbox.child import ChildFailedError
from neon_sandbox.controlplane.audit import Request
from waiting import until

FEW = "few"
TENANTS = [f"t{number}" for number in range(8)]


def asked(ground: Ground) -> list[Request]:
    """In the namespace; refused ones included."""
    found = ground.plane.requests()
    return [each for each in found if each.user == OPERATOR_USER and each.namespace == FEW]


async def test_a_create_costs_a_read_three_writes_and_a_post() -> None:
    async with ground_of(LEAST, FEW) as ground:
        async with ground.unlimited("least"):
            await ground.create_many(FEW, TENANTS)
            await ground.until(lambda: ground.readied[FEW] == len(TENANTS))

            async def told() -> bool:
                return len(asked(ground)) >= 4 * len(TENANTS)

            await until(told, "the audit log tells of all requests")
        assert sum(request.is_write for request in asked(ground)) == 3 * len(TENANTS)
        assert len(asked(ground)) == 4 * len(TENANTS)
        warm_up = 1
        assert ground.neon.requests.count("POST", "/projects") == len(TENANTS) + warm_up
        assert ground.neon.requests.count() == len(TENANTS) + warm_up
        projects = [project["id"] for project in ground.neon.projects()]
        for name in TENANTS:
            path = f"/apis/neontenants.io/v1alpha1/namespaces/{FEW}/tenantdatabases/{name}"
            assert (await ground.request("GET", path))["status"]["projectId"] in projects


async def test_a_measurement_ends_with_what_it_measures() -> None:
    """Else it would wait for ever for tenants that nobody makes Ready."""
    async with ground_of(LEAST) as ground, ground.unlimited("least") as child:
        child.send(signal.SIGKILL)
        with pytest.raises(ChildFailedError, match="ended with status -9"):
            await ground.until(lambda: False)
