"""What an operator shows at /metrics."""

from __future__ import annotations

import httpx
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from scene import Scene


async def scrape(scene: Scene) -> dict[str, list[Sample]]:
    """All samples, by their names."""
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"{await scene.address()}/metrics")
    found: dict[str, list[Sample]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample)
    return found


def value(samples: dict[str, list[Sample]], name: str, **labels: str) -> float:
    """The sum of the samples with these labels."""
    return sum(s.value for s in samples[f"neon_tenants_{name}"] if labels.items() <= s.labels.items())


async def shown(scene: Scene, name: str, **labels: str) -> float:
    """One number of this moment."""
    return value(await scrape(scene), name, **labels)
