"""When a compute may change its size."""

from __future__ import annotations

from typing import Any

import pytest

import builders as a
from neon_tenants.api.tenant_database import AppliedTier
from neon_tenants.core.observed import Observed
from neon_tenants.core.project import MAX_CU, SUSPEND, Endpoint
from neon_tenants.core.resize import waiting, waits

DIFFERING = frozenset({MAX_CU, SUSPEND})
WAITING = AppliedTier(name="free", generation=2, waiting=[MAX_CU])


def pending(spec: dict[str, Any] | None = None, **changes: Any) -> Observed:
    """A rollout brings the second generation of its tier to a tenant."""
    tier = a.tier(generation=2, **changes.pop("tier", {}))
    tenant = a.tenant(spec, status=a.status(**changes.pop("status", {})), **changes)
    return a.observed(tenant=tenant, tier=tier, endpoints=(a.endpoint(),))


OWN_SIZE = {"overrides": {"compute": {"maxCU": 2}}}
ROWS: dict[str, tuple[Observed, Endpoint, frozenset[str]]] = {
    "1 idle": (pending(), a.endpoint(idle=True), frozenset()),
    "2 disabled": (pending(), a.endpoint(disabled=True), frozenset()),
    "2 about to be": (pending({"state": "Suspended"}), a.endpoint(), frozenset()),
    "3 moved by a person": (
        a.observed(tenant=a.tenant({"tier": "pro"}, status=a.status()), tier=a.tier("pro")),
        a.endpoint(),
        frozenset(),
    ),
    "3 changed past us": (a.observed(tenant=a.tenant(status=a.status())), a.endpoint(), frozenset()),
    "3 no tier": (a.observed(tier=None), a.endpoint(), frozenset()),
    "4 immediately": (
        pending(tier={"rollout": {"compute": "Immediately"}}),
        a.endpoint(),
        frozenset(),
    ),
    "5 a person's own size": (pending(OWN_SIZE, generation=2), a.endpoint(), frozenset()),
    "6 a person's own size of before": (pending(OWN_SIZE), a.endpoint(), frozenset({MAX_CU})),
    "6 a person's own of something else": (
        pending({"overrides": {"quota": {"writtenData": "1Gi"}}}, generation=2),
        a.endpoint(),
        frozenset({MAX_CU}),
    ),
    "6 a rollout": (pending(tier={"rollout": {"compute": "WhenIdle"}}), a.endpoint(), frozenset({MAX_CU})),
    "6 a rollout that waits": (pending(status={"tier": WAITING}), a.endpoint(), frozenset({MAX_CU})),
}


@pytest.mark.parametrize(("observed", "endpoint", "later"), ROWS.values(), ids=ROWS.keys())
def test_a_size_waits(observed: Observed, endpoint: Endpoint, later: frozenset[str]) -> None:
    assert waits(observed, endpoint, DIFFERING) == later


def test_what_waits_is_seen_at_the_computes_or_else_in_the_status() -> None:
    bigger = a.LIMITS.__class__(a.LIMITS.quota, a.LIMITS.compute.__class__(0.25, 2, 300), 0)
    assert waiting(pending(), bigger) == {MAX_CU}
    unread = a.observed(tenant=a.tenant(status=a.status(tier=WAITING)), tier=a.tier(generation=2))
    assert waiting(unread, bigger) == {MAX_CU}
    assert unread.owed == {MAX_CU}
    assert (
        a.observed(tenant=a.tenant(status=a.status(tier=WAITING)), tier=a.tier(generation=3)).owed
        == frozenset()
    )
    assert a.observed(tier=None).owed == frozenset()
