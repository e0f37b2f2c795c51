"""A story, played in a world of its own; and the verdict on it."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import httpx
import psycopg

from cluster import RefusedError, condition, decoded
from fault import no_faults
from life.acting import ROW, Actor, asked, console_uri
from life.ledger import Ledger, Object
from life.story import Story
from life.verdict import GROUP, Seen, complaints, left_behind, secret_name, unanswered
from neon_sandbox.controlplane import ControlPlane
from neon_sandbox.emulator.postgres.server import PostgresServer
from scene import Scene, example_tier, playing, query
from sweep.seeds import Mixed
from waiting import PATIENCE, until
from wire import Traffic
from wired import reviving, wired

SETTINGS: Final = {
    "request_timeout": "1",
    "intent_lifetime": "6",
    "retry_max": "1",
    "sweep_interval": "2",
    "resync_interval": "5",
}
CHANCE: Final = 0.04
UNTIL: Final = 250
"""Requests, of which about ten are spoiled."""


async def play(plane: ControlPlane, postgres: PostgresServer, folder: Path, story: Story) -> list[str]:
    """What did not hold at the end of the story; nothing, if all was well."""
    async with playing(plane, postgres, folder) as scene:
        for tier in ("free", "pro"):
            await scene.create_tier(tier, example_tier(tier))
        bystanders = await _bystanders(scene)
        async with wired(scene) as traffic:
            await scene.start_operator(**SETTINGS)
            async with reviving(scene, traffic, **SETTINGS):
                actor = Actor(scene, traffic)
                traffic.begin(Mixed(story.faults, CHANCE, UNTIL) if story.faults else no_faults)
                for act in story.acts:
                    await actor.do(act)
                traffic.begin()  # the faults stop
                found = await _converged(scene, traffic, actor, set(bystanders))
            await scene.stop_operators()
        if not found:
            found = await _data(scene, actor.ledger)
        after = {id_: project for id_, project in _projects(scene).items() if id_ in bystanders}
        if after != bystanders:
            found.append(f"a bystander's project was touched: {after} was {bystanders}")
        return found


async def _bystanders(scene: Scene) -> dict[str, Object]:
    """Projects of others in the same organization, whose names are nearly like ours."""
    for name in ("acme", f"{scene.namespace}-one-{scene.prefix}-aaaaaaaaaa-released"):
        answer = await asked(scene, "POST", "/projects", project={"name": name})
        assert answer.is_success, answer.text
    await scene.until_idle()
    return _projects(scene)


def _projects(scene: Scene) -> dict[str, Object]:
    return {project["id"]: project for project in scene.neon.projects()}


async def _converged(scene: Scene, traffic: Traffic, actor: Actor, bystanders: set[str]) -> list[str]:
    """Waits until all holds, and looks whether it still does after one more thorough look."""
    ledger = actor.ledger

    async def settled(look: str) -> list[str]:
        last: list[str] = []

        async def well() -> bool:
            seen = await _seen(scene, bystanders)
            last[:] = [*complaints(seen, ledger), *unanswered(seen, look)]
            return not last

        try:
            await until(well, "all holds", every=0.3)
        except AssertionError:
            return [f"after {PATIENCE:g} s: {wrong}" for wrong in last]
        return []

    for look in ("first", "second"):
        for tenant in await scene.cluster.list("TenantDatabase"):
            ledger.saw(tenant)
            try:
                await scene.annotate(tenant["metadata"]["name"], reconcile_requested_at=look)
            except RefusedError as error:
                if error.status != 404:  # its deletion ended meanwhile: there is nothing to look at
                    raise
        if found := await settled(look):
            return found
    seen = await _seen(scene, bystanders)
    return await _logins(scene, seen, ledger) + await _orphans(scene, seen, ledger)


async def _seen(scene: Scene, bystanders: set[str]) -> Seen:
    tenants = await scene.cluster.list("TenantDatabase")
    secrets = {secret["metadata"]["name"]: secret for secret in await scene.cluster.list("Secret")}
    projects = [p for p in scene.neon.projects() if p["id"] not in bystanders]
    ended = [await operator.wait() for operator in scene.operators if not operator.running]
    return Seen(tenants, secrets, projects, scene.prefix, crashed=-signal.SIGKILL in ended)


async def _logins(scene: Scene, seen: Seen, ledger: Ledger) -> list[str]:
    """Whoever is Available logs in, to its own data."""
    found = []
    for tenant in seen.tenants:
        name, id_ = tenant["metadata"]["name"], tenant["status"].get("projectId")
        if condition(tenant, "Available")["status"] != "True":
            continue
        if tenant["metadata"].get("annotations", {}).get(f"{GROUP}/paused") == "true":
            continue  # hands off: nobody has looked
        secret = seen.secrets.get(secret_name(tenant))
        uri = decoded(secret).get("uri") if secret else None
        if uri is None:
            found.append(f"{name} is Available without a login in its Secret")
            continue
        found += [f"{name} is Available and {wrong}" for wrong in await _row(uri, ledger.rows.get(id_))]
    return found


async def _row(uri: str, row: str | None) -> list[str]:
    """What is wrong with the data behind a login."""
    try:
        if await query(uri, "SELECT to_regclass('kept')::text") is None:
            return [] if row is None else ["its data is gone"]
        kept = await query(uri, ROW)
    except psycopg.Error as error:
        return [f"its login does not work: {type(error).__name__}"]
    return [] if row is None or kept == row else [f"it reads {kept} for {row}"]


async def _orphans(scene: Scene, seen: Seen, ledger: Ledger) -> list[str]:
    """What a stripped finalizer leaves is told to an administrator."""
    expected = left_behind(seen, ledger)
    if not expected:
        return []
    for project in scene.neon.store:
        project.created_at -= 7200  # younger ones are not judged
    told: list[set[str]] = []

    async def all_told() -> bool:
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.get(f"{await scene.address()}/v1/orphans")
        body = answer.json() if answer.is_success else {"orphans": []}
        told.append({orphan["project_id"] for orphan in body["orphans"]})
        return expected <= told[-1]

    try:
        await until(all_told, "the orphans are told", every=0.3)
    except AssertionError:
        return [f"the orphan report lacks {expected - told[-1]}"]
    finally:
        for project in scene.neon.store:
            project.created_at += 7200
    return []


async def _data(scene: Scene, ledger: Ledger) -> list[str]:
    """Every database that lives still has its data, also behind a disabled compute."""
    found = []
    for project in scene.projects():
        if project["id"] not in ledger.rows:
            continue
        for endpoint in project["endpoints"]:
            if endpoint["disabled"]:
                path = f"/projects/{project['id']}/endpoints/{endpoint['id']}"
                await scene.console("PATCH", path, endpoint={"disabled": False})
        await scene.until_idle()
        uri = await console_uri(scene, project["id"])
        assert uri is not None
        wrong = await _row(uri, ledger.rows[project["id"]])
        found += [f"the project {project['id']} lives, and {each}" for each in wrong]
    return found


async def shrunk(
    story: Story, fails: Callable[[list[Story]], Awaitable[list[bool]]], *, rounds: int
) -> Story:
    """A shorter story that fails as well: each round plays all that are shorter, side by side."""
    for _ in range(rounds):
        shorter = story.shorter()
        smaller = next((s for s, bad in zip(shorter, await fails(shorter), strict=True) if bad), None)
        if smaller is None:
            break
        story = smaller
    return story
