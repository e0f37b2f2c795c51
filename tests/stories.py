"""Short lives of one tenant, each with the one trouble that a rule of the protocol is for.

A story is the same for the operator that ships and for one that is broken: it waits for what either of them
does, and ends at rest.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from cluster import condition, is_ready
from neon_sandbox.emulator.scripts import Script
from prober import probing
from scene import Scene
from waiting import until

FINALIZER: Final = "neontenants.io/project"
HOUR: Final = 3600.0
"""Of the emulator's clock: what a script delays by it waits until the story moves the clock."""
QUICK: Final = {"intent_lifetime": "8", "request_timeout": "1", "retry_max": "1", "grace": "1"}
SHORT: Final = {"intent_lifetime": "2", "request_timeout": "0.5", "retry_max": "1"}
PATIENT: Final = {"intent_lifetime": "120", "request_timeout": "30", "retry_max": "1"}


@dataclass(frozen=True)
class Telling:
    """A scene, and the operator that the story is about."""

    scene: Scene
    broken: str | None
    """The module that breaks it; None is the one that ships."""

    async def operator(self, **settings: str) -> None:
        await self.scene.start_operator(before=self.broken, **settings)

    async def until_any(self, what: str, *conditions: Callable[[], Awaitable[Any]]) -> None:
        """Waits until one of these is true."""

        async def one() -> bool:
            return any([await condition() for condition in conditions])

        await until(one, what)

    async def gone(self) -> bool:
        return await self.scene.cluster.get("TenantDatabase", "acme") is None

    async def ready(self) -> bool:
        found = await self.scene.cluster.get("TenantDatabase", "acme")
        return found is not None and is_ready(found)

    def says(self, reason: str) -> Callable[[], Awaitable[bool]]:
        async def said() -> bool:
            return bool(condition(await self.scene.cluster.tenant(), "Ready")["reason"] == reason)

        return said

    async def held(self) -> bool:
        """Whether a deletion waits for a person."""
        found = await self.scene.cluster.get("TenantDatabase", "acme")
        marked = found is not None and "deletionTimestamp" in found["metadata"]
        stalled = condition(found or {}, "Stalled")
        observed = stalled.get("observedGeneration") == (found or {}).get("metadata", {}).get("generation")
        return marked and observed and stalled["status"] == "True"

    def asked(self, method: str, route: str, times: int) -> Callable[[], Awaitable[bool]]:
        """Whether Neon has answered so many such requests."""

        async def answered() -> bool:
            return self.scene.requests(method, route) >= times

        return answered

    async def kill(self) -> None:
        operator = self.scene.operators[-1]
        operator.send(signal.SIGKILL)
        await operator.wait()

    async def create_that_lands_late(self, **settings: str) -> None:
        """The create is under way, and takes effect when the emulator's clock is moved."""
        self.scene.neon.answers.add(Script(method="POST", route="/projects", delay_before=HOUR))
        await self.operator(**settings)
        await self.scene.create()
        await self.scene.until_scripts_met()

    async def land(self) -> None:
        """It takes effect now."""
        landed = self.scene.requests("POST", "/projects") + 1
        self.scene.neon.clock.advance(HOUR)
        await self.until_any("the create has landed", self.asked("POST", "/projects", landed))


Story = Callable[[Telling], Awaitable[None]]


async def killed_while_the_create_is_under_way(telling: Telling) -> None:
    """Another operator takes over, and looks before the project is there."""
    await telling.create_that_lands_late(**PATIENT)
    await telling.kill()
    lookups = telling.scene.requests("GET", "/projects")
    await telling.operator(**PATIENT)
    # Who waits finds the project when it lands. Who does not wait decides now, by what it has seen.
    await telling.until_any("the other one has looked", telling.asked("GET", "/projects", lookups + 1))
    await telling.land()
    await telling.until_any("it is ready", telling.ready)


async def deleted_while_the_create_is_under_way(telling: Telling) -> None:
    """The answer is given up, the resource is deleted, and then the project lands."""
    await telling.create_that_lands_late(**QUICK)
    lookups = telling.scene.requests("GET", "/projects")
    await telling.scene.cluster.delete("TenantDatabase", "acme")
    await telling.until_any("it has looked", telling.gone, telling.asked("GET", "/projects", lookups + 1))
    await telling.land()
    await telling.until_any("the resource is gone", telling.gone)


async def deleted_while_the_list_is_incomplete(telling: Telling) -> None:
    """A create is cut off, and the list does not show what it made until an intent's lifetime is over."""
    scene = telling.scene
    scene.neon.answers.add(Script(method="POST", route="/projects", delay_after=HOUR))
    await telling.operator(**SHORT)
    await scene.create()

    async def made() -> bool:
        return bool(scene.projects())

    await until(made, "the project is made")
    await telling.kill()
    scene.neon.knobs.unavailable_project_ids = [scene.project()["id"]]
    await scene.cluster.delete("TenantDatabase", "acme")
    lookups = scene.requests("GET", "/projects")
    await telling.operator(**SHORT)
    await telling.until_any("it has looked", telling.asked("GET", "/projects", lookups + 1))
    over = time.monotonic() + 2 * float(SHORT["intent_lifetime"])

    async def nothing_is_alive() -> bool:
        return time.monotonic() > over

    await telling.until_any("nothing holds it but the list", telling.gone, nothing_is_alive)
    scene.neon.knobs.unavailable_project_ids = []
    await telling.until_any("the resource is gone", telling.gone)


