"""A scene whose operators reach both of their servers over wires."""

from __future__ import annotations

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

    async def crash() -> None:
        for operator in scene.operators:
            if operator.running:
                operator.send(signal.SIGKILL)
                await operator.wait()

    traffic = Traffic(crash, journal=scene.folder / "faults.jsonl")
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
