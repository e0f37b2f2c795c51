"""Who asked the API server for what: the audit log's policy, and its reader."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    # One line per request, when it is over; a watch's line comes when the watch ends.
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "omitManagedFields": True,
    "rules": [
        {"level": "None", "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*"]},
        # The control plane's own reads are most of all reads, and nobody's question.
        {
            "level": "None",
            "users": ["system:apiserver", "system:kube-controller-manager"],
            "verbs": ["get", "list", "watch"],
        },
        # Enough to replay the whole life of each of our resources. No other kind: a Secret has a body, too.
        {
            "level": "RequestResponse",
            "verbs": ["create", "update", "patch", "delete", "deletecollection"],
            "resources": [{"group": "neontenants.io"}],
        },
        {"level": "Metadata"},
    ],
}
"""What is recorded: everything but probes and the control plane's own reads. Bodies only of writes to our
own resources, which hold no secrets; of them all, so that a test may look."""


@dataclass(frozen=True)
class Request:
    """One request.

    Empty strings stand for what it does not have: a list has no name, discovery no resource.
    """

    user: str
    user_agent: str
    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    code: int
    uri: str

    @property
    def is_write(self) -> bool:
        """Whether it asks for a change (refused and dry-run requests included)."""
        return self.verb not in {"get", "list", "watch"}


def read(log: Path, start: int = 0) -> Iterator[Request]:
    """The requests in `log`, in the order of their ends, from the byte `start` on.

    A line is written just after the answer was sent: poll with a deadline for one that must be there.
    """
    if not log.exists():
        return
    with log.open("rb") as file:
        if start:
            # A line may have been half written where somebody took the size: it was before.
            file.seek(start - 1)
            file.readline()
        for line in file:
            if line.endswith(b"\n"):  # otherwise it is still being written
                yield _request(json.loads(line))


def _request(event: dict[str, Any]) -> Request:
    target = event.get("objectRef", {})
    return Request(
        user=event.get("user", {}).get("username", ""),
        user_agent=event.get("userAgent", ""),
        verb=event["verb"],
        group=target.get("apiGroup", ""),
        resource=target.get("resource", ""),
        subresource=target.get("subresource", ""),
        namespace=target.get("namespace", ""),
        name=target.get("name", ""),
        code=event.get("responseStatus", {}).get("code", 0),
        uri=event["requestURI"],
    )