async def two_operators_see_it_at_once(telling: Telling) -> None:
    """Both have read the resource and wait for Neon's list."""
    scene = telling.scene
    await asyncio.gather(telling.operator(**PATIENT), telling.operator(**PATIENT))
    scene.neon.answers.add(Script(method="GET", route="/projects", delay_after=HOUR, times=2))
    await scene.create()
    await telling.scene.until_scripts_met()
    scene.neon.clock.advance(HOUR)
    await telling.until_any("it is ready", telling.ready)


async def a_second_create_after_a_crash(telling: Telling) -> None:
    """The first one lands after its time, while the answer of the second is not known for certain."""
    scene = telling.scene
    settings = {"intent_lifetime": "4", "request_timeout": "1", "retry_max": "1"}
    await telling.create_that_lands_late(**settings)
    await telling.kill()
    scene.neon.answers.add(Script(method="POST", route="/projects", drop=True))
    await telling.operator(**settings)
    await telling.until_any("it found the second", telling.ready)
    await telling.land()
    over = time.monotonic() + 2 * float(settings["intent_lifetime"])

    async def one_is_left() -> bool:
        return len(scene.projects()) == 1

    async def nothing_is_alive() -> bool:
        return time.monotonic() > over

    await telling.until_any("one is left, or nobody looks any more", one_is_left, nothing_is_alive)


async def neon_is_slow_and_somebody_knocks(telling: Telling) -> None:
    """Neon works for a second after its answer, and the login is tried as soon as it is promised."""
    scene = telling.scene
    scene.neon.knobs.operation_seconds = 1
    async with probing(scene.cluster, scene.folder, every=0.05) as prober:
        await telling.operator(**PATIENT)
        await scene.create()
        await telling.until_any("it is ready", telling.ready)
        rounds = prober.rounds

        async def probed() -> bool:
            return prober.probes > 0 and prober.rounds >= rounds + 2

        await until(probed, "the login was tried")


async def the_secret_is_lost(telling: Telling) -> None:
    """A person deletes it, and asks for it again."""
    scene = telling.scene
    await telling.operator(**QUICK)
    await scene.create()
    await scene.cluster.until_ready()
    await scene.cluster.delete("Secret", "acme-database")
    await scene.annotate(reconcile_requested_at="1")
    await scene.cluster.until_tenant(
        "acme",
        lambda found: is_ready(found) and found["status"].get("lastHandledReconcileAt") == "1",
        "it is answered",
    )
    await scene.cluster.secret()


async def the_secrets_name_is_taken(telling: Telling) -> None:
    """By a Secret of the same type that somebody else made."""
    body = {"apiVersion": "v1", "kind": "Secret", "type": "servicebinding.io/postgresql"}
    metadata = {"name": "acme-database", "namespace": telling.scene.namespace}
    await telling.scene.cluster.create({**body, "metadata": metadata, "stringData": {"uri": "theirs"}})
    await telling.operator(**QUICK)
    await telling.scene.create()
    await telling.until_any("it is refused or ready", telling.ready, telling.says("SecretNotOurs"))


async def a_forged_status_names_a_stranger(telling: Telling) -> None:
    """Somebody writes the id of another cluster's project into the status, and the resource is deleted."""
    scene = telling.scene
    await telling.operator(**QUICK)
    await scene.create()
    await scene.cluster.until_ready()
    born = {"cluster": "elsewhere", "namespace": "x", "name": "y", "uid": "z"}
    annotations = {f"neontenants.io/{key}": value for key, value in born.items()}
    stranger = {"name": "somebody else's", "branch": {"annotations": annotations}}
    made = await scene.console("POST", "/projects", project=stranger)
    await scene.until_idle()
    forged = {"status": {"projectId": made["project"]["id"]}}
    await scene.cluster.patch("TenantDatabase", "acme", forged, subresource="/status")
    await scene.cluster.delete("TenantDatabase", "acme")
    await telling.until_any("it is held or gone", telling.gone, telling.held)


async def made_again_after_its_finalizer_was_taken(telling: Telling) -> None:
    """As in a cluster that is rebuilt: the same name, a new uid, and the old project still stands."""
    scene = telling.scene
    await telling.operator(**QUICK)
    await scene.create()
    await scene.cluster.until_ready()
    await scene.cluster.strip_and_delete()
    await telling.until_any("it is gone", telling.gone)
    await scene.create()
    await telling.until_any("it is held or ready", telling.ready, telling.says("PreviousProjectFound"))


async def its_project_vanishes(telling: Telling) -> None:
    """A person deletes it in Neon's console."""
    scene = telling.scene
    await telling.operator(**QUICK)
    await scene.create()
    await scene.cluster.until_ready()
    await scene.console("DELETE", f"/projects/{scene.project()['id']}")
    await scene.annotate(reconcile_requested_at="1")
    await telling.until_any(
        "it is missed or replaced", telling.says("ProjectMissing"), telling.asked("POST", "/projects", 2)
    )


async def deleted_with_the_policy_retain(telling: Telling) -> None:
    """The project is to be kept."""
    await telling.operator(**QUICK)
    await telling.scene.create(deletionPolicy="Retain")
    await telling.scene.cluster.until_ready()
    await telling.scene.cluster.delete("TenantDatabase", "acme")
    await telling.until_any("the resource is gone", telling.gone)
