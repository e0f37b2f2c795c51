"""One run: a world of its own, a workload, a script of faults, and what came of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from cluster import Object, condition, is_ready
from end_state import end_state, neon_writes
from evidence import verdict
from fault import At, Kills, Mode, Request, Script, no_faults
from neon_sandbox.controlplane import ControlPlane
from neon_sandbox.emulator.postgres.server import PostgresServer
from prober import probing
from scene import OPERATOR_USER, Scene, example_tier, playing, query
from sweep.workloads import NAME, SECRET, Workload
from waiting import until
from wire import Traffic
from wired import reviving, wired

SETTINGS: Final = {"request_timeout": "2", "intent_lifetime": "8", "retry_max": "1"}
EVENT: Final = "POST events"
"""Told after what it tells of, and at times not at all: a fault at one may never happen."""
STATUS: Final = "PATCH tenantdatabases/status"
PROBE_EVERY: Final = 1.0
"""Seconds between the logins of the prober: a dozen worlds share the machine."""
_POST: Final = "POST /projects"
_DELETE: Final = "DELETE /projects/{project_id}"
TOLD: Final = ("patch tenantdatabases/status", "create events")
"""Writes that tell: a fault is told with more of them."""


class NeverMetError(AssertionError):
    """The request that was to be spoiled did not come."""


@dataclass(frozen=True)
class Run:
    """What came of it."""

    requests: tuple[Request, ...]
    """What the operator asked between the act and the end."""
    injected: tuple[tuple[Request, Mode], ...]
    end: Object
    """The end state, without what differs between any two runs: ids, times, ports."""
    neon: Counter[str]
    """Writes that took effect on Neon between the act and the end, by kind."""
    kube: Counter[str]
    """Writes that the API server accepted from the operator meanwhile, by kind; without TOLD."""
    problems: tuple[str, ...]
    """What the API server's and Neon's own records say against it (tests/verdict)."""


async def play(
    plane: ControlPlane, postgres: PostgresServer, folder: Path, workload: Workload, script: Script
) -> Run:
    """Plays the workload. Raises AssertionError if its end does not come, or does not stay.

    Where the script is a fault at one request, and that does not come, it is a NeverMetError.
    """
    async with playing(plane, postgres, folder) as scene, wired(scene) as traffic:
        for tier in ("free", "pro"):
            await scene.create_tier(tier, example_tier(tier))
        await scene.start_operator(**SETTINGS)
        await workload.prepare(scene)
        await scene.until_idle()
        written, audited = neon_writes(scene), plane.audit_log.stat().st_size
        async with (
            probing(scene.cluster, scene.folder, every=PROBE_EVERY),
            reviving(scene, traffic, **SETTINGS),
        ):
            traffic.begin(script)
            await workload.act(scene, traffic)
            await workload.ended(scene)
            if isinstance(script, Kills):
                await _at_rest(scene, traffic, workload, len(script.at))
            if isinstance(script, At) and script.kind != EVENT and not traffic.injected:
                await _until_spoiled(traffic)
                await workload.ended(scene)
            requests, injected = tuple(traffic.requests), tuple(traffic.injected)
            traffic.begin()  # the faults stop
            end = await _end(scene)
            neon, kube = neon_writes(scene) - written, _kube_writes(scene, audited)
            await _stays(scene, end)
        problems = tuple((await verdict(scene)).problems)
        return Run(requests, injected, end, neon, kube, problems)


async def _until_spoiled(traffic: Traffic) -> None:
    try:
        await until(traffic.spoiled, "the fault happens")
    except AssertionError as error:
        raise NeverMetError(*error.args) from None


async def _at_rest(scene: Scene, traffic: Traffic, workload: Workload, kills: int) -> None:
    """The kills that no request has met, of so many in all."""
    while len(traffic.injected) < kills:
        traffic.script = no_faults
        await until(traffic.kill_at_rest, "an operator runs")
        await workload.ended(scene)


async def _end(scene: Scene) -> Object:
    """The end state, and whether the login works, where it is said to."""
    state = await end_state(scene, NAME)
    tenant = await scene.cluster.get("TenantDatabase", NAME)
    if tenant is not None and condition(tenant, "Available")["status"] == "True":
        state["login"] = await query((await scene.cluster.secret(SECRET))["uri"], "SELECT 1")
    return state


async def _stays(scene: Scene, end: Object) -> None:
    """A thorough look changes nothing but its own answer (I10)."""
    if end["tenant"] is None:
        return
    written, audited = neon_writes(scene), scene.plane.audit_log.stat().st_size
    await scene.annotate(reconcile_requested_at="at rest")

    def looked(found: Object) -> bool:
        answered: bool = found["status"].get("lastHandledReconcileAt") == "at rest"
        return answered and is_ready(found)

    await scene.cluster.until_tenant(NAME, looked, "a look was taken at rest")
    assert neon_writes(scene) == written, "Neon was written to at rest"
    assert not _kube_writes(scene, audited), "Kubernetes was written to at rest"
    after = await _end(scene)
    assert after == end, f"the end did not stay: {after} was {end}"


def _kube_writes(scene: Scene, start: int) -> Counter[str]:
    found: Counter[str] = Counter()
    for request in scene.plane.requests(start):
        ours = request.user == OPERATOR_USER and request.namespace == scene.namespace
        if ours and request.is_write and request.code < 300:
            sub = f"/{request.subresource}" if request.subresource else ""
            found[f"{request.verb} {request.resource}{sub}"] += 1
    for told in TOLD:
        del found[told]
    return found


def differences(run: Run, reference: Run) -> list[str]:
    """What is otherwise than in a run without faults; nothing, if all is well."""
    if reference.end["tenant"] is None and not run.neon[_POST]:
        reference = _without_create(reference)
    found = [
        f"{key}: {run.end.get(key)}, without faults {value}"
        for key, value in reference.end.items()
        if run.end.get(key) != value
    ]
    found += run.problems
    if run.neon != reference.neon:
        found.append(f"writes on Neon: {dict(run.neon)}, without faults {dict(reference.neon)}")
    # A crash between an intent and its POST costs another intent.
    allowed = reference.kube + Counter({"patch tenantdatabases": len(run.injected)})
    if more := run.kube - allowed:
        found.append(f"writes on Kubernetes: {dict(more)} more than without faults")
    return found


def _without_create(reference: Run) -> Run:
    """Where the resource is deleted before its project was made, none is made."""
    made = reference.neon[_POST]
    needless = Counter({_POST: made, _DELETE: made})
    end = {**reference.end, "deleted": reference.end["deleted"] - made}
    return replace(reference, neon=reference.neon - needless, end=end)
