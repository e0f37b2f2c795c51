"""A scene whose operators reach both of their servers over wires."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

import yaml

from scene import Scene
from wire import Traffic, Wire


@asynccontextmanager
async def wired(scene: Scene) -> AsyncIterator[Traffic]:
    """Puts wires between the scene's operators and the servers; at the end the operators are stopped."""

    dying = asyncio.Lock()

    async def end(sign: signal.Signals) -> bool:
        async with dying:  # of two requests that kill, one finds nobody alive
            running = [operator for operator in scene.operators if operator.running]
            for operator in running:
                operator.send(sign)
                await operator.wait()
            return bool(running)

    traffic = Traffic(end, journal=scene.folder / "faults.jsonl")
    neon = urlsplit(scene.neon.url)
    async with AsyncExitStack() as stack:
        to_kube = Wire.to(scene.plane.url, name="kube", ca_file=scene.plane.ca_file, traffic=traffic)
        to_neon = Wire.to(f"{neon.scheme}://{neon.netloc}", name="neon", traffic=traffic)
        kube, console = await stack.enter_async_context(to_kube), await stack.enter_async_context(to_neon)
        config = yaml.safe_load(scene.kubeconfig.read_text())
        config["clusters"][0]["cluster"] = {"server": kube.url}
        scene.kubeconfig.write_text(yaml.safe_dump(config))
        scene.api_url = console.url + neon.path
        yield traffic
        await scene.stop_operators()


@asynccontextmanager
async def reviving(scene: Scene, traffic: Traffic, **settings: str) -> AsyncIterator[None]:
    """Starts the operator again whenever it has ended, as its Deployment does."""

    async def revive() -> None:
        while True:
            await traffic.ended.wait()
            traffic.ended.clear()
            await scene.start_operator(**settings)

    task = asyncio.create_task(revive())
    try:
        yield
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
