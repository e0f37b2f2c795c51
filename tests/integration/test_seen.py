"""What an operator shows of itself: probes, metrics, and its answers to the command line."""

from __future__ import annotations

from pathlib import Path

import httpx

from cluster import until
from neon_sandbox import installation, manifests
from neon_sandbox.controlplane import ControlPlane, prepare
from neon_sandbox.emulator import Emulator
from scene import served


async def probe(address: str, name: str) -> tuple[int, str]:
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"{address}/{name}")
        return answer.status_code, answer.text


async def test_the_operator_is_ready_when_its_crds_are_installed_and_listed(tmp_path: Path) -> None:
    """On a control plane of its own: the CRDs come, and go again."""
    binaries = await prepare(None)
    async with ControlPlane.start(binaries) as plane, Emulator.start() as neon:
        await installation.kubectl(plane, "apply", "-f", manifests.example(manifests.RBAC))
        kubeconfig = tmp_path / "operator.kubeconfig"
        await installation.write_operator_kubeconfig(plane, kubeconfig)
        key_file = tmp_path / "key"
        key_file.write_text(neon.api_key)
        settings = {
            "cluster_id": "probes",
            "api_key_file": str(key_file),
            "api_url": neon.url,
            "listen": "127.0.0.1:0",
        }
        async with installation.operator(tmp_path, kubeconfig=kubeconfig, settings=settings) as child:
            address = await served(child)
            assert await probe(address, "healthz") == (200, "ok\n")
            status, why = await probe(address, "readyz")
            assert status == 503
            assert "CRDs" in why

            async def ready() -> bool:
                return (await probe(address, "readyz"))[0] == 200

            async def not_ready() -> bool:
                return not await ready()

            await installation.install(plane)
            await until(ready, "the operator is ready")
            await installation.kubectl(plane, "delete", "-f", "-", stdin=manifests.crds())
            await until(not_ready, "the operator is not ready without its CRDs")
            assert await probe(address, "healthz") == (200, "ok\n")
            await installation.install(plane)
            await until(ready, "the operator is ready again")
