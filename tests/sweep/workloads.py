"""What users and administrators do to one tenant, and how one sees that it is done.

A workload has a part before the faults begin, an act, and an end that must come whatever happens meanwhile.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from cluster import condition, is_ready
from fault import Request
from scene import Scene
from waiting import until
from wire import Traffic

NAME: Final = "acme"
SECRET: Final = "acme-database"

Act = Callable[[Scene, Traffic], Awaitable[None]]
Look = Callable[[Scene], Awaitable[None]]


@dataclass(frozen=True)
class Workload:
    """One thing that is done to a tenant."""

    name: str
    prepare: Look
    act: Act
    """Returns when it is asked for; what is asked for may take long."""
    ended: Look
    """Waits until it is done."""


async def _nothing(_scene: Scene) -> None:
    return


async def _ready(scene: Scene) -> None:
    """The spec of this moment is applied."""
    await scene.cluster.until_ready(NAME)


async def _one_tenant(scene: Scene) -> None:
    await scene.create()
    await _ready(scene)
    await scene.until_idle()


async def _retained(scene: Scene) -> None:
    await scene.create(deletionPolicy="Retain")
    await _ready(scene)


async def _gone(scene: Scene) -> None:
    await scene.cluster.until_gone("TenantDatabase", NAME)
    await scene.cluster.until_gone("Secret", SECRET)


async def _create(scene: Scene, _traffic: Traffic) -> None:
    await scene.create()


async def _change_tier(scene: Scene, _traffic: Traffic) -> None:
    await scene.change(tier=scene.tiers["pro"])


async def _suspend(scene: Scene, _traffic: Traffic) -> None:
    await scene.change(state="Suspended")


async def _delete(scene: Scene, _traffic: Traffic) -> None:
    await scene.cluster.delete("TenantDatabase", NAME)


async def _delete_while_creating(scene: Scene, traffic: Traffic) -> None:
    """The resource is deleted at the moment at which the POST of its project leaves."""

    async def at_the_post(request: Request) -> None:
        if request.kind == "POST projects" and traffic.before is not None:
            traffic.before = None
            await scene.cluster.delete("TenantDatabase", NAME)

    traffic.before = at_the_post
    await scene.create()

    async def deleted() -> bool:
        found = await scene.cluster.get("TenantDatabase", NAME)
        return found is None or "deletionTimestamp" in found["metadata"]

    await until(deleted, "the resource is deleted")


async def _edit_secret(scene: Scene, _traffic: Traffic) -> None:
    await scene.cluster.patch("Secret", SECRET, {"data": {"password": "bm8="}})
    await scene.annotate(reconcile_requested_at="the Secret was edited")


async def _answered(scene: Scene) -> None:
    """A thorough look was taken, and the tenant is ready."""
    await scene.cluster.until_tenant(
        NAME,
        lambda found: (
            is_ready(found)
            and found["status"].get("lastHandledReconcileAt")
            == found["metadata"]["annotations"]["neontenants.io/reconcile-requested-at"]
        ),
        f"{NAME} was looked at",
    )


async def _rename_by_hand(scene: Scene, _traffic: Traffic) -> None:
    await scene.console("PATCH", f"/projects/{scene.project()['id']}", project={"name": "mine"})
    await scene.annotate(reconcile_requested_at="the project was renamed")


async def _delete_by_hand(scene: Scene) -> None:
    await _one_tenant(scene)
    await scene.console("DELETE", f"/projects/{scene.project()['id']}")
    await scene.annotate(reconcile_requested_at="the project was deleted")
    await scene.cluster.until_reason("ProjectMissing")


async def _made_again(scene: Scene) -> None:
    """The resource lost its finalizer and was made again, while its project stands."""
    await _one_tenant(scene)
    await scene.cluster.strip_and_delete(NAME)
    await scene.create()
    await scene.cluster.until_reason("PreviousProjectFound")


def _operation(operation: str) -> Act:
    async def act(scene: Scene, _traffic: Traffic) -> None:
        await scene.ask_for("asked", operation, f"{scene.namespace}/{NAME}")

    return act


async def _operated(scene: Scene) -> None:
    """It succeeded; where Neon refused, it says so, and whoever asked asks again."""
    name = f"{scene.prefix}-asked"
    done = await scene.until_done(name)
    if done["status"]["phase"] == "Failed":
        (target,) = done["spec"]["targets"]
        done = await scene.operate("asked-again", done["spec"]["operation"], target)
    assert done["status"]["phase"] == "Succeeded", done["status"]
    await _ready(scene)


async def _suspended(scene: Scene) -> None:
    await scene.cluster.until_tenant(
        NAME,
        lambda found: is_ready(found) and condition(found, "Available")["reason"] == "Suspended",
        f"{NAME} is suspended",
    )


WORKLOADS: Final = {
    workload.name: workload
    for workload in (
        Workload("create", _nothing, _create, _ready),
        Workload("tier change", _one_tenant, _change_tier, _ready),
        Workload("suspend", _one_tenant, _suspend, _suspended),
        Workload("Secret repair", _one_tenant, _edit_secret, _answered),
        Workload("delete", _one_tenant, _delete, _gone),
        Workload("delete while creating", _nothing, _delete_while_creating, _gone),
        Workload("delete and retain", _retained, _delete, _gone),
        Workload("rename repair", _one_tenant, _rename_by_hand, _answered),
        Workload("rebind", _made_again, _operation("Rebind"), _operated),
        Workload("undelete", _delete_by_hand, _operation("Undelete"), _operated),
    )
}
