"""FleetOperations: reads, and the status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from neon_tenants.api import names
from neon_tenants.api.fleet_operation import FleetOperationSpec, FleetOperationStatus
from neon_tenants.core.operation import Asked
from neon_tenants.core.timestamp import seconds
from neon_tenants.kube.client import KubeClient, add
from neon_tenants.kube.errors import NotFoundError

_OPERATION: Final = f"/apis/{names.API_VERSION}/{names.FLEET_OPERATIONS}/{{name}}"


def parse_operation(body: Mapping[str, Any]) -> Asked:
    """A FleetOperation from its JSON."""
    metadata = body["metadata"]
    return Asked(
        name=metadata["name"],
        uid=metadata["uid"],
        created=seconds(metadata["creationTimestamp"]),
        generation=metadata["generation"],
        spec=FleetOperationSpec.model_validate(body["spec"]),
        status=FleetOperationStatus.model_validate(body.get("status") or {}),
    )


class FleetOperations:
    """The FleetOperations of a cluster. All methods raise KubeError."""

    def __init__(self, kube: KubeClient) -> None:
        self._kube = kube

    async def get(self, name: str) -> Asked | None:
        """The operation as it is now; None where there is none."""
        try:
            body = await self._kube.request("read the FleetOperation", "GET", _OPERATION, {"name": name})
        except NotFoundError:
            return None
        return parse_operation(body)

    async def write_status(self, asked: Asked, status: FleetOperationStatus) -> None:
        """Replaces the status; NotFoundError or ConflictError where the operation is gone."""
        content = status.model_dump(mode="json", by_alias=True, exclude_none=True)
        await self._kube.patch(
            "write the FleetOperation's status",
            f"{_OPERATION}/status",
            {"name": asked.name},
            [add("/status", content)],
            uid=asked.uid,
        )
