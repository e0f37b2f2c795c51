"""Churn: what fifty tenants ask for in an hour, with a Neon that fails and watches that break."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

from cluster import RefusedError, is_ready
from fault import DONE, REFUSED, Mode, Request
from scene import Scene
from scraping import scrape, value
from waiting import until
from wire import Traffic

NAMES: Final = tuple(f"tenant-{number}" for number in range(50))
ACTS: Final = 5
"""At a time."""
PACE: Final = 1.0
"""Seconds from one time to the next: 300 acts a minute, which at a time scale of 1:10 are 30."""
FAILING: Final = 0.03
"""The part of Neon's requests that fail."""
CUT: Final = 20
"""All watches are cut off each so many times."""
SPOILED: Final = tuple(mode for mode in (*REFUSED, *DONE, Mode.NEVER_ARRIVES) if not mode.kills)


class Churn:
    """The acts of one soak, from one seed."""

    def __init__(self, scene: Scene, traffic: Traffic, dice: random.Random) -> None:
        self._scene = scene
        self._traffic = traffic
        self._dice = dice
        self._rounds = 0
        self.acts = 0
        self.failures = 0
        self.cuts = 0

    async def live(self, lasting: Callable[[], bool]) -> None:
        """Acts while it lasts."""
        self._traffic.begin(self._fails)
        while lasting():
            self._rounds += 1
            names = self._dice.sample(NAMES, ACTS)
            await asyncio.gather(*(self._act(name, self._dice.random()) for name in names))
            if self._rounds % CUT == 0:
                self.cuts += self._traffic.cut_watches()
            await asyncio.sleep(PACE)  # the pace is what is played, and not a wait for anything
        self._traffic.begin()

    async def rest(self) -> None:
        """Brings all tenants back, and waits until nothing is left to do."""
        for name in NAMES:
            await self._quietly(self._wanted(name))
        await until(self._all_ready, "all tenants are Ready", every=0.5)
        await until(self._idle, "the operator has nothing to do", every=0.5)

    def _fails(self, request: Request) -> Mode | None:
        if request.wire != "neon" or self._dice.random() >= FAILING:
            return None
        self.failures += 1
        return self._dice.choice(SPOILED)

    async def _act(self, name: str, dice: float) -> None:
        self.acts += 1
        scene = self._scene
        if await scene.cluster.get("TenantDatabase", name) is None:
            await self._quietly(scene.create(name, self._dice.choice(("free", "pro"))))
        elif dice < 0.3:
            await self._quietly(scene.cluster.delete("TenantDatabase", name))
        elif dice < 0.6:
            tier = scene.tiers[self._dice.choice(("free", "pro"))]
            await self._quietly(scene.change(name, tier=tier))
        elif dice < 0.8:
            await self._quietly(scene.change(name, state=self._dice.choice(("Active", "Suspended"))))
        else:
            change = {"data": {"password": "bm8="}}
            await self._quietly(scene.cluster.patch("Secret", f"{name}-database", change))
            await self._quietly(scene.annotate(name, reconcile_requested_at=str(self.acts)))

    async def _wanted(self, name: str) -> None:
        found = await self._scene.cluster.get("TenantDatabase", name)
        if found is not None and "deletionTimestamp" in found["metadata"]:
            await self._scene.cluster.until_gone("TenantDatabase", name)
            found = None
        if found is None:
            await self._scene.create(name)
        else:
            await self._scene.change(name, state="Active", tier=self._scene.tiers["free"])

    async def _quietly(self, act: Awaitable[object]) -> None:
        """What is gone, or there already, is so for people too."""
        try:
            await act
        except RefusedError as error:
            if error.status not in (404, 409):
                raise

    async def _all_ready(self) -> bool:
        found = await self._scene.cluster.list("TenantDatabase")
        return len(found) == len(NAMES) and all(is_ready(tenant) for tenant in found)

    async def _idle(self) -> bool:
        samples = await scrape(self._scene)
        waiting = ("queue_depth", "queue_backing_off", "budget_waiting")
        return all(value(samples, name) == 0 for name in waiting if f"neon_tenants_{name}" in samples)
