"""Kubernetes events: aggregated, rate-limited, and never in the way of the work."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Self

from neon_tenants.api import names
from neon_tenants.core.entitlement import Tier
from neon_tenants.core.event import Event
from neon_tenants.core.observed import Tenant
from neon_tenants.kube.client import KubeClient
from neon_tenants.kube.errors import KubeError

logger = logging.getLogger(__name__)

REPEAT_AFTER: Final = 600.0
"""Seconds within which the same words about the same resource are said once."""
BURST: Final = 25
PER_SECOND: Final = 1.0
"""Events of this process; more are dropped, since the status tells the same. client-go uses 25 as well."""
REMEMBERED: Final = 4096
MAX_NOTE: Final = 1024
"""Characters; a rule of events.k8s.io/v1."""
CONTROLLER: Final = "neontenants.io/operator"


CLUSTER_NAMESPACE: Final = "default"
"""Where events about cluster-scoped objects stand; `kubectl describe` looks there, too."""


@dataclass(frozen=True, slots=True)
class Regarding:
    """The object that an event is about."""

    kind: str
    name: str
    uid: str
    resource_version: str
    namespace: str = ""
    """Empty for a cluster-scoped one."""

    @classmethod
    def of_tenant(cls, tenant: Tenant) -> Self:
        """A TenantDatabase."""
        version = tenant.resource_version
        return cls(names.TENANT_DATABASE, tenant.name, tenant.uid, version, tenant.namespace)

    @classmethod
    def of_tier(cls, tier: Tier) -> Self:
        """A DatabaseTier."""
        return cls(names.DATABASE_TIER, tier.name, tier.uid, tier.resource_version)


class EventFilter:
    """Which events are worth a write, by a clock that is told.

    | event | worth it |
    |---|---|
    | the same words about the same resource within `REPEAT_AFTER` | no |
    | more than `BURST` at once and `PER_SECOND` after that | no |
    | else | yes |
    """

    def __init__(self, now: float) -> None:
        self._said: OrderedDict[tuple[str, str, str], float] = OrderedDict()
        self._tokens = float(BURST)
        self._filled_at = now

    def passes(self, uid: str, event: Event, now: float) -> bool:
        """Whether to post the event now; it then counts as said."""
        key = (uid, event.reason.value, event.message)
        said_at = self._said.get(key)
        if said_at is not None and now - said_at < REPEAT_AFTER:
            return False
        self._tokens = min(float(BURST), self._tokens + (now - self._filled_at) * PER_SECOND)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        self._said[key] = now
        self._said.move_to_end(key)
        if len(self._said) > REMEMBERED:
            self._said.popitem(last=False)
        return True


class Events:
    """Posts events.k8s.io/v1 events about our resources."""

    def __init__(
        self, kube: KubeClient, *, instance: str, clock: Callable[[], float], token: Callable[[], str]
    ) -> None:
        self._kube = kube
        self._instance = instance[:128]
        self._clock = clock
        self._token = token
        self._filter = EventFilter(clock())

    async def post(self, about: Regarding, event: Event) -> None:
        """Posts the event, unless it was said a moment ago or there are too many.

        An event that the API server refuses is logged and let go: the status has said it all.
        """
        if not self._filter.passes(about.uid, event, self._clock()):
            return
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        namespace = about.namespace or CLUSTER_NAMESPACE
        regarding = {
            "apiVersion": names.API_VERSION,
            "kind": about.kind,
            "name": about.name,
            "uid": about.uid,
            "resourceVersion": about.resource_version,
        }
        body = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": f"{about.name}.{self._token()}", "namespace": namespace},
            "eventTime": now,
            "type": "Warning" if event.warning else "Normal",
            "reason": event.reason.value,
            "action": "Reconcile",
            "note": event.message[:MAX_NOTE],
            "regarding": regarding | ({"namespace": about.namespace} if about.namespace else {}),
            "reportingController": CONTROLLER,
            "reportingInstance": self._instance,
        }
        path = "/apis/events.k8s.io/v1/namespaces/{namespace}/events"
        try:
            await self._kube.request("post an event", "POST", path, {"namespace": namespace}, body=body)
        except KubeError as error:
            logger.info("An event was not posted: %s", error)
