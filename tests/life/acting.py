"""The acts, done: with kubectl's rights of cluster-admin, and in Neon's console."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

import httpx
import psycopg

from cluster import RefusedError, condition, is_ready
from life import story
from life.ledger import Ledger, Object
from life.story import Act
from scene import Scene, query
from wire import Traffic

GROUP: Final = "neontenants.io"
SETTLING: Final = 8.0
"""Seconds that a tenant gets to settle between two acts; faults may hold it up longer, and then so be it."""
SHARED: Final = "shared-database"
ROW: Final = "SELECT string_agg(token, ',') FROM kept"


class Actor:
    """Does the acts, and keeps the ledger. What cannot be done at the moment is left out."""

    def __init__(self, scene: Scene, traffic: Traffic) -> None:
        self._scene = scene
        self._cluster = scene.cluster
        self._traffic = traffic
        self._older: dict[str, Object] = {}
        self.ledger = Ledger()

    async def do(self, act: Act) -> None:
        """One act, and a look at what there is then."""
        match act.what:
            case story.CRASH:
                await self._traffic.kill()
                return
            case story.UPDATE:
                await self._traffic.ask_to_end()
                return
        words = act.what.split()
        doing: Callable[..., Awaitable[None]] = getattr(self, f"_{words[0]}")
        try:
            await doing(act.name, *words[1:])
        except RefusedError as error:
            # It is gone, or there already, or it changed meanwhile: as it happens to people.
            if error.status not in (404, 409, 422):
                raise
        await self.look()

    async def look(self) -> None:
        """Notes what there is; writes a row into each database that has become ready."""
        for tenant in await self._cluster.list("TenantDatabase"):
            self.ledger.saw(tenant)
            if is_ready(tenant) and condition(tenant, "Available")["status"] == "True":
                self._older.setdefault(tenant["metadata"]["name"], tenant)
                await self._write_row(tenant["status"]["projectId"])

    # --- users -----------------------------------------------------------------------------------------

    async def _create(self, name: str, tier: str, policy: str, *more: str) -> None:
        spec: dict[str, Any] = {"deletionPolicy": policy}
        if "protected" in more:
            spec["deletionProtection"] = True
        if "shared" in more:
            spec["connectionSecret"] = {"name": SHARED}
        await self._until_gone(name)
        await self._scene.create(name, tier, **spec)

    async def _tier(self, name: str, tier: str) -> None:
        await self._scene.change(name, tier=self._scene.tiers[tier])

    async def _override(self, name: str) -> None:
        await self._scene.change(name, overrides={"quota": {"storagePerBranch": "20Gi"}})

    async def _no(self, name: str, _override: str) -> None:
        await self._scene.change(name, overrides=None)

    async def _suspend(self, name: str) -> None:
        await self._scene.change(name, state="Suspended")

    async def _resume(self, name: str) -> None:
        await self._scene.change(name, state="Active")

    async def _protect(self, name: str) -> None:
        await self._scene.change(name, deletionProtection=True)

    async def _unprotect(self, name: str) -> None:
        await self._scene.change(name, deletionProtection=False)

    async def _policy(self, name: str, policy: str) -> None:
        await self._scene.change(name, deletionPolicy=policy)

    async def _pause(self, name: str) -> None:
        await self._scene.annotate(name, paused="true")

    async def _unpause(self, name: str) -> None:
        await self._scene.annotate(name, paused=None)

    async def _start(self, name: str, _empty: str) -> None:
        tenant = await self._cluster.get("TenantDatabase", name)
        message = condition(tenant, "Ready")["message"] if tenant else ""
        if token := re.search(r"start-empty=(\w+)", message):
            await self._scene.annotate(name, start_empty=token[1])

    async def _delete(self, name: str, *what: str) -> None:
        if what:
            await self._cluster.delete("Secret", await self._secret_name(name))
            return
        if tenant := await self._cluster.get("TenantDatabase", name):
            self.ledger.asked(tenant)
        answer = await self._cluster.delete("TenantDatabase", name)
        if tenant and answer["kind"] == "Status":
            self.ledger.unmarked.add(tenant["metadata"]["uid"])

    async def _settle(self, name: str) -> None:
        async def settled() -> bool:
            tenant = await self._cluster.get("TenantDatabase", name)
            if tenant is None:
                return True
            deleting = "deletionTimestamp" in tenant["metadata"]
            stalled = condition(tenant, "Stalled")["status"] == "True"
            return stalled or (is_ready(tenant) and not deleting)

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLING):
                while not await settled():
                    await asyncio.sleep(0.1)

    # --- harm ------------------------------------------------------------------------------------------

    async def _edit(self, name: str, _secret: str) -> None:
        secret = await self._secret_name(name)
        edited = await self._cluster.patch("Secret", secret, {"data": {"password": "bm8="}})
        if edited["metadata"]["uid"] in self.ledger.foreign:
            self.ledger.foreign[edited["metadata"]["uid"]] = edited

    async def _foreign(self, name: str, _secret: str) -> None:
        secret = await self._secret_name(name)
        with contextlib.suppress(RefusedError):
            await self._cluster.delete("Secret", secret)
        made = await self._cluster.create(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": secret, "namespace": self._scene.namespace},
                "stringData": {"mine": name},
            }
        )
        self.ledger.foreign[made["metadata"]["uid"]] = made

    async def _wipe(self, name: str, what: str) -> None:
        tenant = await self._cluster.get("TenantDatabase", name)
        if tenant is None:
            return
        if what == "status":
            self.ledger.wiped.add(tenant["metadata"]["uid"])
            tenant.pop("status")
            await self._put_status(tenant)
        else:
            gone = dict.fromkeys(tenant["metadata"].get("annotations", {}))
            await self._cluster.patch("TenantDatabase", name, {"metadata": {"annotations": gone}})

    async def _remove(self, name: str, _finalizer: str) -> None:
        tenant = await self._cluster.get("TenantDatabase", name)
        if tenant is None:
            return
        self.ledger.saw(tenant)
        self.ledger.stripped.add(tenant["metadata"]["uid"])
        await self._cluster.patch("TenantDatabase", name, {"metadata": {"finalizers": []}})

    async def _force(self, name: str, _deletion: str) -> None:
        """Deletes the resource and removes its finalizers, again where the operator was faster."""
        tenant = await self._cluster.get("TenantDatabase", name)
        if tenant is None:
            return
        self.ledger.stripped.add(tenant["metadata"]["uid"])
        self.ledger.asked(tenant)
        await self._cluster.delete("TenantDatabase", name)
        deleted = await self._cluster.get("TenantDatabase", name)
        if deleted is not None:
            self.ledger.saw(deleted)
            await self._cluster.patch("TenantDatabase", name, {"metadata": {"finalizers": []}})

    async def _restore(self, name: str) -> None:
        """The resource as it was when it was first ready: over the living one, or anew."""
        older = copy.deepcopy(self._older.get(name))
        if older is None:
            return
        living = await self._cluster.get("TenantDatabase", name)
        same = living is not None and living["metadata"]["uid"] == older["metadata"]["uid"]
        if living is not None:
            older["metadata"] |= {key: living["metadata"][key] for key in ("uid", "resourceVersion")}
            await self._cluster.replace(older)
            if same:  # another resource's status is nobody's to restore
                self.ledger.wiped.add(living["metadata"]["uid"])
                await self._put_status(older)
            return
        for key in ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"):
            older["metadata"].pop(key, None)
        await self._cluster.create(older)

    # --- Neon's console --------------------------------------------------------------------------------

    async def _console(self, name: str, what: str) -> None:
        wanted = what == "recover"
        project = next((p for p in self._projects(name) if bool(p["deleted_at"]) is wanted), None)
        if project is None:
            return
        path = f"/projects/{project['id']}"
        match what:
            case "rename":
                await self._ask("PATCH", path, project={"name": f"mine {name}"})
                self.ledger.renamed_by_hand.add(project["id"])
            case "delete":
                await self._ask("DELETE", path)
                self.ledger.deleted_by_hand.add(project["id"])
            case "recover":
                await self._ask("POST", f"{path}/recover")
                self.ledger.recovered_by_hand.add(project["id"])
            case "quota":
                quota = {"logical_size_bytes": 123456789}
                await self._ask("PATCH", path, project={"settings": {"quota": quota}})
            case _:
                branch = project["branches"][0]
                role = next(iter(branch["roles"]))
                await self._ask("POST", f"{path}/branches/{branch['id']}/roles/{role}/reset_password")

    def _projects(self, name: str) -> list[Object]:
        """Those that were made for resources of this name, newest first."""
        mine = [p for p in self._scene.neon.projects() if p["annotations"].get(f"{GROUP}/name") == name]
        return mine[::-1]

    async def _ask(self, method: str, path: str, **body: Any) -> None:
        """A person presses the button until Neon is free for it."""
        for _ in range(100):
            answer = await asked(self._scene, method, path, **body)
            if answer.status_code != 423:
                break
            await asyncio.sleep(0.05)
        if answer.status_code not in (404, 422):  # gone meanwhile, or not any more
            assert answer.is_success, answer.text

    # --- help ------------------------------------------------------------------------------------------

    async def _secret_name(self, name: str) -> str:
        tenant = await self._cluster.get("TenantDatabase", name)
        wishes = (tenant or {}).get("spec", {}).get("connectionSecret", {})
        return str(wishes.get("name", f"{name}-database"))

    async def _until_gone(self, name: str) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLING):
                while found := await self._cluster.get("TenantDatabase", name):
                    if "deletionTimestamp" not in found["metadata"]:
                        return
                    await asyncio.sleep(0.1)

    async def _put_status(self, tenant: Object) -> None:
        """Replaces the status by this one; whoever writes at the same time is older."""
        name = tenant["metadata"]["name"]
        status = tenant.get("status", {})
        found = await self._cluster.tenant(name)
        empty = dict.fromkeys(found.get("status", {}))
        await self._cluster.patch("TenantDatabase", name, {"status": empty | status}, subresource="/status")

    async def _write_row(self, project_id: str) -> None:
        if project_id in self.ledger.rows:
            return
        uri = await console_uri(self._scene, project_id)
        if uri is None:
            return
        try:
            await query(uri, "CREATE TABLE IF NOT EXISTS kept (token text)")
            await query(uri, f"INSERT INTO kept VALUES ('{project_id}')")  # noqa: S608 - Neon's own id
        except psycopg.Error:
            return  # suspended, or deleted, at this moment: then nobody relies on it
        self.ledger.rows[project_id] = project_id


async def asked(scene: Scene, method: str, path: str, **body: Any) -> httpx.Response:
    """A request of a person in Neon's console, whatever comes of it."""
    headers = {"Authorization": f"Bearer {scene.neon.api_key}"}
    async with httpx.AsyncClient(base_url=scene.neon.url, headers=headers, trust_env=False) as http:
        return await http.request(method, path, json=body or None)


async def console_uri(scene: Scene, project_id: str) -> str | None:
    """The login that Neon's console shows; None where there is none any more."""
    answer = await asked(
        scene, "GET", f"/projects/{project_id}/connection_uri?database_name=app&role_name=app_owner"
    )
    return str(answer.json()["uri"]) if answer.is_success else None
