"""What was used between two moments: by the operators, by the API server, and of both of its servers."""

from __future__ import annotations

import time
from collections import Counter
from typing import Final

from neon_sandbox.bench.ground import OPERATOR_USER, WARM_UP, Ground
from neon_sandbox.bench.processes import cpu_seconds, peak_megabytes
from neon_sandbox.child import Child
from neon_sandbox.controlplane.release import ETCD, KUBE_APISERVER

Figures = dict[str, float]
"""By name; the unit is in it."""
_LIST: Final = ("GET", "/projects")
_OWN: Final = frozenset({"tenantdatabases", "secrets"})
"""What a tenant has of its own. Others are the tier's status and events, whatever the number of tenants; and
those that warm up share the tier."""


class Window:
    """From its making on; of the operator also what came before, if asked for."""

    def __init__(self, ground: Ground, *operators: Child, since_birth: bool = False) -> None:
        self._ground = ground
        self._pids = {
            "operator": [operator.pid for operator in operators],
            "api_server": [ground.plane.pids[KUBE_APISERVER]],
            "etcd": [ground.plane.pids[ETCD]],
        }
        self._bytes = ground.plane.audit_log.stat().st_size if ground.plane.audit_log.exists() else 0
        self._requests = Counter(ground.neon.requests.counters)
        self._used = self._cpu()
        if since_birth:
            self._used["operator"] = 0.0
        self._load = time.process_time()
        self._began = time.monotonic()

    def close(self, tenants: int) -> Figures:
        """All figures until now, some of them by tenant."""
        seconds = time.monotonic() - self._began
        load = time.process_time() - self._load
        used = {name: seconds - self._used[name] for name, seconds in self._cpu().items()}
        each = max(tenants, 1)
        figures = {
            "seconds": seconds,
            "tenants_per_second": tenants / seconds,
            **{f"{name}_cpu_seconds": value for name, value in used.items()},
            "load_and_emulator_cpu_seconds": load,
            "operator_cpu_ms_per_tenant": used["operator"] * 1000 / each,
            "api_server_cpu_ms_per_tenant": used["api_server"] * 1000 / each,
            "operator_to_api_server_cpu": used["operator"] / max(used["api_server"], 0.01),
            "api_server_cores": used["api_server"] / seconds,
            "peak_mb": max(map(peak_megabytes, self._pids["operator"])),
        }
        return figures | self._kubernetes(each) | self._neon(each)

    def _cpu(self) -> Figures:
        return {name: sum(map(cpu_seconds, pids)) for name, pids in self._pids.items()}

    def _kubernetes(self, each: int) -> Figures:
        asked = [
            request for request in self._ground.plane.requests(self._bytes) if request.user == OPERATOR_USER
        ]
        found = Counter(
            "leases" if request.resource == "leases" else "writes" if request.is_write else "reads"
            for request in asked
        )
        own = sum(
            request.is_write and request.resource in _OWN and request.namespace != WARM_UP
            for request in asked
        )
        return {
            "kubernetes_writes": found["writes"],
            "lease_requests": found["leases"],
            "kubernetes_writes_per_tenant": found["writes"] / each,
            "kubernetes_writes_of_a_tenant": own / each,
            "kubernetes_reads_per_tenant": found["reads"] / each,
        }

    def _neon(self, each: int) -> Figures:
        asked = Counter(self._ground.neon.requests.counters) - self._requests
        refused = sum(number for (_, _, status), number in asked.items() if status == 429)
        lists = sum(number for (method, route, _), number in asked.items() if (method, route) == _LIST)
        return {
            "neon_requests": asked.total(),
            "neon_requests_per_tenant": asked.total() / each,
            "neon_lists": lists,
            "neon_refused": refused,
        }
